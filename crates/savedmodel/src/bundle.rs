//! TensorFlow's TensorBundle: the variables of a checkpoint.
//!
//! In: `variables/variables.index` (a [LevelDB table](crate::leveldb) of `BundleHeader` and `BundleEntry` messages)
//! and the shards `variables/variables.data-0000I-of-0000N`. Out: single tensors; only their bytes are read from the
//! shards. Follows `tensor_bundle.proto` and `tensor_bundle.cc`.
//!
//! | content | bytes in a shard |
//! |---|---|
//! | numbers | little-endian, row-major |
//! | strings | a varint length for each, the u32 masked CRC-32C of the lengths (each as u32), then the bytes |
//! | a sliced tensor | nothing; each slice is a tensor with a [key of its own](crate::slice_key) |

use std::io::{self, Read};

use prost::Message;

use crate::error::Error;
use crate::files::Files;
use crate::leveldb::{self, Entry, is_checksum, varint};
use crate::proto::{BundleEntry, BundleHeader, TensorShapeProto, dtype};
use crate::slices::{self, Region};
use crate::{digest, memory};

const INDEX: &str = "variables/variables.index";
/// The maximum size of an index.
const MAX_INDEX: u64 = 64 << 20;
/// The maximum size of a string tensor.
const MAX_STRINGS: u64 = 256 << 20;
/// How many bytes of a table are read at once; a multiple of the size of every number.
const CHUNK: usize = 1 << 20;

/// An opened checkpoint.
#[derive(Debug)]
pub struct Bundle<'a> {
    files: &'a Files,
    shards: i32,
    entries: Vec<Entry>,
}

/// A matrix of a checkpoint, `[rows, cols]`.
#[derive(Debug)]
pub struct Numbers<T> {
    /// The first dimension.
    pub rows: usize,
    /// The product of all other dimensions.
    pub cols: usize,
    /// The numbers, row-major.
    pub values: Vec<T>,
    /// The content address of the tensor's bytes in the file: SHA-256, in lower-case hex, over the bytes of its
    /// pieces.
    pub digest: String,
}

/// A type of numbers that a checkpoint contains.
pub trait Number: Copy + Default {
    /// Appends the numbers of whole little-endian elements. Returns false if this type can't hold the element type.
    fn read(dtype: i32, bytes: &[u8], values: &mut Vec<Self>) -> bool;
}

impl Number for f32 {
    fn read(dtype: i32, bytes: &[u8], values: &mut Vec<Self>) -> bool {
        match dtype {
            dtype::FLOAT => values.extend(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b))),
            dtype::DOUBLE => values.extend(bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
            _ => return false,
        }
        true
    }
}

impl Number for f64 {
    fn read(dtype: i32, bytes: &[u8], values: &mut Vec<Self>) -> bool {
        values.extend(bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)));
        dtype == dtype::DOUBLE
    }
}

impl Number for i32 {
    fn read(dtype: i32, bytes: &[u8], values: &mut Vec<Self>) -> bool {
        values.extend(bytes.as_chunks::<4>().0.iter().map(|&b| i32::from_le_bytes(b)));
        dtype == dtype::INT32
    }
}

impl Number for i64 {
    fn read(dtype: i32, bytes: &[u8], values: &mut Vec<Self>) -> bool {
        values.extend(bytes.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)));
        dtype == dtype::INT64
    }
}

/// The range of a tensor's bytes, checked against its shard's length.
struct ByteRange {
    shard: String,
    offset: u64,
    size: u64,
    crc32c: u32,
}

impl<'a> Bundle<'a> {
    /// Reads the index.
    ///
    /// # Errors
    /// When there is no index, or it is damaged or of another kind.
    pub fn open(files: &'a Files) -> Result<Self, Error> {
        let bytes = files.read(INDEX, MAX_INDEX)?;
        let fault = |reason: String| files.fault(INDEX, reason);
        let mut entries = leveldb::entries(&bytes).map_err(fault)?;
        if entries.first().is_none_or(|(key, _)| !key.is_empty()) {
            return Err(fault("has no header".to_owned()));
        }
        let (_, header) = entries.remove(0);
        let header = BundleHeader::decode(header.as_slice()).map_err(|e| fault(format!("its header: {e}")))?;
        if header.endianness != 0 {
            return Err(fault("its numbers are big-endian; only little-endian ones are read".to_owned()));
        }
        if header.num_shards < 1 {
            return Err(fault(format!("names {} shards", header.num_shards)));
        }
        Ok(Self { files, shards: header.num_shards, entries })
    }

    /// Returns the names of all tensors, in order; slices of partitioned ones are left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|(key, _)| str::from_utf8(key).ok().filter(|name| !name.starts_with('\0')))
    }

    /// Returns the only element of a string tensor of rank 0.
    ///
    /// # Errors
    /// When the checkpoint has no such tensor, the tensor is of another kind, or its bytes are damaged.
    pub fn string(&self, name: &str) -> Result<Vec<u8>, Error> {
        let entry = self.entry(name.as_bytes())?;
        let fault = |reason: String| self.fault(name, &reason);
        if entry.dtype != dtype::STRING || !shape(&entry).map_err(fault)?.is_empty() {
            return Err(fault("isn't a single string".to_owned()));
        }
        let place = self.place(name, &entry)?;
        if place.size > MAX_STRINGS {
            return Err(fault(format!("{} bytes are too many for a string", place.size)));
        }
        let mut bytes = Vec::new();
        let mut reader = self.files.reader(&place.shard, place.offset)?.take(place.size);
        reader.read_to_end(&mut bytes).map_err(|source| self.unreadable(&place, source))?;
        one_string(&bytes, place.crc32c).map_err(|reason| self.shard_fault(&place, name, &reason))
    }

    /// Returns a matrix of 32- or 64-bit floats, or the part of it that `region` names, as 32-bit floats.
    ///
    /// # Errors
    /// When the checkpoint has no such matrix, its bytes are damaged, or there is too little memory.
    pub fn floats(&self, name: &str, region: Option<&Region>) -> Result<Numbers<f32>, Error> {
        let entry = self.entry(name.as_bytes())?;
        let shape = matrix_shape(&entry).map_err(|reason| self.fault(name, &reason))?;
        self.numbers(name, &entry, shape, region)
    }

    /// Returns the element type (a [`dtype`]) of a tensor of any rank, and its shape or that of the part that
    /// `region` names.
    ///
    /// # Errors
    /// When the checkpoint has no such tensor, or the tensor has no shape.
    pub fn describe(&self, name: &str, region: Option<&Region>) -> Result<(i32, Vec<usize>), Error> {
        let entry = self.entry(name.as_bytes())?;
        let shape = shape(&entry).map_err(|reason| self.fault(name, &reason))?;
        Ok(match (region, shape.len()) {
            (Some(part), 1) => (entry.dtype, vec![part.rows]),
            (Some(part), 2) => (entry.dtype, vec![part.rows, part.cols]),
            _ => (entry.dtype, shape),
        })
    }

    /// Returns the numbers of a tensor of any rank, or of the part that `region` names. All dimensions except the
    /// first are combined into one.
    ///
    /// # Errors
    /// When the checkpoint has no such tensor, the tensor has another element type, its bytes are damaged, or there
    /// is too little memory.
    pub fn tensor<T: Number>(&self, name: &str, region: Option<&Region>) -> Result<Numbers<T>, Error> {
        let entry = self.entry(name.as_bytes())?;
        let shape = flat_shape(&entry).map_err(|reason| self.fault(name, &reason))?;
        self.numbers(name, &entry, shape, region)
    }

    fn numbers<T: Number>(
        &self,
        name: &str,
        entry: &BundleEntry,
        [rows, cols]: [usize; 2],
        region: Option<&Region>,
    ) -> Result<Numbers<T>, Error> {
        let fault = |reason: String| self.fault(name, &reason);
        if entry.slices.is_empty() {
            if region.is_some_and(|r| *r != Region::whole(rows, cols)) {
                return Err(fault("is stored whole, but a part of it is asked for".to_owned()));
            }
            return self.whole(name, entry, [rows, cols]);
        }
        let regions = slices::regions(&entry.slices, rows, cols).map_err(fault)?;
        match region {
            Some(part) => {
                let stored = regions.iter().position(|r| r == part);
                let index = stored.ok_or_else(|| fault("has no such slice as the variable needs".to_owned()))?;
                self.slice(name, entry, index, part)
            }
            None => self.assembled(name, entry, &regions, [rows, cols]),
        }
    }

    fn slice<T: Number>(
        &self,
        name: &str,
        full: &BundleEntry,
        index: usize,
        region: &Region,
    ) -> Result<Numbers<T>, Error> {
        let key = slices::slice_key(name, &full.slices[index]);
        let entry = self.entry(&key)?;
        let found = flat_shape(&entry).map_err(|reason| self.fault(name, &reason))?;
        if found != [region.rows, region.cols] || entry.dtype != full.dtype || !entry.slices.is_empty() {
            return Err(self.fault(name, "has a slice that doesn't fit it"));
        }
        self.whole(name, &entry, found)
    }

    /// Assembles a sliced matrix.
    fn assembled<T: Number>(
        &self,
        name: &str,
        full: &BundleEntry,
        regions: &[Region],
        shape: [usize; 2],
    ) -> Result<Numbers<T>, Error> {
        let [rows, cols] = shape;
        self.check_slices(name, full, regions)?;
        let mut values = memory::filled(T::default(), rows * cols)?;
        let mut digests = Vec::with_capacity(regions.len());
        for (index, region) in regions.iter().enumerate() {
            let part = self.slice::<T>(name, full, index, region)?;
            for (row, from) in part.values.chunks_exact(region.cols.max(1)).enumerate() {
                let start = (region.row + row) * cols + region.col;
                values[start..start + region.cols].copy_from_slice(from);
            }
            digests.push(part.digest);
        }
        let digest = digest::of_parts(digests.iter().map(String::as_bytes));
        Ok(Numbers { rows, cols, values, digest })
    }

    /// Checks that every slice is as large as its region and has bytes of its own, so that the whole is no larger
    /// than the files.
    fn check_slices(&self, name: &str, full: &BundleEntry, regions: &[Region]) -> Result<(), Error> {
        let mut spans = Vec::with_capacity(regions.len());
        for (index, region) in regions.iter().enumerate() {
            let entry = self.entry(&slices::slice_key(name, &full.slices[index]))?;
            let place = self.place(name, &entry)?;
            let bytes = [region.rows, region.cols].iter().try_fold(width(entry.dtype), |n, &d| n.checked_mul(d as u64));
            if bytes != Some(place.size) {
                return Err(self.fault(name, "has a slice of another size than its shape says"));
            }
            spans.push((place.shard, place.offset, place.size));
        }
        spans.sort_unstable();
        match spans.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 + pair[0].2 > pair[1].1) {
            Some(_) => Err(self.fault(name, "has slices that share bytes")),
            None => Ok(()),
        }
    }

    /// Reads a matrix that is stored in one piece.
    fn whole<T: Number>(&self, name: &str, entry: &BundleEntry, [rows, cols]: [usize; 2]) -> Result<Numbers<T>, Error> {
        let width = width(entry.dtype);
        if !T::read(entry.dtype, &[], &mut Vec::new()) {
            return Err(self.fault(name, &format!("holds elements of type {}; float and double are read", entry.dtype)));
        }
        let place = self.place(name, entry)?;
        let count = rows.checked_mul(cols).filter(|&n| (n as u64).checked_mul(width) == Some(place.size));
        let count = count.ok_or_else(|| {
            self.fault(name, &format!("has the shape [{rows}, {cols}], but {} bytes of data", place.size))
        })?;
        let mut values = memory::with_capacity(count)?;
        let digest = self.read_chunks(name, &place, |bytes| {
            T::read(entry.dtype, bytes, &mut values);
        })?;
        Ok(Numbers { rows, cols, values, digest })
    }

    /// Calls `take` with the bytes of a tensor, chunk by chunk, and verifies their checksum.
    fn read_chunks(&self, name: &str, place: &ByteRange, mut take: impl FnMut(&[u8])) -> Result<String, Error> {
        let mut reader = self.files.reader(&place.shard, place.offset)?;
        let mut buffer = vec![0; CHUNK.min(usize::try_from(place.size).unwrap_or(CHUNK))];
        let mut digests = Vec::new();
        let (mut left, mut crc) = (place.size, 0);
        while left > 0 {
            let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let chunk = &mut buffer[..len];
            reader.read_exact(chunk).map_err(|source| self.unreadable(place, source))?;
            crc = crc32c::crc32c_append(crc, chunk);
            digests.push(digest::of_parts([&*chunk]));
            take(chunk);
            left -= len as u64;
        }
        if !is_checksum(place.crc32c, crc) {
            return Err(self.shard_fault(place, name, CHECKSUM));
        }
        Ok(digest::of_parts(digests.iter().map(String::as_bytes)))
    }

    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.entries.binary_search_by(|(k, _)| k.as_slice().cmp(key)).ok()?;
        Some(&self.entries[found].1)
    }

    fn entry(&self, key: &[u8]) -> Result<BundleEntry, Error> {
        let name = String::from_utf8_lossy(key);
        let value = self.value(key).ok_or_else(|| self.fault(&name, "isn't in the checkpoint"))?;
        BundleEntry::decode(value).map_err(|e| self.fault(&name, &e.to_string()))
    }

    fn place(&self, name: &str, entry: &BundleEntry) -> Result<ByteRange, Error> {
        if !(0..self.shards).contains(&entry.shard_id) {
            return Err(self.fault(name, &format!("lies in shard {} of {}", entry.shard_id, self.shards)));
        }
        let shard = format!("variables/variables.data-{:05}-of-{:05}", entry.shard_id, self.shards);
        let len = self.files.len(&shard)?;
        match (u64::try_from(entry.offset), u64::try_from(entry.size)) {
            (Ok(offset), Ok(size)) if offset.checked_add(size).is_some_and(|end| end <= len) => {
                Ok(ByteRange { shard, offset, size, crc32c: entry.crc32c })
            }
            _ => {
                let reason = format!(
                    "{len} bytes, too short for the variable {name:?} of {} bytes at byte {}; it is truncated, get it again",
                    entry.size, entry.offset
                );
                Err(self.files.fault(&shard, reason))
            }
        }
    }

    /// Returns an error about one variable.
    pub(crate) fn fault(&self, name: &str, reason: &str) -> Error {
        self.files.fault(INDEX, format!("the variable {name:?} {reason}"))
    }

    fn unreadable(&self, place: &ByteRange, source: io::Error) -> Error {
        Error::File { path: self.files.place(&place.shard), source }
    }

    fn shard_fault(&self, place: &ByteRange, name: &str, reason: &str) -> Error {
        self.files.fault(&place.shard, format!("byte {}: the variable {name:?} {reason}", place.offset))
    }
}

const CHECKSUM: &str = "has another checksum than the index says; the file is damaged, get it again";

/// Returns the size of a number in bytes; 0 for unsupported types.
fn width(dtype: i32) -> u64 {
    match dtype {
        dtype::FLOAT | dtype::INT32 => 4,
        dtype::DOUBLE | dtype::INT64 => 8,
        _ => 0,
    }
}

fn shape(entry: &BundleEntry) -> Result<Vec<usize>, String> {
    let empty = TensorShapeProto::default();
    let shape = entry.shape.as_ref().unwrap_or(&empty);
    if shape.unknown_rank {
        return Err("has no shape".to_owned());
    }
    let size = |d: i64| usize::try_from(d).map_err(|_| format!("has a dimension of {d}"));
    shape.dim.iter().map(|d| size(d.size)).collect()
}

fn matrix_shape(entry: &BundleEntry) -> Result<[usize; 2], String> {
    let shape = shape(entry)?;
    let fits = shape.iter().try_fold(8_usize, |n, &d| n.checked_mul(d)).is_some();
    match (<[usize; 2]>::try_from(shape.as_slice()), fits) {
        (Ok(matrix), true) => Ok(matrix),
        _ => Err(format!("has the shape {shape:?}; a table of vectors is a matrix")),
    }
}

/// Returns the first dimension, and the product of all others; a scalar is one row of one number.
fn flat_shape(entry: &BundleEntry) -> Result<[usize; 2], String> {
    let shape = shape(entry)?;
    let fits = shape.iter().try_fold(8_usize, |n, &d| n.checked_mul(d)).is_some();
    match shape.split_first() {
        None => Ok([1, 1]),
        Some((&rows, rest)) if fits => Ok([rows, rest.iter().product()]),
        Some(_) => Err(format!("has the shape {shape:?}, which is too large")),
    }
}

/// Parses the bytes of a string tensor with one element.
fn one_string(bytes: &[u8], crc: u32) -> Result<Vec<u8>, String> {
    let mut rest = bytes;
    let length = u32::try_from(varint(&mut rest)?).map_err(|_| "is too long")?;
    let (lengths_crc, payload) = rest.split_first_chunk::<4>().ok_or("is cut off")?;
    let lengths = crc32c::crc32c(&length.to_le_bytes());
    let all = crc32c::crc32c_append(crc32c::crc32c_append(lengths, lengths_crc), payload);
    let whole = is_checksum(u32::from_le_bytes(*lengths_crc), lengths) && is_checksum(crc, all);
    if !whole || payload.len() != length as usize {
        return Err(CHECKSUM.to_owned());
    }
    Ok(payload.to_vec())
}
