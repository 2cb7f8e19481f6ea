//! Reads the records of a run folder.
//!
//! ```text
//! runs/<pipeline>/summary.json  SHA256SUMS                        record::Summary
//!                 cells/<id>/result.json                          names the valid attempt
//!                            attempts/<n>/history.csv SHA256SUMS  of each done cell (see `history`)
//! ```
//! Every file is verified: a file that doesn't match its checksum in `SHA256SUMS`, or a record that contradicts the summary,
//! is refused, so that no report is made from corrupt or mixed results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

use emberline_base::number::counted;
use emberline_base::record::{self, Epoch, Outcome, Status, Summary};
use emberline_base::{Sums, file, json, run_files};
use serde_json::Value;

use crate::{Error, SummedFolder, history};

/// The records of a run, from which reports are rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The summary: the cells with their results, and the data.
    pub summary: Summary,
    /// The epochs of the done cells, by the cell's id. A cell whose folder is missing has no entry.
    pub histories: BTreeMap<String, Vec<Epoch>>,
}

impl Run {
    /// Reads `dir/summary.json` and the histories of its done cells.
    ///
    /// The history of a cell whose folder is missing is skipped, and the report says so.
    ///
    /// # Errors
    /// If `dir` is not a run folder, a file doesn't match its checksum, or another version wrote it.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(run_files::SUMMARY);
        let text = summary_text(dir, &path)?;
        let value = summary_value(dir, &path, &text)?;
        let (summary, entries) = read_summary(&path, &text, value)?;
        let mut histories = BTreeMap::new();
        for (cell, entry) in summary.cells.iter().zip(entries).filter(|(cell, _)| cell.status != Status::Pending) {
            let folder = run_files::cell(dir, &cell.id);
            if !folder.exists() {
                continue;
            }
            let attempt = find_attempt(&folder, entry)?;
            if let Some(outcome) = &cell.outcome {
                histories.insert(cell.id.clone(), read_history(&attempt, outcome)?);
            }
        }
        Ok(Self { summary, histories })
    }
}

/// Reads `dir/summary.json` alone.
///
/// # Errors
/// Those of [`Run::load`] that concern this file.
pub fn read_whole_summary(dir: &Path) -> Result<Summary, Error> {
    let path = dir.join(run_files::SUMMARY);
    let text = summary_text(dir, &path)?;
    let value = summary_value(dir, &path, &text)?;
    Ok(read_summary(&path, &text, value)?.0)
}

/// Reads the text of a summary.
fn summary_text(dir: &Path, path: &Path) -> Result<String, Error> {
    match read_text(path) {
        Err(Error::File(error)) if matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(without_summary(dir))
        }
        other => other,
    }
}

/// Parses the text of a summary, of this version and as it was written.
fn summary_value(dir: &Path, path: &Path, text: &str) -> Result<Value, Error> {
    let value = serde_json::from_str::<Value>(text);
    if let Ok(value) = &value {
        check_version(path, value)?;
    }
    check(&read_sums(dir)?, path, text.as_bytes())?;
    value.map_err(|error| json_error(path, &error))
}

/// Returns the error of a folder without a summary: it is not a run folder, the run was interrupted before its first summary,
/// or the file was removed.
fn without_summary(dir: &Path) -> Error {
    if !dir.join(run_files::RUN).is_file() && !dir.join(run_files::CELLS).is_dir() {
        return Error::NotARun(dir.to_owned());
    }
    let entries = |folder: &str| fs::read_dir(dir.join(folder)).into_iter().flatten().flatten();
    let (ended, interrupted): (Vec<_>, Vec<_>) =
        entries(run_files::CELLS).partition(|cell| cell.path().join(run_files::RESULT).is_file());
    if ended.is_empty() {
        Error::NoCellEnded(dir.to_owned())
    } else if !interrupted.is_empty() || entries(run_files::UNDER_WAY).next().is_some() {
        Error::NotSummarised(dir.to_owned())
    } else {
        Error::Missing(dir.join(run_files::SUMMARY))
    }
}

/// Reads a file that a run wrote; a missing file is [`Error::Missing`].
pub(crate) fn read_record(path: &Path) -> Result<Vec<u8>, Error> {
    file::read(path).map_err(|error| match error.source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::Missing(path.to_owned()),
        _ => error.into(),
    })
}

/// Reads the `SHA256SUMS` of a folder, which must have one.
pub(crate) fn read_sums(folder: &Path) -> Result<Sums, Error> {
    Sums::of_folder(folder)?.ok_or_else(|| Error::NoSums(folder.join(run_files::SUMS)))
}

/// Verifies the content of a file by its checksum.
pub(crate) fn check(sums: &Sums, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if sums.check(&name, bytes) { Ok(()) } else { Err(Error::Changed(path.to_owned())) }
}

/// Returns the folder of a cell's valid attempt. The cell's `result.json` must match its checksum, and be equal to the cell's
/// entry in the summary except for the values of the axes and for what the summary leaves out.
fn find_attempt(folder: &Path, mut entry: Value) -> Result<SummedFolder, Error> {
    let cell = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (attempt, mut result) = valid_attempt(folder, &cell)?;
    for value in [&mut result, &mut entry] {
        if let Some(object) = value.as_object_mut() {
            ["version", "attempt", "execution", "settings"].iter().for_each(|key| drop(object.remove(*key)));
        }
    }
    if result == entry {
        return Ok(attempt);
    }
    Err(Error::Cell {
        path: folder.join(run_files::RESULT),
        cell,
        fault: "differs from its entry in summary.json".to_owned(),
    })
}

/// Returns the attempt that the `result.json` in a cell's folder names, and the content of that file, which must match its
/// checksum.
pub(crate) fn valid_attempt(folder: &Path, cell: &str) -> Result<(SummedFolder, Value), Error> {
    let path = folder.join(run_files::RESULT);
    let bytes = read_record(&path)?;
    let result: Value = serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?;
    let number = result.get("attempt").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let unnamed = || Error::Cell { path: path.clone(), cell: cell.to_owned(), fault: "names no attempt".to_owned() };
    let attempt = SummedFolder::open(run_files::attempt(folder, number.ok_or_else(unnamed)?))?;
    attempt.check(&path, &bytes)?;
    Ok((attempt, result))
}

/// Refuses a record that another version of the program wrote. It is called before any other check of the record.
pub(crate) fn check_version(path: &Path, value: &Value) -> Result<(), Error> {
    match value.get("version").and_then(Value::as_u64) {
        Some(found) if found > record::VERSION.into() => {
            Err(Error::Version { path: path.to_owned(), found, known: record::VERSION })
        }
        Some(found) if found < record::VERSION.into() => {
            Err(Error::EarlierVersion { path: path.to_owned(), found, known: record::VERSION })
        }
        Some(_) | None => Ok(()),
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = file::read(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Error::Json { path: path.to_owned(), line, column: 0, message: "this is not UTF-8".to_owned() }
    })
}

pub(crate) fn json_error(path: &Path, error: &serde_json::Error) -> Error {
    Error::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
        message: json::describe_error(error),
    }
}

/// Parses the summary, and returns it with the JSON entry of each of its cells.
fn read_summary(path: &Path, text: &str, mut value: Value) -> Result<(Summary, Vec<Value>), Error> {
    let mut summary: Summary = serde_json::from_str(text).map_err(|error| json_error(path, &error))?;
    let mut ids = BTreeSet::new();
    for (index, cell) in summary.cells.iter_mut().enumerate() {
        let fault = |fault: String| Error::Cell { path: path.to_owned(), cell: cell.id.clone(), fault };
        if !is_file_name(&cell.id) {
            return Err(fault("has an id that can't be the name of a folder".to_owned()));
        }
        if !ids.insert(cell.id.clone()) {
            return Err(fault("is listed twice".to_owned()));
        }
        if cell.status != Status::Done {
            // A cell that failed or is pending may have an outcome of an earlier attempt, which is no result.
            cell.outcome = None;
        } else if cell.outcome.is_none() {
            let entry = value.get("cells").and_then(|cells| cells.get(index)).cloned().unwrap_or_default();
            cell.outcome = Some(parse_outcome_with_nulls(entry).map_err(|e| fault(format!("is done, but {e}")))?);
        }
    }
    let entries = value.get_mut("cells").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    Ok((summary, entries))
}

/// Parses an outcome whose metrics may be null, which is how JSON represents NaN.
fn parse_outcome_with_nulls(mut entry: Value) -> Result<Outcome, String> {
    let mut gaps = Vec::new();
    if let Some(metrics) = entry.get_mut("metrics").and_then(Value::as_object_mut) {
        gaps = metrics.iter().filter(|(_, v)| v.is_null()).map(|(name, _)| name.clone()).collect();
        metrics.retain(|_, value| !value.is_null());
    }
    let mut outcome: Outcome = serde_json::from_value(entry).map_err(|error| json::describe_error(&error))?;
    outcome.metrics.extend(gaps.into_iter().map(|name| (name, f64::NAN)));
    Ok(outcome)
}

/// Returns whether an id is a valid name of a folder directly below `cells/`, on every operating system.
fn is_file_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    let single = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    single && !id.contains(['/', '\\', ':', '\0'])
}

/// Reads the settings that a cell was trained with (`cell.toml`); `None` if it has no folder or is pending.
pub(crate) fn read_settings(dir: &Path, cell: &record::Cell) -> Result<Option<Value>, Error> {
    let folder = run_files::cell(dir, &cell.id);
    if cell.status == Status::Pending || !folder.exists() {
        return Ok(None);
    }
    let attempt = valid_attempt(&folder, &cell.id)?.0;
    let bytes = attempt.read(run_files::SETTINGS)?;
    let table: Option<toml::Table> = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    let settings = table.and_then(|table| serde_json::to_value(table).ok());
    settings.map(Some).ok_or_else(|| Error::Settings(attempt.path_of(run_files::SETTINGS)))
}

fn read_history(attempt: &SummedFolder, outcome: &Outcome) -> Result<Vec<Epoch>, Error> {
    let path = attempt.path_of(run_files::HISTORY);
    let bytes = attempt.read(run_files::HISTORY)?;
    let text = String::from_utf8_lossy(&bytes);
    let epochs = history::from_csv(&path, &text)?;
    if epochs.len() != outcome.epochs as usize {
        let fault = format!("{}, but summary.json counts {}", counted(epochs.len(), "epoch"), outcome.epochs);
        return Err(Error::History { path, line: epochs.len() as u64 + 1, fault });
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests;
