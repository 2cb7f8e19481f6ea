//! Temporary files and folders: created in the folder of their final path, and removed later if their process was killed.
//!
//! A writer holds an advisory lock on its temporary file or folder, which the system releases when the process ends,
//! however it ends. A temporary file without a lock is stale, and any process may remove it; neither the clock nor process
//! ids are used.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::is_at;

/// Prefix and suffix of the names of temporary files and folders.
const NAME: (&str, &str) = (".emberline-", ".tmp");
/// Prefix and suffix of the names of lock files.
pub const LOCK: (&str, &str) = (".emberline-", ".lock");

/// Creates a locked temporary file in a folder, which its writer renames to its final path. It has the default permissions
/// of a new file, as the umask restricts them.
///
/// # Errors
/// If the folder isn't writable.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(NAME.0).suffix(NAME.1);
        set_default_permissions(&mut builder);
        let file = builder.tempfile_in(folder)?;
        if try_lock_new(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// A locked temporary folder, removed with its content when it is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    _lock: Option<File>,
}

impl TemporaryFolder {
    /// The folder's path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Creates a locked temporary folder in another folder; only its owner can read it.
///
/// # Errors
/// If the folder isn't writable.
pub fn temporary_folder_in(folder: &Path) -> io::Result<TemporaryFolder> {
    loop {
        let made = tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempdir_in(folder)?;
        // Some systems can't open folders. There, no process finds a folder stale either.
        let Ok(lock) = File::open(made.path()) else { return Ok(TemporaryFolder { folder: made, _lock: None }) };
        if try_lock_new(&lock, made.path()) {
            return Ok(TemporaryFolder { folder: made, _lock: Some(lock) });
        }
    }
}

/// Lists a folder's stale temporary files and folders (their writer was killed) and its lock files that no process holds.
pub fn litter(folder: &Path) -> Vec<PathBuf> {
    lock_stale(folder).map(|(path, _)| path).collect()
}

/// Removes a folder's [stale temporary files](litter). A failure is ignored: the next call tries again.
pub fn clear_litter(folder: &Path) {
    for (path, lock) in lock_stale(folder) {
        // The lock is held until the path is removed: a writer that has just created the file then creates another one.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        drop(lock);
    }
}

/// Locks a new file or folder. Returns false if another process removed it as stale before it could be locked.
fn try_lock_new(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => is_at(path, file),
        Err(TryLockError::WouldBlock) => false,
        // On a file system without locks, nothing is ever found stale.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Finds the temporary files and folders and the lock files that no process has locked, and locks each of them.
fn lock_stale(folder: &Path) -> impl Iterator<Item = (PathBuf, File)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        [NAME, LOCK].iter().any(|(begin, end)| name.starts_with(begin) && name.ends_with(end))
    });
    // Links and pipes, which would lead elsewhere or block, were not created by this program.
    let candidates = named.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()));
    candidates.filter_map(|entry| {
        let file = File::open(entry.path()).ok()?;
        file.try_lock().ok()?;
        Some((entry.path(), file))
    })
}

/// Requests the default permissions of a new file (0666), which the system restricts by the umask.
#[cfg(unix)]
fn set_default_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn set_default_permissions(_: &mut tempfile::Builder<'_, '_>) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).expect("readable").count()
    }

    #[test]
    fn litter_is_what_no_writer_has_locked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, inside) = (temporary_in(folder.path()), temporary_folder_in(folder.path()));
        let (file, inside) = (file.expect("a file"), inside.expect("a folder"));
        let left = folder.path().join(".emberline-x.tmp");
        let left_folder = folder.path().join(".emberline-y.tmp");
        fs::write(&left, b"half").expect("written");
        fs::create_dir(&left_folder).and_then(|()| fs::write(left_folder.join("half"), b"")).expect("made");
        fs::write(folder.path().join("kept.tmp"), b"whole").expect("written");
        let mut found = litter(folder.path());
        found.sort();
        assert_eq!(found, [left, left_folder]);
        clear_litter(folder.path());
        assert!(litter(folder.path()).is_empty() && file.path().exists() && inside.path().exists());
        assert_eq!(count(folder.path()), 3);
        drop((file, inside));
        assert_eq!(count(folder.path()), 1);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_pipes_are_left_alone() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        fs::write(other.path().join("kept"), b"mine").expect("written");
        std::os::unix::fs::symlink(other.path(), folder.path().join(".emberline-l.tmp")).expect("linked");
        let pipe = folder.path().join(".emberline-p.tmp");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().expect("run").success());
        clear_litter(folder.path());
        assert!(other.path().join("kept").exists());
    }

    #[test]
    fn a_writer_is_not_disturbed_by_those_who_clear() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            let clear = || (0..2_000).for_each(|_| clear_litter(folder.path()));
            scope.spawn(clear);
            scope.spawn(clear);
            for number in 0..500 {
                let file = temporary_in(folder.path()).expect("a file");
                file.persist(folder.path().join(number.to_string())).expect("nobody took it away");
            }
        });
    }
}
