//! Reads `cells/<cell>/result.json`: a cell's record, and the attempt that it belongs to.
//!
//! ```json
//! { "version": 3, "attempt": 1, "execution": { "node": "...", "exit": "finished" }, "id": "...", ... }
//! ```
//! It is trusted only if `SHA256SUMS` in the folder of that attempt vouches for it and for every file of the attempt.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use emberline_base::record::{self, Execution, Status};
use emberline_base::{Sums, json, run_files};
use serde::{Deserialize, Serialize};

use super::RunFolder;
use crate::plan::{Cell, Plan};

/// The files of a finished cell beside `result.json`; a failed one has only the first.
pub(super) const RECORDS: [&str; 4] = [run_files::SETTINGS, run_files::HISTORY, run_files::EPOCHS, run_files::MODEL];

const CHANGED: &str = "isn't what was written: it was changed, or the disk is faulty";

/// The content of `result.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct ResultFile<R> {
    pub(super) version: u32,
    /// The number of the attempt that counts.
    pub(super) attempt: u32,
    /// Where the attempt was made, and how it ended; absent in records of earlier versions of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) execution: Option<Execution>,
    #[serde(flatten)]
    pub(super) record: R,
}

/// The fields that every version of `result.json` has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl RunFolder {
    /// Returns the record of a cell that has finished or failed, or `None` if there is none.
    ///
    /// # Errors
    /// A description of the damage, if a file isn't as it was written, or belongs to another cell: the cell has to be
    /// run again.
    pub(crate) fn record(&self, cell: &Cell) -> Result<Option<record::Cell>, String> {
        let folder = self.cell(&cell.id);
        let path = folder.join(run_files::RESULT);
        let damaged = |why: &str| format!("{} {why}", path.display());
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| damaged(&format!("can't be read: {error}")))?,
        };
        let words = |error: serde_json::Error| damaged(&json::describe_error_at(&error));
        let Version { version } = serde_json::from_slice(&bytes).map_err(words)?;
        if version != record::VERSION {
            return Err(damaged(&format!("has version {version}; {} is read", record::VERSION)));
        }
        let result: ResultFile<record::Cell> = serde_json::from_slice(&bytes).map_err(words)?;
        check_files(&run_files::attempt(&folder, result.attempt), &path, &bytes, &result.record)?;
        let is_told = match result.record.status {
            Status::Done => result.record.outcome.is_some(),
            Status::Failed => result.record.error.is_some() && result.record.cause.is_some(),
            Status::Pending => false,
        };
        if !is_told || !is_of(&result.record, cell) {
            return Err(damaged("is no record of this cell"));
        }
        Ok(Some(with_axes(result.record, cell)))
    }

    /// Returns the number of the attempt that counts, if there is one, without checking its files.
    pub(crate) fn attempt_that_counts(&self, id: &str) -> Option<u32> {
        let bytes = fs::read(self.cell(id).join(run_files::RESULT)).ok()?;
        serde_json::from_slice::<ResultFile<serde::de::IgnoredAny>>(&bytes).ok().map(|result| result.attempt)
    }

    /// Returns the mean time that cells of each embedding took to train, in seconds, by the records that there are; files aren't checked.
    pub fn mean_seconds(&self, plan: &Plan) -> BTreeMap<String, f64> {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for cell in &plan.cells {
            if let Some(outcome) = self.result(cell).and_then(|(_, record)| record.outcome) {
                times.entry(cell.embedding().to_owned()).or_default().push(outcome.seconds);
            }
        }
        let mean = |times: Vec<f64>| times.iter().sum::<f64>() / times.len() as f64;
        times.into_iter().map(|(name, times)| (name, mean(times))).collect()
    }

    /// Waits until every cell has a record, or for this long. On a network file system a folder that was looked at before may be shown
    /// as it was up to half a minute ago, so a record that isn't found may be there.
    pub fn wait_for_records(&self, cells: &[String], at_most: Duration) {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(100);
        let is_missing = |id: &String| File::open(self.cell(id).join(run_files::RESULT)).is_err();
        while cells.iter().any(is_missing) && begun.elapsed() + pause < at_most {
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Returns the attempt that counts and its record, if the record belongs to this cell and has this version; files
    /// aren't checked.
    pub(crate) fn result(&self, cell: &Cell) -> Option<(u32, record::Cell)> {
        let bytes = fs::read(self.cell(&cell.id).join(run_files::RESULT)).ok()?;
        let ResultFile { version, attempt, execution: _, record } = serde_json::from_slice(&bytes).ok()?;
        (version == record::VERSION && is_of(&record, cell)).then(|| (attempt, with_axes(record, cell)))
    }
}

/// Compares `result.json` and the files of its attempt with the attempt's `SHA256SUMS`.
fn check_files(attempt: &Path, result: &Path, bytes: &[u8], record: &record::Cell) -> Result<(), String> {
    let damaged = |path: &Path| format!("{} {CHANGED}", path.display());
    let known = Sums::of_folder(attempt).map_err(|error| error.to_string())?.unwrap_or_default();
    if !known.check(run_files::RESULT, bytes) {
        return Err(damaged(result));
    }
    let files: &[&str] = if record.status == Status::Done { &RECORDS } else { &RECORDS[..1] };
    let has_predictions = record.outcome.as_ref().is_some_and(|outcome| outcome.digests.predictions.is_some());
    let is_whole = |name: &str| fs::read(attempt.join(name)).is_ok_and(|bytes| known.check(name, &bytes));
    files
        .iter()
        .chain(has_predictions.then_some(&run_files::PREDICTIONS))
        .find(|name| !is_whole(name))
        .map_or(Ok(()), |name| Err(damaged(&attempt.join(name))))
}

fn is_of(record: &record::Cell, cell: &Cell) -> bool {
    record.id == cell.id && record.identity == cell.identity.to_string()
}

/// The plan decides which axes there are; a record that was written before an axis was added doesn't have it.
fn with_axes(record: record::Cell, cell: &Cell) -> record::Cell {
    record::Cell { settings: cell.axes.to_map(), ..record }
}
