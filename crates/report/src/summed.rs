//! A folder whose files are verified by the checksums in its `SHA256SUMS`.
//!
//! A file is read once, so that the bytes that are used are the bytes that were verified.

use std::path::{Path, PathBuf};

use emberline_base::Sums;

use crate::Error;
use crate::run::{check, read_record, read_sums};

/// A folder with a `SHA256SUMS`, which was read when the folder was opened.
#[derive(Clone, Debug)]
pub struct SummedFolder {
    path: PathBuf,
    sums: Sums,
}

impl SummedFolder {
    /// Reads the `SHA256SUMS` of a folder.
    ///
    /// # Errors
    /// If there is none, or it can't be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let sums = read_sums(&path)?;
        Ok(Self { path, sums })
    }

    /// Returns the path of a file in the folder.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the names of the files that have a checksum.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sums.names()
    }

    /// Reads a file and verifies it by its checksum.
    ///
    /// # Errors
    /// If it is missing, can't be read, or doesn't match its checksum.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path_of(name);
        let bytes = read_record(&path)?;
        self.check(&path, &bytes)?;
        Ok(bytes)
    }

    /// Verifies bytes by the checksum of the file with the path's name; the file itself may be in another folder.
    ///
    /// # Errors
    /// If they don't match; the error names the path.
    pub fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        check(&self.sums, path, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use emberline_base::run_files;

    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(SummedFolder::open(folder.path()), Err(Error::NoSums(_))));
        let mut sums = Sums::default();
        sums.add("a", b"written");
        fs::write(folder.path().join(run_files::SUMS), sums.to_text()).expect("written");
        fs::write(folder.path().join("a"), "written").expect("written");
        fs::write(folder.path().join("b"), "beside").expect("written");
        let summed = SummedFolder::open(folder.path()).expect("sums");
        assert_eq!(summed.read("a").expect("whole"), b"written");
        assert!(matches!(summed.read("b"), Err(Error::Changed(path)) if path.ends_with("b")), "it has no checksum");
        fs::write(folder.path().join("a"), "changed").expect("written");
        assert!(matches!(summed.read("a"), Err(Error::Changed(path)) if path.ends_with("a")));
        fs::remove_file(folder.path().join("a")).expect("removed");
        assert!(matches!(summed.read("a"), Err(Error::Missing(_))));
    }
}
