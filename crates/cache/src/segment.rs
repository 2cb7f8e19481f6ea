//! One file of vectors: a safetensors file that any program can read, named by the BLAKE3 of its content.
//!
//! | array | type | what |
//! |---|---|---|
//! | `keys` | U8 `[texts, 32]` | the SHA-256 of each text |
//! | `vectors` | F32 `[texts, dim]` | the vector of each text |
//!
//! Metadata, all of them texts:
//!
//! | key | |
//! |---|---|
//! | `format` | `emberline-embeddings/2` |
//! | `source`, `computation`, `device`, `arithmetic` | the [`Producer`] |
//! | `dim` | the length of a vector |
//! | `about` | what made them, for people |
//!
//! Format 1 stated neither the producer nor the length, so that a segment in another one's place was believed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use emberline_base::file::{FileError, temporary_in};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::{Key, Producer, entries, make_shelf};

/// The name of the format, before its version.
const FORMAT: &str = "emberline-embeddings/";
const VERSION: u32 = 2;
/// What a segment's name ends with.
pub(crate) const SUFFIX: &str = "safetensors";
/// The longest header that is looked into: a segment's has a few hundred bytes.
const MAX_HEADER: u64 = 1 << 16;
const KEY: usize = size_of::<Key>();

/// An open segment, verified.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) about: String,
    pub(crate) dim: usize,
    /// What made its vectors; none in a segment of another version of the format, whose vectors are not read.
    pub(crate) producer: Option<Producer>,
    map: Mmap,
    keys: Range<usize>,
    vectors: Range<usize>,
}

/// The files of a folder that are named as segments are, in order; pipes and other things that aren't files are passed by.
pub(crate) fn paths(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == SUFFIX) && path.is_file());
    Ok(paths)
}

/// Why a segment can't be opened.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It isn't what its name promises.
    Damaged(String),
    /// The system says no; it may be gone.
    Io(io::Error),
}

impl Segment {
    /// Opens a segment and compares its content with its name.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let map = map(&File::open(path).map_err(Fault::Io)?).map_err(Fault::Io)?;
        let found = blake3::Hasher::new().update_rayon(&map).finalize().to_hex();
        if path.file_stem().is_none_or(|name| name != found.as_str()) {
            return Err(Fault::Damaged(format!("its content has the BLAKE3 {found}")));
        }
        let damaged = |reason: &str| Fault::Damaged(reason.to_owned());
        let (_, metadata) = SafeTensors::read_metadata(&map).map_err(|e| Fault::Damaged(e.to_string()))?;
        let notes = metadata.metadata().clone().unwrap_or_default();
        let version = notes.get("format").and_then(|format| version_of(format));
        let version = version.ok_or_else(|| damaged("no segment of a cache"))?;
        let tensors = SafeTensors::deserialize(&map).map_err(|e| Fault::Damaged(e.to_string()))?;
        let array = |name: &str| tensors.tensor(name).map_err(|e| Fault::Damaged(e.to_string()));
        let (keys, vectors) = (array("keys")?, array("vectors")?);
        let dim = shape(&keys, &vectors).ok_or_else(|| damaged("arrays of another shape"))?;
        let range = |view: &TensorView<'_>| {
            let start = view.data().as_ptr().addr() - map.as_ptr().addr();
            start..start + view.data().len()
        };
        let (keys, vectors) = (range(&keys), range(&vectors));
        let about = notes.get("about").cloned().unwrap_or_default();
        let producer = (version == VERSION).then(|| Producer::from_metadata(&notes));
        if producer == Some(None) || (version == VERSION && notes.get("dim") != Some(&dim.to_string())) {
            return Err(damaged("it doesn't state what made it"));
        }
        Ok(Self { path: path.to_owned(), about, dim, producer: producer.flatten(), keys, vectors, map })
    }

    /// Returns why the segment can't be one of vectors of `dim` numbers that a producer made; none if it can.
    pub(crate) fn misplaced(&self, producer: &Producer, dim: usize) -> Option<String> {
        let stated = self.producer.as_ref()?;
        if stated != producer {
            Some(format!("its vectors are of {}", producer.difference(stated)))
        } else {
            (self.dim != dim).then(|| format!("its vectors have {} numbers, not {dim}", self.dim))
        }
    }

    /// The number of texts.
    pub(crate) fn texts(&self) -> usize {
        self.keys.len() / KEY
    }

    /// The keys of the texts, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        let keys = self.map[self.keys.clone()].as_chunks::<KEY>().0;
        keys.iter().map(|key| Key(*key))
    }

    /// The vector of the text at `index`, written to `out`, `[dim]`.
    pub(crate) fn read(&self, index: usize, out: &mut [f32]) {
        let start = self.vectors.start + index * self.dim * 4;
        let bytes = self.map[start..start + self.dim * 4].as_chunks::<4>().0;
        for (number, bytes) in out.iter_mut().zip(bytes) {
            *number = f32::from_le_bytes(*bytes);
        }
    }

    /// Notes that the segment was used now. Where it can't be noted, it is only cleared earlier.
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

/// The length of a vector, where both arrays fit.
fn shape(keys: &TensorView<'_>, vectors: &TensorView<'_>) -> Option<usize> {
    let &[texts, KEY] = keys.shape() else { return None };
    let &[rows, dim] = vectors.shape() else { return None };
    let fits = texts == rows && dim > 0 && keys.dtype() == Dtype::U8 && vectors.dtype() == Dtype::F32;
    fits.then_some(dim)
}

/// What a segment states of its vectors.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) producer: Producer,
    pub(crate) dim: usize,
    /// For people.
    pub(crate) about: String,
}

/// Writes a segment of new vectors (`[keys.len(), dim]`) into `folder`, and gives its path.
pub(crate) fn write(folder: &Path, label: &Label, keys: &[Key], vectors: &[f32]) -> Result<PathBuf, FileError> {
    save(folder, label, keys.len(), |out| {
        keys.iter().try_for_each(|key| out.write_all(&key.0))?;
        vectors.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))
    })
}

/// Writes a segment with the content of several of one label, and gives its path.
pub(crate) fn merge(folder: &Path, label: &Label, parts: &[Segment]) -> Result<PathBuf, FileError> {
    save(folder, label, parts.iter().map(Segment::texts).sum(), |out| {
        parts.iter().try_for_each(|part| out.write_all(part.bytes(&part.keys)))?;
        parts.iter().try_for_each(|part| out.write_all(part.bytes(&part.vectors)))
    })
}

/// Writes header and content to a temporary file while their hash is taken, and renames it to that.
fn save(
    folder: &Path,
    label: &Label,
    texts: usize,
    content: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, FileError> {
    make_shelf(folder)?;
    let write = || -> io::Result<PathBuf> {
        let file = temporary_in(folder)?;
        let mut out = Hashing { out: BufWriter::new(file), hash: blake3::Hasher::new() };
        out.write_all(&header(label, texts))?;
        content(&mut out)?;
        let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        let path = folder.join(format!("{}.{SUFFIX}", out.hash.finalize().to_hex()));
        file.persist(&path)?;
        Ok(path)
    };
    write().map_err(FileError::new("write a segment in", folder))
}

/// The header of a safetensors file: its length (u64, little endian) and JSON, padded so that arrays are aligned.
fn header(label: &Label, texts: usize) -> Vec<u8> {
    let Label { producer, dim, about } = label;
    let (keys, vectors) = (texts * KEY, texts * dim * 4);
    let mut metadata = serde_json::json!({
        "format": format!("{FORMAT}{VERSION}"), "dim": dim.to_string(), "about": about,
    });
    producer.to_metadata().into_iter().for_each(|(key, value)| metadata[key] = value.into());
    let json = serde_json::json!({
        "__metadata__": metadata,
        "keys": {"dtype": "U8", "shape": [texts, KEY], "data_offsets": [0, keys]},
        "vectors": {"dtype": "F32", "shape": [texts, dim], "data_offsets": [keys, keys + vectors]},
    });
    let mut json = json.to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json].concat()
}

/// Returns whether a file says that it is a segment of another version of the format; only its header is read.
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

/// The version that the `format` of a segment states.
fn version_of(format: &str) -> Option<u32> {
    format.strip_prefix(FORMAT)?.parse().ok()
}

/// A writer that takes the hash of what passes.
struct Hashing<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
