//! A run folder, read back.
//!
//! ```text
//! runs/<pipeline>/summary.json              record::Summary
//!                 cells/<id>/history.csv    one for each done cell (see `history`)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path};

use emberline_base::record::{self, Cell, Epoch, Outcome, Status, Summary};
use emberline_base::{Sums, file};
use serde_json::Value;

use crate::{Error, history};

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
    /// A history that is missing is left out (and named in the report); one that is damaged is an error.
    ///
    /// # Errors
    /// When `dir` is no run folder, a file is damaged, or was written by a later version.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("summary.json");
        let text = match read_text(&path) {
            Err(Error::File(error)) if error.source.kind() == ErrorKind::NotFound => {
                return Err(Error::NotARun(dir.to_owned()));
            }
            other => other?,
        };
        check(dir, &path, text.as_bytes())?;
        let summary = read_summary(&path, &text)?;
        let mut histories = BTreeMap::new();
        for (cell, outcome) in summary.cells.iter().filter_map(|c| c.outcome.as_ref().map(|o| (c, o))) {
            if let Some(epochs) = read_history(dir, cell, outcome)? {
                histories.insert(cell.id.clone(), epochs);
            }
        }
        Ok(Self { summary, histories })
    }
}

/// Compares a file with what `SHA256SUMS` says of it, where its folder has one.
fn check(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match Sums::of_folder(folder)? {
        Some(sums) if !sums.check(&name, bytes) => Err(Error::Changed(path.to_owned())),
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

fn read_summary(path: &Path, text: &str) -> Result<Summary, Error> {
    let json = |error: serde_json::Error| Error::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
        message: plain(&error),
    };
    let value: Value = serde_json::from_str(text).map_err(json)?;
    if let Some(found) = value.get("version").and_then(Value::as_u64).filter(|v| *v > record::VERSION.into()) {
        return Err(Error::Version { path: path.to_owned(), found, known: record::VERSION });
    }
    let mut summary: Summary = serde_json::from_str(text).map_err(json)?;
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
    Ok(summary)
}

/// Reads an outcome whose metrics may be null, which is how JSON writes a metric that is not a number.
fn outcome_with_gaps(mut entry: Value) -> Result<Outcome, String> {
    let mut gaps = Vec::new();
    if let Some(metrics) = entry.get_mut("metrics").and_then(Value::as_object_mut) {
        gaps = metrics.iter().filter(|(_, v)| v.is_null()).map(|(name, _)| name.clone()).collect();
        metrics.retain(|_, value| !value.is_null());
    }
    let mut outcome: Outcome = serde_json::from_value(entry).map_err(|error| plain(&error))?;
    outcome.metrics.extend(gaps.into_iter().map(|name| (name, f64::NAN)));
    Ok(outcome)
}

/// The words of an error without its place, which is named apart.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Whether an id names a folder right below `cells/`, on every system.
fn is_file_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    let single = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    single && !id.contains(['/', '\\', ':', '\0'])
}

fn read_history(dir: &Path, cell: &Cell, outcome: &Outcome) -> Result<Option<Vec<Epoch>>, Error> {
    let path = dir.join("cells").join(&cell.id).join("history.csv");
    let bytes = match file::read(&path) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    check(path.parent().unwrap_or(dir), &path, &bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let epochs = history::from_csv(&path, &text)?;
    if epochs.len() != outcome.epochs as usize {
        let fault = format!("{} epochs, but summary.json counts {}", epochs.len(), outcome.epochs);
        return Err(Error::History { path, line: epochs.len() as u64 + 1, fault });
    }
    Ok(Some(epochs))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Format, render, sample};

    fn write(run: &Run, dir: &Path) {
        let json = serde_json::to_string_pretty(&run.summary).expect("a summary");
        fs::write(dir.join("summary.json"), json).expect("written");
        for (id, epochs) in &run.histories {
            let cell = dir.join("cells").join(id);
            fs::create_dir_all(&cell).expect("a folder");
            fs::write(cell.join("history.csv"), history::to_csv(epochs)).expect("written");
        }
    }

    /// What loading says of the course's run after `change` to its folder.
    fn fault(change: impl Fn(&Path, String) -> String) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        write(&sample::course(), dir.path());
        let path = dir.path().join("summary.json");
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, change(dir.path(), text)).expect("written");
        let message = Run::load(dir.path()).expect_err("damaged").to_string();
        message.replace(&dir.path().display().to_string(), "RUN")
    }

    fn history_of(dir: &Path) -> std::path::PathBuf {
        dir.join("cells").join(&sample::course().summary.cells[0].id).join("history.csv")
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
    fn every_damage_of_the_summary_is_placed() {
        let message = fault(|_, text| text[..text.len() / 2].to_owned());
        assert!(message.starts_with("RUN/summary.json:") && message.contains("EOF while parsing"), "{message}");
        let message = fault(|_, text| text.replacen("\"task\": \"binary\"", "\"task\": \"ternary\"", 1));
        assert!(message.contains("unknown variant `ternary`") && !message.contains("json:0"), "{message}");
        let message = fault(|_, text| text.replacen("\"version\": 1", "\"version\": 99", 1));
        assert!(message.contains("version 99 of the records is newer than this program reads (1)"), "{message}");
        let message = fault(|_, text| text.replacen("\"best_epoch\": ", "\"best_epoch\": -", 1));
        assert!(message.contains("is done, but invalid value: integer `-"), "{message}");
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
            let path = history_of(dir);
            let whole = fs::read_to_string(&path).expect("readable");
            fs::write(&path, &whole[..whole.len() - 3]).expect("written");
            text
        });
        assert!(message.contains("history.csv:") && message.contains("the last line does not end"), "{message}");
        let message = fault(|dir, text| {
            let path = history_of(dir);
            let whole = fs::read_to_string(&path).expect("readable");
            let lines: Vec<&str> = whole.lines().collect();
            fs::write(&path, lines[..lines.len() - 1].join("\n") + "\n").expect("written");
            text
        });
        assert!(message.contains(" epochs, but summary.json counts "), "{message}");
        let dir = tempfile::tempdir().expect("a folder");
        write(&sample::course(), dir.path());
        fs::remove_file(history_of(dir.path())).expect("removed");
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
