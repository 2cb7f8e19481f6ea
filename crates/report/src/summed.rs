//! A folder whose `SHA256SUMS` says what its files hold.
//!
//! A file is read once and what was read is compared, so that the bytes that are used are the bytes that were checked.

use std::path::{Path, PathBuf};

use emberline_base::Sums;

use crate::Error;
use crate::run::{check, read_record, sums_of};

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
    /// When there is none, or it can't be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let sums = sums_of(&path)?;
        Ok(Self { path, sums })
    }

    /// The path of a file in it.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is missing or can't be read, or isn't what was written.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path_of(name);
        let bytes = read_record(&path)?;
        self.check(&path, &bytes)?;
        Ok(bytes)
    }

    /// Compares bytes with what the file of that name held when it was written; the file itself may lie elsewhere.
    ///
    /// # Errors
    /// When they differ; the error names the path.
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
        assert!(matches!(summed.read("b"), Err(Error::Changed(path)) if path.ends_with("b")), "nothing vouches for it");
        fs::write(folder.path().join("a"), "changed").expect("written");
        assert!(matches!(summed.read("a"), Err(Error::Changed(path)) if path.ends_with("a")));
        fs::remove_file(folder.path().join("a")).expect("removed");
        assert!(matches!(summed.read("a"), Err(Error::Missing(_))));
    }
}
