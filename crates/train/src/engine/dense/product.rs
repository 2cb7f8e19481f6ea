//! The two products of a training step, on panels.
//!
//! A tile of rows and one panel of columns stays in registers while the inner index runs. **Every number is one chain of
//! fused multiply-adds in the order of the inner index**, so that it is the same, bit for bit, whatever rows stand beside
//! it and whatever the width of the processor's registers. All functions are inlined into code that [`pulp::Arch`] compiles
//! for the widest registers there are.

use std::array::from_fn;

use pulp::Simd;

use super::panels::{Group, LANES, Panels, STEP};
use super::rule::Rule;

/// Rows of the left side that are worked on at once, a multiple of 12: with [`INNER`] columns they stay in the second cache.
const ROWS: usize = 264;

/// Rows of a panel that are worked on at once, a multiple of [`LANES`]: they stay in the first cache.
const INNER: usize = 256;

/// `target += left * right`: `[rows, inner] * [inner, cols]`.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, left: &Panels, right: &Panels, target: &mut Panels) {
    assert_eq!((left.cols(), left.rows(), right.cols()), (right.rows(), target.rows(), target.cols()));
    match S::F32_LANES {
        16 => Sums::<S, 12, 1>(simd).multiply(left, right, target),
        8 => Sums::<S, 6, 2>(simd).multiply(left, right, target),
        4 => Sums::<S, 6, 4>(simd).multiply(left, right, target),
        _ => Sums::<S, 2, LANES>(simd).multiply(left, right, target),
    }
}

/// Moves `arrays` (the values, and two arrays that the rule keeps) by `rule` along the gradient `left^T * right`:
/// `[rows, inner]^T * [rows, cols]`. The gradient never leaves the registers.
#[inline(always)]
pub(super) fn descend<S: Simd, R: Rule>(simd: S, rule: R, left: &Panels, right: &Panels, arrays: &mut [Panels; 3]) {
    assert_eq!((left.rows(), left.cols(), right.cols()), (right.rows(), arrays[0].rows(), arrays[0].cols()));
    match S::F32_LANES {
        16 => Sums::<S, 12, 1>(simd).descend(rule, left, right, arrays),
        8 => Sums::<S, 6, 2>(simd).descend(rule, left, right, arrays),
        4 => Sums::<S, 6, 4>(simd).descend(rule, left, right, arrays),
        _ => Sums::<S, 2, LANES>(simd).descend(rule, left, right, arrays),
    }
}

/// Tiles of `TALL` rows, which divides 12, and one panel, `VECTORS` registers wide.
#[derive(Clone, Copy)]
struct Sums<S, const TALL: usize, const VECTORS: usize>(S);

impl<S: Simd, const TALL: usize, const VECTORS: usize> Sums<S, TALL, VECTORS> {
    #[inline(always)]
    fn multiply(self, left: &Panels, right: &Panels, target: &mut Panels) {
        for top in (0..left.height()).step_by(ROWS) {
            let bottom = left.height().min(top + ROWS);
            for first in (0..right.rows()).step_by(INNER) {
                let last = right.rows().min(first + INNER);
                for panel in 0..right.panels() {
                    let columns = &right.panel(panel)[first..last];
                    self.multiply_panel(left, (top, bottom), first / LANES, columns, target.panel_mut(panel));
                }
            }
        }
    }

    /// `columns` are the rows from `first` panels of `left` on.
    #[inline(always)]
    fn multiply_panel(
        self,
        left: &Panels,
        (top, bottom): (usize, usize),
        first: usize,
        columns: &[Group],
        target: &mut [Group],
    ) {
        let middle = top + short(bottom - top);
        for row in (top..middle).step_by(STEP) {
            self.multiply_tile::<STEP>(left, row, first, columns, target);
        }
        for row in (middle..bottom).step_by(TALL) {
            self.multiply_tile::<TALL>(left, row, first, columns, target);
        }
    }

    #[inline(always)]
    fn multiply_tile<const HEIGHT: usize>(
        self,
        left: &Panels,
        row: usize,
        first: usize,
        columns: &[Group],
        target: &mut [Group],
    ) {
        let target = tile_mut::<HEIGHT>(target, row);
        let mut sums: [[S::f32s; VECTORS]; HEIGHT] = from_fn(|r| vectors::<S, VECTORS>(&target[r]));
        for (panel, columns) in columns.chunks(LANES).enumerate() {
            let rows = left.panel(first + panel)[row..].first_chunk::<HEIGHT>().expect("heights are whole tiles");
            for (k, group) in columns.iter().enumerate() {
                self.add(&mut sums, |r| rows[r][k % LANES], group);
            }
        }
        for (sums, target) in sums.iter().zip(target) {
            let (target, _) = S::as_mut_simd_f32s(target);
            target.copy_from_slice(sums);
        }
    }

    #[inline(always)]
    fn descend<R: Rule>(self, rule: R, left: &Panels, right: &Panels, arrays: &mut [Panels; 3]) {
        let height = arrays[0].height();
        let middle = short(height);
        for panel in 0..right.panels() {
            let columns = &right.panel(panel)[..right.rows()];
            let mut arrays = arrays.each_mut().map(|array| array.panel_mut(panel));
            for row in (0..middle).step_by(STEP) {
                self.descend_tile::<R, STEP>(rule, left, row, columns, &mut arrays);
            }
            for row in (middle..height).step_by(TALL) {
                self.descend_tile::<R, TALL>(rule, left, row, columns, &mut arrays);
            }
        }
    }

    #[inline(always)]
    fn descend_tile<R: Rule, const HEIGHT: usize>(
        self,
        rule: R,
        left: &Panels,
        row: usize,
        columns: &[Group],
        arrays: &mut [&mut [Group]; 3],
    ) {
        let lefts: [&[Group]; HEIGHT] = from_fn(|r| &left.panel((row + r) / LANES)[..columns.len()]);
        let mut sums = [[self.0.splat_f32s(0.0); VECTORS]; HEIGHT];
        for (k, group) in columns.iter().enumerate() {
            self.add(&mut sums, |r| lefts[r][k][(row + r) % LANES], group);
        }
        let [values, first, second] = arrays.each_mut().map(|array| tile_mut::<HEIGHT>(array, row));
        for (r, sums) in sums.iter().enumerate() {
            rule.apply_all(self.0, sums, [&mut values[r], &mut first[r], &mut second[r]]);
        }
    }

    /// `sums += left * group`.
    #[inline(always)]
    fn add<const HEIGHT: usize>(
        self,
        sums: &mut [[S::f32s; VECTORS]; HEIGHT],
        left: impl Fn(usize) -> f32,
        group: &Group,
    ) {
        let right = vectors::<S, VECTORS>(group);
        for (r, sums) in sums.iter_mut().enumerate() {
            let value = self.0.splat_f32s(left(r));
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = self.0.mul_add_f32s(value, right, *sum);
            }
        }
    }
}

/// How many rows go into tiles of [`STEP`] rows, so that the rest is a multiple of 12.
#[inline(always)]
fn short(height: usize) -> usize {
    height / STEP % 3 * STEP
}

#[inline(always)]
fn tile_mut<const HEIGHT: usize>(groups: &mut [Group], row: usize) -> &mut [Group; HEIGHT] {
    groups[row..].first_chunk_mut::<HEIGHT>().expect("heights are whole tiles")
}

#[inline(always)]
fn vectors<S: Simd, const VECTORS: usize>(group: &Group) -> [S::f32s; VECTORS] {
    let (whole, _) = S::as_simd_f32s(group);
    from_fn(|v| whole[v])
}
