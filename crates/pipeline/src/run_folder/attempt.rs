//! An attempt at a cell: a folder of its own, so that two attempts never mix their files.
//!
//! ```text
//! cells/<cell>/attempts/2/   cell.toml, then a checkpoint now and then, in the end every record and SHA256SUMS
//! cells/<cell>/result.json   names attempt 2, from then on the one that counts
//! cells/<cell>/cell.toml ... hard links to its files, for people
//! tensorboard/<name>/        hard links to its event files, for TensorBoard
//! ```
//! Numbers only grow, since an older attempt is removed only after a newer one was made. Only the holder of the cell's
//! lock removes any: without the lock, an older attempt may belong to another process that still works on it. So it may where a lock
//! doesn't reach other machines, unless nothing was written to it for a day.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Epoch, Execution};
use emberline_base::{Sums, run_files};
use emberline_report::history;
use emberline_tensorboard::LogFolders;

use super::result::ResultFile;
use super::{Lock, RunFolder, pretty};
use crate::plan::Cell;

/// Whoever works on an attempt writes to it more often than this, checkpoints if nothing else.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// An attempt of this process at a cell.
pub(crate) struct Attempt<'l> {
    run: RunFolder,
    cell: PathBuf,
    /// The folder of the cell's log that TensorBoard reads.
    shown: PathBuf,
    number: u32,
    lock: &'l Lock,
}

/// What a finished fit leaves beside its record.
#[derive(Clone, Copy, Default)]
pub(crate) struct Finished<'f> {
    pub(crate) epochs: &'f [Epoch],
    /// The content of the model file.
    pub(crate) model: &'f [u8],
    /// The content of the predictions file, if predictions are kept.
    pub(crate) predictions: Option<&'f [u8]>,
    /// The content of the file of a fine-tuned encoder, if it is kept.
    pub(crate) encoder: Option<&'f [u8]>,
}

impl RunFolder {
    /// Begins an attempt at a cell whose lock is held: makes a folder with the cell's settings and, if an earlier
    /// attempt was interrupted, its checkpoint. Earlier attempts are removed, except the one that counts.
    pub(crate) fn begin<'l>(&self, cell: &Cell, lock: &'l Lock) -> Result<Attempt<'l>, FileError> {
        let folder = self.cell_to_write(cell)?;
        if lock.is_held() {
            file::remove_stale(&folder);
        }
        let earlier = attempts(&folder);
        let counts = self.attempt_that_counts(&cell.id);
        let last = earlier.last().copied().max(counts).unwrap_or(0);
        let number = make_folder_after(&folder, last)?;
        let attempt = Attempt { run: self.clone(), cell: folder, shown: self.log_of(cell), number, lock };
        file::write_atomic_unflushed(&attempt.path().join(run_files::SETTINGS), cell.to_toml().as_bytes())?;
        if let Some(earlier) = earlier.iter().rev().find(|&&number| has_checkpoint(&attempt.cell, number)) {
            let from = run_files::attempt(&attempt.cell, *earlier).join(run_files::CHECKPOINT);
            file::link(&from, &attempt.checkpoint())?;
        }
        attempt.remove_earlier(counts)?;
        Ok(attempt)
    }

    /// Returns whether a cell was interrupted and left a checkpoint from which it can resume.
    pub(crate) fn has_checkpoint(&self, id: &str) -> bool {
        let folder = self.cell(id);
        attempts(&folder).into_iter().any(|number| has_checkpoint(&folder, number))
    }

    /// Links the files of the attempt that counts into the cell's folder again, if a killed process left that undone.
    pub(crate) fn restore_links(&self, cell: &Cell) -> Result<(), FileError> {
        let folder = self.cell(&cell.id);
        let Some(number) = self.attempt_that_counts(&cell.id) else { return Ok(()) };
        let sums = |folder: &Path| fs::read(folder.join(run_files::SUMS)).ok();
        if sums(&folder) == sums(&run_files::attempt(&folder, number)) {
            return Ok(());
        }
        match self.lock_cell(&cell.id)? {
            Some(lock) if lock.is_held() => {
                let shown = self.log_of(cell);
                Attempt { run: self.clone(), cell: folder, shown, number, lock: &lock }.link_files()
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Removes the weights of a cell's fine-tuned encoder, unless another process works on the cell.
    ///
    /// # Errors
    /// If a file can't be removed.
    pub(crate) fn remove_encoder(&self, id: &str) -> Result<(), FileError> {
        let Some(files) = self.files_of(id) else { return Ok(()) };
        let paths = [files, self.cell(id)].map(|folder| folder.join(run_files::ENCODER));
        if paths.iter().all(|path| !path.exists()) {
            return Ok(());
        }
        let Some(_lock) = self.lock_cell(id)? else { return Ok(()) };
        paths.iter().try_for_each(|path| file::remove_file(path))
    }

    /// Returns the folder of a cell, and makes it and that of its attempts if they are missing. Neither they nor the
    /// folder of the cell's TensorBoard log may be a symbolic link, since files would then be written or removed
    /// elsewhere.
    fn cell_to_write(&self, cell: &Cell) -> Result<PathBuf, FileError> {
        for part in emberline_tensorboard::PARTS {
            file::refuse_links(&self.path, &Path::new(run_files::TENSORBOARD).join(&cell.log_name).join(part))?;
        }
        file::make_folder_below(&self.path, &Path::new(run_files::CELLS).join(&cell.id).join(run_files::ATTEMPTS))?;
        Ok(self.cell(&cell.id))
    }
}

impl Attempt<'_> {
    /// Returns the attempt's folder.
    pub(crate) fn path(&self) -> PathBuf {
        run_files::attempt(&self.cell, self.number)
    }

    /// Returns its number among the cell's attempts, from 1.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the path of its checkpoint.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.path().join(run_files::CHECKPOINT)
    }

    /// Returns the folders of its TensorBoard log.
    pub(crate) fn log(&self) -> LogFolders {
        LogFolders { own: self.path().join(run_files::TENSORBOARD), shown: self.shown.clone() }
    }

    /// Writes the results of a finished fit, and makes this attempt the one that counts.
    pub(crate) fn finish(
        &self,
        cell: &Cell,
        record: &record::Cell,
        execution: &Execution,
        finished: Finished<'_>,
    ) -> Result<(), FileError> {
        let Finished { epochs, model, predictions, encoder } = finished;
        let lines: String = epochs.iter().map(|epoch| json(epoch) + "\n").collect();
        let history = history::to_csv(epochs);
        let mut files = vec![
            (run_files::HISTORY, history.as_bytes()),
            (run_files::EPOCHS, lines.as_bytes()),
            (run_files::MODEL, model),
        ];
        files.extend(predictions.map(|bytes| (run_files::PREDICTIONS, bytes)));
        if let Some(encoder) = encoder {
            file::write_atomic_unflushed(&self.path().join(run_files::ENCODER), encoder)?;
        }
        self.end(cell, (record, Some(execution)), &files, false)
    }

    /// Writes the results of a fit that was finished elsewhere, and makes this attempt the one that counts.
    pub(super) fn adopt(
        &self,
        cell: &Cell,
        record: &record::Cell,
        execution: Option<&Execution>,
        files: &[(&str, &[u8])],
    ) -> Result<(), FileError> {
        self.end(cell, (record, execution), files, false)
    }

    /// Writes the record of a cell that has failed. The checkpoint is removed, unless another attempt can resume from
    /// it.
    pub(crate) fn fail(
        &self,
        cell: &Cell,
        record: &record::Cell,
        execution: &Execution,
        keeps_checkpoint: bool,
    ) -> Result<(), FileError> {
        self.end(cell, (record, Some(execution)), &[], keeps_checkpoint)
    }

    fn end(
        &self,
        cell: &Cell,
        (record, execution): (&record::Cell, Option<&Execution>),
        files: &[(&str, &[u8])],
        keeps_checkpoint: bool,
    ) -> Result<(), FileError> {
        self.run.cell_to_write(cell)?;
        let path = self.path();
        let result =
            ResultFile { version: record::VERSION, attempt: self.number, execution: execution.cloned(), record };
        let (settings, result) = (cell.to_toml(), pretty(&result) + "\n");
        let mut sums = Sums::default();
        sums.add(run_files::RESULT, result.as_bytes());
        for (name, bytes) in [(run_files::SETTINGS, settings.as_bytes())].iter().chain(files) {
            file::write_atomic_unflushed(&path.join(name), bytes)?;
            sums.add(name, bytes);
        }
        file::write_atomic_unflushed(&path.join(run_files::SUMS), sums.to_text().as_bytes())?;
        if !keeps_checkpoint {
            file::remove_file(&self.checkpoint())?;
        }
        {
            // A process that writes the summary meanwhile finds either the old record or the new one everywhere.
            let _lock = self.run.lock();
            file::write_atomic_unflushed(&self.cell.join(run_files::RESULT), result.as_bytes())?;
        }
        // Without locks, another attempt may count by now, whose links mustn't be replaced.
        let number = self.run.attempt_that_counts(&cell.id).unwrap_or(self.number);
        Attempt { run: self.run.clone(), cell: self.cell.clone(), shown: self.shown.clone(), number, lock: self.lock }
            .link_files()?;
        self.remove_earlier(None)
    }

    /// Links the attempt's files into the cell's folder and the folder that TensorBoard reads, in place of those of another attempt.
    /// `SHA256SUMS` comes last, and shows that all files are linked.
    fn link_files(&self) -> Result<(), FileError> {
        let path = self.path();
        let mut names = names(&path);
        let others = [run_files::CHECKPOINT, run_files::SUMS, run_files::TENSORBOARD];
        names.retain(|name| !others.contains(&name.as_str()) && !name.starts_with('.'));
        self.log().show()?;
        clear(&self.cell, |name| ![run_files::RESULT, run_files::ATTEMPTS].contains(&name))?;
        for name in names.iter().map(String::as_str).chain([run_files::SUMS]) {
            file::link(&path.join(name), &self.cell.join(name))?;
        }
        Ok(())
    }

    /// Removes the attempts before this one, except one.
    fn remove_earlier(&self, but: Option<u32>) -> Result<(), FileError> {
        if !self.lock.is_held() {
            return Ok(());
        }
        let folder = self.cell.join(run_files::ATTEMPTS);
        let is_earlier = |number: &u32| *number < self.number && Some(*number) != but;
        let earlier: BTreeSet<u32> = attempts(&self.cell).into_iter().filter(is_earlier).collect();
        if earlier.is_empty() {
            return Ok(());
        }
        let is_kept_out = file::has_common_locks(&folder);
        let is_removed = |number: u32| {
            earlier.contains(&number)
                && (is_kept_out || is_untouched(&run_files::attempt(&self.cell, number), ABANDONED))
        };
        clear(&folder, |name| name.parse().is_ok_and(is_removed))
    }
}

/// Returns whether nothing in a folder was written for so long.
fn is_untouched(folder: &Path, age: Duration) -> bool {
    let is_old = |metadata: &fs::Metadata| {
        let since = metadata.modified().map(|time| SystemTime::now().duration_since(time));
        since.is_ok_and(|since| since.is_ok_and(|since| since > age))
    };
    let of_entry = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => is_untouched(&path, age),
        metadata => metadata.is_ok_and(|metadata| is_old(&metadata)),
    };
    fs::symlink_metadata(folder).is_ok_and(|metadata| is_old(&metadata))
        && names(folder).into_iter().all(|name| of_entry(folder.join(name)))
}

/// Makes the folder of the next attempt, with a number above `last` that no other process has taken.
fn make_folder_after(cell: &Path, last: u32) -> Result<u32, FileError> {
    let mut number = last;
    loop {
        number = number.saturating_add(1);
        let path = run_files::attempt(cell, number);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(number),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < u32::MAX => {}
            Err(error) => return Err(FileError::new("make the folder", &path)(error)),
        }
    }
}

/// Returns the numbers of a cell's attempts.
fn attempts(cell: &Path) -> BTreeSet<u32> {
    names(&cell.join(run_files::ATTEMPTS)).iter().filter_map(|name| name.parse().ok()).collect()
}

fn has_checkpoint(cell: &Path, number: u32) -> bool {
    let path = run_files::attempt(cell, number).join(run_files::CHECKPOINT);
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Returns the names of a folder's entries, sorted; none if there is no such folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Removes the entries of a folder, files and folders, whose names `chosen` selects.
pub(super) fn clear(folder: &Path, chosen: impl Fn(&str) -> bool) -> Result<(), FileError> {
    for path in names(folder).into_iter().filter(|name| chosen(name)).map(|name| folder.join(name)) {
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        match if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) } {
            // Without locks, another process may have removed it already.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(FileError::new("remove", &path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("records are plain data with text keys")
}
