//! Whether a file was changed or replaced while it was in use.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::FileError;

/// What tells two states of a file apart without reading it: where it is stored, its length, and its times. It serves to
/// compare a file with itself within one process; nothing that is kept may depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The device, the number of the file there, and the time of its last change in any respect, which no program can set.
    #[cfg(unix)]
    stored: (u64, u64, i64, i64),
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// The present state of a file, or of the one that a link names. None for what isn't a regular file, such as a pipe.
    pub fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            #[cfg(unix)]
            stored: stored(&about),
            length: about.len(),
            modified: about.modified().ok(),
        })
    }

    /// What to say of a file that was changed while it was in use.
    pub fn changed(path: &Path) -> FileError {
        let source = std::io::Error::other("it was changed or replaced while it was in use; run again");
        FileError { action: "read", path: path.to_owned(), source }
    }
}

#[cfg(unix)]
fn stored(about: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (about.dev(), about.ino(), about.ctime(), about.ctime_nsec())
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
