//! Temporary files and folders: created in the folder of their final path, and removed later if their process was killed.
//!
//! A writer holds an advisory lock on its temporary file or folder, which the system releases when the process ends,
//! however it ends. A temporary file without a lock is stale, and any process may remove it; neither the clock nor process
//! ids are used.
//!
//! A process that is ended by a signal removes its own temporary files by [`remove_all_and_exit`], because values aren't dropped
//! then.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, TempDir};

use super::is_same_file;

/// Prefix and suffix of the names of temporary files and folders.
const NAME: (&str, &str) = (".emberline-", ".tmp");
/// Prefix and suffix of the names of lock files.
pub const LOCK: (&str, &str) = (".emberline-", ".lock");

/// The paths of the temporary files and folders of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Maximum number of attempts to remove a folder, since another thread may be writing to it at the same time.
const MAX_ATTEMPTS: usize = 3;

/// An entry in the list of this process's temporary files and folders, which is removed when the value is dropped.
#[derive(Debug)]
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        live().retain(|path| *path != self.0);
    }
}

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file, which is removed when it is dropped unless it was renamed to its final path.
#[derive(Debug)]
pub struct TemporaryFile {
    // Fields are dropped in this order, so that a file is listed as long as it exists.
    file: NamedTempFile,
    _listed: Listed,
}

impl TemporaryFile {
    /// Returns the open file.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Returns the open file for writing.
    pub fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Returns the path of the temporary file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Renames the file to its final path; an existing file is replaced.
    ///
    /// # Errors
    /// If the system can't rename it; the temporary file is then removed.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        self.file.persist(path).map(drop).map_err(|error| error.error)
    }
}

impl Write for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Creates a locked temporary file in a folder, which its writer renames to its final path. It has the default permissions
/// of a new file, as the umask restricts them.
///
/// # Errors
/// If the folder isn't writable.
pub fn temporary_in(folder: &Path) -> io::Result<TemporaryFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(NAME.0).suffix(NAME.1);
        set_default_permissions(&mut builder);
        let (file, listed) = create(|| builder.tempfile_in(folder), NamedTempFile::path)?;
        if try_lock_new(file.as_file(), file.path()) {
            return Ok(TemporaryFile { file, _listed: listed });
        }
    }
}

/// A locked temporary folder, removed with its content when it is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    _lock: Option<File>,
    _listed: Listed,
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
        let make = || tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempdir_in(folder);
        let (made, listed) = create(make, TempDir::path)?;
        let lock = match File::open(made.path()) {
            Ok(lock) => Some(lock),
            // Another process removed it as stale before it could be locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            // Some systems can't open folders. There, no process finds a folder stale either.
            Err(_) => None,
        };
        if lock.as_ref().is_none_or(|lock| try_lock_new(lock, made.path())) {
            return Ok(TemporaryFolder { folder: made, _lock: lock, _listed: listed });
        }
    }
}

/// Creates a temporary file or folder and lists it; the two steps are atomic for [`remove_all_and_exit`].
fn create<T>(make: impl FnOnce() -> io::Result<T>, path: impl FnOnce(&T) -> &Path) -> io::Result<(T, Listed)> {
    let mut live = live();
    let made = make()?;
    let path = path(&made).to_owned();
    live.push(path.clone());
    Ok((made, Listed(path)))
}

/// Removes the temporary files and folders of this process, and exits. It is called after a signal, while other threads may
/// still be working; a thread that creates another temporary file blocks until the process has ended.
pub fn remove_all_and_exit(code: i32) -> ! {
    let mut live = live();
    live.drain(..).for_each(|path| remove(&path));
    std::process::exit(code)
}

fn remove(path: &Path) {
    let is_gone =
        || if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.is_ok() || !path.exists();
    let _ = (0..MAX_ATTEMPTS).any(|_| is_gone());
}

/// Lists a folder's stale temporary files and folders (their writer was killed) and its lock files that no process holds.
pub fn stale_files(folder: &Path) -> Vec<PathBuf> {
    lock_stale(folder).map(|(path, _)| path).collect()
}

/// Removes a folder's [stale temporary files](stale_files). A failure is ignored: the next call tries again.
pub fn remove_stale(folder: &Path) {
    for (path, lock) in lock_stale(folder) {
        // The lock is held until the path is removed: a writer that has just created the file then creates another one.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        drop(lock);
    }
}

/// Locks a new file or folder. Returns false if another process removed it as stale before it could be locked.
fn try_lock_new(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => is_same_file(path, file),
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
    fn stale_files_are_those_that_no_writer_has_locked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, inside) = (temporary_in(folder.path()), temporary_folder_in(folder.path()));
        let (file, inside) = (file.expect("a file"), inside.expect("a folder"));
        let left = folder.path().join(".emberline-x.tmp");
        let left_folder = folder.path().join(".emberline-y.tmp");
        fs::write(&left, b"half").expect("written");
        fs::create_dir(&left_folder).and_then(|()| fs::write(left_folder.join("half"), b"")).expect("made");
        fs::write(folder.path().join("kept.tmp"), b"whole").expect("written");
        let mut found = stale_files(folder.path());
        found.sort();
        assert_eq!(found, [left, left_folder]);
        remove_stale(folder.path());
        assert!(stale_files(folder.path()).is_empty() && file.path().exists() && inside.path().exists());
        assert_eq!(count(folder.path()), 3);
        drop((file, inside));
        assert_eq!(count(folder.path()), 1);
    }

    #[test]
    fn what_is_temporary_is_listed_while_it_exists() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = || live().iter().filter(|path| path.starts_with(folder.path())).cloned().collect::<Vec<_>>();
        let file = temporary_in(folder.path()).expect("a file");
        let inside = temporary_folder_in(folder.path()).expect("a folder");
        assert_eq!(here(), [file.path(), inside.path()]);
        fs::write(inside.path().join("half"), b"").expect("written");
        here().iter().for_each(|path| remove(path));
        assert_eq!(count(folder.path()), 0);
        assert!(file.persist(&folder.path().join("whole")).is_err(), "it is gone");
        drop(inside);
        assert!(here().is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn links_and_pipes_are_left_alone() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        fs::write(other.path().join("kept"), b"mine").expect("written");
        std::os::unix::fs::symlink(other.path(), folder.path().join(".emberline-l.tmp")).expect("linked");
        let pipe = folder.path().join(".emberline-p.tmp");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().expect("run").success());
        remove_stale(folder.path());
        assert!(other.path().join("kept").exists());
    }

    #[test]
    fn a_writer_is_not_disturbed_by_those_who_clear() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            let clear = || (0..2_000).for_each(|_| remove_stale(folder.path()));
            scope.spawn(clear);
            scope.spawn(clear);
            for number in 0..500 {
                let file = temporary_in(folder.path()).expect("a file");
                file.persist(&folder.path().join(number.to_string())).expect("nobody took it away");
                let inside = temporary_folder_in(folder.path()).expect("a folder");
                fs::write(inside.path().join("kept"), b"mine").expect("nobody took it away");
            }
        });
    }
}
