//! A segment: a safetensors file of vectors that any program can read, named by the BLAKE3 digest of its content.
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `keys` | U8 `[texts, 32]` | the SHA-256 of each text |
//! | `vectors` | F32 `[texts, dim]` | the vector of each text |
//!
//! Metadata entries, all of them strings:
//!
//! | key | value |
//! |---|---|
//! | `format` | `emberline-embeddings/2` |
//! | `source`, `computation`, `device`, `arithmetic` | the [`Producer`] |
//! | `dim` | the length of a vector |
//! | `about` | a description of the producer for people |
//!
//! Format 1 stated neither the producer nor the length, so a segment in the folder of another producer couldn't be
//! detected.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use emberline_base::file::{FileError, temporary_in};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::{Key, Producer, create_producer_folder, entries};

/// The name of the format, before its version.
const FORMAT: &str = "emberline-embeddings/";
const VERSION: u32 = 2;
/// The extension of a segment's file name.
pub(crate) const EXTENSION: &str = "safetensors";
/// The maximum length of a header that is read, in bytes: a segment's has a few hundred.
const MAX_HEADER: u64 = 1 << 16;
const KEY_BYTES: usize = size_of::<Key>();

/// An open and verified segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) about: String,
    pub(crate) dim: usize,
    /// The producer; none in a segment of another version of the format, whose vectors are not read.
    pub(crate) producer: Option<Producer>,
    map: Mmap,
    keys: Range<usize>,
    vectors: Range<usize>,
}

/// Returns the files of a folder that have a segment's extension, sorted by name. Pipes and other special files are
/// skipped.
pub(crate) fn paths(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == EXTENSION) && path.is_file());
    Ok(paths)
}

/// Why a segment can't be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Its content doesn't match its name or isn't a segment; the reason.
    Damaged(String),
    /// An I/O error; the file may have been removed meanwhile.
    Io(io::Error),
}

impl Segment {
    /// Opens a segment and compares its content with its name.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let map = map(&File::open(path).map_err(OpenError::Io)?).map_err(OpenError::Io)?;
        let found = blake3::Hasher::new().update_rayon(&map).finalize().to_hex();
        if path.file_stem().is_none_or(|name| name != found.as_str()) {
            return Err(OpenError::Damaged(format!("its content has the BLAKE3 {found}")));
        }
        let damaged = |reason: &str| OpenError::Damaged(reason.to_owned());
        let (_, header) = SafeTensors::read_metadata(&map).map_err(|e| OpenError::Damaged(e.to_string()))?;
        let stated = header.metadata().clone().unwrap_or_default();
        let version = stated.get("format").and_then(|format| version_of(format));
        let version = version.ok_or_else(|| damaged("it isn't a segment of the cache"))?;
        let tensors = SafeTensors::deserialize(&map).map_err(|e| OpenError::Damaged(e.to_string()))?;
        let array = |name: &str| tensors.tensor(name).map_err(|e| OpenError::Damaged(e.to_string()));
        let (keys, vectors) = (array("keys")?, array("vectors")?);
        let dim = shape(&keys, &vectors).ok_or_else(|| damaged("its arrays have the wrong shape"))?;
        let range = |view: &TensorView<'_>| {
            let start = view.data().as_ptr().addr() - map.as_ptr().addr();
            start..start + view.data().len()
        };
        let (keys, vectors) = (range(&keys), range(&vectors));
        let about = stated.get("about").cloned().unwrap_or_default();
        let producer = (version == VERSION).then(|| Producer::from_metadata(&stated));
        if producer == Some(None) || (version == VERSION && stated.get("dim") != Some(&dim.to_string())) {
            return Err(damaged("it doesn't state its producer"));
        }
        Ok(Self { path: path.to_owned(), about, dim, producer: producer.flatten(), keys, vectors, map })
    }

    /// Returns why the segment doesn't hold vectors of `dim` numbers made by `producer`; none if it does.
    pub(crate) fn mismatch(&self, producer: &Producer, dim: usize) -> Option<String> {
        let stated = self.producer.as_ref()?;
        if stated != producer {
            Some(format!("its vectors are from {}", producer.difference(stated)))
        } else {
            (self.dim != dim).then(|| format!("its vectors have {} numbers, not {dim}", self.dim))
        }
    }

    /// Returns the number of texts.
    pub(crate) fn texts(&self) -> usize {
        self.keys.len() / KEY_BYTES
    }

    /// Returns the keys of the texts, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        let keys = self.map[self.keys.clone()].as_chunks::<KEY_BYTES>().0;
        keys.iter().map(|key| Key(*key))
    }

    /// Copies the vector of the text at `index` into `out`, `[dim]`.
    pub(crate) fn read(&self, index: usize, out: &mut [f32]) {
        let start = self.vectors.start + index * self.dim * 4;
        let bytes = self.map[start..start + self.dim * 4].as_chunks::<4>().0;
        for (number, bytes) in out.iter_mut().zip(bytes) {
            *number = f32::from_le_bytes(*bytes);
        }
    }

    /// Sets the modification time to now, which marks the segment as used. If that fails, the segment is only removed
    /// earlier.
    pub(crate) fn touch(&self) {
        let _ = File::options().append(true).open(&self.path).and_then(|file| file.set_modified(SystemTime::now()));
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.map[range.clone()]
    }
}

#[expect(unsafe_code, reason = "a memory map is only sound while nobody changes the file")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: segments are never written to: they are renamed into place whole, and at most removed.
    unsafe { Mmap::map(file) }
}

/// Returns the length of a vector; none if the arrays have other types or shapes.
fn shape(keys: &TensorView<'_>, vectors: &TensorView<'_>) -> Option<usize> {
    let &[texts, KEY_BYTES] = keys.shape() else { return None };
    let &[rows, dim] = vectors.shape() else { return None };
    let fits = texts == rows && dim > 0 && keys.dtype() == Dtype::U8 && vectors.dtype() == Dtype::F32;
    fits.then_some(dim)
}

/// The metadata that a segment states about its vectors.
#[derive(Clone, Debug)]
pub(crate) struct SegmentMetadata {
    pub(crate) producer: Producer,
    pub(crate) dim: usize,
    /// A description of the producer for people.
    pub(crate) about: String,
}

/// Writes a segment of new vectors, `[keys.len(), dim]`, into `folder`, and returns its path.
pub(crate) fn write(
    folder: &Path,
    metadata: &SegmentMetadata,
    keys: &[Key],
    vectors: &[f32],
) -> Result<PathBuf, FileError> {
    save(folder, metadata, keys.len(), |out| {
        keys.iter().try_for_each(|key| out.write_all(&key.0))?;
        vectors.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))
    })
}

/// Merges segments with equal metadata into a new one, and returns its path.
pub(crate) fn merge(folder: &Path, metadata: &SegmentMetadata, parts: &[Segment]) -> Result<PathBuf, FileError> {
    save(folder, metadata, parts.iter().map(Segment::texts).sum(), |out| {
        parts.iter().try_for_each(|part| out.write_all(part.bytes(&part.keys)))?;
        parts.iter().try_for_each(|part| out.write_all(part.bytes(&part.vectors)))
    })
}

/// Writes header and content to a temporary file while hashing them, and renames the file to the hash.
fn save(
    folder: &Path,
    metadata: &SegmentMetadata,
    texts: usize,
    content: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, FileError> {
    create_producer_folder(folder)?;
    let write = || -> io::Result<PathBuf> {
        let file = temporary_in(folder)?;
        let mut out = HashingWriter { out: BufWriter::new(file), hash: blake3::Hasher::new() };
        out.write_all(&header(metadata, texts))?;
        content(&mut out)?;
        let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        let path = folder.join(format!("{}.{EXTENSION}", out.hash.finalize().to_hex()));
        file.persist(&path)?;
        Ok(path)
    };
    write().map_err(FileError::new("write a segment in", folder))
}

/// Returns the header of a safetensors file: its length (u64, little-endian), then JSON, padded with spaces to a
/// multiple of 8 bytes so that the arrays are aligned.
fn header(metadata: &SegmentMetadata, texts: usize) -> Vec<u8> {
    let SegmentMetadata { producer, dim, about } = metadata;
    let (keys, vectors) = (texts * KEY_BYTES, texts * dim * 4);
    let mut entries = serde_json::json!({
        "format": format!("{FORMAT}{VERSION}"), "dim": dim.to_string(), "about": about,
    });
    producer.to_metadata().into_iter().for_each(|(key, value)| entries[key] = value.into());
    let json = serde_json::json!({
        "__metadata__": entries,
        "keys": {"dtype": "U8", "shape": [texts, KEY_BYTES], "data_offsets": [0, keys]},
        "vectors": {"dtype": "F32", "shape": [texts, dim], "data_offsets": [keys, keys + vectors]},
    });
    let mut json = json.to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json].concat()
}

/// Returns whether a file states that it is a segment of another version of the format. Only the header is read.
pub(crate) fn is_of_other_version(path: &Path) -> bool {
    let read = || -> Option<bool> {
        let mut file = File::open(path).ok()?;
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return None;
        }
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).ok()?;
        let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
        Some(version_of(header["__metadata__"]["format"].as_str()?)? != VERSION)
    };
    read().unwrap_or(false)
}

/// Parses the version from the `format` entry of a segment.
fn version_of(format: &str) -> Option<u32> {
    format.strip_prefix(FORMAT)?.parse().ok()
}

/// A writer that hashes what it passes on.
struct HashingWriter<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
