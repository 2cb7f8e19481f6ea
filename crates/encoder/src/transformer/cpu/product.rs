//! Matrix products on the CPU: rows `[m, k]` times a packed matrix `[k, n]` give `[m, n]`.
//!
//! The right matrix is packed in panels of [`LANES`] columns, row by row, padded with zeros after the last column. A tile of
//! several rows times one panel stays in registers while `k` runs from first to last: **every result is one chain of fused
//! multiply-adds in the order of `k`**, so that it is equal, bit for bit, whatever the other rows and the register width are.

use pulp::Simd;

use super::lanes::LANES;

/// A packed right matrix.
#[derive(Clone, Debug, Default)]
pub(super) struct Panels {
    /// The groups of `LANES` columns, `[panels, inner]`: element (k, c) of the matrix is
    /// `values[c / LANES * inner + k][c % LANES]`.
    values: Vec<[f32; LANES]>,
    inner: usize,
    outer: usize,
}

impl Panels {
    /// Packs the transpose of a matrix `[outer, inner]`, whose rows begin `stride` numbers apart.
    #[inline(always)]
    pub(super) fn pack_transposed(&mut self, rows: &[f32], stride: usize, outer: usize, inner: usize) {
        self.resize(inner, outer);
        for (column, row) in rows.chunks(stride).take(outer).enumerate() {
            let panel = &mut self.values[column / LANES * inner..][..inner];
            for (group, value) in panel.iter_mut().zip(&row[..inner]) {
                group[column % LANES] = *value;
            }
        }
    }

    /// Packs a matrix `[inner, outer]`, whose rows begin `stride` numbers apart.
    #[inline(always)]
    pub(super) fn pack(&mut self, rows: &[f32], stride: usize, inner: usize, outer: usize) {
        self.resize(inner, outer);
        for (k, row) in rows.chunks(stride).take(inner).enumerate() {
            for (panel, columns) in row[..outer].chunks(LANES).enumerate() {
                self.values[panel * inner + k][..columns.len()].copy_from_slice(columns);
            }
        }
    }

    #[inline(always)]
    fn resize(&mut self, inner: usize, outer: usize) {
        (self.inner, self.outer) = (inner, outer);
        self.values.clear();
        self.values.resize(outer.div_ceil(LANES) * inner, [0.0; LANES]);
    }

    /// Returns the number of columns.
    pub(super) fn outer(&self) -> usize {
        self.outer
    }
}

/// A view of the rows of a matrix, which may be part of a wider one.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    /// The distance from the start of a row to the start of the next.
    pub(super) stride: usize,
    pub(super) count: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, index: usize, length: usize) -> &'a [f32] {
        // After the last row, the last one is repeated; the results aren't stored.
        &self.values[index.min(self.count - 1) * self.stride..][..length]
    }
}

/// The output of a product, with rows that begin `stride` numbers apart.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
}

/// Computes `target = rows * panels + bias`; an empty bias is zero.
#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, rows: Rows<'_>, panels: &Panels, bias: &[f32], target: Target<'_>) {
    match S::F32_LANES {
        16 => tiles::<S, 12, 1>(simd, rows, panels, bias, target),
        8 => tiles::<S, 6, 2>(simd, rows, panels, bias, target),
        4 => tiles::<S, 6, 4>(simd, rows, panels, bias, target),
        _ => tiles::<S, 1, LANES>(simd, rows, panels, bias, target),
    }
}

/// Computes the product in tiles of `HEIGHT` rows and one panel, which is `VECTORS` registers wide.
#[inline(always)]
fn tiles<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    rows: Rows<'_>,
    panels: &Panels,
    bias: &[f32],
    target: Target<'_>,
) {
    for (panel, columns) in panels.values.chunks(panels.inner.max(1)).enumerate() {
        let first = panel * LANES;
        let width = LANES.min(panels.outer - first);
        let mut start = [0.0; LANES];
        if let Some(bias) = bias.get(first..first + width) {
            start[..width].copy_from_slice(bias);
        }
        for top in (0..rows.count).step_by(HEIGHT) {
            let left = std::array::from_fn(|r| rows.row(top + r, columns.len()));
            let tile = tile::<S, HEIGHT, VECTORS>(simd, left, columns, &start);
            let height = HEIGHT.min(rows.count - top);
            for (r, sums) in tile.iter().enumerate().take(height) {
                let at = (top + r) * target.stride + first;
                store(simd, sums, &mut target.values[at..at + width]);
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    simd: S,
    left: [&[f32]; HEIGHT],
    columns: &[[f32; LANES]],
    start: &[f32; LANES],
) -> [[S::f32s; VECTORS]; HEIGHT] {
    let mut sums = [vectors::<S, VECTORS>(start); HEIGHT];
    let left = left.map(|row| &row[..columns.len()]);
    for (k, group) in columns.iter().enumerate() {
        let right = vectors::<S, VECTORS>(group);
        for r in 0..HEIGHT {
            let value = simd.splat_f32s(left[r][k]);
            for v in 0..VECTORS {
                sums[r][v] = simd.mul_add_f32s(value, right[v], sums[r][v]);
            }
        }
    }
    sums
}

#[inline(always)]
fn vectors<S: Simd, const VECTORS: usize>(group: &[f32; LANES]) -> [S::f32s; VECTORS] {
    let (whole, _) = S::as_simd_f32s(group);
    std::array::from_fn(|v| whole[v])
}

#[inline(always)]
fn store<S: Simd, const VECTORS: usize>(simd: S, sums: &[S::f32s; VECTORS], target: &mut [f32]) {
    for (part, sum) in target.chunks_mut(S::F32_LANES).zip(sums) {
        simd.partial_store_f32s(part, *sum);
    }
}
