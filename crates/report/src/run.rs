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
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use emberline_base::record::{self, Epoch, Outcome, Status, Summary};
use emberline_base::{Sums, file, json, run_files};
use serde_json::Value;

use crate::{Error, history};

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
        let text = match read_text(&path) {
            Err(Error::File(error))
                if matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Err(Error::NotARun(dir.to_owned()));
            }
            other => other?,
        };
        let value = serde_json::from_str::<Value>(&text);
        if let Ok(value) = &value {
            check_version(&path, value)?;
        }
        check(&read_sums(dir)?, &path, text.as_bytes())?;
        let value = value.map_err(|error| json_error(&path, &error))?;
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
/// entry in the summary except for the values of the axes.
fn find_attempt(folder: &Path, mut entry: Value) -> Result<PathBuf, Error> {
    let path = folder.join(run_files::RESULT);
    let bytes = file::read(&path)?;
    let mut result: Value = serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?;
    let number = result.get("attempt").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let cell = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fault = |fault: &str| Error::Cell { path: path.clone(), cell: cell.clone(), fault: fault.to_owned() };
    let attempt = run_files::attempt(folder, number.ok_or_else(|| fault("names no attempt"))?);
    check(&read_sums(&attempt)?, &path, &bytes)?;
    for value in [&mut result, &mut entry] {
        if let Some(object) = value.as_object_mut() {
            ["version", "attempt", "settings"].iter().for_each(|key| drop(object.remove(*key)));
        }
    }
    if result == entry { Ok(attempt) } else { Err(fault("differs from its entry in summary.json")) }
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
    Error::Json { path: path.to_owned(), line: error.line(), column: error.column(), message: json::words(error) }
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
    let mut outcome: Outcome = serde_json::from_value(entry).map_err(|error| json::words(&error))?;
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
    let path = folder.join(run_files::SETTINGS);
    let bytes = file::read(&path)?;
    check(&read_sums(&folder)?, &path, &bytes)?;
    let table: Option<toml::Table> = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    let settings = table.and_then(|table| serde_json::to_value(table).ok());
    settings.map(Some).ok_or(Error::Settings(path))
}

fn read_history(attempt: &Path, outcome: &Outcome) -> Result<Vec<Epoch>, Error> {
    let path = attempt.join(run_files::HISTORY);
    let bytes = file::read(&path)?;
    check(&read_sums(attempt)?, &path, &bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let epochs = history::from_csv(&path, &text)?;
    if epochs.len() != outcome.epochs as usize {
        let fault = format!("{} epochs, but summary.json counts {}", epochs.len(), outcome.epochs);
        return Err(Error::History { path, line: epochs.len() as u64 + 1, fault });
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Format, render, sample};

    fn write(run: &Run, dir: &Path) {
        let json = serde_json::to_string_pretty(&run.summary).expect("a summary");
        write_summed(dir, &[("summary.json", &json)]);
        for (id, epochs) in &run.histories {
            let cell = run.summary.cells.iter().find(|cell| cell.id == *id).expect("a cell");
            let mut result = serde_json::to_value(cell).expect("a cell");
            result["attempt"] = 1.into();
            write_cell(&run_files::cell(dir, id), &result.to_string(), &history::to_csv(epochs));
        }
    }

    /// Writes files and their checksums.
    fn write_summed(folder: &Path, files: &[(&str, &str)]) {
        let mut sums = Sums::default();
        for (name, text) in files {
            file::write_atomic(&folder.join(name), text.as_bytes()).expect("written");
            sums.add(name, text.as_bytes());
        }
        file::write_atomic(&folder.join(run_files::SUMS), sums.to_text().as_bytes()).expect("written");
    }

    /// Writes the record of a cell, and the only attempt at it.
    fn write_cell(folder: &Path, result: &str, history: &str) {
        let attempt = run_files::attempt(folder, 1);
        write_summed(&attempt, &[(run_files::RESULT, result), (run_files::HISTORY, history)]);
        fs::rename(attempt.join(run_files::RESULT), folder.join(run_files::RESULT)).expect("moved");
    }

    /// Returns the error of loading the sample run after `change` to its folder.
    fn fault(change: impl Fn(&Path, String) -> String) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        write(&sample::course(), dir.path());
        let path = dir.path().join("summary.json");
        let text = fs::read_to_string(&path).expect("readable");
        let changed = change(dir.path(), text);
        write_summed(dir.path(), &[("summary.json", &changed)]);
        let message = Run::load(dir.path()).expect_err("damaged").to_string();
        message.replace(&dir.path().display().to_string(), "RUN")
    }

    /// The folder of the first cell.
    fn cell_of(dir: &Path) -> PathBuf {
        run_files::cell(dir, &sample::course().summary.cells[0].id)
    }

    /// The folder of the attempt at the first cell.
    fn attempt_of_first_cell(dir: &Path) -> PathBuf {
        run_files::attempt(&cell_of(dir), 1)
    }

    /// Changes the first cell's record and history, and updates their checksums.
    fn change_cell(dir: &Path, result: impl Fn(&str) -> String, history: impl Fn(&str) -> String) {
        let read = |path: PathBuf| fs::read_to_string(path).expect("readable");
        let old = [cell_of(dir).join(run_files::RESULT), attempt_of_first_cell(dir).join(run_files::HISTORY)].map(read);
        write_cell(&cell_of(dir), &result(&old[0]), &history(&old[1]));
    }

    #[test]
    fn what_nothing_vouches_for_is_refused() {
        type Change = fn(&Path);
        let changes: [(Change, &str); 5] = [
            (
                |dir| fs::remove_file(attempt_of_first_cell(dir).join(run_files::SUMS)).expect("removed"),
                "SHA256SUMS is missing",
            ),
            (|dir| fs::remove_file(attempt_of_first_cell(dir).join("history.csv")).expect("removed"), "history.csv"),
            (
                |dir| fs::write(attempt_of_first_cell(dir).join("history.csv"), "epoch\n").expect("written"),
                "isn't what was written",
            ),
            (
                // If the checksums are updated as well, the contradiction to the summary is detected.
                |dir| change_cell(dir, |text| text.replacen("\"best_epoch\":", "\"best_epoch\":1", 1), str::to_owned),
                "differs from its entry in summary.json",
            ),
            (
                |dir| change_cell(dir, |text| text.replacen("\"attempt\":1", "\"other\":1", 1), str::to_owned),
                "names no attempt",
            ),
        ];
        for (change, expected) in changes {
            let message = fault(|dir, text| {
                change(dir);
                text
            });
            assert!(message.contains(expected), "{message}");
        }
        let dir = tempfile::tempdir().expect("a folder");
        write(&sample::course(), dir.path());
        fs::remove_file(dir.path().join(run_files::SUMS)).expect("removed");
        assert!(matches!(Run::load(dir.path()), Err(Error::NoSums(_))));
    }

    #[test]
    fn a_run_reads_back_equal_and_renders_to_equal_bytes() {
        for run in [sample::course(), sample::single(), sample::without_validation(), sample::empty()] {
            let dir = tempfile::tempdir().expect("a folder");
            write(&run, dir.path());
            let read = Run::load(dir.path()).expect("readable");
            assert_eq!(read, run);
            for format in Format::ALL {
                assert_eq!(render(&read, format), render(&run, format));
            }
        }
    }

    #[test]
    fn a_folder_that_is_no_run_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let message = Run::load(dir.path()).expect_err("empty").to_string();
        assert!(message.contains("is not a run folder: it has no summary.json"), "{message}");
        assert!(matches!(Run::load(&dir.path().join("missing")), Err(Error::NotARun(_))));
    }

    #[test]
    fn every_damage_of_the_summary_is_placed() {
        let message = fault(|_, text| text[..text.len() / 2].to_owned());
        assert!(message.starts_with("RUN/summary.json:") && message.contains("it ends too early"), "{message}");
        let message = fault(|_, text| text.replacen("\"task\": \"binary\"", "\"task\": \"ternary\"", 1));
        assert!(message.contains("unknown value `ternary`") && !message.contains("json:0"), "{message}");
        let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 99", 1));
        assert!(message.contains("version 99 of the records is newer than this program reads (3)"), "{message}");
        let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 1", 1));
        assert!(message.contains("version 1 of the records is that of an earlier program"), "{message}");
        let message = fault(|_, text| text.replacen("\"best_epoch\": ", "\"best_epoch\": -", 1));
        assert!(message.contains("is done, but a value has the wrong type"), "{message}");
        let message = fault(|_, text| text.replacen("\"id\": \"swivel-20", "\"id\": \"../swivel-20", 1));
        assert!(message.contains("has an id that can't be the name of a folder"), "{message}");
    }

    #[test]
    fn a_cell_that_is_listed_twice_is_refused() {
        let mut run = sample::single();
        run.summary.cells.push(run.summary.cells[0].clone());
        let dir = tempfile::tempdir().expect("a folder");
        write(&run, dir.path());
        assert!(Run::load(dir.path()).expect_err("twice").to_string().contains("is listed twice"));
    }

    #[test]
    fn a_damaged_history_is_refused_and_a_missing_one_is_left_out() {
        let message = fault(|dir, text| {
            change_cell(dir, str::to_owned, |whole| whole[..whole.len() - 3].to_owned());
            text
        });
        assert!(message.contains("history.csv:") && message.contains("the last line is truncated"), "{message}");
        let message = fault(|dir, text| {
            change_cell(dir, str::to_owned, |whole| {
                let lines: Vec<&str> = whole.lines().collect();
                lines[..lines.len() - 1].join("\n") + "\n"
            });
            text
        });
        assert!(message.contains(" epochs, but summary.json counts "), "{message}");
        let dir = tempfile::tempdir().expect("a folder");
        write(&sample::course(), dir.path());
        fs::remove_dir_all(cell_of(dir.path())).expect("removed");
        let read = Run::load(dir.path()).expect("readable");
        assert!(
            read.histories.len() == 15 && render(&read, Format::Html).contains("1 finished cell without a history.csv")
        );
    }

    #[test]
    fn only_done_cells_have_results() {
        let mut run = sample::single();
        run.summary.cells[0].status = Status::Pending;
        let dir = tempfile::tempdir().expect("a folder");
        write(&run, dir.path());
        let read = Run::load(dir.path()).expect("readable");
        assert!(read.summary.cells[0].outcome.is_none() && read.histories.is_empty());
    }

    #[test]
    fn a_metric_that_is_null_is_not_a_number() {
        let mut run = sample::single();
        if let Some(outcome) = &mut run.summary.cells[0].outcome {
            outcome.metrics.insert("val_pr_auc".to_owned(), f64::NAN);
        }
        let dir = tempfile::tempdir().expect("a folder");
        write(&run, dir.path());
        let read = Run::load(dir.path()).expect("readable");
        assert!(read.summary.cells[0].outcome.as_ref().is_some_and(|o| o.metrics["val_pr_auc"].is_nan()));
        assert!(render(&read, Format::Markdown).contains("NaN"));
    }
}
