//! Files: errors that name the path, and writes that a reader never sees half of.
//!
//! New files and folders have the permissions that the user's umask leaves them.

mod links;
mod output;
mod stamp;
mod temporary;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::digest;

pub use self::links::{make_folder_below, open_no_follow, refuse_links, remove_if_link};
pub use self::output::{Output, link_target, write_output};
pub use self::stamp::Stamp;
pub use self::temporary::{
    LOCK, TemporaryFile, TemporaryFolder, clear_litter, litter, remove_all_and_exit, temporary_folder_in, temporary_in,
};

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
    /// Whether there is no ordinary file where one was to be read: nothing, or a folder, a pipe, a socket or a device.
    pub fn is_no_file(&self) -> bool {
        let is_missing = self.source.kind() == ErrorKind::NotFound;
        self.action == "read" && (is_missing || self.source.get_ref().is_some_and(|inner| inner.is::<NotAFile>()))
    }

    /// Whether the system had no memory for what the file holds.
    pub fn is_out_of_memory(&self) -> bool {
        self.source.kind() == ErrorKind::OutOfMemory
    }

    /// For `map_err`: names what was done to which file.
    pub fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// The system's words without the number of its error.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// What is at a path where an ordinary file is needed, such as `a named pipe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not an ordinary file; copy what it holds to a file, and name that")]
pub struct NotAFile(&'static str);

/// Opens an ordinary file to be read, through links too. Anything else is refused before it is opened: a named pipe would
/// wait for a writer, a device might never end, and neither can be read twice.
///
/// # Errors
/// When it can't be opened, or isn't an ordinary file.
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

/// Reads a whole file.
///
/// # Errors
/// When it can't be read, or isn't an ordinary file.
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

/// Makes a folder and those above it.
///
/// # Errors
/// When one of them can't be made.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("make the folder", path))
}

/// Writes `bytes` beside `path`, flushes them to the disk and renames the file into place: a
/// reader finds the old content or the new one, never a part of it, and after an error the
/// old one stands. Makes the folder where it is missing, and removes what killed writers left in it.
///
/// # Errors
/// When the disk is full, the folder can't be written, ...
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    clear_litter(folder_of(path));
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
    write().map_err(FileError::new("write", path))
}

/// Returns whether what lies at the path takes bytes as they come, and must not be replaced by a file: a device, a pipe, a
/// socket, or one of the links such as `/dev/stdout`.
pub fn is_stream(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| match found.file_type() {
        kind if kind.is_symlink() => path.starts_with("/dev") || path.starts_with("/proc"),
        kind => !kind.is_file() && !kind.is_dir(),
    })
}

/// Opens a [stream](is_stream) to be written to.
///
/// # Errors
/// When the system refuses.
pub fn open_stream(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open(path)
}

/// Gives a file a second name (a hard link), in place of what has that name; copies it on a system without hard links. What
/// had the name is never written to: it may be another link's.
///
/// # Errors
/// When the file can't be read, or the folder not be written.
pub fn link(from: &Path, to: &Path) -> Result<(), FileError> {
    loop {
        match fs::hard_link(from, to) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => remove_file(to)?,
            Err(_) => return write_atomic_unflushed(to, &read(from)?),
        }
    }
}

/// Removes a file; one that isn't there is no error.
///
/// # Errors
/// When it can't be removed.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::new("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a relative path stays within the folder that it is joined to: it has no `..`, no root and no drive.
pub fn stays_within(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Returns whether an open file or folder is the one that lies at the path: it may have been removed or replaced.
#[cfg(unix)]
pub fn is_at(path: &Path, file: &fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(there), Ok(ours)) => identity(there) == identity(ours),
        _ => false,
    }
}

/// Returns whether an open file or folder is the one that lies at the path: an open one isn't removed on this system.
#[cfg(not(unix))]
pub fn is_at(path: &Path, _: &fs::File) -> bool {
    path.exists()
}

/// The SHA-256 of a file that is read piece by piece, as `sha256sum` prints it.
///
/// # Errors
/// When it can't be read.
pub fn sha256_of(path: &Path) -> Result<String, FileError> {
    let hash = open(path).and_then(|mut file| digest::sha256_of(&mut file));
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
            assert!(error.is_no_file() && error.to_string().contains(kind), "{error}");
            assert!(sha256_of(path).expect_err("not a file").is_no_file());
        }
        assert!(read(&folder.path().join("none")).expect_err("nothing is there").is_no_file());
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
    fn a_write_removes_what_a_killed_writer_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join(".emberline-x.tmp");
        fs::write(&left, b"half").expect("written");
        write_atomic(&folder.path().join("p.lock"), b"new").expect("written");
        assert!(!left.exists());
    }
}
