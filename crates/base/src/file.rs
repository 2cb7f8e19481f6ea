//! File operations: atomic writes, and errors that name the path.
//!
//! A reader of a file that is written here sees the old content or the new content, never a part of it. New files and
//! folders get the default permissions, as the user's umask restricts them.

mod links;
mod mounts;
mod output;
mod stamp;
mod temporary;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::digest;

pub use self::links::{make_folder_below, open_no_follow, refuse_links, remove_if_link};
pub use self::mounts::{has_common_locks, is_local};
pub use self::output::{Output, link_target, write_output};
pub use self::stamp::Stamp;
pub use self::temporary::{
    LOCK, TemporaryFile, TemporaryFolder, remove_all_and_exit, remove_stale, stale_files, temporary_folder_in,
    temporary_in,
};

/// Maximum number of attempts to write a file whose temporary file another process removes.
const MAX_WRITES: usize = 3;

/// An I/O error, with the operation that failed and the path of the file.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {}: {}", path.display(), system_message(source))]
pub struct FileError {
    /// The operation that failed, as a verb phrase: `read`, `write`, `make the folder`, ...
    pub action: &'static str,
    /// The path of the file or folder.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

impl FileError {
    /// Returns whether a read failed because there is no regular file at the path: nothing is there, or it is a folder, a
    /// pipe, a socket or a device.
    pub fn is_not_a_file(&self) -> bool {
        let is_missing = self.source.kind() == ErrorKind::NotFound;
        self.action == "read" && (is_missing || self.source.get_ref().is_some_and(|inner| inner.is::<NotAFile>()))
    }

    /// Returns whether there was not enough memory for the file's content.
    pub fn is_out_of_memory(&self) -> bool {
        self.source.kind() == ErrorKind::OutOfMemory
    }

    /// Returns a closure for `map_err` that adds the operation and the path to an I/O error.
    pub fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Formats a system error for a message: it begins in lower case and has no `(os error N)` at its end.
pub fn system_message(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// The error for a path that is not a regular file; it holds what is there as a noun phrase, such as `a pipe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a regular file; copy its content to a regular file, and name that one")]
pub struct NotAFile(&'static str);

/// Opens a regular file for reading, and follows symbolic links. Anything else is refused before it is opened: a named
/// pipe would block until there is a writer, a device might never end, and neither can be read twice.
///
/// # Errors
/// If the file can't be opened, or isn't a regular file.
pub fn open(path: &Path) -> io::Result<fs::File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() {
        return fs::File::open(path);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, NotAFile(name_of(kind))))
}

#[cfg(unix)]
fn name_of(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn name_of(kind: fs::FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "something else" }
}

/// Reads a whole file into memory.
///
/// # Errors
/// If the file can't be read, isn't a regular file, or doesn't fit into memory.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let read = || {
        let mut file = open(path)?;
        let mut bytes = Vec::new();
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(FileError::new("read", path))
}

/// Creates a folder and its missing parent folders.
///
/// # Errors
/// If one of them can't be created.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("make the folder", path))
}

/// Writes a file atomically: writes `bytes` to a temporary file in the same folder, flushes it to the disk and renames it
/// to `path`. A reader finds the old content or the new content, never a part of it; after an error, the old content is
/// unchanged. Creates the folder if it is missing, and removes the [stale temporary files](stale_files) of killed processes.
///
/// # Errors
/// If the disk is full, the folder isn't writable, ...
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    remove_stale(folder_of(path));
    replace(path, bytes, fs::File::sync_all)
}

/// Writes a file atomically as [`write_atomic`] does, but doesn't wait until it is flushed to the disk, which can take
/// longer than training a small head. A killed process loses nothing; if the power fails within seconds, the file may be
/// empty afterwards.
///
/// # Errors
/// If the disk is full, the folder isn't writable, ...
pub fn write_atomic_unflushed(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, |_| Ok(()))
}

fn replace(path: &Path, bytes: &[u8], flush: impl Fn(&fs::File) -> io::Result<()>) -> Result<(), FileError> {
    if is_stream(path) {
        let write = || open_stream(path)?.write_all(bytes);
        return write().map_err(FileError::new("write", path));
    }
    let folder = folder_of(path);
    make_folder(folder)?;
    let write = || -> io::Result<()> {
        let mut file = temporary_in(folder)?;
        file.write_all(bytes)?;
        flush(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    let mut written = write();
    for _ in 1..MAX_WRITES {
        match &written {
            // On a file system whose locks don't reach other machines, one of those took the temporary file for stale.
            Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => written = write(),
            _ => break,
        }
    }
    written.map_err(FileError::new("write", path))
}

/// Returns whether the path is a stream, to which bytes are written directly and which a rename must not replace: a
/// device, a pipe, a socket, or a link such as `/dev/stdout`.
pub fn is_stream(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| match found.file_type() {
        kind if kind.is_symlink() => path.starts_with("/dev") || path.starts_with("/proc"),
        kind => !kind.is_file() && !kind.is_dir(),
    })
}

/// Opens a [stream](is_stream) for writing.
///
/// # Errors
/// If it can't be opened.
pub fn open_stream(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open(path)
}

/// Creates a hard link at `to` to the file `from`, and replaces a file that is at `to`. Copies the file if the file system
/// has no hard links. The replaced file's content is never overwritten, since other hard links may share it.
///
/// # Errors
/// If `from` can't be read, or the folder of `to` isn't writable.
pub fn link(from: &Path, to: &Path) -> Result<(), FileError> {
    loop {
        match fs::hard_link(from, to) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => remove_file(to)?,
            Err(_) => return write_atomic_unflushed(to, &read(from)?),
        }
    }
}

/// Removes a file; a missing file is no error.
///
/// # Errors
/// If the file can't be removed.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::new("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns the folder that contains a file; `.` for a bare file name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns whether a relative path stays within the folder that it is joined to: it has no `..`, no root and no drive.
pub fn stays_within(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Returns whether an open file or folder is still the one at the path, that is, it was neither removed nor replaced. The
/// device and the inode number are compared.
#[cfg(unix)]
pub fn is_same_file(path: &Path, file: &fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(at_path), Ok(open)) => identity(at_path) == identity(open),
        _ => false,
    }
}

/// Returns whether an open file or folder is still the one at the path: this system doesn't remove open files.
#[cfg(not(unix))]
pub fn is_same_file(path: &Path, _: &fs::File) -> bool {
    path.exists()
}

/// Computes the SHA-256 of a file in lower-case hex, as `sha256sum` prints it. The file is read in chunks.
///
/// # Errors
/// If the file can't be read.
pub fn sha256_of(path: &Path) -> Result<String, FileError> {
    let hash = open(path).and_then(|mut file| digest::sha256_of(&mut file));
    hash.map_err(FileError::new("read", path))
}

/// Computes the SHA-256 of bytes in lower-case hex, as `sha256sum` prints it.
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

    #[cfg(unix)]
    #[test]
    fn a_pipe_takes_the_bytes_and_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read(pipe).expect("readable"))
        };
        write_atomic(&pipe, b"bytes").expect("written");
        assert!(fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo());
        assert_eq!(reader.join().expect("it ends"), b"bytes");
        assert!(
            is_stream(Path::new("/dev/null")) && !is_stream(folder.path()) && !is_stream(&folder.path().join("no"))
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_ordinary_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        for (path, kind) in [(folder.path(), "a folder"), (&socket, "a socket"), (&link, "a device")] {
            let error = read(path).expect_err("not a file");
            assert!(error.is_not_a_file() && error.to_string().contains(kind), "{error}");
            assert!(sha256_of(path).expect_err("not a file").is_not_a_file());
        }
        assert!(read(&folder.path().join("none")).expect_err("nothing is there").is_not_a_file());
    }

    #[test]
    fn a_write_replaces_the_old_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/result.json");
        write_atomic(&path, b"old").and_then(|()| write_atomic(&path, b"new")).expect("written");
        assert_eq!(read(&path).expect("read"), b"new");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_replaced_and_what_it_names_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, b"mine").and_then(|()| std::os::unix::fs::symlink(&target, &link)).expect("linked");
        write_atomic(&link, b"new").expect("written");
        assert_eq!((read(&target).expect("read"), read(&link).expect("read")), (b"mine".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn a_link_takes_the_place_of_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, b"new").and_then(|()| fs::write(&to, b"old")).expect("written");
        link(&from, &to).and_then(|()| link(&from, &to)).expect("linked");
        assert_eq!((read(&from).expect("read"), read(&to).expect("read")), (b"new".to_vec(), b"new".to_vec()));
        let missing = link(&folder.path().join("none"), &to).expect_err("nothing to link").to_string();
        assert!(missing.contains("can't read") && missing.contains("none"), "{missing}");
    }

    #[test]
    fn a_write_survives_that_its_temporary_file_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("result.json");
        let removed = std::cell::Cell::new(0);
        // Locks don't reach another machine, which takes the file for a killed process's.
        let remove = |times: usize| {
            let (at, removed) = (folder.path(), &removed);
            move |_: &fs::File| {
                if removed.replace(removed.get() + 1) < times {
                    let entries = fs::read_dir(at)?;
                    let is_temporary = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
                    entries.flatten().filter(is_temporary).try_for_each(|entry| fs::remove_file(entry.path()))?;
                }
                Ok(())
            }
        };
        replace(&path, b"new", remove(2)).expect("the third attempt");
        assert_eq!((read(&path).expect("read"), removed.replace(0)), (b"new".to_vec(), 3));
        assert!(replace(&folder.path().join("other"), b"new", remove(9)).is_err());
    }

    #[test]
    fn a_write_removes_what_a_killed_writer_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join(".emberline-x.tmp");
        fs::write(&left, b"half").expect("written");
        write_atomic(&folder.path().join("p.lock"), b"new").expect("written");
        assert!(!left.exists());
    }
}
