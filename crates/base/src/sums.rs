//! `SHA256SUMS`: the checksums of a folder's files, in the format that `sha256sum --check` reads.
//!
//! Each line holds 64 hex digits, two spaces and a file name. Without the checksums, a digit that was corrupted on the disk
//! would pass for another result.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::file::{self, FileError};

/// The name of the checksum file.
pub const FILE: &str = "SHA256SUMS";

/// The SHA-256 checksums of a folder's files, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, String>);

impl Sums {
    /// Adds the checksum of a file's content.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.insert(name.to_owned(), file::sha256(bytes));
    }

    /// Returns the text of the checksum file.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect()
    }

    /// Reads the checksum file of a folder; `None` if there is no such file.
    ///
    /// # Errors
    /// If the file can't be read. A malformed line is skipped, so that [`check`](Self::check) fails for its file.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, FileError> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path)(error)),
            Ok(bytes) => Ok(Some(Self::of_bytes(&bytes))),
        }
    }

    /// Reads the content of a checksum file. A malformed line is skipped, so that [`check`](Self::check) fails for its file.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let entry = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
        Self(text.lines().filter_map(entry).collect())
    }

    /// Returns the names of the files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns whether a file's content has the recorded checksum; false for a file that isn't listed.
    pub fn check(&self, name: &str, bytes: &[u8]) -> bool {
        self.0.get(name).is_some_and(|sum| *sum == file::sha256(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_as_sha256sum_writes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Sums::of_folder(folder.path()).expect("nothing"), None);
        let mut sums = Sums::default();
        sums.add("b.txt", b"abc");
        sums.add("a.txt", b"");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.txt\n";
        assert!(sums.to_text().ends_with(abc) && sums.names().eq(["a.txt", "b.txt"]));
        fs::write(folder.path().join(FILE), sums.to_text()).expect("written");
        let read = Sums::of_folder(folder.path()).expect("read").expect("there");
        assert_eq!(read, sums);
        assert!(read.check("b.txt", b"abc") && !read.check("b.txt", b"abd") && !read.check("c.txt", b""));
    }
}
