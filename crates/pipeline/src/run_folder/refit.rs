//! The folder `refit/`: the best setting's model, trained on all rows.
//!
//! `result.json` is written last and removed first: without it, no file of the folder is read.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::Refit;
use emberline_base::{Sums, run_files};
use emberline_report::history;

use super::{Finished, Lock, RunFolder, pretty};
use crate::plan::Cell;

/// The first line of a refit's settings.
const HEAD: &str = "# A refit: all rows train, whatever [data.split] says.\n";

impl RunFolder {
    /// Returns the folder of the refit.
    pub fn refit(&self) -> PathBuf {
        self.path.join(run_files::REFIT)
    }

    /// Locks the refit, or returns `None` while another process trains it.
    pub(crate) fn lock_refit(&self) -> Result<Option<Lock>, FileError> {
        let path = file::make_folder_below(&self.path, Path::new(run_files::REFIT))?;
        let Ok(folder) = File::open(&path) else { return Ok(Some(Lock::none())) };
        match folder.try_lock() {
            Ok(()) => Ok(Some(Lock(Some(folder)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Lock::none())),
        }
    }

    /// Waits until no other process trains the refit, and locks it.
    pub(crate) fn wait_for_refit(&self) -> Result<Lock, FileError> {
        let path = file::make_folder_below(&self.path, Path::new(run_files::REFIT))?;
        Ok(Lock(File::open(&path).ok().filter(|folder| folder.lock().is_ok())))
    }

    /// Writes a refit in place of an earlier one.
    pub(crate) fn write_refit(&self, cell: &Cell, refit: &Refit, finished: Finished<'_>) -> Result<(), FileError> {
        let Finished { epochs, model, predictions: _, encoder } = finished;
        let folder = file::make_folder_below(&self.path, Path::new(run_files::REFIT))?;
        let (settings, history, result) =
            (HEAD.to_owned() + &cell.to_toml(), history::to_csv(epochs), pretty(refit) + "\n");
        file::remove_file(&folder.join(run_files::RESULT))?;
        let mut sums = Sums::default();
        sums.add(run_files::RESULT, result.as_bytes());
        let files: [(&str, &[u8]); 3] = [
            (run_files::SETTINGS, settings.as_bytes()),
            (run_files::HISTORY, history.as_bytes()),
            (run_files::MODEL, model),
        ];
        match encoder {
            Some(bytes) => file::write_atomic(&folder.join(run_files::ENCODER), bytes)?,
            None => file::remove_file(&folder.join(run_files::ENCODER))?,
        }
        for (name, bytes) in files {
            file::write_atomic(&folder.join(name), bytes)?;
            sums.add(name, bytes);
        }
        file::write_atomic(&folder.join(run_files::SUMS), sums.to_text().as_bytes())?;
        file::write_atomic(&folder.join(run_files::RESULT), result.as_bytes())
    }

    /// Removes the refit, because the pipeline no longer asks for one.
    pub(crate) fn remove_refit(&self) -> Result<(), FileError> {
        let folder = self.refit();
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir());
        match if is_folder { fs::remove_dir_all(&folder) } else { Ok(()) } {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::new("remove", &folder)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
