//! The product of an encoder's layers: rows `[m, k]` times a matrix of panels `[k, n]` give rows `[m, n]`.
//!
//! A tile of several rows times one panel stays in registers while `k` runs from first to last: every result is one chain
//! of fused multiply-adds in the order of `k`, which begins with the bias.

use std::array::from_fn;

use pulp::Simd;

use crate::panels::{Group, LANES, Panels};
use crate::tile::{Sums, add_product, vectors};

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

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, index: usize, length: usize) -> &'a [f32] {
        // After the last row, the last one is repeated; the results aren't stored.
        &self.values[index.min(self.count - 1) * self.stride..][..length]
    }
}

/// The output of a product, with rows that begin `stride` numbers apart.
#[derive(Debug)]
pub struct Target<'a> {
    /// The numbers from the first row's first one on.
    pub values: &'a mut [f32],
    /// The distance from the start of a row to the start of the next.
    pub stride: usize,
}

/// Computes `target = rows * panels + bias`, `[count, inner] * [inner, outputs]`; an empty bias is zero.
///
/// # Panics
/// If `rows` or `target` are too short for the shapes.
#[inline(always)]
pub fn multiply_rows<S: Simd>(simd: S, rows: Rows<'_>, panels: &Panels, bias: &[f32], target: Target<'_>) {
    match S::F32_LANES {
        16 => multiply_tiles::<S, 12, 1>(simd, rows, panels, bias, target),
        8 => multiply_tiles::<S, 6, 2>(simd, rows, panels, bias, target),
        4 => multiply_tiles::<S, 6, 4>(simd, rows, panels, bias, target),
        _ => multiply_tiles::<S, 1, LANES>(simd, rows, panels, bias, target),
    }
}

/// Computes the product in tiles of `HEIGHT` rows and one panel, which is `VECTORS` registers wide.
#[inline(always)]
fn multiply_tiles<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    rows: Rows<'_>,
    panels: &Panels,
    bias: &[f32],
    target: Target<'_>,
) {
    for panel in 0..panels.panels() {
        let columns = &panels.panel(panel)[..panels.rows()];
        let first = panel * LANES;
        let width = LANES.min(panels.cols() - first);
        let mut start = Group::ZEROS;
        if let Some(bias) = bias.get(first..first + width) {
            start[..width].copy_from_slice(bias);
        }
        for top in (0..rows.count).step_by(HEIGHT) {
            let left = from_fn(|r| rows.row(top + r, columns.len()));
            let sums = multiply_tile::<S, HEIGHT, VECTORS>(simd, left, columns, &start);
            let height = HEIGHT.min(rows.count - top);
            for (r, [sums]) in sums.iter().enumerate().take(height) {
                let at = (top + r) * target.stride + first;
                store(simd, sums, &mut target.values[at..at + width]);
            }
        }
    }
}

#[inline(always)]
fn multiply_tile<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    left: [&[f32]; HEIGHT],
    columns: &[Group],
    start: &Group,
) -> Sums<S::f32s, HEIGHT, 1, VECTORS> {
    let mut sums = [[vectors::<S, VECTORS>(start)]; HEIGHT];
    // Slices of one length need no check of bounds in the loop.
    let left = left.map(|row| &row[..columns.len()]);
    for (k, group) in columns.iter().enumerate() {
        add_product(simd, &mut sums, from_fn(|r| left[r][k]), [group]);
    }
    sums
}

#[inline(always)]
fn store<S: Simd, const VECTORS: usize>(simd: S, sums: &[S::f32s; VECTORS], target: &mut [f32]) {
    for (part, sum) in target.chunks_mut(S::F32_LANES).zip(sums) {
        simd.partial_store_f32s(part, *sum);
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, WithSimd};

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
            multiply_rows(simd, rows, self.panels, self.bias, Target { values: &mut result, stride: OUTPUTS });
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
