//! The two matrix products of a training step, on panels; inference needs the first alone.
//!
//! A tile of rows and one or two panels of columns stays in registers while the inner index runs. **Every number is one
//! chain of fused multiply-adds in the order of the inner index**, so that it is the same, bit for bit, whatever the
//! other rows are and whatever the width of the CPU's registers is. All functions are inlined into code that
//! [`pulp::Arch`] compiles for the widest registers available.

use std::array::from_fn;
use std::ops::Range;

use pulp::Simd;

use crate::panels::{Group, LANES, Panels, STEP, flat_mut};
use crate::rows::Target;
use crate::tile::{Sums, add_product, vectors};

/// The number of rows of the left side per block, a multiple of every tile's: with [`INNER`] columns they fit into the
/// second-level cache.
pub(crate) const ROWS: usize = 264;

/// The number of rows of a panel per block, a multiple of [`LANES`]: two panels fit into the first-level cache.
const INNER: usize = 256;

/// An optimiser's update rule: how one step changes a number, given its gradient.
pub trait Rule: Copy {
    /// Updates `value`; `first` and `second` are the optimiser's state for it, both 0 before the first step.
    fn apply<S: Simd>(self, simd: S, gradient: S::f32s, value: &mut S::f32s, first: &mut S::f32s, second: &mut S::f32s);

    /// Updates a group and the optimiser's state for it, with a gradient of as many registers.
    #[inline(always)]
    fn apply_all<S: Simd>(self, simd: S, gradient: &[S::f32s], arrays: [&mut Group; 3]) {
        let [values, first, second] = arrays.map(|group| S::as_mut_simd_f32s(&mut **group).0);
        for (((gradient, value), first), second) in gradient.iter().zip(values).zip(first).zip(second) {
            self.apply(simd, *gradient, value, first, second);
        }
    }
}

/// Computes `target += left * right`: `[rows, inner] * [inner, cols]`.
///
/// # Panics
/// If the shapes don't fit.
#[inline(always)]
pub fn multiply<S: Simd>(simd: S, left: &Panels, right: &Panels, target: &mut Panels) {
    assert_eq!((left.cols(), left.rows(), right.cols()), (right.rows(), target.rows(), target.cols()));
    match S::F32_LANES {
        16 => Tiles::<S, 8, 2, 1>(simd).multiply(left, right, target),
        8 => Tiles::<S, 6, 1, 2>(simd).multiply(left, right, target),
        4 => Tiles::<S, 6, 1, 4>(simd).multiply(left, right, target),
        _ => Tiles::<S, 2, 1, LANES>(simd).multiply(left, right, target),
    }
}

/// Updates `arrays` (the values and the two arrays of the optimiser's state) by `rule` with the gradient `left^T *
/// right`: `[rows, inner]^T * [rows, cols]`. The gradient never leaves the registers.
///
/// # Panics
/// If the shapes don't fit.
#[inline(always)]
pub fn descend<S: Simd, R: Rule>(simd: S, rule: R, left: &Panels, right: &Panels, arrays: &mut [Panels; 3]) {
    assert_eq!((left.rows(), left.cols(), right.cols()), (right.rows(), arrays[0].rows(), arrays[0].cols()));
    match S::F32_LANES {
        16 => Tiles::<S, 8, 2, 1>(simd).descend(rule, left, right, arrays),
        8 => Tiles::<S, 6, 1, 2>(simd).descend(rule, left, right, arrays),
        4 => Tiles::<S, 6, 1, 4>(simd).descend(rule, left, right, arrays),
        _ => Tiles::<S, 2, 1, LANES>(simd).descend(rule, left, right, arrays),
    }
}

/// Tiles of `TALL` rows, which divides 12 or is a multiple of [`STEP`], and `WIDE` panels, each of `VECTORS` registers.
#[derive(Clone, Copy)]
pub(crate) struct Tiles<S, const TALL: usize, const WIDE: usize, const VECTORS: usize>(pub(crate) S);

impl<S: Simd, const TALL: usize, const WIDE: usize, const VECTORS: usize> Tiles<S, TALL, WIDE, VECTORS> {
    #[inline(always)]
    fn multiply(self, left: &Panels, right: &Panels, target: &mut Panels) {
        for top in (0..left.height()).step_by(ROWS) {
            let rows = top..left.height().min(top + ROWS);
            for first in (0..right.rows()).step_by(INNER) {
                let inner = first..right.rows().min(first + INNER);
                let pairs = right.panels() / WIDE * WIDE;
                for panel in (0..pairs).step_by(WIDE) {
                    let columns = from_fn(|w| &right.panel(panel + w)[inner.clone()]);
                    self.multiply_panels::<WIDE>(left, rows.clone(), first, columns, target.panels_mut(panel));
                }
                for panel in pairs..right.panels() {
                    let columns = [&right.panel(panel)[inner.clone()]];
                    self.multiply_panels::<1>(left, rows.clone(), first, columns, target.panels_mut(panel));
                }
            }
        }
    }

    /// `columns` holds the rows from `first` on of as many panels as `target` has.
    #[inline(always)]
    fn multiply_panels<const PANELS: usize>(
        self,
        left: &Panels,
        rows: Range<usize>,
        first: usize,
        columns: [&[Group]; PANELS],
        mut target: [&mut [Group]; PANELS],
    ) {
        let middle = rows.start + Self::rows_in_short_tiles(rows.len());
        for row in (rows.start..middle).step_by(STEP) {
            self.multiply_tile::<STEP, PANELS>(left, row, first, columns, &mut target);
        }
        for row in (middle..rows.end).step_by(TALL) {
            self.multiply_tile::<TALL, PANELS>(left, row, first, columns, &mut target);
        }
    }

    #[inline(always)]
    fn multiply_tile<const HEIGHT: usize, const PANELS: usize>(
        self,
        left: &Panels,
        row: usize,
        first: usize,
        columns: [&[Group]; PANELS],
        target: &mut [&mut [Group]; PANELS],
    ) {
        let mut sums = self.zeros::<HEIGHT, PANELS>();
        for (w, target) in target.iter().enumerate() {
            for (sums, group) in sums.iter_mut().zip(tile::<HEIGHT>(target, row)) {
                sums[w] = vectors::<S, VECTORS>(group);
            }
        }
        self.add_products(left, row, first, columns, &mut sums);
        for (w, target) in target.iter_mut().enumerate() {
            for (sums, group) in sums.iter().zip(tile_mut::<HEIGHT>(target, row)) {
                S::as_mut_simd_f32s(&mut **group).0.copy_from_slice(&sums[w]);
            }
        }
    }

    /// Adds the products of the rows of a tile from `row` on and of `columns`, which hold the rows from `first` on of their
    /// panels.
    #[inline(always)]
    fn add_products<const HEIGHT: usize, const PANELS: usize>(
        self,
        left: &Panels,
        row: usize,
        first: usize,
        columns: [&[Group]; PANELS],
        sums: &mut Sums<S::f32s, HEIGHT, PANELS, VECTORS>,
    ) {
        let length = columns[0].len();
        for start in (0..length).step_by(LANES) {
            let rows = tile::<HEIGHT>(left.panel((first + start) / LANES), row);
            let columns = columns.map(|columns| &columns[start..length.min(start + LANES)]);
            for k in 0..columns[0].len() {
                add_product(self.0, sums, from_fn(|r| rows[r][k % LANES]), from_fn(|w| &columns[w][k]));
            }
        }
    }

    /// Computes `target = left * right + bias`; an empty bias is zero.
    #[inline(always)]
    pub(crate) fn multiply_rows(self, left: &Panels, right: &Panels, bias: &[f32], mut target: Target<'_>) {
        assert!(bias.is_empty() || bias.len() == right.cols(), "a bias of another length");
        let pairs = right.panels() / WIDE * WIDE;
        for panel in (0..pairs).step_by(WIDE) {
            self.multiply_rows_of_panels::<WIDE>(left, right, panel, bias, &mut target);
        }
        for panel in pairs..right.panels() {
            self.multiply_rows_of_panels::<1>(left, right, panel, bias, &mut target);
        }
    }

    #[inline(always)]
    fn multiply_rows_of_panels<const PANELS: usize>(
        self,
        left: &Panels,
        right: &Panels,
        panel: usize,
        bias: &[f32],
        target: &mut Target<'_>,
    ) {
        let columns: [&[Group]; PANELS] = from_fn(|w| &right.panel(panel + w)[..right.rows()]);
        let first = panel * LANES;
        let width = (PANELS * LANES).min(right.cols() - first);
        let mut start = [Group::ZEROS; PANELS];
        if let Some(bias) = bias.get(first..first + width) {
            flat_mut(&mut start)[..width].copy_from_slice(bias);
        }
        let middle = Self::rows_in_short_tiles(left.height());
        for row in (0..middle).step_by(STEP) {
            let mut sums = self.started::<STEP, PANELS>(&start);
            self.add_products(left, row, 0, columns, &mut sums);
            store(self.0, &sums, (row, left.rows()), first..first + width, target);
        }
        for row in (middle..left.height()).step_by(TALL) {
            let mut sums = self.started::<TALL, PANELS>(&start);
            self.add_products(left, row, 0, columns, &mut sums);
            store(self.0, &sums, (row, left.rows()), first..first + width, target);
        }
    }

    /// Returns sums that begin with the same groups in every row.
    #[inline(always)]
    fn started<const HEIGHT: usize, const PANELS: usize>(
        self,
        start: &[Group; PANELS],
    ) -> Sums<S::f32s, HEIGHT, PANELS, VECTORS> {
        [from_fn(|w| vectors::<S, VECTORS>(&start[w])); HEIGHT]
    }

    #[inline(always)]
    fn descend<R: Rule>(self, rule: R, left: &Panels, right: &Panels, arrays: &mut [Panels; 3]) {
        let pairs = right.panels() / WIDE * WIDE;
        let [values, first, second] = arrays;
        for panel in (0..pairs).step_by(WIDE) {
            let columns = from_fn(|w| &right.panel(panel + w)[..right.rows()]);
            let arrays = [values.panels_mut(panel), first.panels_mut(panel), second.panels_mut(panel)];
            self.descend_panels::<R, WIDE>(rule, left, columns, arrays);
        }
        for panel in pairs..right.panels() {
            let columns = [&right.panel(panel)[..right.rows()]];
            let arrays = [values.panels_mut(panel), first.panels_mut(panel), second.panels_mut(panel)];
            self.descend_panels::<R, 1>(rule, left, columns, arrays);
        }
    }

    /// All rows of a tile lie in one panel of `left`.
    #[inline(always)]
    fn descend_panels<R: Rule, const PANELS: usize>(
        self,
        rule: R,
        left: &Panels,
        columns: [&[Group]; PANELS],
        mut arrays: [[&mut [Group]; PANELS]; 3],
    ) {
        let height = arrays[0][0].len();
        for panel in 0..left.panels() {
            let (left, first) = (left.panel(panel), panel * LANES);
            let bottom = LANES.min(height - first);
            let middle = Self::rows_in_short_tiles(bottom);
            for row in (0..middle).step_by(STEP) {
                self.descend_tile::<R, STEP, PANELS>(rule, (left, row), columns, first + row, &mut arrays);
            }
            for row in (middle..bottom).step_by(TALL) {
                self.descend_tile::<R, TALL, PANELS>(rule, (left, row), columns, first + row, &mut arrays);
            }
        }
    }

    /// The columns of `left` from the given one on correspond to the rows of the arrays from `row` on.
    #[inline(always)]
    fn descend_tile<R: Rule, const HEIGHT: usize, const PANELS: usize>(
        self,
        rule: R,
        (left, column): (&[Group], usize),
        columns: [&[Group]; PANELS],
        row: usize,
        arrays: &mut [[&mut [Group]; PANELS]; 3],
    ) {
        let mut sums = self.zeros::<HEIGHT, PANELS>();
        let length = columns[0].len();
        let (left, columns) = (&left[..length], columns.map(|columns| &columns[..length]));
        for k in 0..length {
            let left = left[k][column..].first_chunk::<HEIGHT>().expect("a tile ends within a panel");
            add_product(self.0, &mut sums, *left, from_fn(|w| &columns[w][k]));
        }
        let [values, first, second] = arrays;
        for w in 0..PANELS {
            let values = tile_mut::<HEIGHT>(values[w], row);
            let first = tile_mut::<HEIGHT>(first[w], row);
            let second = tile_mut::<HEIGHT>(second[w], row);
            for r in 0..HEIGHT {
                rule.apply_all(self.0, &sums[r][w], [&mut values[r], &mut first[r], &mut second[r]]);
            }
        }
    }

    #[inline(always)]
    fn zeros<const HEIGHT: usize, const PANELS: usize>(self) -> Sums<S::f32s, HEIGHT, PANELS, VECTORS> {
        [[[self.0.splat_f32s(0.0); VECTORS]; PANELS]; HEIGHT]
    }

    /// Returns how many rows are computed in tiles of [`STEP`] rows, so that the rest is a multiple of `TALL`. For
    /// example, with `TALL = 8` and 28 rows: 28 % 8 / 4 * 4 = 4 rows, and then three tiles of 8.
    #[inline(always)]
    fn rows_in_short_tiles(height: usize) -> usize {
        let whole = if TALL.is_multiple_of(STEP) { TALL } else { 12 };
        height % whole / STEP * STEP
    }
}

/// Writes the sums of the rows from `row` on, as far as there are rows, to columns of the target.
#[inline(always)]
fn store<S: Simd, const HEIGHT: usize, const PANELS: usize, const VECTORS: usize>(
    simd: S,
    sums: &Sums<S::f32s, HEIGHT, PANELS, VECTORS>,
    (row, rows): (usize, usize),
    columns: Range<usize>,
    target: &mut Target<'_>,
) {
    for (r, sums) in sums.iter().enumerate().take(rows.saturating_sub(row)) {
        let start = (row + r) * target.stride;
        let target = &mut target.values[start + columns.start..start + columns.end];
        for (part, sum) in target.chunks_mut(S::F32_LANES).zip(sums.as_flattened()) {
            simd.partial_store_f32s(part, *sum);
        }
    }
}

#[inline(always)]
fn tile<const HEIGHT: usize>(groups: &[Group], row: usize) -> &[Group; HEIGHT] {
    groups[row..].first_chunk().expect("heights are whole tiles")
}

#[inline(always)]
fn tile_mut<const HEIGHT: usize>(groups: &mut [Group], row: usize) -> &mut [Group; HEIGHT] {
    groups[row..].first_chunk_mut().expect("heights are whole tiles")
}
