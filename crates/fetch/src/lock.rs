//! `PATH.lock`: one process at a time fetches what will lie at a path; others wait for it.
//!
//! The lock is the operating system's, so that it ends with its process. Where the file system knows no locks, there
//! is none: a download is then written beside its path under the process's own name.

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
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            file::make_folder(folder)?;
        }
        let path = beside(target, ".lock");
        loop {
            let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = open().map_err(FileError::new("write", &path))?;
            let held = hold(&file, target, observer).map_err(FileError::new("lock", &path))?;
            if !held || is_still(&path, &file) {
                return Ok(Self { path, file, held });
            }
        }
    }

    /// Where a download is written: a path of its own where there is no lock.
    pub(crate) fn working_path(&self, target: &Path) -> PathBuf {
        if self.held { target.to_owned() } else { beside(target, &format!(".{}", std::process::id())) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed before it is released: whoever waits for it then sees that it is gone, and makes a new one.
        if self.held && is_still(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
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

/// Whether the locked file is the one that has the path: its holder may have removed it while we waited.
#[cfg(unix)]
fn is_still(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(ours)) => identity(there) == identity(ours),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(path: &Path, _: &File) -> bool {
    // An open file isn't removed here.
    path.exists()
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
}
