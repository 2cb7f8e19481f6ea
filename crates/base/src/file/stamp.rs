//! Detects that a file was changed or replaced while it was in use.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::FileError;

/// A file's identity and modification state, without reading its content: device, inode, length and times. It is for
/// comparing a file with itself within one process; nothing that is stored may depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device, inode, and the seconds and nanoseconds of the change time (`ctime`), which no program can set.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Takes the present stamp of a file; a symbolic link is followed. Returns `None` for anything but a regular file, such
    /// as a pipe.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            #[cfg(unix)]
            inode: inode(&metadata),
            length: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Returns the error for a file that was changed while it was in use.
    pub fn changed_error(path: &Path) -> FileError {
        let source = std::io::Error::other("it was changed or replaced while it was in use; run again");
        FileError { action: "read", path: path.to_owned(), source }
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_a_replacement_show() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, b"one").expect("written");
        let times = fs::metadata(&path).and_then(|about| about.modified()).expect("a time");
        let first = Stamp::of(&path).expect("a file");
        assert_eq!(Stamp::of(&path), Some(first.clone()));
        // Another file of the same length and time.
        fs::write(&other, b"two").expect("written");
        fs::File::options().write(true).open(&other).and_then(|file| file.set_modified(times)).expect("set");
        fs::rename(&other, &path).expect("renamed");
        assert_ne!(Stamp::of(&path), Some(first.clone()));
        fs::write(&path, b"longer").expect("written");
        assert_ne!(Stamp::of(&path), Some(first));
        assert_eq!((Stamp::of(folder.path()), Stamp::of(&other)), (None, None));
    }
}
