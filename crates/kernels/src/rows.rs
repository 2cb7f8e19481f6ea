//! The product of an encoder's layers: rows `[m, k]` times a matrix of panels `[k, n]` give rows `[m, n]`.
//!
//! Rows are packed into panels first, so that a tile's numbers lie at fixed distances: with a pointer per row, tiles for wide
//! registers need more pointers than a processor has registers for. A tile of several rows and panels stays in registers while `k`
//! runs from first to last: every result is one chain of fused multiply-adds in the order of `k`, which begins with the bias.

use pulp::{Simd, WithSimd};

use crate::panels::{LANES, Panels};
use crate::product::{ROWS, Tiles};

/// A view of the rows of a matrix, which may be part of a wider one.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The numbers from the first row's first one on.
    pub values: &'a [f32],
    /// The distance from the start of a row to the start of the next.
    pub stride: usize,
    /// The number of rows.
    pub count: usize,
}

/// The output of a product, with rows that begin `stride` numbers apart.
#[derive(Debug)]
pub struct Target<'a> {
    /// The numbers from the first row's first one on.
    pub values: &'a mut [f32],
    /// The distance from the start of a row to the start of the next.
    pub stride: usize,
}

/// Computes `target = rows * panels + bias`, `[count, inner] * [inner, outputs]`; an empty bias is zero. `packed` is a buffer.
///
/// # Panics
/// If `rows` or `target` are too short for the shapes, or the bias has another length than the outputs.
#[inline(always)]
pub fn multiply_rows<S: Simd>(
    simd: S,
    rows: Rows<'_>,
    panels: &Panels,
    bias: &[f32],
    target: Target<'_>,
    packed: &mut Panels,
) {
    // One function per kind of registers, instead of a copy wherever a product is computed: copies take minutes to compile.
    simd.vectorize(RowProduct { rows, panels, bias, target, packed });
}

struct RowProduct<'a> {
    rows: Rows<'a>,
    panels: &'a Panels,
    bias: &'a [f32],
    target: Target<'a>,
    packed: &'a mut Panels,
}

impl WithSimd for RowProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panels, bias, target, packed } = self;
        for top in (0..rows.count).step_by(ROWS) {
            let count = ROWS.min(rows.count - top);
            packed.pack(&rows.values[top * rows.stride..], rows.stride, count, panels.rows());
            let target = Target { values: &mut target.values[top * target.stride..], stride: target.stride };
            match S::F32_LANES {
                16 => Tiles::<S, 8, 2, 1>(simd).multiply_rows(packed, panels, bias, target),
                8 => Tiles::<S, 6, 1, 2>(simd).multiply_rows(packed, panels, bias, target),
                4 => Tiles::<S, 6, 1, 4>(simd).multiply_rows(packed, panels, bias, target),
                _ => Tiles::<S, 1, 1, LANES>(simd).multiply_rows(packed, panels, bias, target),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar};

    use super::*;

    const ROWS: usize = 13;
    const INNER: usize = 7;
    const OUTPUTS: usize = 21;
    /// Rows are parts of wider ones.
    const STRIDE: usize = 9;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    /// A product of rows that the fields of the test name.
    struct Product<'a> {
        panels: &'a Panels,
        bias: &'a [f32],
    }

    impl WithSimd for Product<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let (values, mut result) = (numbers(ROWS * STRIDE), vec![f32::NAN; ROWS * OUTPUTS]);
            let rows = Rows { values: &values, stride: STRIDE, count: ROWS };
            let target = Target { values: &mut result, stride: OUTPUTS };
            multiply_rows(simd, rows, self.panels, self.bias, target, &mut Panels::default());
            result
        }
    }

    /// One chain of fused multiply-adds per number.
    fn expected(matrix: &[f32], bias: &[f32]) -> Vec<f32> {
        let left = numbers(ROWS * STRIDE);
        let number = |row: usize, column: usize| {
            let start = bias.get(column).copied().unwrap_or_default();
            (0..INNER).fold(start, |sum, k| left[row * STRIDE + k].mul_add(matrix[k * OUTPUTS + column], sum))
        };
        (0..ROWS).flat_map(|row| (0..OUTPUTS).map(move |column| (row, column))).map(|(r, c)| number(r, c)).collect()
    }

    #[test]
    fn a_product_is_one_chain_of_fused_multiply_adds_on_all_registers() {
        let (matrix, bias) = (numbers(INNER * OUTPUTS), numbers(OUTPUTS));
        let mut panels = Panels::default();
        panels.pack(&matrix, OUTPUTS, INNER, OUTPUTS);
        for bias in [&bias[..], &[]] {
            let product = || Product { panels: &panels, bias };
            assert_eq!(Arch::new().dispatch(product()), expected(&matrix, bias));
            assert_eq!(product().with_simd(Scalar::new()), expected(&matrix, bias));
        }
    }
}
