//! `SHA256SUMS`: what the files of a folder held when they were written, as `sha256sum --check` reads it.
//!
//! Each line: 64 hex digits, two spaces, the file's name. Without it, a digit that the disk changed would be another result.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::file::{self, FileError};

/// The name of the file.
pub const FILE: &str = "SHA256SUMS";

/// The SHA-256 of files, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, String>);

impl Sums {
    /// Notes what a file holds.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.insert(name.to_owned(), file::sha256(bytes));
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect()
    }

    /// Reads the sums of a folder; none where there are none.
    ///
    /// # Errors
    /// When the file can't be read; what it doesn't hold is met by [`check`](Self::check).
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, FileError> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path)(error)),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let entry = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
                Ok(Some(Self(text.lines().filter_map(entry).collect())))
            }
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether a file holds what it held.
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
