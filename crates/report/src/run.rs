//! A run folder, read back.
//!
//! ```text
//! runs/<pipeline>/summary.json  SHA256SUMS                        record::Summary
//!                 cells/<id>/result.json                          names the attempt that counts
//!                            attempts/<n>/history.csv SHA256SUMS  of each done cell (see `history`)
//! ```
//! What is read has to be what was written: a file that `SHA256SUMS` doesn't vouch for, or a record that the summary
//! contradicts, is refused, since nobody could tell what such a report would be of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

use emberline_base::number::counted;
use emberline_base::record::{self, Epoch, Outcome, Status, Summary};
use emberline_base::{Sums, file, json, run_files};
use serde_json::Value;

use crate::{Error, SummedFolder, history};

/// Everything that a report is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The cells with their results, and the data.
    pub summary: Summary,
    /// The epochs of the done cells, by the cell's id. A cell may lack here: the report says so.
    pub histories: BTreeMap<String, Vec<Epoch>>,
}

impl Run {
    /// Reads `dir/summary.json` and the histories of its done cells.
    ///
    /// The history of a cell whose folder is missing is left out (and named in the report).
    ///
    /// # Errors
    /// When `dir` is no run folder, a file isn't what was written, or another version has written it.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(run_files::SUMMARY);
        let text = match read_text(&path) {
            Err(Error::File(error))
                if matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Err(without_summary(dir));
            }
            other => other?,
        };
        let value = serde_json::from_str::<Value>(&text);
        if let Ok(value) = &value {
            check_version(&path, value)?;
        }
        check(&sums_of(dir)?, &path, text.as_bytes())?;
        let value = value.map_err(|error| json_error(&path, &error))?;
        let (summary, entries) = read_summary(&path, &text, value)?;
        let mut histories = BTreeMap::new();
        for (cell, entry) in summary.cells.iter().zip(entries).filter(|(cell, _)| cell.status != Status::Pending) {
            let folder = run_files::cell(dir, &cell.id);
            if !folder.exists() {
                continue;
            }
            let attempt = attempt_of(&folder, entry)?;
            if let Some(outcome) = &cell.outcome {
                histories.insert(cell.id.clone(), read_history(&attempt, outcome)?);
            }
        }
        Ok(Self { summary, histories })
    }
}

/// Why a folder has no summary: it is no run folder, the run was cut short before the first one, or the file was removed.
fn without_summary(dir: &Path) -> Error {
    if !dir.join(run_files::RUN).is_file() && !dir.join(run_files::CELLS).is_dir() {
        return Error::NotARun(dir.to_owned());
    }
    let entries = |folder: &str| fs::read_dir(dir.join(folder)).into_iter().flatten().flatten();
    let (ended, cut_short): (Vec<_>, Vec<_>) =
        entries(run_files::CELLS).partition(|cell| cell.path().join(run_files::RESULT).is_file());
    if ended.is_empty() {
        Error::NoCellEnded(dir.to_owned())
    } else if !cut_short.is_empty() || entries(run_files::UNDER_WAY).next().is_some() {
        Error::NotSummarised(dir.to_owned())
    } else {
        Error::Missing(dir.join(run_files::SUMMARY))
    }
}

/// Reads a file that a run wrote.
pub(crate) fn read_record(path: &Path) -> Result<Vec<u8>, Error> {
    file::read(path).map_err(|error| match error.source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::Missing(path.to_owned()),
        _ => error.into(),
    })
}

/// The `SHA256SUMS` of a folder, which must have one.
pub(crate) fn sums_of(folder: &Path) -> Result<Sums, Error> {
    Sums::of_folder(folder)?.ok_or_else(|| Error::NoSums(folder.join(run_files::SUMS)))
}

/// Compares a file with what `SHA256SUMS` says of it.
pub(crate) fn check(sums: &Sums, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if sums.check(&name, bytes) { Ok(()) } else { Err(Error::Changed(path.to_owned())) }
}

/// The folder of the attempt that counts for a cell. Its `result.json` has to be what was written, and to say the same as the
/// cell's entry in the summary, but for the axes of its plan.
fn attempt_of(folder: &Path, mut entry: Value) -> Result<SummedFolder, Error> {
    let cell = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (attempt, mut result) = attempt_that_counts(folder, &cell)?;
    for value in [&mut result, &mut entry] {
        if let Some(object) = value.as_object_mut() {
            ["version", "attempt", "settings"].iter().for_each(|key| drop(object.remove(*key)));
        }
    }
    if result == entry {
        return Ok(attempt);
    }
    Err(Error::Cell { path: folder.join(run_files::RESULT), cell, fault: "isn't what summary.json says".to_owned() })
}

/// The attempt that the `result.json` in a cell's folder names, and what that file says; it has to be what was written.
fn attempt_that_counts(folder: &Path, cell: &str) -> Result<(SummedFolder, Value), Error> {
    let path = folder.join(run_files::RESULT);
    let bytes = read_record(&path)?;
    let result: Value = serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?;
    let number = result.get("attempt").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let unnamed = || Error::Cell { path: path.clone(), cell: cell.to_owned(), fault: "names no attempt".to_owned() };
    let attempt = SummedFolder::open(run_files::attempt(folder, number.ok_or_else(unnamed)?))?;
    attempt.check(&path, &bytes)?;
    Ok((attempt, result))
}

/// Refuses a summary that another version has written, whatever else may be wrong with it.
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

/// The summary, and the entry of each of its cells as it stands in the file.
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
            // What an earlier try left is no result.
            cell.outcome = None;
        } else if cell.outcome.is_none() {
            let entry = value.get("cells").and_then(|cells| cells.get(index)).cloned().unwrap_or_default();
            cell.outcome = Some(outcome_with_gaps(entry).map_err(|e| fault(format!("is done, but {e}")))?);
        }
    }
    let entries = value.get_mut("cells").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    Ok((summary, entries))
}

/// Reads an outcome whose metrics may be null, which is how JSON writes a metric that is not a number.
fn outcome_with_gaps(mut entry: Value) -> Result<Outcome, String> {
    let mut gaps = Vec::new();
    if let Some(metrics) = entry.get_mut("metrics").and_then(Value::as_object_mut) {
        gaps = metrics.iter().filter(|(_, v)| v.is_null()).map(|(name, _)| name.clone()).collect();
        metrics.retain(|_, value| !value.is_null());
    }
    let mut outcome: Outcome = serde_json::from_value(entry).map_err(|error| json::words(&error))?;
    outcome.metrics.extend(gaps.into_iter().map(|name| (name, f64::NAN)));
    Ok(outcome)
}

/// Whether an id names a folder right below `cells/`, on every system.
fn is_file_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    let single = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    single && !id.contains(['/', '\\', ':', '\0'])
}

/// The settings that a cell was trained with (`cell.toml`); none if it has no folder, or was never begun.
pub(crate) fn read_settings(dir: &Path, cell: &record::Cell) -> Result<Option<Value>, Error> {
    let folder = run_files::cell(dir, &cell.id);
    if cell.status == Status::Pending || !folder.exists() {
        return Ok(None);
    }
    let attempt = attempt_that_counts(&folder, &cell.id)?.0;
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
mod tests {
    use std::path::PathBuf;

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

    /// Writes files and their sums.
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

    /// What loading says of the course's run after `change` to its folder.
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
    fn attempt_of_first(dir: &Path) -> PathBuf {
        run_files::attempt(&cell_of(dir), 1)
    }

    /// Changes the first cell's record and history, and the sums that vouch for them.
    fn change_cell(dir: &Path, result: impl Fn(&str) -> String, history: impl Fn(&str) -> String) {
        let read = |path: PathBuf| fs::read_to_string(path).expect("readable");
        let old = [cell_of(dir).join(run_files::RESULT), attempt_of_first(dir).join(run_files::HISTORY)].map(read);
        write_cell(&cell_of(dir), &result(&old[0]), &history(&old[1]));
    }

    #[test]
    fn what_nothing_vouches_for_is_refused() {
        type Change = fn(&Path);
        let changes: [(Change, &str); 5] = [
            (
                |dir| fs::remove_file(attempt_of_first(dir).join(run_files::SUMS)).expect("removed"),
                "SHA256SUMS is missing",
            ),
            (|dir| fs::remove_file(attempt_of_first(dir).join("history.csv")).expect("removed"), "history.csv"),
            (
                |dir| fs::write(attempt_of_first(dir).join("history.csv"), "epoch\n").expect("written"),
                "isn't what was written",
            ),
            (
                // Whoever makes the sums anew, too, is told by the summary.
                |dir| change_cell(dir, |text| text.replacen("\"best_epoch\":", "\"best_epoch\":1", 1), str::to_owned),
                "isn't what summary.json says",
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
        assert!(message.contains("is no run folder: it holds no summary.json"), "{message}");
        assert!(matches!(Run::load(&dir.path().join("missing")), Err(Error::NotARun(_))));
    }

    #[test]
    fn a_run_without_a_summary_says_why() {
        let dir = tempfile::tempdir().expect("a folder");
        let why = || Run::load(dir.path()).expect_err("no summary");
        fs::write(dir.path().join(run_files::RUN), "{}").expect("written");
        assert!(matches!(why(), Error::NoCellEnded(_)));
        let cells = dir.path().join(run_files::CELLS);
        fs::create_dir_all(cells.join("a/attempts/1")).expect("made");
        assert!(why().to_string().contains("no cell has ended yet; run the pipeline"), "{}", why());
        fs::create_dir(cells.join("b")).and_then(|()| fs::write(cells.join("b/result.json"), "{}")).expect("made");
        assert!(matches!(why(), Error::NotSummarised(_)));
        fs::remove_dir_all(cells.join("a")).expect("removed");
        assert!(matches!(why(), Error::Missing(path) if path.ends_with("summary.json")));
    }

    #[test]
    fn a_file_of_a_cell_that_was_removed_is_named() {
        for name in [run_files::RESULT, "attempts/1/history.csv"] {
            let message = fault(|dir, text| {
                fs::remove_file(cell_of(dir).join(name)).expect("removed");
                text
            });
            assert!(message.contains(name) && message.contains("is missing; run the pipeline again"), "{message}");
        }
    }

    #[test]
    fn every_damage_of_the_summary_is_placed() {
        let message = fault(|_, text| text[..text.len() / 2].to_owned());
        assert!(message.starts_with("RUN/summary.json:") && message.contains("it ends too early"), "{message}");
        let message = fault(|_, text| text.replacen("\"task\": \"binary\"", "\"task\": \"ternary\"", 1));
        assert!(message.contains("`ternary` is no known value") && !message.contains("json:0"), "{message}");
        let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 99", 1));
        assert!(message.contains("version 99 of the records is newer than this program reads (3)"), "{message}");
        let message = fault(|_, text| text.replacen("\"version\": 3", "\"version\": 1", 1));
        assert!(message.contains("version 1 of the records is that of an earlier program"), "{message}");
        let message = fault(|_, text| text.replacen("\"best_epoch\": ", "\"best_epoch\": -", 1));
        assert!(message.contains("is done, but a value is not of the kind"), "{message}");
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
        assert!(message.contains("history.csv:") && message.contains("the last line does not end"), "{message}");
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
