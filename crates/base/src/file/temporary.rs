//! Temporary files and folders: they lie beside what they become, and are removed if their writer was killed.
//!
//! A writer holds an advisory lock on its temporary file or folder, which the system releases when the process ends,
//! however it ends. Whoever finds one that nobody has locked may remove it; no clock and no process id is asked.
//!
//! A process that a signal ends removes its own by [`remove_all_and_exit`]: values aren't dropped then.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, TempDir};

use super::is_at;

/// What the names of temporary files and folders begin and end with.
const NAME: (&str, &str) = (".emberline-", ".tmp");
/// What the names of files begin and end with that only hold a lock.
pub const LOCK: (&str, &str) = (".emberline-", ".lock");

/// The temporary files and folders of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How often a folder is removed into which another thread may be writing at the same time.
const ATTEMPTS: usize = 3;

/// An entry of the list of this process's temporary files and folders, taken out when it is dropped.
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

/// A temporary file, removed when it is dropped unless it was renamed into place.
#[derive(Debug)]
pub struct TemporaryFile {
    // Fields are dropped in this order: a file is listed for as long as it exists.
    file: NamedTempFile,
    _listed: Listed,
}

impl TemporaryFile {
    /// The open file.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// The open file, to be written to.
    pub fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Renames the file into place, instead of what is there.
    ///
    /// # Errors
    /// When the system refuses; the temporary file is removed then.
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

/// Creates a temporary file in a folder, which its writer renames into place. Its permissions are those of any new file,
/// as the umask leaves them.
///
/// # Errors
/// When the folder can't be written.
pub fn temporary_in(folder: &Path) -> io::Result<TemporaryFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(NAME.0).suffix(NAME.1);
        readable(&mut builder);
        let (file, listed) = create(|| builder.tempfile_in(folder), NamedTempFile::path)?;
        if is_ours(file.as_file(), file.path()) {
            return Ok(TemporaryFile { file, _listed: listed });
        }
    }
}

/// A temporary folder, removed with all that it holds when it is dropped.
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

/// Creates a temporary folder in another one, which only its user can read.
///
/// # Errors
/// When the folder can't be written.
pub fn temporary_folder_in(folder: &Path) -> io::Result<TemporaryFolder> {
    loop {
        let make = || tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempdir_in(folder);
        let (made, listed) = create(make, TempDir::path)?;
        // Some systems can't open folders. There nobody takes one for abandoned either.
        let lock = File::open(made.path()).ok();
        if lock.as_ref().is_none_or(|lock| is_ours(lock, made.path())) {
            return Ok(TemporaryFolder { folder: made, _lock: lock, _listed: listed });
        }
    }
}

/// Creates something temporary and lists it, in one step as [`remove_all_and_exit`] sees it.
fn create<T>(make: impl FnOnce() -> io::Result<T>, path: impl FnOnce(&T) -> &Path) -> io::Result<(T, Listed)> {
    let mut live = live();
    let made = make()?;
    let path = path(&made).to_owned();
    live.push(path.clone());
    Ok((made, Listed(path)))
}

/// Ends the process as a signal asks for it: removes its temporary files and folders, and exits. Other threads may be at any
/// point of their work; one that creates another temporary file waits until the process has ended.
pub fn remove_all_and_exit(code: i32) -> ! {
    let mut live = live();
    live.drain(..).for_each(|path| remove(&path));
    std::process::exit(code)
}

fn remove(path: &Path) {
    let is_gone =
        || if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.is_ok() || !path.exists();
    let _ = (0..ATTEMPTS).any(|_| is_gone());
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
                file.persist(&folder.path().join(number.to_string())).expect("nobody took it away");
            }
        });
    }
}
