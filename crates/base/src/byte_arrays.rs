//! Files of [`array_file`] whose arrays are bytes too many for memory: each array is copied from and to
//! another file, piece by piece.
//!
//! Memory is bounded by the header, which may hold 16 MB, and by the arrays that are asked for by [`ByteArrays::bytes`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::array_file::{self, ElementType};
use crate::digest::hex;
use crate::file::{self, FileError};
use crate::memory;

/// The longest header that is written and read.
const MAX_HEADER: u64 = 16 << 20;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 16;

/// Where the bytes of an array come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// Memory.
    Bytes(Vec<u8>),
    /// A file, all of it.
    File(PathBuf),
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ByteArraysError {
    /// The system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file isn't what was written.
    #[error("{0}")]
    Damaged(String),
    /// There is no memory for an array.
    #[error(transparent)]
    OutOfMemory(#[from] memory::OutOfMemory),
}

/// Writes a file with this metadata and these arrays of bytes, by name. Equal content gives equal bytes.
///
/// # Errors
/// When a file can't be read or changes meanwhile, the header becomes too long, or `out` can't be written.
pub fn write(
    out: &mut File,
    metadata: &BTreeMap<String, String>,
    arrays: &BTreeMap<String, Content>,
) -> Result<(), FileError> {
    let lengths = arrays.values().map(Content::length).collect::<Result<Vec<u64>, _>>()?;
    let shapes: Vec<[usize; 1]> = lengths.iter().map(|&length| [length as usize]).collect();
    let described = arrays.keys().zip(&shapes).map(|(name, shape)| (&**name, ElementType::U8, &shape[..], shape[0]));
    let header = array_file::header(&array_file::with_zeros(metadata), described);
    let mut start = (header.len() as u64).to_le_bytes().to_vec();
    start.extend_from_slice(header.as_bytes());
    let failed = || FileError::new("write", Path::new("the file of arrays"));
    if start.len() as u64 > MAX_HEADER {
        return Err(failed()(io::Error::other(
            "its header has more than 16 MB; use fewer files or shorter class names",
        )));
    }
    let digest_at = array_file::digest_position(&start).expect("the header holds the digest's entry");
    let mut hash = Sha256::new();
    hash.update(&start);
    out.write_all(&start).map_err(failed())?;
    for (content, length) in arrays.values().zip(lengths) {
        content.copy(length, &mut |piece| {
            hash.update(piece);
            out.write_all(piece).map_err(failed())
        })?;
    }
    let digest = hex(&hash.finalize());
    out.seek(SeekFrom::Start(digest_at as u64)).map_err(failed())?;
    out.write_all(digest.as_bytes()).map_err(failed())
}

impl Content {
    fn length(&self) -> Result<u64, FileError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => {
                let metadata = file::open(path).and_then(|file| file.metadata());
                Ok(metadata.map_err(FileError::new("read", path))?.len())
            }
        }
    }

    /// Gives `take` all bytes, which must be `length` many.
    fn copy(&self, length: u64, take: &mut dyn FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), FileError> {
        let path = match self {
            Self::Bytes(bytes) => return take(bytes),
            Self::File(path) => path,
        };
        let failed = || FileError::new("read", path);
        let mut file = file::open(path).map_err(failed())?;
        let mut buffer = vec![0; PIECE];
        let mut copied = 0;
        loop {
            let read = file.read(&mut buffer).map_err(failed())?;
            copied += read as u64;
            if copied > length || (read == 0 && copied < length) {
                return Err(failed()(io::Error::other("it changed while it was read; try again")));
            }
            if read == 0 {
                return Ok(());
            }
            take(&buffer[..read])?;
        }
    }
}

/// An opened file of byte arrays.
#[derive(Debug)]
pub struct ByteArrays {
    path: PathBuf,
    file: File,
    /// The length of the file.
    total: u64,
    /// The length and text of the header, as the file begins.
    start: Vec<u8>,
    metadata: BTreeMap<String, String>,
    /// Where each array should lie in the file.
    arrays: BTreeMap<String, Range<u64>>,
}

impl ByteArrays {
    /// Reads the header of a file. Its content counts only after [`verify`](Self::verify).
    ///
    /// # Errors
    /// When the file can't be read, is cut, or isn't a safetensors file of bytes.
    pub fn open(path: &Path) -> Result<Self, ByteArraysError> {
        let failed = || FileError::new("read", path);
        let mut file = file::open(path).map_err(failed())?;
        let total = file.metadata().map_err(failed())?.len();
        let mut length = [0; 8];
        if total < 8 {
            return Err(damaged("it is cut off in its header"));
        }
        file.read_exact(&mut length).map_err(failed())?;
        let header = u64::from_le_bytes(length);
        if header > total - 8 {
            return Err(damaged("it is cut off in its header, or no safetensors file"));
        }
        if header > MAX_HEADER {
            return Err(damaged("its header has more than 16 MB"));
        }
        let mut start = memory::filled(0, 8 + header as usize)?;
        start[..8].copy_from_slice(&length);
        file.read_exact(&mut start[8..]).map_err(failed())?;
        let (metadata, arrays) = parse(&start[8..]).map_err(ByteArraysError::Damaged)?;
        Ok(Self { path: path.to_owned(), file, total, start, metadata, arrays })
    }

    /// The metadata by key.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of the arrays, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Compares the whole file with the digest that it holds.
    ///
    /// # Errors
    /// When they differ, the file is cut, or it can't be read.
    pub fn verify(&mut self) -> Result<(), ByteArraysError> {
        for name in self.arrays.keys() {
            self.range(name)?;
        }
        // A fuzzer can't guess digests.
        if cfg!(fuzzing) {
            return Ok(());
        }
        let differs = || damaged("its content doesn't match its digest `sha256`");
        let at = array_file::digest_position(&self.start).ok_or_else(differs)?;
        let end = at + array_file::ZEROS.len();
        let digest = self.start.get(at..end).ok_or_else(differs)?.to_vec();
        let mut hash = Sha256::new();
        hash.update(&self.start[..at]);
        hash.update(array_file::ZEROS);
        hash.update(&self.start[end..]);
        let whole = self.start.len() as u64..u64::MAX;
        self.copy_range(whole, &mut |piece| {
            hash.update(piece);
            Ok(())
        })?;
        if hex(&hash.finalize()).as_bytes() == digest { Ok(()) } else { Err(differs()) }
    }

    /// The bytes of an array; none if there is no such array.
    ///
    /// # Errors
    /// When the file can't be read, or there is no memory for them.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, ByteArraysError> {
        let Some(range) = self.range(name)? else { return Ok(None) };
        let mut bytes = memory::with_capacity((range.end - range.start) as usize)?;
        self.copy_range(range, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(Some(bytes))
    }

    /// Writes the bytes of an array to a new file.
    ///
    /// # Errors
    /// When there is no such array, something is at the path already, or a file can't be read or written.
    pub fn extract(&mut self, name: &str, to: &Path) -> Result<(), ByteArraysError> {
        let failed = || FileError::new("write", to);
        let Some(range) = self.range(name)? else {
            return Err(damaged(&format!("it lacks the array `{name}`")));
        };
        let mut out = File::create_new(to).map_err(failed())?;
        self.copy_range(range, &mut |piece| out.write_all(piece).map_err(failed()))
    }

    /// Where an array lies in the file.
    fn range(&self, name: &str) -> Result<Option<Range<u64>>, ByteArraysError> {
        match self.arrays.get(name) {
            Some(range) if range.end > self.total => Err(damaged(&format!("it is cut off in the array `{name}`"))),
            range => Ok(range.cloned()),
        }
    }

    fn copy_range(
        &mut self,
        range: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FileError>,
    ) -> Result<(), ByteArraysError> {
        let failed = || FileError::new("read", &self.path);
        self.file.seek(SeekFrom::Start(range.start)).map_err(failed())?;
        let mut rest = (&mut self.file).take(range.end - range.start);
        let mut buffer = vec![0; PIECE];
        loop {
            let read = rest.read(&mut buffer).map_err(failed())?;
            if read == 0 {
                break;
            }
            take(&buffer[..read])?;
        }
        if rest.limit() > 0 && range.end < u64::MAX {
            return Err(damaged("it became shorter while it was read"));
        }
        Ok(())
    }
}

type Header = (BTreeMap<String, String>, BTreeMap<String, Range<u64>>);

/// The metadata of a header, and where in the file its arrays should be.
fn parse(header: &[u8]) -> Result<Header, String> {
    let value =
        serde_json::from_slice(header).map_err(|error| format!("{} in its header", crate::json::words(&error)))?;
    let Value::Object(entries) = value else { return Err("its header is no JSON object".to_owned()) };
    let (mut metadata, mut arrays) = (BTreeMap::new(), BTreeMap::new());
    let begin = 8 + header.len() as u64;
    for (name, entry) in entries {
        if name == "__metadata__" {
            metadata = serde_json::from_value(entry).map_err(|_| "its metadata aren't texts".to_owned())?;
            continue;
        }
        let place = |at: usize| begin.checked_add(entry["data_offsets"].get(at)?.as_u64()?);
        match (entry["dtype"].as_str(), place(0), place(1)) {
            (Some("U8"), Some(from), Some(to)) if from <= to => drop(arrays.insert(name, from..to)),
            _ => return Err(format!("the array `{name}` isn't of bytes")),
        }
    }
    Ok((metadata, arrays))
}

fn damaged(why: &str) -> ByteArraysError {
    ByteArraysError::Damaged(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(folder: &Path) -> PathBuf {
        let (from, path) = (folder.join("from"), folder.join("file"));
        fs::write(&from, b"from a file").expect("written");
        let metadata = BTreeMap::from([("format".to_owned(), "test".to_owned())]);
        let arrays = [("b", Content::Bytes(b"from memory".to_vec())), ("a", Content::File(from))];
        let arrays = arrays.map(|(name, content)| (name.to_owned(), content)).into();
        write(&mut File::create(&path).expect("made"), &metadata, &arrays).expect("written");
        path
    }

    #[test]
    fn arrays_come_back_and_the_format_is_that_of_array_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path());
        assert!(array_file::is_intact(&fs::read(&path).expect("readable")));
        let mut file = ByteArrays::open(&path).expect("sound");
        file.verify().expect("sound");
        assert_eq!(file.metadata()["format"], "test");
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(file.bytes("b").expect("readable").as_deref(), Some(&b"from memory"[..]));
        assert!(file.bytes("c").expect("readable").is_none());
        let copy = folder.path().join("copy");
        file.extract("a", &copy).expect("written");
        assert_eq!(fs::read(&copy).expect("readable"), b"from a file");
        assert!(file.extract("a", &copy).is_err() && file.extract("c", &folder.path().join("c")).is_err());
    }

    #[test]
    fn every_damage_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path());
        let bytes = fs::read(&path).expect("readable");
        let is_sound = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            ByteArrays::open(&path).and_then(|mut file| file.verify()).is_ok()
        };
        assert!(is_sound(&bytes) && !is_sound(&[&bytes[..], b"x"].concat()));
        for at in 0..bytes.len() {
            assert!(!is_sound(&bytes[..at]), "cut at {at}");
            for bit in [1, 0x40] {
                let mut damaged = bytes.clone();
                damaged[at] ^= bit;
                assert!(!is_sound(&damaged), "flipped at {at}");
            }
        }
    }
}
