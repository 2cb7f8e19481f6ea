//! Matrices whose numbers stay in a model's files, which are mapped into memory.
//!
//! A model of .6 billion parameters in 16 bits is a file of 1.2 GB: read and widened to 32 bits it would take 2.4 GB. Here only
//! the rows that are needed are widened, when they are needed; the operating system reads their pages, and may drop them again.
//!
//! A file that is shortened while it is mapped ends the process; whoever replaces a model writes the new one beside it and
//! renames it. The matrices of a fine-tuned model, which has no files, are held in memory in the same form.

use std::array::from_fn;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_kernels::{Group, LANES};
use memmap2::Mmap;
use safetensors::tensor::Dtype;

use super::{Name, Table};

/// Maps a file into memory.
#[expect(unsafe_code, reason = "a memory map is only sound while nobody changes the file")]
pub(super) fn map(file: &File) -> io::Result<Arc<Mmap>> {
    // SAFETY: numbers are read as bytes, for which every pattern is valid; nothing is derived from them that later accesses
    // rely on. The files' hashes are compared after a model was opened, and docs/sources.md asks not to write to them.
    unsafe { Mmap::map(file) }.map(Arc::new)
}

/// The bytes of numbers.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    /// Of a mapped file.
    Mapped(Arc<Mmap>),
    /// Of a fine-tuned array in memory: 32-bit numbers, little-endian.
    Held(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// A row-major matrix in a mapped file, `[rows, cols]`.
#[derive(Clone, Debug)]
pub(crate) struct MappedTable {
    /// The tensor that it is, or whose rows from `first` on it consists of.
    pub(crate) name: Name,
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    dtype: Dtype,
    bytes: Bytes,
    /// The offset of the numbers in the file.
    start: usize,
}

impl MappedTable {
    /// Creates a matrix of the numbers from the byte `start` of a file on. The caller has checked that they are within it, and
    /// that [`widen`] knows their type.
    pub(super) fn new(name: Name, shape: [usize; 2], dtype: Dtype, bytes: Bytes, start: usize) -> Self {
        let [rows, cols] = shape;
        Self { name, first: 0, rows, cols, dtype, bytes, start }
    }

    /// Copies a row, `[cols]`, widened to 32 bits.
    #[inline(always)]
    pub(crate) fn copy_row(&self, index: usize, row: &mut [f32]) {
        let length = self.cols * bytes_of(self.dtype);
        widen(self.dtype, &self.bytes[self.start + index * length..][..length], row);
    }

    /// Reads the whole matrix into memory.
    ///
    /// # Errors
    /// If there is too little.
    pub(crate) fn to_table(&self) -> Result<Table, OutOfMemory> {
        let mut values = memory::filled(0.0, self.rows * self.cols)?;
        values.chunks_exact_mut(self.cols).enumerate().for_each(|(at, row)| self.copy_row(at, row));
        Ok(Table { name: self.name.clone(), rows: self.rows, cols: self.cols, values })
    }
}

/// A linear map of a layer, `x W^T + b`, whose weight stays in the model's files.
#[derive(Clone, Debug)]
pub(crate) struct MappedLinear {
    /// The parts of the weight, `[out, in]`: their rows follow each other.
    pub(crate) parts: Vec<MappedTable>,
    /// The tensor with the bias of each part, which has as many rows as the part's tensor; `None` if it has none.
    pub(crate) bias_names: Vec<Option<Name>>,
    /// `[out]`, or empty.
    pub(crate) bias: Vec<f32>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl MappedLinear {
    /// Creates a map of the parts of its weight, of which there is at least one, all with the same number of columns.
    pub(super) fn new(parts: Vec<MappedTable>, bias_names: Vec<Option<Name>>, bias: Vec<f32>) -> Self {
        let inputs = parts.first().map_or(0, |part| part.cols);
        let outputs = parts.iter().map(|part| part.rows).sum();
        Self { parts, bias_names, bias, inputs, outputs }
    }

    /// Returns the map whose first and second half of outputs are swapped; the weight is one matrix.
    pub(super) fn with_halves_swapped(self) -> Self {
        let half = self.outputs / 2;
        let bytes = half * self.inputs * self.parts.first().map_or(0, |part| bytes_of(part.dtype));
        let halves = |part: &MappedTable| {
            let first = MappedTable { rows: half, ..part.clone() };
            let second = MappedTable { first: part.first + half, start: part.start + bytes, ..first.clone() };
            [second, first]
        };
        let bias = self.bias.get(half..).into_iter().chain(self.bias.get(..half)).flatten().copied().collect();
        let names = self.bias_names.iter().flat_map(|name| [name.clone(), name.clone()]).collect();
        Self::new(self.parts.iter().flat_map(halves).collect(), names, bias)
    }

    /// Copies a row of the weight, `[in]`.
    #[inline(always)]
    fn copy_row(&self, mut index: usize, row: &mut [f32]) {
        for part in &self.parts {
            if index < part.rows {
                return part.copy_row(index, row);
            }
            index -= part.rows;
        }
    }

    /// Widens the rows from `first` on into the columns of a panel of [`LANES`] columns, `[in]` groups; columns after the last
    /// row are zeros. `rows` is a buffer.
    #[inline(always)]
    pub(crate) fn widen_panel(&self, first: usize, rows: &mut Vec<f32>, panel: &mut [Group]) {
        // Rows that began a power of two apart would share one set of the cache.
        let stride = self.inputs + LANES;
        rows.resize(stride * LANES, 0.0);
        for (lane, row) in rows.chunks_exact_mut(stride).enumerate() {
            let row = &mut row[..self.inputs];
            if first + lane < self.outputs { self.copy_row(first + lane, row) } else { row.fill(0.0) }
        }
        let rows: [&[f32]; LANES] = from_fn(|lane| &rows[lane * stride..][..self.inputs]);
        for (k, group) in panel[..self.inputs].iter_mut().enumerate() {
            group.0 = from_fn(|lane| rows[lane][k]);
        }
    }

    /// Reads the whole weight into memory, `[out, in]`.
    ///
    /// # Errors
    /// If there is too little.
    pub(crate) fn weight(&self) -> Result<Vec<f32>, OutOfMemory> {
        let mut values = memory::with_capacity(self.inputs * self.outputs)?;
        for part in &self.parts {
            values.extend(part.to_table()?.values);
        }
        Ok(values)
    }
}

/// Returns the number of bytes of a number.
pub(super) fn bytes_of(dtype: Dtype) -> usize {
    (dtype.bitsize() / 8).max(1)
}

/// Widens (or, of 64 bits, rounds) numbers of a type to 32 bits. Of an unsupported type, nothing is written.
#[inline(always)]
pub(super) fn widen(dtype: Dtype, bytes: &[u8], numbers: &mut [f32]) {
    match dtype {
        Dtype::F32 => convert(bytes, numbers, |b: [u8; 4]| f32::from_le_bytes(b)),
        Dtype::F64 => convert(bytes, numbers, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
        Dtype::BF16 => convert(bytes, numbers, |b: [u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Dtype::F16 => convert(bytes, numbers, |b: [u8; 2]| half(u16::from_le_bytes(b))),
        _ => {}
    }
}

#[inline(always)]
fn convert<const BYTES: usize>(bytes: &[u8], numbers: &mut [f32], number: impl Fn([u8; BYTES]) -> f32) {
    for (bytes, to) in bytes.as_chunks::<BYTES>().0.iter().zip(numbers) {
        *to = number(*bytes);
    }
}

/// Widens an IEEE 754 binary16 number: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. The exponent is moved to the
/// bias 127, hence + 112: 0x3c00 (exponent 15) is 0x3f800000, 1.0. A subnormal is its fraction times 2^-24.
#[inline(always)]
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_widened_exactly() {
        let known = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0, 0.0),
        ];
        for (bits, value) in known {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert_eq!(half(0x7c00), f32::INFINITY);
        assert!(half(0x7c01).is_nan() && half(0x8000).is_sign_negative());
    }

    #[test]
    fn numbers_of_all_types_are_widened() {
        let mut numbers = [0.0; 2];
        for (dtype, bytes) in [
            (Dtype::F32, [0.5_f32.to_le_bytes(), (-3.0_f32).to_le_bytes()].concat()),
            (Dtype::F64, [0.5_f64.to_le_bytes(), (-3.0_f64).to_le_bytes()].concat()),
            (Dtype::BF16, vec![0x00, 0x3f, 0x40, 0xc0]),
            (Dtype::F16, vec![0x00, 0x38, 0x00, 0xc2]),
        ] {
            numbers.fill(0.0);
            widen(dtype, &bytes, &mut numbers);
            assert_eq!((numbers, bytes.len()), ([0.5, -3.0], 2 * bytes_of(dtype)), "{dtype:?}");
        }
    }

    /// Rows 0..3 and 3..20 of two parts: the second panel begins at row 16.
    #[test]
    fn a_panel_takes_its_columns_from_all_parts() {
        let mut file = tempfile::tempfile().expect("a file");
        let numbers: Vec<u8> = (0..20 * 5).flat_map(|i| (i as f32).to_le_bytes()).collect();
        io::Write::write_all(&mut file, &numbers).expect("written");
        let map = map(&file).expect("mapped");
        let part = |first: usize, rows| {
            MappedTable::new("part".into(), [rows, 5], Dtype::F32, Bytes::Mapped(Arc::clone(&map)), first * 5 * 4)
        };
        let linear = MappedLinear::new(vec![part(0, 3), part(3, 17)], vec![None, None], Vec::new());
        assert_eq!((linear.inputs, linear.outputs), (5, 20));
        let (mut rows, mut panel) = (Vec::new(), [Group::ZEROS; 8]);
        for first in [0, 16] {
            linear.widen_panel(first, &mut rows, &mut panel);
            for (k, group) in panel[..5].iter().enumerate() {
                let expected = |row: usize| if row < 20 { (row * 5 + k) as f32 } else { 0.0 };
                assert_eq!(group.0, from_fn(|lane| expected(first + lane)), "{first} {k}");
            }
        }
        let whole = linear.weight().expect("memory");
        assert_eq!((whole.len(), &whole[7 * 5..][..5]), (20 * 5, &[35., 36., 37., 38., 39.][..]));
    }
}
