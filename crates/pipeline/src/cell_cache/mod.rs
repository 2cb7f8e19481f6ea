//! The cell cache: finished cells by their content, shared between run folders, machines and CI jobs (`run --cell-cache DIR`).
//!
//! An entry is named by what a cell is held done by: its identity, the digests of its data and of its embedding, and the version
//! of the computation. It is one safetensors file of [`byte_arrays`], so that one rename makes it whole:
//!
//! ```text
//! DIR/cells-1/<the key's first two digits>/<key>.safetensors
//! ```
//!
//! | array | content |
//! |---|---|
//! | `attempt/NAME` | a file of the attempt that counts: `result.json`, `cell.toml`, ..., and the `SHA256SUMS` over them |
//! | `inputs/NAME` | what the embedding learned from the training texts, and how many words of each text it knows |
//! | `log/PATH` | an event file of the cell's TensorBoard log |
//!
//! | metadata entry | content |
//! |---|---|
//! | `format`, `version` | `emberline cell`, `1` |
//! | `identity`, `data`, `embedding`, `computation` | what the key is made of |
//! | `sha256` | the digest of the file, see [`array_file`](emberline_base::array_file) |
//!
//! Several machines may write to one folder, on NFS too: a file is written under a name of its own beside its place, flushed to
//! the disk, and renamed; then the folder is flushed. Nobody holds a lock. Of two writers of one entry the later one stays, and
//! both entries are whole. A damaged entry costs a training and is replaced by it.
//!
//! The checksums guard against accidents, not against people: whoever may write to the folder may also make results up. So
//! [`verify`](crate::verify), which proves results, trains without it.

mod housekeeping;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use emberline_base::Digest;
use emberline_base::byte_arrays::{self, ByteArrays, ByteArraysError, Content};
use emberline_base::file::{self, FileError};
use emberline_base::record::MadeFrom;

use crate::plan::Cell;

const FORMAT: &str = "emberline cell";
const VERSION: &str = "1";
/// The folder of this version's entries.
const FOLDER: &str = "cells-1";
const EXTENSION: &str = "safetensors";

/// The content of an entry: files by the names of their arrays.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A folder of finished cells, shared between run folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellCache {
    folder: PathBuf,
}

/// What an entry is named by: the cell's settings and inputs, and the version of the computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryKey {
    identity: String,
    data: Digest,
    embedding: Digest,
    computation: u32,
}

impl EntryKey {
    /// Returns the key of a cell with these inputs.
    pub(crate) fn new(cell: &Cell, data: Digest, embedding: Digest, computation: u32) -> Self {
        Self { identity: cell.identity.to_string(), data, embedding, computation }
    }

    /// Returns whether a result was made from the inputs of this key.
    pub(crate) fn is_of(&self, identity: &str, made_from: &MadeFrom) -> bool {
        let MadeFrom { data, embedding, computation, device: _, arithmetic: _ } = made_from;
        self.identity == identity
            && self.data == *data
            && self.embedding == *embedding
            && self.computation == *computation
    }

    fn name(&self) -> String {
        let computation = self.computation.to_string();
        let parts = [&self.identity, self.data.as_str(), self.embedding.as_str(), &computation];
        Digest::of_parts(parts.map(str::as_bytes)).as_str().to_owned()
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let Self { identity, data, embedding, computation } = self;
        let entries = [
            ("format", FORMAT),
            ("version", VERSION),
            ("identity", identity),
            ("data", data.as_str()),
            ("embedding", embedding.as_str()),
            ("computation", &computation.to_string()),
        ];
        entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }
}

impl CellCache {
    /// The environment variable that names the folder of the cell cache of `run`.
    pub const VARIABLE: &str = "EMBERLINE_CELL_CACHE";

    /// Returns the cell cache in a folder, without making it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the cell cache that the environment names; an empty name is none.
    pub fn of_environment() -> Option<Self> {
        std::env::var_os(Self::VARIABLE).filter(|folder| !folder.is_empty()).map(Self::new)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether there is an entry, whole or not.
    pub(crate) fn contains(&self, key: &EntryKey) -> bool {
        self.path(key).exists()
    }

    /// Reads an entry, verifies it by its digest, and notes that it was used; `None` if there is none.
    ///
    /// # Errors
    /// What is wrong with the entry, with its path, if it is damaged or can't be read: it must not be used.
    pub(crate) fn get(&self, key: &EntryKey) -> Result<Option<Files>, String> {
        let path = self.path(key);
        if let Err(error) = fs::metadata(&path)
            && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        {
            return Ok(None);
        }
        let files = read(&path, key).map_err(|error| match error {
            ByteArraysError::File(error) => error.to_string(),
            ByteArraysError::Damaged(why) => format!("{}: {why}", path.display()),
            ByteArraysError::OutOfMemory(error) => format!("{}: {error}", path.display()),
        })?;
        // Of a folder that others own only the order in which `cache gc` removes entries suffers.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(files))
    }

    /// Writes an entry, in place of one that is there.
    ///
    /// # Errors
    /// If the folder isn't writable, the disk is full, ...
    pub(crate) fn put(&self, key: &EntryKey, files: Files) -> Result<(), FileError> {
        let path = self.path(key);
        let folder = file::folder_of(&path);
        file::make_folder(folder)?;
        let failed = || FileError::new("write", &path);
        let mut new = file::temporary_in(folder).map_err(failed())?;
        let arrays = files.into_iter().map(|(name, bytes)| (name, Content::Bytes(bytes))).collect();
        byte_arrays::write(new.as_file_mut(), &key.metadata(), &arrays)?;
        new.as_file().sync_all().map_err(failed())?;
        new.persist(&path).map_err(failed())?;
        // Some systems can't open folders, or flush them.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn path(&self, key: &EntryKey) -> PathBuf {
        let name = key.name();
        self.entries().join(&name[..2]).join(format!("{name}.{EXTENSION}"))
    }

    fn entries(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }
}

/// Reads an entry and verifies that it is whole, and the one of the key.
fn read(path: &Path, key: &EntryKey) -> Result<Files, ByteArraysError> {
    let mut file = ByteArrays::open(path)?;
    file.verify()?;
    let is_stated = |(name, value): (&String, &String)| file.metadata().get(name) == Some(value);
    if !key.metadata().iter().all(is_stated) {
        return Err(ByteArraysError::Damaged("it is the entry of another cell or version".to_owned()));
    }
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let mut files = Files::new();
    for name in names {
        if let Some(bytes) = file.bytes(&name)? {
            files.insert(name, bytes);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
