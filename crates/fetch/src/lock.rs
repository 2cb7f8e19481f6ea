//! One process at a time fetches what will lie at a path; others wait for it.
//!
//! The lock is on a file beside the path, `.emberline-NAME.lock`: a name that no file of a user's has. It is the operating
//! system's, so that it ends with its process; a file that a killed process left is removed like other
//! [temporary files](emberline_base::file::clear_litter). Where the file system knows no locks, there is none: a download is
//! then written beside its path under the process's own name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};

use crate::partial::beside;
use crate::{Error, Observer};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
    held: bool,
}

impl Lock {
    /// Waits for the lock of `target`.
    ///
    /// # Errors
    /// When its file can't be made.
    pub(crate) fn take(target: &Path, observer: &mut dyn Observer) -> Result<Self, Error> {
        file::make_folder(file::folder_of(target))?;
        loop {
            let lock = Self::open(target)?;
            let held = hold(&lock, target, observer).map_err(FileError::new("lock", &path_of(target)))?;
            if !held || file::is_at(&path_of(target), &lock) {
                return Ok(Self { path: path_of(target), file: lock, held });
            }
        }
    }

    /// Takes the lock of `target`, unless another process has it.
    pub(crate) fn try_take(target: &Path) -> Option<Self> {
        let (path, file) = (path_of(target), Self::open(target).ok()?);
        (file.try_lock().is_ok() && file::is_at(&path, &file)).then_some(Self { path, file, held: true })
    }

    fn open(target: &Path) -> Result<File, Error> {
        let path = path_of(target);
        file::remove_if_link(&path)?;
        let open = file::open_no_follow(&path, OpenOptions::new().write(true).create(true).truncate(false));
        Ok(open.map_err(FileError::new("write", &path))?)
    }

    /// Where a download is written: a path of its own where there is no lock.
    pub(crate) fn working_path(&self, target: &Path) -> PathBuf {
        if self.held { target.to_owned() } else { beside(target, &format!(".{}", std::process::id())) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed before it is released: whoever waits for it then sees that it is gone, and makes a new one.
        if file::is_at(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

/// The file that is locked for `target`.
fn path_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{}{name}{}", file::LOCK.0, file::LOCK.1))
}

/// Whether the lock could be had; it couldn't where there are none.
fn hold(file: &File, target: &Path, observer: &mut dyn Observer) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => return Ok(true),
        Err(TryLockError::WouldBlock) => {
            observer.says(&format!("another process is fetching {}; waiting for it", target.display()));
        }
        Err(TryLockError::Error(_)) => return Ok(false),
    }
    file.lock().map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;
    use crate::Silent;

    #[test]
    fn one_at_a_time_and_no_litter() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("deep/model");
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = Lock::take(&target, &mut Silent).expect("a lock");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path().join("deep")).expect("readable").count(), 0);
    }

    #[test]
    fn a_lock_that_a_killed_process_left_is_removed_and_no_other_file_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("p");
        // A pipeline `p.toml` has this lock beside it.
        fs::write(folder.path().join("p.lock"), b"mine").expect("written");
        fs::write(path_of(&target), b"").expect("written");
        let held = Lock::take(&target, &mut Silent).expect("a lock");
        file::clear_litter(folder.path());
        assert!(held.path.exists() && Lock::try_take(&target).is_none());
        drop(held);
        fs::write(path_of(&target), b"").expect("written");
        file::clear_litter(folder.path());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_is_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, elsewhere) = (folder.path().join("x"), folder.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, path_of(&target)).expect("linked");
        drop(Lock::take(&target, &mut Silent).expect("a lock"));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
