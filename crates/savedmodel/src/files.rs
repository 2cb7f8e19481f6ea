//! The files of a model: a folder, or in memory.
//!
//! A folder's files are read as they are asked for, shards of a checkpoint in pieces.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::memory;

/// The file that makes a folder a SavedModel.
pub const SAVED_MODEL: &str = "saved_model.pb";

/// Where a model's files are. Names of files are relative, with `/` between: `variables/variables.index`.
#[derive(Debug)]
pub enum Files {
    /// A folder.
    Folder(PathBuf),
    /// Files in memory by their names, such as those of an archive; messages name them below the path.
    Memory(PathBuf, BTreeMap<String, Vec<u8>>),
}

impl Files {
    /// The path to name in a message about one file.
    pub fn place(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Memory(path, _) => path.join(name),
        }
    }

    /// A fault of one file.
    pub fn fault(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::Format { file: name.to_owned(), path: self.place(name), reason: reason.into() }
    }

    /// Whether the file is there: an ordinary file, or a link to one.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Memory(_, files) => files.contains_key(name),
        }
    }

    /// The file's length in bytes.
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

    /// The whole file, which may hold at most `cap` bytes.
    ///
    /// # Errors
    /// When it isn't there, is larger, or can't be read.
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

    /// The file, to read from `offset` on.
    ///
    /// # Errors
    /// When it isn't there, or can't be read.
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
