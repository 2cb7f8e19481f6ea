//! What the cell cache holds of a finished cell: collected from one run folder, checked, and put into another as an attempt.
//!
//! Times stand as they were recorded: `seconds`, `execution` and the times of the TensorBoard log are those of the training,
//! wherever that was. `cell.toml` and the record's settings are written for the present plan, which may have other axes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Execution, Outcome, Status};
use emberline_base::{Sums, run_files};
use emberline_tensorboard::LogFolders;

use super::attempt::{clear, names};
use super::result::{RECORDS, ResultFile};
use super::{Lock, RunFolder};
use crate::cell_cache::{EntryKey, Files};
use crate::plan::Cell;

/// The prefix of files of the attempt.
const ATTEMPT: &str = "attempt/";
/// The prefix of files in `inputs/`.
const INPUTS: &str = "inputs/";
/// The prefix of the event files of the TensorBoard log.
const LOG: &str = "log/";
/// What the names of event files begin with.
const EVENTS: &str = "events.out.tfevents.";

/// A finished cell, as the cell cache has it, checked.
pub(crate) struct SharedCell<'f> {
    outcome: Outcome,
    execution: Option<Execution>,
    files: &'f Files,
}

impl<'f> SharedCell<'f> {
    /// Checks the files of an entry: that the record is one of the key, and the files are those that `SHA256SUMS` lists.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn of(files: &'f Files, key: &EntryKey) -> Result<Self, String> {
        let bytes = |name: &str| files.get(&format!("{ATTEMPT}{name}")).map(Vec::as_slice).unwrap_or_default();
        let result = bytes(run_files::RESULT);
        let found: ResultFile<record::Cell> =
            serde_json::from_slice(result).map_err(|error| format!("its {} is damaged: {error}", run_files::RESULT))?;
        let ResultFile { version, attempt: _, execution, record } = found;
        if version != record::VERSION {
            return Err(format!("its record has version {version}; {} is read", record::VERSION));
        }
        let (identity, status) = (record.identity, record.status);
        let outcome = record.outcome.filter(|_| status == Status::Done);
        let outcome = outcome.filter(|outcome| key.is_of(&identity, &outcome.made_from()));
        let outcome = outcome.ok_or("its record is that of another cell")?;
        let sums = Sums::of_bytes(bytes(run_files::SUMS));
        let predictions = outcome.digests.predictions.as_ref().map(|_| run_files::PREDICTIONS);
        let wanted = RECORDS.into_iter().chain([run_files::RESULT]).chain(predictions);
        match wanted.into_iter().find(|name| !sums.check(name, bytes(name))) {
            Some(name) => Err(format!("its {name} isn't what its {} says", run_files::SUMS)),
            None => Ok(Self { outcome, execution, files }),
        }
    }
}

impl RunFolder {
    /// Collects the files of a finished cell for the cell cache.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub(crate) fn files_to_share(&self, cell: &Cell, outcome: &Outcome) -> Result<Files, FileError> {
        let mut paths = vec![(format!("{ATTEMPT}{}", run_files::RESULT), self.cell(&cell.id).join(run_files::RESULT))];
        if let Some(attempt) = self.files_of(&cell.id) {
            let shared = names(&attempt).into_iter().filter(|name| is_attempt_file(name));
            paths.extend(shared.map(|name| (format!("{ATTEMPT}{name}"), attempt.join(name))));
        }
        let inputs = self.inputs_of(outcome).into_iter().filter(|path| path.exists());
        paths.extend(inputs.map(|path| (format!("{INPUTS}{}", name_of(&path)), path)));
        // Earlier versions of the program wrote the log where it is shown, and not into the attempt's folder.
        let own = self.files_of(&cell.id).map(|attempt| attempt.join(run_files::TENSORBOARD));
        let log = own.filter(|own| own.is_dir()).unwrap_or_else(|| self.log_of(cell));
        for part in emberline_tensorboard::PARTS {
            let events = names(&log.join(part)).into_iter().filter(|name| is_event_file(name));
            let below = |name: &str| Path::new(part).join(name).display().to_string();
            paths.extend(events.map(|name| (format!("{LOG}{}", below(&name)), log.join(part).join(name))));
        }
        paths.into_iter().map(|(name, path)| Ok((name, file::read(&path)?))).collect()
    }

    /// Makes a finished cell of the cell cache an attempt of this folder, the one that counts. Returns its number and the record.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(crate) fn adopt(
        &self,
        cell: &Cell,
        lock: &Lock,
        shared: &SharedCell<'_>,
    ) -> Result<(u32, record::Cell), FileError> {
        let attempt = self.begin(cell, lock)?;
        self.write_shared_inputs(shared)?;
        write_shared_log(&attempt.log(), shared)?;
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for (name, bytes) in shared.below(ATTEMPT).filter(|(name, _)| is_attempt_file(name)) {
            match name {
                // These are written for the present plan and attempt.
                run_files::RESULT | run_files::SETTINGS | run_files::SUMS => {}
                run_files::HISTORY | run_files::EPOCHS | run_files::MODEL | run_files::PREDICTIONS => {
                    listed.push((name, bytes));
                }
                _ => others.push((name, bytes)),
            }
        }
        for (name, bytes) in others {
            file::write_atomic_unflushed(&attempt.path().join(name), bytes)?;
        }
        let outcome = Some(shared.outcome.clone());
        let record = record::Cell { status: Status::Done, outcome, ..cell.pending() };
        attempt.adopt(cell, &record, shared.execution.as_ref(), &listed)?;
        Ok((attempt.number(), record))
    }

    /// Writes what the embedding learned and which words it knows, unless that is there already.
    fn write_shared_inputs(&self, shared: &SharedCell<'_>) -> Result<(), FileError> {
        let wanted: BTreeSet<PathBuf> = self.inputs_of(&shared.outcome).into_iter().collect();
        for (name, bytes) in shared.below(INPUTS) {
            let path = self.path.join(run_files::INPUTS).join(name);
            if wanted.contains(&path) && !path.exists() {
                file::refuse_links(&self.path, Path::new(run_files::INPUTS))?;
                file::write_atomic_unflushed(&path, bytes)?;
            }
        }
        Ok(())
    }

    /// Returns where the inputs lie that only a training can write: what the embedding learned from the training texts, and how
    /// many words of each held-out text it knows. Not every embedding has them.
    fn inputs_of(&self, outcome: &Outcome) -> Vec<PathBuf> {
        let embedding = &outcome.digests.embedding;
        let rows = [&outcome.split.valid_rows, &outcome.split.test_rows].into_iter().flatten();
        let known = rows.map(|rows| run_files::known(&self.path, rows, embedding));
        std::iter::once(self.learned_path(embedding)).chain(known).collect()
    }
}

impl SharedCell<'_> {
    /// Returns the files whose names begin with a prefix, without it.
    fn below(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &[u8])> {
        let files = self.files.iter();
        files.filter_map(move |(name, bytes)| Some((name.strip_prefix(prefix)?, bytes.as_slice())))
    }
}

/// Writes the TensorBoard log of an attempt, which is shown when the attempt ends. What was shown before isn't any more, even if
/// there is no log.
fn write_shared_log(log: &LogFolders, shared: &SharedCell<'_>) -> Result<(), FileError> {
    for part in emberline_tensorboard::PARTS {
        clear(&log.shown.join(part), is_event_file)?;
    }
    for (path, bytes) in shared.below(LOG) {
        let (part, name) = path.rsplit_once('/').unwrap_or(("", path));
        if emberline_tensorboard::PARTS.contains(&part) && is_event_file(name) {
            file::write_atomic_unflushed(&log.own.join(path), bytes)?;
        }
    }
    Ok(())
}

/// Returns whether a name is that of a finished attempt's file: a file in its folder, and neither hidden nor a checkpoint.
fn is_attempt_file(name: &str) -> bool {
    let is_one = Path::new(name).components().eq([Component::Normal(name.as_ref())]) && !name.contains(['/', '\\']);
    let others = [run_files::CHECKPOINT, run_files::ENCODER, run_files::ATTEMPTS, run_files::TENSORBOARD];
    is_one && !name.starts_with('.') && !others.contains(&name)
}

fn is_event_file(name: &str) -> bool {
    name.starts_with(EVENTS) && is_attempt_file(name)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["model.safetensors", "training.csv", "a b"] {
            assert!(is_attempt_file(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a/",
            "/etc/passwd",
            "a\\b",
            ".hidden",
            "attempts",
            "tensorboard",
            "checkpoint.safetensors",
        ] {
            assert!(!is_attempt_file(name), "{name}");
        }
        assert!(is_event_file("events.out.tfevents.1.host") && !is_event_file("events.out.tfevents./../../x"));
    }
}
