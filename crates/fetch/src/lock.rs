//! A lock per path, so that one process at a time fetches it and the others wait.
//!
//! The lock is on a file next to the path, `.emberline-NAME.lock`, a name that no file of a user has. It is a lock of
//! the operating system, so it ends with its process; a file that a killed process left is removed like other
//! [temporary files](emberline_base::file::remove_stale). On a file system without locks, none is taken, and a download
//! is written under a name that includes the process id.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};

use crate::partial::with_suffix;
use crate::{Error, Observer};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
    is_held: bool,
}

impl Lock {
    /// Waits for the lock of `target`.
    ///
    /// # Errors
    /// When its file can't be created.
    pub(crate) fn take(target: &Path, observer: &mut dyn Observer) -> Result<Self, Error> {
        file::make_folder(file::folder_of(target))?;
        loop {
            let lock = Self::open(target)?;
            let is_held = acquire(&lock, target, observer).map_err(FileError::new("lock", &lock_path(target)))?;
            if !is_held || file::is_same_file(&lock_path(target), &lock) {
                return Ok(Self { path: lock_path(target), file: lock, is_held });
            }
        }
    }

    /// Takes the lock of `target`, unless another process holds it.
    pub(crate) fn try_take(target: &Path) -> Option<Self> {
        let (path, file) = (lock_path(target), Self::open(target).ok()?);
        (file.try_lock().is_ok() && file::is_same_file(&path, &file)).then_some(Self { path, file, is_held: true })
    }

    fn open(target: &Path) -> Result<File, Error> {
        let path = lock_path(target);
        file::remove_if_link(&path)?;
        let open = file::open_no_follow(&path, OpenOptions::new().write(true).create(true).truncate(false));
        Ok(open.map_err(FileError::new("write", &path))?)
    }

    /// Returns the path to which a download is written: a path of its own if there is no lock.
    pub(crate) fn working_path(&self, target: &Path) -> PathBuf {
        if self.is_held { target.to_owned() } else { with_suffix(target, &format!(".{}", std::process::id())) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed before it is released: whoever waits for it then sees that it is gone, and creates a new one.
        if file::is_same_file(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

/// Returns the file that is locked for `target`.
fn lock_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{}{name}{}", file::LOCK.0, file::LOCK.1))
}

/// Waits for the lock. Returns false if the file system has no locks.
fn acquire(file: &File, target: &Path, observer: &mut dyn Observer) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => return Ok(true),
        Err(TryLockError::WouldBlock) => {
            observer.on_message(&format!("another process is fetching {}; waiting for it", target.display()));
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
    use crate::IgnoreProgress;

    #[test]
    fn one_process_holds_the_lock_and_no_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("deep/model");
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = Lock::take(&target, &mut IgnoreProgress).expect("a lock");
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
        // The pipeline `p.toml` has this lock file next to it.
        fs::write(folder.path().join("p.lock"), b"mine").expect("written");
        fs::write(lock_path(&target), b"").expect("written");
        let held = Lock::take(&target, &mut IgnoreProgress).expect("a lock");
        file::remove_stale(folder.path());
        assert!(held.path.exists() && Lock::try_take(&target).is_none());
        drop(held);
        fs::write(lock_path(&target), b"").expect("written");
        file::remove_stale(folder.path());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_is_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, elsewhere) = (folder.path().join("x"), folder.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, lock_path(&target)).expect("linked");
        drop(Lock::take(&target, &mut IgnoreProgress).expect("a lock"));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
