//! Files: errors that name the path, and writes that a reader never sees half of.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::digest;

/// What could not be done to which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {}: {}", path.display(), plain(source))]
pub struct FileError {
    /// For example `read`, `write`, `make the folder`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names what was done to which file.
    pub fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// The system's words without the number of its error.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// What the names of files under way begin and end with.
const TEMPORARY: (&str, &str) = (".emberline-", ".tmp");

/// A file under way in a folder, which its writer renames into place. It is locked as long as the writer lives.
///
/// # Errors
/// When the folder can't be written.
pub fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new().prefix(TEMPORARY.0).suffix(TEMPORARY.1).tempfile_in(folder)?;
    // Where there are no locks, a file under way may be taken for litter: its writer then fails, and harms nothing.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// The files of a folder that were under way when their writer was killed.
pub fn litter(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
    };
    let is_left = |path: &PathBuf| fs::File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    entries.map(|entry| entry.path()).filter(|path| is_temporary(path) && is_left(path)).collect()
}

/// Removes a folder's [`litter`]. What can't be removed is only met again.
pub fn clear_litter(folder: &Path) {
    litter(folder).iter().for_each(|path| drop(fs::remove_file(path)));
}

/// Reads a whole file.
///
/// # Errors
/// When it can't be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::new("read", path))
}

/// Makes a folder and those above it.
///
/// # Errors
/// When one of them can't be made.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("make the folder", path))
}

/// Writes `bytes` beside `path`, flushes them to the disk and renames the file into place: a
/// reader finds the old content or the new one, never a part of it, and after an error the
/// old one stands. Makes the folder where it is missing.
///
/// # Errors
/// When the disk is full, the folder can't be written, ...
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, fs::File::sync_all)
}

/// As [`write_atomic`], but without waiting for the disk, which takes longer than many a training. A process that is
/// killed loses nothing by it; where the power fails in the next seconds, the file may turn out empty.
///
/// # Errors
/// When the disk is full, the folder can't be written, ...
pub fn write_atomic_unflushed(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, |_| Ok(()))
}

fn replace(path: &Path, bytes: &[u8], flush: impl FnOnce(&fs::File) -> io::Result<()>) -> Result<(), FileError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let write = || -> io::Result<()> {
        let mut file = temporary_in(folder)?;
        file.write_all(bytes)?;
        flush(file.as_file())?;
        make_readable(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(FileError::new("write", path))
}

/// Temporary files are private; results are as readable as any other file.
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// The SHA-256 of a file that is read piece by piece, as `sha256sum` prints it.
///
/// # Errors
/// When it can't be read.
pub fn sha256_of(path: &Path) -> Result<String, FileError> {
    let hash = fs::File::open(path).and_then(|mut file| digest::sha256_of(&mut file));
    hash.map_err(FileError::new("read", path))
}

/// The SHA-256 of a file's bytes, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    digest::sha256_hex(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_no_litter() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("a folder in the file's place");
        let error = write_atomic(&taken, b"new").expect_err("a folder stands there");
        assert!(error.to_string().starts_with("can't write"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn litter_is_what_no_writer_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = temporary_in(folder.path()).expect("a file");
        let left = folder.path().join(".emberline-x.tmp");
        fs::write(&left, b"half").expect("written");
        fs::write(folder.path().join("kept.tmp"), b"whole").expect("written");
        assert_eq!(litter(folder.path()), [left]);
        clear_litter(folder.path());
        assert!(litter(folder.path()).is_empty() && held.path().exists());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2);
    }

    #[test]
    fn a_write_replaces_the_old_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/result.json");
        write_atomic(&path, b"old").and_then(|()| write_atomic(&path, b"new")).expect("written");
        assert_eq!(read(&path).expect("read"), b"new");
    }
}
