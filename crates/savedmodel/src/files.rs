//! The files of a model: in a folder, or in memory.
//!
//! A folder's files are read on demand, shards of a checkpoint in pieces.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::memory;

/// The file that marks a folder as a SavedModel.
pub const SAVED_MODEL: &str = "saved_model.pb";

/// Where a model's files are. Names of files are relative, with `/` between the parts: `variables/variables.index`.
#[derive(Debug)]
pub enum Files {
    /// A folder.
    Folder(PathBuf),
    /// Files in memory by their names, such as those of an archive; messages name them below the path.
    Memory(PathBuf, BTreeMap<String, Vec<u8>>),
}

impl Files {
    /// Returns the path that a message about one file names.
    pub fn place(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Memory(path, _) => path.join(name),
        }
    }

    /// Returns an error about one file.
    pub fn fault(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::Format { file: name.to_owned(), path: self.place(name), reason: reason.into() }
    }

    /// Returns whether the file exists: an ordinary file, or a link to one.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Memory(_, files) => files.contains_key(name),
        }
    }

    /// Returns the file's length in bytes.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such file.
    pub fn len(&self, name: &str) -> Result<u64, Error> {
        match self {
            _ if !self.has(name) => Err(Error::Missing { file: name.to_owned(), path: self.place(name) }),
            Self::Folder(folder) => {
                let path = folder.join(name);
                Ok(fs::metadata(&path).map_err(unreadable(&path))?.len())
            }
            Self::Memory(_, files) => Ok(files.get(name).map_or(0, |bytes| bytes.len() as u64)),
        }
    }

    /// Reads the whole file, which may have at most `cap` bytes.
    ///
    /// # Errors
    /// When it doesn't exist, is larger, or can't be read.
    pub fn read(&self, name: &str, cap: u64) -> Result<Cow<'_, [u8]>, Error> {
        let len = self.len(name)?;
        if len > cap {
            return Err(self.fault(name, format!("{len} bytes; at most {cap} are read")));
        }
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let mut bytes = memory::with_capacity(usize::try_from(len).unwrap_or(usize::MAX))?;
                File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(unreadable(&path))?;
                Ok(Cow::Owned(bytes))
            }
            Self::Memory(_, files) => Ok(Cow::Borrowed(files.get(name).map_or(&[], Vec::as_slice))),
        }
    }

    /// Opens the file, to read from `offset` on.
    ///
    /// # Errors
    /// When it doesn't exist, or can't be read.
    pub fn reader(&self, name: &str, offset: u64) -> Result<Box<dyn Read + '_>, Error> {
        self.len(name)?;
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let mut file = File::open(&path).map_err(unreadable(&path))?;
                file.seek(SeekFrom::Start(offset)).map_err(unreadable(&path))?;
                Ok(Box::new(file))
            }
            Self::Memory(_, files) => {
                let bytes = files.get(name).map_or(&[][..], Vec::as_slice);
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(Box::new(&bytes[start..]))
            }
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_memory_give_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("assets")).expect("a folder");
        fs::write(folder.path().join("assets/a.txt"), "words").expect("written");
        let memory = BTreeMap::from([("assets/a.txt".to_owned(), b"words".to_vec())]);
        for files in [Files::Folder(folder.path().to_owned()), Files::Memory("m.tar.gz".into(), memory)] {
            assert_eq!((files.has("assets/a.txt"), files.has("assets")), (true, false));
            assert_eq!(*files.read("assets/a.txt", 5).expect("read"), *b"words");
            let mut end = String::new();
            files.reader("assets/a.txt", 3).expect("there").read_to_string(&mut end).expect("read");
            assert_eq!(end, "ds");
            let error = files.read("assets/a.txt", 4).expect_err("too large").to_string();
            assert!(error.ends_with("assets/a.txt: 5 bytes; at most 4 are read"), "{error}");
            let error = files.reader("none", 0).err().expect("not there");
            assert!(matches!(&error, Error::Missing { file, .. } if file == "none"), "{error}");
        }
    }
}
