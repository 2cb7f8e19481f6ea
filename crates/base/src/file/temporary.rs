//! Temporary files and folders: they lie beside what they become, and are removed if their writer was killed.
//!
//! A writer holds an advisory lock on its temporary file or folder, which the system releases when the process ends,
//! however it ends. Whoever finds one that nobody has locked may remove it; no clock and no process id is asked.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::is_at;

/// What the names of temporary files and folders begin and end with.
const NAME: (&str, &str) = (".emberline-", ".tmp");
/// What the names of files begin and end with that only hold a lock.
pub const LOCK: (&str, &str) = (".emberline-", ".lock");

/// Creates a temporary file in a folder, which its writer renames into place. Its permissions are those of any new file,
/// as the umask leaves them.
///
/// # Errors
/// When the folder can't be written.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(NAME.0).suffix(NAME.1);
        readable(&mut builder);
        let file = builder.tempfile_in(folder)?;
        if is_ours(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// A temporary folder, removed with all that it holds when it is dropped.
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

/// Creates a temporary folder in another one, which only its user can read.
///
/// # Errors
/// When the folder can't be written.
pub fn temporary_folder_in(folder: &Path) -> io::Result<TemporaryFolder> {
    loop {
        let made = tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempdir_in(folder)?;
        // Some systems can't open folders. There nobody takes one for abandoned either.
        let Ok(lock) = File::open(made.path()) else { return Ok(TemporaryFolder { folder: made, _lock: None }) };
        if is_ours(&lock, made.path()) {
            return Ok(TemporaryFolder { folder: made, _lock: Some(lock) });
        }
    }
}

/// Lists the temporary files and folders whose writer was killed, and the files of locks that nobody holds.
pub fn litter(folder: &Path) -> Vec<PathBuf> {
    abandoned(folder).map(|(path, _)| path).collect()
}

/// Removes a folder's [`litter`]. What can't be removed is met again another time.
pub fn clear_litter(folder: &Path) {
    for (path, lock) in abandoned(folder) {
        // The lock is held until the path is gone: a writer that has just created it then makes another one.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        drop(lock);
    }
}

/// Locks a new file or folder; false if another process took it for abandoned before it could be locked.
fn is_ours(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => is_at(path, file),
        Err(TryLockError::WouldBlock) => false,
        // Without locks nothing is ever taken for abandoned.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Temporary files and folders, and files of locks, that nobody has locked, each locked now.
fn abandoned(folder: &Path) -> impl Iterator<Item = (PathBuf, File)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        [NAME, LOCK].iter().any(|(begin, end)| name.starts_with(begin) && name.ends_with(end))
    });
    // Neither links nor pipes, which would lead elsewhere or block, are ours.
    let ours = named.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()));
    ours.filter_map(|entry| {
        let file = File::open(entry.path()).ok()?;
        file.try_lock().ok()?;
        Some((entry.path(), file))
    })
}

/// Asks for the permissions of any new file, from which the system takes those that the umask names.
#[cfg(unix)]
fn readable(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable(_: &mut tempfile::Builder<'_, '_>) {}

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
