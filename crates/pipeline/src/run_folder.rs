//! `runs/<pipeline>/`: where records lie, and how they come there whole.
//!
//! ```text
//! run.json  summary.json  report.html  report.md  summary.csv  SHA256SUMS
//! cells/<cell>/  cell.toml  history.csv  record.jsonl  head.safetensors  SHA256SUMS  result.json
//!                checkpoint.safetensors while it is trained
//! inputs/<digest>.json  what a dataset or an embedding was, for `explain`
//! attempts/<cell>.json  while it is under way
//! tensorboard/<cell>/  events.out.tfevents.*  train/  validation/
//! ```
//! Their version stands in `run.json`, `summary.json` and each `result.json`; it counts for the files beside these, too.
//! `result.json` is written last: a cell without one has not finished, and is run again. So is a cell whose files are not
//! what `SHA256SUMS` says. The files of a cell are not flushed to the disk one by one, which would take longer than many a
//! training; a record that a power cut left empty counts as damaged.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Epoch, Status, Summary};
use emberline_base::{Digest, Sums, json, sums};
use emberline_report::{Format, Run, history};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::document::Document;
use crate::plan::Cell;

mod marker;

/// What a finished cell has besides `result.json`; a failed one has the first.
const RECORDS: [&str; 4] = ["cell.toml", "history.csv", "record.jsonl", "head.safetensors"];

/// What a cell that is cut short goes on from.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// The folder of a pipeline's run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A run folder at `path`; nothing is made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a cell's records.
    pub(crate) fn cell(&self, id: &str) -> PathBuf {
        self.path.join("cells").join(id)
    }

    /// The folder of a cell's records, made where it is missing. Neither it nor that of its TensorBoard log may be a symbolic
    /// link: what is written, or removed, there would lie elsewhere.
    fn cell_to_write(&self, id: &str) -> Result<PathBuf, FileError> {
        for part in ["train", "validation"] {
            file::refuse_links(&self.path, &Path::new("tensorboard").join(id).join(part))?;
        }
        file::make_folder_below(&self.path, &Path::new("cells").join(id))
    }

    /// The root of all TensorBoard logs: what `tensorboard --logdir` is given.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// Refuses a folder whose records another version of the program has written: they are neither read nor replaced.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], or when the folder can't be read.
    pub fn check_version(&self) -> Result<(), Error> {
        marker::check_version(&self.path)
    }

    /// Makes the folder that of a pipeline file, which no other may then run in.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], [`Error::OtherPipeline`], or when the folder can't be written.
    pub(crate) fn claim(&self, pipeline: &Path) -> Result<(), Error> {
        marker::claim(&self.path, pipeline)
    }

    /// The record of a cell that has finished or failed, where there is one.
    ///
    /// # Errors
    /// What is damaged, where a file isn't what was written, or is another cell's: the work has to be done again.
    pub(crate) fn record(&self, cell: &Cell) -> Result<Option<record::Cell>, String> {
        let folder = self.cell(&cell.id);
        let read = |name: &str| fs::read(folder.join(name));
        let damaged = |name: &str, why: &str| format!("{} {why}", folder.join(name).display());
        let result = match read("result.json") {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| damaged("result.json", &format!("can't be read: {error}")))?,
        };
        let known = Sums::of_folder(&folder).map_err(|error| error.to_string())?.unwrap_or_default();
        let changed = "isn't what was written: it was changed, or the disk is faulty";
        if !known.check("result.json", &result) {
            return Err(damaged("result.json", changed));
        }
        let Versioned { version, content: record } = serde_json::from_slice::<Versioned<record::Cell>>(&result)
            .map_err(|error| damaged("result.json", &json::words_at(&error)))?;
        if version != record::VERSION {
            return Err(damaged("result.json", &format!("has version {version}; {} is read", record::VERSION)));
        }
        let files: &[&str] = if record.status == Status::Done { &RECORDS } else { &RECORDS[..1] };
        let is_whole = |name: &str| read(name).is_ok_and(|bytes| known.check(name, &bytes));
        if let Some(name) = files.iter().find(|name| !is_whole(name)) {
            return Err(damaged(name, changed));
        }
        let is_told = match record.status {
            Status::Done => record.outcome.is_some(),
            Status::Failed => record.error.is_some() && record.cause.is_some(),
            Status::Pending => false,
        };
        if !is_told || record.id != cell.id || record.identity != cell.identity.to_string() {
            return Err(damaged("result.json", "is no record of this cell"));
        }
        // The plan says which axes there are; a record from before an axis was added doesn't know.
        Ok(Some(record::Cell { settings: cell.axes.to_map(), ..record }))
    }

    /// Makes a cell's folder, empty but for its settings and a checkpoint.
    pub(crate) fn begin(&self, cell: &Cell) -> Result<(), FileError> {
        let folder = self.cell_to_write(&cell.id)?;
        clear(&folder, |name| name != CHECKPOINT)?;
        file::write_atomic_unflushed(&folder.join("cell.toml"), cell.to_toml().as_bytes())
    }

    /// Where the checkpoint of a cell under way is.
    pub(crate) fn checkpoint(&self, id: &str) -> PathBuf {
        self.cell(id).join(CHECKPOINT)
    }

    /// Where the markers of cells under way are.
    pub(crate) fn attempts(&self) -> PathBuf {
        self.path.join("attempts")
    }

    /// Writes what a finished fit left; `record` last.
    pub(crate) fn finish(
        &self,
        cell: &Cell,
        record: &record::Cell,
        epochs: &[Epoch],
        weights: &[u8],
    ) -> Result<(), FileError> {
        let lines: String = epochs.iter().map(|epoch| json(epoch) + "\n").collect();
        let history = history::to_csv(epochs);
        let files =
            [("history.csv", history.as_bytes()), ("record.jsonl", lines.as_bytes()), ("head.safetensors", weights)];
        self.end(cell, record, &files, false)
    }

    /// Writes the record of a cell that has failed. Its checkpoint is removed, unless another attempt can go on from it.
    pub(crate) fn fail(&self, cell: &Cell, record: &record::Cell, keeps_checkpoint: bool) -> Result<(), FileError> {
        self.end(cell, record, &[], keeps_checkpoint)
    }

    fn end(
        &self,
        cell: &Cell,
        record: &record::Cell,
        files: &[(&str, &[u8])],
        keeps_checkpoint: bool,
    ) -> Result<(), FileError> {
        let folder = self.cell_to_write(&record.id)?;
        let result = Versioned { version: record::VERSION, content: record };
        let (settings, result) = (cell.to_toml(), pretty(&result) + "\n");
        let mut sums = Sums::default();
        sums.add("cell.toml", settings.as_bytes());
        sums.add("result.json", result.as_bytes());
        for (name, bytes) in files {
            file::write_atomic_unflushed(&folder.join(name), bytes)?;
            sums.add(name, bytes);
        }
        file::write_atomic_unflushed(&folder.join(sums::FILE), sums.to_text().as_bytes())?;
        clear(&folder, |name| name == CHECKPOINT && !keeps_checkpoint)?;
        file::write_atomic_unflushed(&folder.join("result.json"), result.as_bytes())
    }

    /// Notes what an input was, by its digest; once.
    pub(crate) fn note_input<T: Serialize>(
        &self,
        digest: &Digest,
        input: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(), Error> {
        let path = self.input_path(digest);
        if path.exists() {
            return Ok(());
        }
        file::refuse_links(&self.path, Path::new("inputs"))?;
        Ok(file::write_atomic_unflushed(&path, (pretty(&input()?) + "\n").as_bytes())?)
    }

    /// What was noted of an input; none where nothing was, or it can't be read.
    pub(crate) fn input<T: DeserializeOwned>(&self, digest: &Digest) -> Option<T> {
        serde_json::from_slice(&fs::read(self.input_path(digest)).ok()?).ok()
    }

    fn input_path(&self, digest: &Digest) -> PathBuf {
        self.path.join("inputs").join(format!("{}.json", digest.as_str()))
    }

    /// The ids of all cells that have a folder, in order.
    pub(crate) fn cells(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join("cells")).into_iter().flatten().flatten();
        let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        ids
    }

    /// A cell's settings as it was trained, or as they were when it began.
    pub(crate) fn settings(&self, id: &str) -> Option<toml::Table> {
        Document::table(&fs::read_to_string(self.cell(id).join("cell.toml")).ok()?)
    }

    /// Keeps other runs out of the folder while the result is held; `waits` is called where one has to end first. What an
    /// interrupted run left half written is cleared away.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub(crate) fn hold(&self, waits: impl FnOnce()) -> Result<Hold, FileError> {
        file::make_folder(&self.path)?;
        for folder in ["cells", "inputs", "tensorboard"] {
            file::refuse_links(&self.path, Path::new(folder))?;
        }
        // A system without locks on folders leaves two runs to their atomic writes.
        let lock = File::open(&self.path).ok();
        if let Some(lock) = &lock
            && let Err(TryLockError::WouldBlock) = lock.try_lock()
        {
            waits();
            lock.lock().map_err(FileError::new("wait for", &self.path))?;
        }
        self.clear_litter();
        Ok(Hold { _lock: lock })
    }

    /// Removes temporary files that nobody writes to any more.
    fn clear_litter(&self) {
        let folders = [self.path.clone(), self.path.join("inputs")];
        let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        let of_cells = self.cells().into_iter().map(|id| self.cell(&id)).filter(is_folder);
        folders.into_iter().chain(of_cells).for_each(|folder| file::clear_litter(&folder));
    }

    /// Writes the summary and, from the records alone, every report.
    pub(crate) fn write_summary(&self, summary: &Summary) -> Result<(), Error> {
        let text = pretty(summary) + "\n";
        file::write_atomic(&self.path.join("summary.json"), text.as_bytes())?;
        let mut sums = Sums::default();
        sums.add("summary.json", text.as_bytes());
        file::write_atomic(&self.path.join(sums::FILE), sums.to_text().as_bytes())?;
        self.write_reports().map(drop)
    }

    /// Renders every report from the records; gives the files.
    ///
    /// # Errors
    /// When a record is damaged, or a report can't be written.
    pub fn write_reports(&self) -> Result<Vec<PathBuf>, Error> {
        let run = Run::load(&self.path)?;
        let mut written = Vec::new();
        for format in Format::ALL {
            let path = self.path.join(emberline_report::file_name(format));
            file::write_atomic(&path, emberline_report::render(&run, format).as_bytes())?;
            written.push(path);
        }
        Ok(written)
    }
}

/// What a file holds, behind the version that it is written in.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// A run folder that no other run writes to meanwhile.
pub(crate) struct Hold {
    _lock: Option<File>,
}

/// Removes what a folder holds, files and folders, where their names are chosen. A folder that isn't there is empty.
fn clear(folder: &Path, chosen: impl Fn(&str) -> bool) -> Result<(), FileError> {
    let remove = || -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if chosen(&entry.file_name().to_string_lossy()) {
                let path = entry.path();
                if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
        }
        Ok(())
    };
    match remove() {
        Err(error) if error.kind() != ErrorKind::NotFound && error.kind() != ErrorKind::NotADirectory => {
            Err(FileError::new("clear the folder", folder)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("records are plain data with text keys")
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("records are plain data with text keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    /// A run folder with a record of the only cell, and what was written.
    fn recorded(at: &Path, failed: bool) -> (RunFolder, Cell, record::Cell) {
        let text = "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n";
        let plan = Plan::of(&Pipeline::parse("p", text, Path::new(""), &[]).expect("sound"));
        let (folder, cell) = (RunFolder::new(at), plan.cells[0].clone());
        let outcome = serde_json::json!({
            "computation": 1, "dim": 8, "epochs": 1, "best_epoch": 1, "stopped": "epochs", "seconds": 0.25, "device": "cpu",
            "parameters": {"total": 9, "trainable": 9}, "metrics": {"loss": 0.5, "val_loss": 0.125},
            "digests": {"data": "a", "embedding": "b", "weights": "c"}, "arithmetic": "none",
        });
        let outcome = (!failed).then(|| serde_json::from_value(outcome).expect("an outcome"));
        let (status, error) = if failed { (Status::Failed, Some("why".to_owned())) } else { (Status::Done, None) };
        let cause = failed.then_some(record::Cause::Surroundings);
        let record = record::Cell { status, outcome, error, cause, ..cell.pending() };
        folder.begin(&cell).expect("begun");
        file::write_atomic(&folder.checkpoint(&cell.id), b"half").expect("written");
        match failed {
            true => folder.fail(&cell, &record, false).expect("written"),
            false => folder.finish(&cell, &record, &[], b"weights").expect("written"),
        }
        (folder, cell, record)
    }

    #[test]
    fn a_record_reads_back_and_its_checkpoint_is_gone() {
        for failed in [false, true] {
            let at = tempfile::tempdir().expect("a folder");
            let (folder, cell, record) = recorded(at.path(), failed);
            assert_eq!(folder.record(&cell), Ok(Some(record)));
            assert!(!folder.checkpoint(&cell.id).exists());
        }
    }

    #[test]
    #[cfg(unix)]
    fn nothing_is_written_or_removed_through_a_link() {
        use std::os::unix::fs::symlink;
        for below in ["cells", "cells/ID", "tensorboard", "tensorboard/ID", "tensorboard/ID/train", "inputs"] {
            let (at, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
            let (_, cell, record) = recorded(&at.path().join("other"), false);
            fs::write(elsewhere.path().join("mine"), b"mine").expect("written");
            fs::write(elsewhere.path().join(".emberline-a.tmp"), b"mine").expect("written");
            let folder = RunFolder::new(at.path().join("run"));
            let link = folder.path().join(below.replace("ID", &cell.id));
            fs::create_dir_all(link.parent().expect("a folder")).expect("made");
            symlink(elsewhere.path(), &link).expect("linked");
            let held = folder.hold(|| {}).map(drop);
            let written = folder.begin(&cell).and_then(|()| folder.finish(&cell, &record, &[], b"weights"));
            let noted = folder.note_input(&Digest::of(b"data"), || Ok("facts"));
            let refused = [held.is_err(), written.is_err(), noted.is_err()];
            let is_refused = match below {
                "inputs" => [true, false, true],
                "cells" | "tensorboard" => [true, true, false],
                _ => [false, true, false],
            };
            assert_eq!(refused, is_refused, "{below}");
            assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 2, "{below}");
        }
        // The run folder itself may be a link.
        let (at, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        symlink(elsewhere.path(), at.path().join("run")).expect("linked");
        recorded(&at.path().join("run"), false);
        assert!(elsewhere.path().join("cells").is_dir());
    }

    #[test]
    fn every_byte_that_is_flipped_is_noticed_and_named() {
        let at = tempfile::tempdir().expect("a folder");
        let (folder, cell, record) = recorded(at.path(), false);
        for name in RECORDS.into_iter().chain(["result.json", sums::FILE]) {
            let path = folder.cell(&cell.id).join(name);
            let bytes = fs::read(&path).expect("readable");
            for place in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1;
                fs::write(&path, &damaged).expect("written");
                let fault = folder.record(&cell).expect_err("damaged");
                assert!(name == sums::FILE || fault.contains(name), "{name} at {place}: {fault}");
            }
            fs::remove_file(&path).expect("removed");
            let without = folder.record(&cell);
            assert!(if name == "result.json" { without == Ok(None) } else { without.is_err() }, "{name}: {without:?}");
            fs::write(&path, &bytes).expect("written");
        }
        assert_eq!(folder.record(&cell), Ok(Some(record)));
    }

    #[test]
    fn a_held_folder_is_cleared_and_kept_from_others() {
        let at = tempfile::tempdir().expect("a folder");
        let (folder, cell, _) = recorded(at.path(), false);
        let litter = folder.cell(&cell.id).join(".emberline-a.tmp");
        fs::write(&litter, b"half").expect("written");
        let hold = folder.hold(|| panic!("nobody else is there")).expect("held");
        assert!(!litter.exists());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let waited = std::cell::Cell::new(false);
                drop(
                    folder
                        .hold(|| {
                            waited.set(true);
                            tell.send(()).expect("heard")
                        })
                        .expect("held"),
                );
                assert!(waited.get());
            });
            told.recv().expect("the other waits");
            drop(hold);
        });
    }
}
