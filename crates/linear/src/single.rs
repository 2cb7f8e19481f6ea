//! The softmax loss on dense rows in 32 bits: half the work of [`Dense`](crate::dense::Dense), for as long as a fit is far from
//! its minimum.
//!
//! A block of rows is packed into panels once and then used twice while it is in the cache, with a column of ones for the
//! intercepts:
//!
//! ```text
//! logits    [rows, outputs]          = block [rows, features + 1] * parameters [features + 1, outputs]
//! gradient  [features + 1, outputs] += block^T * residuals [rows, outputs]
//! ```
//!
//! Every logit and every number of a chunk's gradient is one chain of fused multiply-adds, whatever the size of a block is.
//! The losses and the chunks are added in 64 bits.

use std::array::from_fn;
use std::ops::Range;

use emberline_base::Matrix;
use emberline_kernels::double::ln;
use emberline_kernels::function::exp;
use emberline_kernels::product::multiply;
use emberline_kernels::{Group, LANES, Panels};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::objective::{Classes, Objective, chunks};

/// The number of 32-bit floats of a block of rows: it fits into the second-level cache with its transpose and the gradient.
const BLOCK_NUMBERS: usize = 1 << 15;

/// The most rows of a block, a multiple of [`LANES`].
const MAX_BLOCK_ROWS: usize = 128;

/// The softmax loss on dense rows.
pub(crate) struct DenseSingle<'a> {
    rows: &'a Matrix,
    /// The class of each row.
    classes: Classes<'a>,
    outputs: usize,
}

impl<'a> DenseSingle<'a> {
    pub(crate) fn new(rows: &'a Matrix, classes: Classes<'a>, outputs: usize) -> Self {
        Self { rows, classes, outputs }
    }

    /// Returns whether 32 bits are faster than 64: with fewer outputs, panels of [`LANES`] outputs are mostly padding.
    pub(crate) fn is_faster(&self) -> bool {
        self.outputs > LANES / 2
    }

    /// Returns the loss of a chunk of rows, and its gradient.
    fn chunk(&self, parameters: &Panels, rows: Range<usize>) -> Sums {
        let mut gradient = Panels::default();
        gradient.reshape(self.rows.cols() + 1, self.outputs);
        let mut sums = Sums { loss: 0.0, gradient };
        Arch::new().dispatch(Chunk { data: self, parameters, rows, sums: &mut sums });
        sums
    }
}

impl Objective for DenseSingle<'_> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn features(&self) -> usize {
        self.rows.cols()
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let narrow: Vec<f32> = parameters.iter().map(|&parameter| parameter as f32).collect();
        let mut panels = Panels::default();
        panels.pack(&narrow, self.outputs, self.rows.cols() + 1, self.outputs);
        let chunks = chunks(self.rows.rows(), size_of_val(panels.groups()));
        let parts: Vec<Sums> = chunks.into_par_iter().map(|rows| self.chunk(&panels, rows)).collect();
        gradient.par_chunks_mut(self.outputs).enumerate().for_each(|(row, gradient)| {
            gradient.fill(0.0);
            for part in &parts {
                let groups = gradient.chunks_mut(LANES).zip(part.gradient.row(row));
                groups.for_each(|(sums, group)| add(sums, group));
            }
        });
        parts.iter().map(|part| part.loss).sum()
    }
}

fn add(sums: &mut [f64], group: &Group) {
    sums.iter_mut().zip(group.0).for_each(|(sum, value)| *sum += f64::from(value));
}

/// The sums over a chunk of rows.
struct Sums {
    loss: f64,
    /// `[features + 1, outputs]`
    gradient: Panels,
}

/// A chunk of rows, whose loss and gradient are summed.
struct Chunk<'a> {
    data: &'a DenseSingle<'a>,
    /// `[features + 1, outputs]`
    parameters: &'a Panels,
    rows: Range<usize>,
    sums: &'a mut Sums,
}

/// A block of rows, and their logits, which become residuals.
#[derive(Default)]
struct Block {
    /// `[rows, features + 1]`
    rows: Panels,
    /// `[features + 1, rows]`
    transposed: Panels,
    /// `[rows, outputs]`
    logits: Panels,
}

impl Block {
    /// Replaces the rows by those of a matrix, each followed by a 1, and the logits by zeros. A column that is only padding
    /// has -infinity, so that its share is 0.
    #[inline(always)]
    fn load(&mut self, matrix: &Matrix, rows: Range<usize>, outputs: usize) {
        let (count, features) = (rows.len(), matrix.cols());
        self.rows.reshape(count, features + 1);
        self.transposed.reshape(features + 1, count);
        self.logits.reshape(count, outputs);
        for (place, row) in rows.enumerate() {
            self.rows.set_row(place, matrix.row(row));
        }
        self.rows.panel_mut(features / LANES)[..count].iter_mut().for_each(|group| group[features % LANES] = 1.0);
        self.rows.transpose_into(&mut self.transposed);
        for panel in 0..self.logits.panels() {
            let width = outputs - panel * LANES;
            let start = Group(from_fn(|lane| if lane < width { 0.0 } else { f32::NEG_INFINITY }));
            self.logits.panel_mut(panel).fill(start);
        }
    }
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let DenseSingle { rows, outputs, .. } = *self.data;
        let height = (BLOCK_NUMBERS / (rows.cols() + 1) / LANES * LANES).clamp(LANES, MAX_BLOCK_ROWS);
        let mut block = Block::default();
        for start in self.rows.clone().step_by(height) {
            let range = start..self.rows.end.min(start + height);
            block.load(rows, range.clone(), outputs);
            multiply(simd, &block.rows, self.parameters, &mut block.logits);
            for (place, row) in range.enumerate() {
                self.sums.loss += self.data.residuals(&mut block.logits, place, row);
            }
            multiply(simd, &block.transposed, &block.logits, &mut self.sums.gradient);
        }
    }
}

impl DenseSingle<'_> {
    /// Replaces the logits at a place by the residuals of a row, and returns its loss.
    #[inline(always)]
    fn residuals(&self, logits: &mut Panels, place: usize, row: usize) -> f64 {
        let loss = softmax(logits, place, self.classes.of_row(row) as usize);
        let Some(weight) = self.classes.weight_of_row(row) else { return loss };
        for group in logits.row_mut(place) {
            group.iter_mut().for_each(|residual| *residual *= weight as f32);
        }
        weight * loss
    }
}

/// Replaces a row's logits by the residuals of the softmax, and returns the row's loss. Sums and maxima are taken lane by
/// lane over the panels, and then from the first lane to the last.
#[inline(always)]
fn softmax(logits: &mut Panels, row: usize, class: usize) -> f64 {
    let own = logits.panel(class / LANES)[row][class % LANES];
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for group in logits.row(row) {
        lanes.iter_mut().zip(group.0).for_each(|(lane, z)| *lane = if z > *lane { z } else { *lane });
    }
    let largest = lanes.into_iter().fold(f32::NEG_INFINITY, |largest, z| if z > largest { z } else { largest });
    let mut lanes = [0.0; LANES];
    for group in logits.row_mut(row) {
        for (lane, z) in lanes.iter_mut().zip(&mut group.0) {
            *z = exp(*z - largest);
            *lane += *z;
        }
    }
    let sum: f64 = lanes.into_iter().map(f64::from).sum();
    let factor = (1.0 / sum) as f32;
    for group in logits.row_mut(row) {
        group.iter_mut().for_each(|z| *z *= factor);
    }
    logits.panel_mut(class / LANES)[row][class % LANES] -= 1.0;
    f64::from(largest) - f64::from(own) + ln(sum)
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;
    use crate::dense::Dense;
    use crate::vector::largest_magnitude;

    const ROWS: usize = 300;
    const FEATURES: usize = 20;
    const OUTPUTS: usize = 17;

    fn rows() -> Matrix {
        Matrix::new(ROWS, FEATURES, (0..ROWS * FEATURES).map(|i| (i as f32 * 0.37).sin()).collect())
    }

    fn classes() -> Vec<u32> {
        (0..ROWS as u32).map(|row| row * 7 % OUTPUTS as u32).collect()
    }

    fn parameters() -> Vec<f64> {
        (0..(FEATURES + 1) * OUTPUTS).map(|i| 2.0 * (i as f64 * 0.7).sin()).collect()
    }

    #[test]
    fn values_are_those_of_64_bits_but_for_rounding() {
        let (rows, of_rows, parameters) = (rows(), classes(), parameters());
        let weights: Vec<f64> = (0..OUTPUTS).map(|class| 0.5 + class as f64).collect();
        for weights in [None, Some(&weights[..])] {
            let classes = Classes { of_rows: &of_rows, weights };
            let evaluated = |objective: &dyn Objective| {
                let mut gradient = vec![f64::NAN; parameters.len()];
                (objective.evaluate(&parameters, &mut gradient), gradient)
            };
            let (found, gradient) = evaluated(&DenseSingle::new(&rows, classes, OUTPUTS));
            let (expected, exact) = evaluated(&Dense::new(&rows, classes, OUTPUTS));
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
            let difference: Vec<f64> = gradient.iter().zip(&exact).map(|(found, exact)| found - exact).collect();
            assert!(largest_magnitude(&difference) < 1e-6 * largest_magnitude(&exact), "{difference:?}");
        }
    }

    #[test]
    fn all_registers_give_the_same_bits() {
        let (rows, of_rows) = (rows(), classes());
        let data = DenseSingle::new(&rows, Classes { of_rows: &of_rows, weights: None }, OUTPUTS);
        let mut panels = Panels::default();
        let narrow: Vec<f32> = parameters().iter().map(|&parameter| parameter as f32).collect();
        panels.pack(&narrow, OUTPUTS, FEATURES + 1, OUTPUTS);
        let expected = data.chunk(&panels, 0..ROWS);
        let mut gradient = Panels::default();
        gradient.reshape(FEATURES + 1, OUTPUTS);
        let mut sums = Sums { loss: 0.0, gradient };
        Chunk { data: &data, parameters: &panels, rows: 0..ROWS, sums: &mut sums }.with_simd(Scalar::new());
        assert_eq!((sums.loss, sums.gradient.groups()), (expected.loss, expected.gradient.groups()));
    }
}
