//! Reads the tensors of a model from `model.safetensors`, or from the shards that `model.safetensors.index.json` lists.
//!
//! Input: the name and the expected shape of a tensor. Output: its values as `f32`, all of which must be finite; values of 16
//! and 64 bits are converted. The large matrices of a transformer aren't read, but stay in the mapped file (`mapped.rs`).
//!
//! | bytes of a safetensors file | |
//! |---|---|
//! | 0..8 | length n of the header, u64, little-endian |
//! | 8..8+n | the header, JSON: name -> dtype, shape, data_offsets relative to the end of the header |
//! | 8+n.. | the values, little-endian, without gaps |

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::file::{self, FileError};
use emberline_base::memory;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata};
use serde_json::Value;

use super::mapped::{self, Bytes, MappedTable, bytes_of, widen};
use crate::Error;
use crate::json;

/// The numbers that are checked at a time.
const CHUNK: usize = 1 << 18;
/// Maximum length of a header in bytes; a model of 10,000 tensors has a header of about 2 MiB.
const MAX_HEADER: u64 = 64 << 20;

/// The name of a tensor in a model's files, with its prefix.
pub(crate) type Name = Arc<str>;

/// A row-major matrix in host memory, `[rows, cols]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    /// The tensor that it was read from.
    pub(crate) name: Name,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) values: Vec<f32>,
}

impl Table {
    /// Returns one row, `[cols]`.
    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.cols..][..self.cols]
    }
}

/// The tensors of a model's files, by name. Only the headers are read when it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    files: Vec<Shard>,
    /// The index of the file that contains a tensor, by the tensor's name.
    shards: BTreeMap<String, usize>,
    /// The prefix of all names.
    prefix: String,
    /// The file to name in an error about a missing tensor.
    path: PathBuf,
    parameters: u64,
    /// Whether only names, shapes and types are checked, and no values are read.
    shapes_only: bool,
    /// The values that take the place of those in the files, by the tensor's full name: those of fine-tuned arrays.
    tuned: Arc<BTreeMap<String, Arc<[u8]>>>,
}

#[derive(Clone, Debug)]
struct Shard {
    path: PathBuf,
    metadata: Metadata,
    /// The offset of the values.
    start: u64,
    map: Arc<Mmap>,
}

impl Weights {
    /// Opens the `STEM.safetensors` of a folder, or the shards of its `STEM.safetensors.index.json`.
    pub(crate) fn open(folder: &Path, stem: &str) -> Result<Self, Error> {
        let whole = folder.join(format!("{stem}.safetensors"));
        let index = folder.join(format!("{stem}.safetensors.index.json"));
        let (path, files) = if whole.is_file() {
            (whole.clone(), vec![Shard::open(whole)?])
        } else if index.is_file() {
            let names = shard_names(&index)?;
            let shards = names.iter().map(|name| Shard::open(folder.join(name))).collect::<Result<_, _>>()?;
            (index, shards)
        } else {
            return Err(Error::Missing { path: whole, hint: pickle_hint(folder) });
        };
        let mut shards = BTreeMap::new();
        for (at, file) in files.iter().enumerate() {
            for name in file.metadata.offset_keys() {
                if shards.insert(name.clone(), at).is_some() {
                    return Err(Error::format(&file.path, format!("the tensor {name:?} is in another shard too")));
                }
            }
        }
        Ok(Self {
            files,
            shards,
            prefix: String::new(),
            path,
            parameters: 0,
            shapes_only: false,
            tuned: Arc::default(),
        })
    }

    /// Returns the same tensors with other values for some, by their full names, as long as the ones they take the place of.
    pub(crate) fn with_tuned(&self, tuned: BTreeMap<String, Arc<[u8]>>) -> Self {
        Self { tuned: Arc::new(tuned), ..self.clone() }
    }

    /// Returns the same tensors without their values: reading one checks its name, shape and type, and returns a single row of
    /// zeros. So the errors of a whole model are found without reading it.
    pub(crate) fn without_values(&self) -> Self {
        Self { shapes_only: true, ..self.clone() }
    }

    /// Sets the prefix of names to the first of `prefixes` with which `name` exists: the names of a model that was saved with a
    /// head have a prefix.
    pub(crate) fn find_prefix(&mut self, prefixes: &[&str], name: &str) {
        let found = prefixes.iter().find(|prefix| self.shards.contains_key(&format!("{prefix}{name}")));
        self.prefix = found.map_or(String::new(), |prefix| (*prefix).to_owned());
    }

    /// Returns whether a tensor exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.shards.contains_key(&format!("{}{name}", self.prefix))
    }

    /// Returns the number of parameters that were read so far.
    pub(crate) fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Reads a vector, `[length]`.
    pub(crate) fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, Error> {
        self.read(name, &[length])
    }

    /// Reads a matrix, `[rows, cols]`.
    pub(crate) fn table(&mut self, name: &str, rows: usize, cols: usize) -> Result<Table, Error> {
        Ok(Table { name: self.full_name(name), rows, cols, values: self.read(name, &[rows, cols])? })
    }

    /// Opens a matrix that stays in its file, `[rows, cols]`.
    pub(crate) fn mapped(&mut self, name: &str, rows: usize, cols: usize) -> Result<MappedTable, Error> {
        let (name, at) = self.find(name)?;
        self.parameters += (rows * cols) as u64;
        match self.tuned.get(&name) {
            Some(bytes) => {
                Ok(MappedTable::new(name.into(), [rows, cols], Dtype::F32, Bytes::Held(Arc::clone(bytes)), 0))
            }
            None => self.files[at].mapped(name.into(), [rows, cols], self.shapes_only),
        }
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let (name, at) = self.find(name)?;
        self.parameters += shape.iter().product::<usize>() as u64;
        match self.tuned.get(&name) {
            Some(bytes) => {
                let mut values = memory::filled(0.0, bytes.len() / size_of::<f32>())?;
                widen(Dtype::F32, bytes, &mut values);
                Ok(values)
            }
            None if self.shapes_only => self.files[at].check(&name, shape),
            None => self.files[at].read(&name, shape),
        }
    }

    /// Returns the name of a tensor with the prefix.
    pub(crate) fn full_name(&self, name: &str) -> Name {
        format!("{}{name}", self.prefix).into()
    }

    /// Returns the shape of a tensor by its full name.
    pub(crate) fn shape(&self, full_name: &str) -> Option<&[usize]> {
        let at = *self.shards.get(full_name)?;
        self.files[at].metadata.info(full_name).map(|info| &info.shape[..])
    }

    /// Reads the values of a tensor by its full name.
    pub(crate) fn values(&self, full_name: &str) -> Result<Vec<f32>, Error> {
        let shape = self.shape(full_name).unwrap_or_default().to_vec();
        Self { prefix: String::new(), shapes_only: false, ..self.clone() }.read(full_name, &shape)
    }

    /// Returns the full name of a tensor, and the index of its file.
    fn find(&self, name: &str) -> Result<(String, usize), Error> {
        let name = format!("{}{name}", self.prefix);
        let missing =
            || Error::format(&self.path, format!("no tensor {name:?}; the model is incomplete, get it again"));
        let at = *self.shards.get(&name).ok_or_else(missing)?;
        Ok((name, at))
    }

    /// Returns all tensors of the files by their full names, as they are stored.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Stored<'_>)> {
        self.shards.keys().filter_map(|name| Some((&name[..], self.stored(name)?)))
    }

    /// Returns a tensor by its full name, as it is stored.
    pub(crate) fn stored(&self, full_name: &str) -> Option<Stored<'_>> {
        let file = &self.files[*self.shards.get(full_name)?];
        let info = file.metadata.info(full_name)?;
        let start = file.start as usize;
        let bytes = &file.map[start + info.data_offsets.0..start + info.data_offsets.1];
        Some(Stored { dtype: info.dtype, shape: &info.shape, bytes })
    }

    /// Creates the error for files that were changed while they were in use.
    pub(crate) fn changed(&self) -> Error {
        Error::format(&self.path, "was changed while it was in use; run again")
    }

    /// Computes the BLAKE3 hash of every file, in order, on all cores.
    pub(crate) fn hashes(&self) -> Result<Vec<[u8; 32]>, Error> {
        self.files.iter().map(Shard::hash).collect()
    }
}

/// A tensor as it is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stored<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: &'a [usize],
    pub(crate) bytes: &'a [u8],
}

impl Stored<'_> {
    /// Returns whether it consists of floating-point numbers of a type that is read.
    pub(crate) fn is_float(&self) -> bool {
        is_float(self.dtype)
    }

    /// Returns its numbers with 32 bits; zeros if they are of another type.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let mut numbers = vec![0.0; self.shape.iter().product()];
        widen(self.dtype, self.bytes, &mut numbers);
        numbers
    }
}

fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let mut file = file::open(&path).map_err(FileError::new("read", &path))?;
        let length = file.metadata().map_err(FileError::new("read", &path))?.len();
        let damaged = |reason: &str| Error::format(&path, format!("{reason}; not a safetensors file, or truncated"));
        if length < 8 {
            return Err(damaged(&format!("{length} bytes")));
        }
        let mut prefix = [0; 8];
        file.read_exact(&mut prefix).map_err(FileError::new("read", &path))?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER || header > length - 8 {
            return Err(damaged(&format!("a header of {header} bytes in a file of {length}")));
        }
        let mut bytes = Vec::new();
        (&mut file).take(header).read_to_end(&mut bytes).map_err(FileError::new("read", &path))?;
        // Parsing checks that the tensors are adjacent, and that their lengths match their shapes.
        let metadata: Metadata = serde_json::from_slice(&bytes)
            .map_err(|e| damaged(&format!("a bad header: {}", emberline_base::json::describe_error(&e))))?;
        let start = 8 + header;
        if start.checked_add(metadata.data_len() as u64) != Some(length) {
            return Err(damaged(&format!("{length} bytes, but the header requires {start} + {}", metadata.data_len())));
        }
        let map = mapped::map(&file).map_err(FileError::new("read", &path))?;
        Ok(Self { path, metadata, start, map })
    }

    fn hash(&self) -> Result<[u8; 32], Error> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(&self.path).map_err(FileError::new("read", &self.path))?;
        Ok(hasher.finalize().into())
    }

    /// Returns the type of a tensor and its byte range in the data, if it has the expected shape.
    fn locate(&self, name: &str, shape: &[usize]) -> Result<(Dtype, Range<usize>), Error> {
        let fault = |reason: String| Error::format(&self.path, format!("the tensor {name:?} {reason}"));
        let info = self.metadata.info(name).ok_or_else(|| fault("isn't there".into()))?;
        if info.shape != shape {
            return Err(fault(format!("has the shape {:?}; the config says {shape:?}", info.shape)));
        }
        if !is_float(info.dtype) {
            return Err(fault(format!(
                "is of the type {:?}; the supported types are F16, BF16, F32 and F64",
                info.dtype
            )));
        }
        Ok((info.dtype, info.data_offsets.0..info.data_offsets.1))
    }

    /// Checks the shape and type of a tensor, and returns zeros for its first row only: filling a whole model would take long.
    fn check(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.locate(name, shape).map(|_| vec![0.0; shape.last().copied().unwrap_or_default()])
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let (dtype, range) = self.locate(name, shape)?;
        // The length was checked when the file was opened.
        let mut values = memory::with_capacity(range.len() / bytes_of(dtype))?;
        self.chunks(name, dtype, range, |chunk| values.extend_from_slice(chunk))?;
        Ok(values)
    }

    /// Opens a matrix, whose numbers are checked unless `shapes_only`.
    fn mapped(&self, name: Name, shape: [usize; 2], shapes_only: bool) -> Result<MappedTable, Error> {
        let (dtype, range) = self.locate(&name, &shape)?;
        let start = self.start as usize + range.start;
        if !shapes_only {
            self.chunks(&name, dtype, range, |_| ())?;
        }
        Ok(MappedTable::new(name, shape, dtype, Bytes::Mapped(Arc::clone(&self.map)), start))
    }

    /// Reads the numbers of a tensor, all of which must be finite, a chunk at a time. They are read and not taken from the
    /// mapped file, whose pages would then count as memory in use.
    fn chunks(&self, name: &str, dtype: Dtype, range: Range<usize>, mut take: impl FnMut(&[f32])) -> Result<(), Error> {
        let size = bytes_of(dtype);
        let mut file = file::open(&self.path).map_err(FileError::new("read", &self.path))?;
        file.seek(SeekFrom::Start(self.start + range.start as u64)).map_err(FileError::new("read", &self.path))?;
        let mut bytes = memory::filled(0, range.len().min(CHUNK * size))?;
        let mut numbers = memory::filled(0.0, bytes.len() / size)?;
        for first in (0..range.len()).step_by(CHUNK * size) {
            let length = bytes.len().min(range.len() - first);
            let (bytes, numbers) = (&mut bytes[..length], &mut numbers[..length / size]);
            file.read_exact(bytes).map_err(FileError::new("read", &self.path))?;
            widen(dtype, bytes, numbers);
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                let (value, at) = (numbers[at], first / size + at);
                let reason = format!("the tensor {name:?} has the value {value} at index {at}; the model is damaged");
                return Err(Error::format(&self.path, reason));
            }
            take(numbers);
        }
        Ok(())
    }
}

/// Returns the files that an index lists, without duplicates; all must be in its folder.
fn shard_names(index: &Path) -> Result<Vec<String>, Error> {
    let fault = |reason: &str| Error::format(index, reason);
    let object = json::object(index)?;
    let map = object.get("weight_map").and_then(Value::as_object).ok_or_else(|| fault("no `weight_map`"))?;
    let mut names = Vec::new();
    for name in map.values() {
        let name = name.as_str().ok_or_else(|| fault("`weight_map` has a value that isn't the name of a file"))?;
        if name.contains(['/', '\\', ':', '\0']) || name.starts_with('.') || !name.ends_with(".safetensors") {
            return Err(fault(&format!("`weight_map` names {name:?}, not a .safetensors file of this folder")));
        }
        names.push(name.to_owned());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn pickle_hint(folder: &Path) -> String {
    let pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "tf_model.h5"];
    match pickles.iter().find(|name| folder.join(name).exists()) {
        Some(name) => format!("; {name} is there, but may run code and is never loaded: take the model.safetensors"),
        None => "; the model is incomplete, get it again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{TensorView, serialize_to_file};

    use super::*;

    #[test]
    fn every_byte_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let mut bytes = vec![0; (1 << 20) + 12];
        let mut hash = |at: usize| {
            bytes[at] = 1;
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], &bytes).expect("a tensor");
            serialize_to_file([("a", view)], None, &path).expect("written");
            bytes[at] = 0;
            let hashes = Weights::open(folder.path(), "model").and_then(|weights| weights.hashes()).expect("readable");
            (std::fs::read(&path).expect("readable"), hashes)
        };
        let (content, first) = hash(0);
        assert_eq!(first, [*blake3::hash(&content).as_bytes()]);
        let others = [1, 1 << 19, (1 << 20) + 11].map(|at| hash(at).1);
        assert!(others.iter().all(|other| *other != first) && others[0] != others[1], "a byte was passed over");
    }
}
