//! Products and elementary functions in 64 bits, for fits that run until their gradient is tiny.
//!
//! A product is computed in tiles of [`TILE`] rows and one [`Group64`] of columns, which stay in registers while the inner
//! index runs. As in [`product`](crate::product), **every number is one chain of fused multiply-adds in the order of the
//! inner index**, so that it has the same bits whatever the width of the CPU's registers is. The elementary functions use no
//! function of the system's mathematics library, whose last bit depends on the machine. All of them are fast only if they
//! are called from code that [`pulp::Arch`] dispatches.

use std::array::from_fn;

use pulp::Simd;

/// The number of columns of a group: one cache line.
pub const WIDTH: usize = 8;

/// The number of rows of a tile.
pub const TILE: usize = 12;

/// One row's numbers in [`WIDTH`] columns.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Group64(
    /// The numbers of the columns.
    pub [f64; WIDTH],
);

impl Group64 {
    /// A group of zeros.
    pub const ZEROS: Self = Self([0.0; WIDTH]);
}

/// Computes `target += left * right` for one tile, `[TILE, inner] * [inner, WIDTH]`.
///
/// # Panics
/// If a row of `left` is shorter than `right`.
#[inline(always)]
pub fn multiply_tile<S: Simd>(simd: S, left: [&[f64]; TILE], right: &[Group64], target: &mut [Group64; TILE]) {
    match S::F64_LANES {
        8 => multiply_rows::<S, 12, 1>(simd, &left, right, target),
        4 => multiply_rows::<S, 6, 2>(simd, &left, right, target),
        2 => multiply_rows::<S, 4, 4>(simd, &left, right, target),
        _ => multiply_rows::<S, 1, WIDTH>(simd, &left, right, target),
    }
}

#[inline(always)]
fn multiply_rows<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    left: &[&[f64]; TILE],
    right: &[Group64],
    target: &mut [Group64; TILE],
) {
    for (left, target) in left.chunks_exact(HEIGHT).zip(target.chunks_exact_mut(HEIGHT)) {
        let left: [&[f64]; HEIGHT] = from_fn(|r| &left[r][..right.len()]);
        let mut sums: [[S::f64s; VECTORS]; HEIGHT] = from_fn(|r| vectors::<S, VECTORS>(&target[r]));
        for (k, group) in right.iter().enumerate() {
            add_product(simd, &mut sums, from_fn(|r| left[r][k]), group);
        }
        store::<S, HEIGHT, VECTORS>(&sums, target);
    }
}

/// Computes `target += left^T * right` for one tile, `[rows, TILE]^T * [rows, WIDTH]`. `left` begins with the first row's
/// first number; its rows begin `stride` numbers apart.
///
/// # Panics
/// If `left` has fewer rows than `right`, or a row is shorter than a tile.
#[inline(always)]
pub fn multiply_transposed_tile<S: Simd>(
    simd: S,
    (left, stride): (&[f64], usize),
    right: &[Group64],
    target: &mut [Group64; TILE],
) {
    match S::F64_LANES {
        8 => multiply_columns::<S, 12, 1>(simd, (left, stride), right, target),
        4 => multiply_columns::<S, 6, 2>(simd, (left, stride), right, target),
        2 => multiply_columns::<S, 4, 4>(simd, (left, stride), right, target),
        _ => multiply_columns::<S, 1, WIDTH>(simd, (left, stride), right, target),
    }
}

#[inline(always)]
fn multiply_columns<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    (left, stride): (&[f64], usize),
    right: &[Group64],
    target: &mut [Group64; TILE],
) {
    for (part, target) in target.chunks_exact_mut(HEIGHT).enumerate() {
        let mut sums: [[S::f64s; VECTORS]; HEIGHT] = from_fn(|r| vectors::<S, VECTORS>(&target[r]));
        let left = &left[part * HEIGHT..];
        for (row, group) in right.iter().enumerate() {
            let numbers = left[row * stride..].first_chunk::<HEIGHT>().expect("a row holds a tile");
            add_product(simd, &mut sums, *numbers, group);
        }
        store::<S, HEIGHT, VECTORS>(&sums, target);
    }
}

#[inline(always)]
fn vectors<S: Simd, const VECTORS: usize>(group: &Group64) -> [S::f64s; VECTORS] {
    let (whole, _) = S::as_simd_f64s(&group.0);
    from_fn(|v| whole[v])
}

#[inline(always)]
fn store<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    sums: &[[S::f64s; VECTORS]; HEIGHT],
    target: &mut [Group64],
) {
    for (sums, group) in sums.iter().zip(target) {
        S::as_mut_simd_f64s(&mut group.0).0.copy_from_slice(sums);
    }
}

#[inline(always)]
fn add_product<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    sums: &mut [[S::f64s; VECTORS]; HEIGHT],
    left: [f64; HEIGHT],
    right: &Group64,
) {
    let right = vectors::<S, VECTORS>(right);
    for (sums, left) in sums.iter_mut().zip(left) {
        let left = simd.splat_f64s(left);
        for (sum, right) in sums.iter_mut().zip(right) {
            *sum = simd.mul_add_f64s(left, right, *sum);
        }
    }
}

/// Returns the inner product of a row of 32-bit numbers and 64-bit weights: [`WIDTH`] partial sums by fused
/// multiply-adds, one per lane, added from lane i and lane i + 4 down.
#[inline(always)]
pub fn dot(row: &[f32], weights: &[f64]) -> f64 {
    let mut sums = [0.0_f64; 4 * WIDTH];
    for (row, weights) in row.chunks(sums.len()).zip(weights.chunks(sums.len())) {
        for ((sum, &value), &weight) in sums.iter_mut().zip(row).zip(weights) {
            *sum = f64::from(value).mul_add(weight, *sum);
        }
    }
    let mut width = sums.len() / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Computes `target += factor * row`.
#[inline(always)]
pub fn add_scaled(target: &mut [f64], factor: f64, row: &[f32]) {
    for (target, &value) in target.iter_mut().zip(row) {
        *target = f64::from(value).mul_add(factor, *target);
    }
}

const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Computes e^x for x <= 709, with an error of at most 2 units in the last place; returns 0 if the result would be
/// subnormal.
///
/// Range reduction: x = n ln 2 + r with |r| <= ln(2) / 2, so that e^x = 2^n e^r, with e^r by its Taylor series.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    /// 1.5 * 2^52: adding it rounds a number to an integer in the low mantissa bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const SERIES: [f64; 13] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let clamped = x.clamp(-708.0, 709.0);
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let mut series = 1.0 / 6_227_020_800.0_f64;
    for coefficient in SERIES {
        series = series.mul_add(r, coefficient);
    }
    // 2^n by its exponent bits, with the bias 1023; n is in -1021..=1023.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < -708.0 { 0.0 } else { series * power }
}

/// Computes the natural logarithm of a positive normal number, with an error of at most 2 units in the last place or
/// 1e-16.
///
/// x = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh((m - 1) / (m + 1)) by its series.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let exponent = (bits >> 52) as i32 - 1023;
    let halve = mantissa > std::f64::consts::SQRT_2;
    let (mantissa, exponent) = if halve { (mantissa * 0.5, exponent + 1) } else { (mantissa, exponent) };
    let exponent = f64::from(exponent);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    exponent.mul_add(LN2_HIGH, exponent.mul_add(LN2_LOW, twice_artanh(s, 12)))
}

/// Computes ln(1 + t) for t in [0, 1], with a relative error of at most 1e-15.
#[inline(always)]
pub fn ln_1p(t: f64) -> f64 {
    twice_artanh(t / (2.0 + t), 18)
}

/// Computes 2 (s + s^3/3 + s^5/5 + ...) with a number of terms.
#[inline(always)]
fn twice_artanh(s: f64, terms: u32) -> f64 {
    let square = s * s;
    let mut series = 0.0_f64;
    for term in (0..terms).rev() {
        series = series.mul_add(square, 1.0 / f64::from(2 * term + 1));
    }
    2.0 * s * series
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, WithSimd};

    use super::*;

    const INNER: usize = 37;
    const STRIDE: usize = 50;

    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|i| (i as f64 * 0.37).sin()).collect()
    }

    fn groups(count: usize) -> Vec<Group64> {
        let values = numbers(count * WIDTH);
        values.chunks(WIDTH).map(|chunk| Group64(from_fn(|lane| chunk[lane] * 1.7))).collect()
    }

    struct Products;

    impl WithSimd for Products {
        type Output = [[Group64; TILE]; 2];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let (left, right) = (numbers(STRIDE * INNER), groups(INNER));
            let mut both = [[Group64([0.25; WIDTH]); TILE]; 2];
            multiply_tile(simd, from_fn(|r| &left[r * STRIDE..][..INNER]), &right, &mut both[0]);
            multiply_transposed_tile(simd, (&left, STRIDE), &right, &mut both[1]);
            both
        }
    }

    #[test]
    fn products_are_one_chain_of_fused_multiply_adds_on_all_registers() {
        let (left, right) = (numbers(STRIDE * INNER), groups(INNER));
        let number = |row: usize, column: usize, transposed: bool| {
            (0..INNER).fold(0.25, |sum, k| {
                let at = if transposed { k * STRIDE + row } else { row * STRIDE + k };
                left[at].mul_add(right[k].0[column], sum)
            })
        };
        let expected =
            [false, true].map(|transposed| from_fn(|r| Group64(from_fn(|column| number(r, column, transposed)))));
        assert_eq!(Arch::new().dispatch(Products), expected);
        assert_eq!(Products.with_simd(Scalar::new()), expected);
    }

    #[test]
    fn functions_are_those_of_the_library_up_to_the_last_bits() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) * 0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 5e-16, "exp {x}");
            let positive = x.abs() + 1e-3;
            assert!((ln(positive) - positive.ln()).abs() < 3e-16 * positive.ln().abs().max(0.5), "ln {positive}");
            let share = f64::from(step).abs() / 70_000.0;
            assert!((ln_1p(share) - share.ln_1p()).abs() <= 1e-15 * share.ln_1p(), "ln_1p {share}");
        }
        assert_eq!((exp(f64::NEG_INFINITY), exp(-1e9), exp(0.0), ln(1.0)), (0.0, 0.0, 1.0, 0.0));
    }

    #[test]
    fn rows_of_32_bits_are_multiplied_and_added_in_64() {
        let row: Vec<f32> = (0..77).map(|i| (i as f32 * 0.3).cos()).collect();
        let weights = numbers(77);
        let plain: f64 = row.iter().zip(&weights).map(|(&x, w)| f64::from(x) * w).sum();
        assert!((dot(&row, &weights) - plain).abs() < 1e-13);
        let mut target = weights.clone();
        add_scaled(&mut target, 2.0, &row);
        assert_eq!(target[5], f64::from(row[5]).mul_add(2.0, weights[5]));
    }
}
