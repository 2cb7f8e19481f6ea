//! The product of an encoder's layers in 8-bit integers: rows `[m, k]` times a matrix `[k, n]` give rows `[m, n]`.
//!
//! Weights are quantised once, each column by its own scale; rows when they are multiplied, each by its own scale:
//!
//! ```text
//! row ~ s_row * x, x in -127..=127        column ~ s_col * w, w in -63..=63        product ~ s_row * s_col * sum x w
//! ```
//!
//! The sum is of integers and exact, so that **every number is equal, bit for bit, on every CPU**, whatever instructions sum it up.
//! Weights have 7 bits, since AVX2 adds two products in 16 bits: `2 * 127 * 127 = 32258` fits, twice as much would not. They
//! are stored without a sign, as `w + 64`, which is what the instructions multiply; `64 * sum x` is subtracted again.
//!
//! | instructions | numbers at a time |
//! |---|---|
//! | AVX-512 VNNI | 64: `vpdpbusd` |
//! | AVX-VNNI | 32: `vpdpbusd` |
//! | AVX2 | 32: `vpmaddubsw`, `vpmaddwd`, `vpaddd` |
//! | any | as the compiler likes |

use std::array::from_fn;

use crate::panels::{Group, LANES};
use crate::rows::{Rows, Target};

/// The numbers along `k` that an instruction sums up per column.
const DEPTH: usize = 4;
/// The largest weight.
const LARGEST_WEIGHT: f32 = 63.0;
/// The largest number of a row.
const LARGEST_VALUE: f32 = 127.0;
/// What is added to a weight to be stored without a sign.
const OFFSET: i32 = 64;
/// 1.5 * 2^23: added to a number between -2^22 and 2^22, it rounds it to an integer, whose bits are then the lowest ones of the sum.
/// For example, -1.7 becomes 12582910 = 0x4b3ffffe, whose lowest byte, 0xfe, is -2.
const ROUNDING: f32 = 12_582_912.0;

/// [`DEPTH`] weights of each of [`LANES`] columns.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Block([[u8; DEPTH]; LANES]);

/// [`DEPTH`] numbers of a row.
type Quad = [i8; DEPTH];

/// The sums of a tile of `H` rows and one panel.
type Sums<const H: usize> = [[i32; LANES]; H];

/// A matrix of quantised weights, `[inputs, outputs]`, in panels of [`LANES`] columns.
#[derive(Clone, Debug, Default)]
pub struct IntegerPanels {
    inputs: usize,
    outputs: usize,
    /// `[panels, inputs / DEPTH]`, rounded up.
    blocks: Vec<Block>,
    /// The scale of each column, `[panels * LANES]`.
    scales: Vec<f32>,
}

impl IntegerPanels {
    /// Gives the matrix a shape; its numbers are set by [`set_panel`](Self::set_panel). Allocated memory is reused.
    pub fn reshape(&mut self, inputs: usize, outputs: usize) {
        (self.inputs, self.outputs) = (inputs, outputs);
        let panels = outputs.div_ceil(LANES);
        self.blocks.resize(panels * inputs.div_ceil(DEPTH), Block([[0; DEPTH]; LANES]));
        self.scales.resize(panels * LANES, 0.0);
    }

    /// Returns the number of panels.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// Quantises the columns of a panel, `[inputs]` groups of finite numbers.
    ///
    /// # Panics
    /// If there is no such panel, or there are fewer groups.
    #[inline(always)]
    pub fn set_panel(&mut self, panel: usize, columns: &[Group]) {
        let columns = &columns[..self.inputs];
        let mut largest = [0.0_f32; LANES];
        for group in columns {
            largest = from_fn(|lane| largest[lane].max(group[lane].abs()));
        }
        self.scales[panel * LANES..][..LANES].copy_from_slice(&largest.map(|most| most / LARGEST_WEIGHT));
        let inverses = largest.map(|most| inverse(LARGEST_WEIGHT, most));
        let depth = self.inputs.div_ceil(DEPTH);
        for (block, groups) in self.blocks[panel * depth..][..depth].iter_mut().zip(columns.chunks(DEPTH)) {
            // The numbers of a row end where the columns do, so that weights behind them count for nothing.
            let weight = |k: usize, lane: usize| groups.get(k).map_or(0, |group| round(group[lane] * inverses[lane]));
            block.0 = from_fn(|lane| from_fn(|k| (i32::from(weight(k, lane)) + OFFSET) as u8));
        }
    }

    fn panel(&self, panel: usize) -> (&[Block], &[f32; LANES]) {
        let depth = self.inputs.div_ceil(DEPTH);
        let scales = self.scales[panel * LANES..].first_chunk().expect("whole panels");
        (&self.blocks[panel * depth..][..depth], scales)
    }
}

/// Quantised rows, `[count, inputs]`.
#[derive(Clone, Debug, Default)]
pub struct IntegerRows {
    count: usize,
    /// `[count, inputs / DEPTH]`, rounded up.
    quads: Vec<Quad>,
    /// The scale of each row; NaN for a row that isn't finite.
    scales: Vec<f32>,
    /// 64 times the sum of each row.
    offsets: Vec<i32>,
}

impl IntegerRows {
    /// Replaces the rows by the first `inputs` numbers of others. Allocated memory is reused.
    #[inline(always)]
    pub fn quantise(&mut self, rows: Rows<'_>, inputs: usize) {
        self.count = rows.count;
        let depth = inputs.div_ceil(DEPTH);
        self.quads.resize(rows.count * depth, [0; DEPTH]);
        self.scales.clear();
        self.offsets.clear();
        for (at, quads) in self.quads.chunks_exact_mut(depth.max(1)).take(rows.count).enumerate() {
            let values = &rows.values[at * rows.stride..][..inputs];
            // As integers, the bits of numbers without a sign are in the order of the numbers, and NaN is the greatest.
            let bits = values.iter().fold(0, |most, value| (value.to_bits() & 0x7fff_ffff).max(most));
            let largest = f32::from_bits(bits);
            let factor = if largest.is_finite() { inverse(LARGEST_VALUE, largest) } else { 0.0 };
            let bytes: &mut [i8] = quads.as_flattened_mut();
            for (byte, value) in bytes.iter_mut().zip(values) {
                *byte = round(value * factor);
            }
            bytes[inputs..].fill(0);
            let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
            self.scales.push(if largest.is_finite() { largest / LARGEST_VALUE } else { f32::NAN });
            self.offsets.push(OFFSET * sum);
        }
    }

    /// The quads of a row; after the last row, the last one is repeated, whose results aren't stored.
    #[inline(always)]
    fn row(&self, row: usize, depth: usize) -> &[Quad] {
        &self.quads[row.min(self.count - 1) * depth..][..depth]
    }
}

/// Returns the factor that scales numbers up to `most` to integers up to `largest`; 0 if all are 0.
#[inline(always)]
fn inverse(largest: f32, most: f32) -> f32 {
    // The inverse of a number that is all but zero is infinite: such numbers count as zeros.
    let factor = largest / most;
    if factor.is_finite() { factor } else { 0.0 }
}

/// Rounds a number between -127 and 127 to the nearest integer, and halves to even ones.
#[inline(always)]
fn round(value: f32) -> i8 {
    (value + ROUNDING).to_bits() as i8
}

/// Computes `target = rows * panels + bias`, `[count, inputs] * [inputs, outputs]`; an empty bias is zero.
///
/// # Panics
/// If `rows` or `target` are too short for the shapes.
pub fn multiply_integers(rows: &IntegerRows, panels: &IntegerPanels, bias: &[f32], target: Target<'_>) {
    Instructions::best().multiply(rows, panels, bias, target);
}

/// The instructions that sum up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Any,
}

impl Instructions {
    /// All, the fastest first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Any,
    ];

    /// Whether this CPU has them.
    fn are_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Any => true,
        }
    }

    /// The fastest ones that this CPU has.
    fn best() -> Self {
        Self::ALL.iter().copied().find(|instructions| instructions.are_there()).unwrap_or(Self::Any)
    }

    /// Computes a product with these instructions, which must be there.
    #[expect(unsafe_code, reason = "the functions need instructions that the compiler doesn't know to be there")]
    fn multiply(self, rows: &IntegerRows, panels: &IntegerPanels, bias: &[f32], target: Target<'_>) {
        assert!(self.are_there(), "{self:?} aren't there");
        match self {
            // SAFETY: the instructions are there.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { x86::multiply_avx512_vnni(rows, panels, bias, target) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => unsafe { x86::multiply_avx_vnni(rows, panels, bias, target) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::multiply_avx2(rows, panels, bias, target) },
            Self::Any => multiply_tiles(rows, panels, bias, target, sum_tile::<2>),
        }
    }
}

/// Sums up a tile without particular instructions.
#[inline(always)]
fn sum_tile<const H: usize>(rows: [&[Quad]; H], blocks: &[Block]) -> Sums<H> {
    let mut sums = [[0; LANES]; H];
    for (at, block) in blocks.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            for (sum, weights) in sums.iter_mut().zip(&block.0) {
                let products = weights.iter().zip(row[at]).map(|(&weight, value)| i32::from(weight) * i32::from(value));
                *sum += products.sum::<i32>();
            }
        }
    }
    sums
}

/// Computes the product in tiles of `H` rows and one panel, whose sums `tile` computes.
#[inline(always)]
fn multiply_tiles<const H: usize>(
    rows: &IntegerRows,
    panels: &IntegerPanels,
    bias: &[f32],
    target: Target<'_>,
    tile: impl Fn([&[Quad]; H], &[Block]) -> Sums<H>,
) {
    for panel in 0..panels.panels() {
        let (blocks, scales) = panels.panel(panel);
        let first = panel * LANES;
        let width = LANES.min(panels.outputs - first);
        let mut start = [0.0; LANES];
        if let Some(bias) = bias.get(first..first + width) {
            start[..width].copy_from_slice(bias);
        }
        for top in (0..rows.count).step_by(H) {
            let sums = tile(from_fn(|r| rows.row(top + r, blocks.len())), blocks);
            for (row, sums) in (top..rows.count).zip(&sums) {
                let (scale, offset) = (rows.scales[row], rows.offsets[row]);
                let numbers: [f32; LANES] =
                    from_fn(|lane| (sums[lane] - offset) as f32 * (scale * scales[lane]) + start[lane]);
                let at = row * target.stride + first;
                target.values[at..at + width].copy_from_slice(&numbers[..width]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Tiles that stay in registers, for the instructions of x86.

    use std::arch::x86_64::*;
    use std::array::from_fn;

    use super::{Block, IntegerPanels, IntegerRows, Quad, Sums, Target, multiply_tiles};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn multiply_avx512_vnni(rows: &IntegerRows, panels: &IntegerPanels, bias: &[f32], target: Target<'_>) {
        multiply_tiles(rows, panels, bias, target, |rows: [&[Quad]; 12], blocks| {
            let mut sums = [_mm512_setzero_si512(); 12];
            let rows = rows.map(|row| &row[..blocks.len()]);
            for (at, block) in blocks.iter().enumerate() {
                let weights = load_512(block);
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum = _mm512_dpbusd_epi32(
                        *sum,
                        weights,
                        _mm512_set1_epi32(i32::from_le_bytes(row[at].map(|b| b as u8))),
                    );
                }
            }
            sums.map(|sum| store_512(sum))
        });
    }

    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) fn multiply_avx_vnni(rows: &IntegerRows, panels: &IntegerPanels, bias: &[f32], target: Target<'_>) {
        multiply_tiles(rows, panels, bias, target, |rows: [&[Quad]; 6], blocks| {
            sum_tile_256(rows, blocks, |sum, weights, row| _mm256_dpbusd_avx_epi32(sum, weights, row))
        });
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply_avx2(rows: &IntegerRows, panels: &IntegerPanels, bias: &[f32], target: Target<'_>) {
        multiply_tiles(rows, panels, bias, target, |rows: [&[Quad]; 4], blocks| {
            let ones = _mm256_set1_epi16(1);
            sum_tile_256(rows, blocks, |sum, weights, row| {
                _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, row), ones))
            })
        });
    }

    /// Sums up a tile in two registers a row. `add`: sum, weights, row -> sum.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum_tile_256<const H: usize>(
        rows: [&[Quad]; H],
        blocks: &[Block],
        add: impl Fn(__m256i, __m256i, __m256i) -> __m256i,
    ) -> Sums<H> {
        let mut sums = [[_mm256_setzero_si256(); 2]; H];
        let rows = rows.map(|row| &row[..blocks.len()]);
        for (at, block) in blocks.iter().enumerate() {
            let weights = load_256(block);
            for (sums, row) in sums.iter_mut().zip(rows) {
                let row = _mm256_set1_epi32(i32::from_le_bytes(row[at].map(|b| b as u8)));
                *sums = from_fn(|half| add(sums[half], weights[half], row));
            }
        }
        sums.map(|sums| store_256(sums))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "the compiler has no safe load of a register")]
    fn load_512(block: &Block) -> __m512i {
        // SAFETY: a block is 64 bytes, aligned to 64.
        unsafe { _mm512_load_si512(std::ptr::from_ref(block).cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "the compiler has no safe store of a register")]
    fn store_512(sums: __m512i) -> [i32; 16] {
        let mut numbers = [0; 16];
        // SAFETY: the array is 64 bytes.
        unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), sums) };
        numbers
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the compiler has no safe load of a register")]
    fn load_256(block: &Block) -> [__m256i; 2] {
        let start: *const __m256i = std::ptr::from_ref(block).cast();
        // SAFETY: a block is two registers, aligned to both.
        unsafe { [_mm256_load_si256(start), _mm256_load_si256(start.add(1))] }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the compiler has no safe store of a register")]
    fn store_256(sums: [__m256i; 2]) -> [i32; 16] {
        let mut numbers = [0; 16];
        let start: *mut __m256i = numbers.as_mut_ptr().cast();
        // SAFETY: the array is two registers long.
        unsafe {
            _mm256_storeu_si256(start, sums[0]);
            _mm256_storeu_si256(start.add(1), sums[1]);
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Panels;

    /// Neither multiples of a tile's rows, of [`DEPTH`], nor of [`LANES`].
    const SHAPE: [usize; 3] = [27, 39, 21];

    fn numbers(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * step).sin() * 3.0).collect()
    }

    fn quantised(matrix: &[f32], [_, inputs, outputs]: [usize; 3]) -> IntegerPanels {
        let mut packed = Panels::default();
        packed.pack(matrix, outputs, inputs, outputs);
        let mut panels = IntegerPanels::default();
        panels.reshape(inputs, outputs);
        (0..panels.panels()).for_each(|panel| panels.set_panel(panel, packed.panel(panel)));
        panels
    }

    fn product(instructions: Instructions, rows: &[f32], panels: &IntegerPanels, bias: &[f32]) -> Vec<f32> {
        let [count, inputs, outputs] = SHAPE;
        let (mut quantised, mut result) = (IntegerRows::default(), vec![f32::NAN; count * outputs]);
        quantised.quantise(Rows { values: rows, stride: inputs, count }, inputs);
        instructions.multiply(&quantised, panels, bias, Target { values: &mut result, stride: outputs });
        result
    }

    #[test]
    fn all_instructions_give_the_same_bits() {
        let [count, inputs, outputs] = SHAPE;
        // The largest numbers that there are, of one sign: where sums of 16 bits would overflow, if any did.
        let (ones, flat) = (vec![1.0; count * inputs], vec![-1.0; inputs * outputs]);
        let (rows, matrix, bias) =
            (numbers(count * inputs, 0.37), numbers(inputs * outputs, 0.11), numbers(outputs, 1.0));
        for (rows, matrix) in [(&rows, &matrix), (&ones, &flat), (&ones, &matrix)] {
            let panels = quantised(matrix, SHAPE);
            let expected = product(Instructions::Any, rows, &panels, &bias);
            for instructions in Instructions::ALL.iter().copied().filter(|instructions| instructions.are_there()) {
                assert_eq!(product(instructions, rows, &panels, &bias), expected, "{instructions:?}");
            }
        }
    }

    #[test]
    fn a_product_is_near_that_of_the_numbers() {
        let [count, inputs, outputs] = SHAPE;
        let (rows, matrix, bias) =
            (numbers(count * inputs, 0.37), numbers(inputs * outputs, 0.11), numbers(outputs, 1.0));
        let result = product(Instructions::best(), &rows, &quantised(&matrix, SHAPE), &bias);
        for (at, result) in result.iter().enumerate() {
            let (row, column) = (at / outputs, at % outputs);
            let exact: f32 = (0..inputs).map(|k| rows[row * inputs + k] * matrix[k * outputs + column]).sum();
            // Each of 39 products of numbers up to 3 is off by up to 3 * 3 / 126 + 3 * 3 / 254.
            assert!((result - exact - bias[column]).abs() < 39.0 * 9.0 * (1.0 / 126.0 + 1.0 / 254.0) / 3.0, "{at}");
        }
    }

    #[test]
    fn zeros_stay_zeros_and_what_is_not_finite_is_seen() {
        let [count, inputs, outputs] = SHAPE;
        let mut rows = vec![0.0; count * inputs];
        rows[inputs] = f32::INFINITY;
        rows[2 * inputs] = f32::NAN;
        rows[3 * inputs] = f32::MIN_POSITIVE / 4.0;
        let matrix = numbers(inputs * outputs, 0.11);
        let result = product(Instructions::best(), &rows, &quantised(&matrix, SHAPE), &[]);
        let row = |row: usize| &result[row * outputs..][..outputs];
        assert!(row(0).iter().chain(row(3)).chain(row(4)).all(|&value| value == 0.0));
        assert!(row(1).iter().chain(row(2)).all(|value| value.is_nan()));
        let none = quantised(&vec![0.0; inputs * outputs], SHAPE);
        assert!(product(Instructions::best(), &numbers(count * inputs, 0.3), &none, &[]).iter().all(|&v| v == 0.0));
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let rounded = [-127.0, -1.7, -0.5, 0.0, 0.4, 0.6, 1.5, 2.5, 126.9].map(round);
        assert_eq!(rounded, [-127, -2, 0, 0, 0, 1, 2, 2, 127]);
    }
}
