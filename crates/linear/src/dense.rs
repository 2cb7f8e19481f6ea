//! The softmax loss on dense rows, whose logits and gradient are two matrix products.
//!
//! A block of rows is converted to 64 bits once and then used twice while it is in the cache:
//!
//! ```text
//! logits    [rows, outputs]     = block [rows, features] * weights [features, outputs]
//! gradient  [features, outputs] += block^T * residuals [rows, outputs]
//! ```
//!
//! Both products and the residuals are stored in panels of [`WIDTH`] outputs. Every logit and every number of a chunk's
//! gradient is one chain of fused multiply-adds, whatever the size of a block is.

use std::array::from_fn;
use std::ops::Range;

use emberline_base::Matrix;
use emberline_kernels::double::{Group64, TILE, WIDTH, exp, ln, multiply_tile, multiply_transposed_tile};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::objective::{Classes, Objective, chunks};

/// The number of features per step of a product: a tile's rows and a panel of weights fit into the first-level cache.
const INNER: usize = 192;

/// The number of 64-bit floats of a block of rows: it fits into the second-level cache, beside the gradient.
const BLOCK_NUMBERS: usize = 1 << 15;

/// The most rows of a block, a multiple of [`TILE`].
const MAX_BLOCK_ROWS: usize = 96;

/// The softmax loss on dense rows.
pub(crate) struct Dense<'a> {
    rows: &'a Matrix,
    /// The class of each row.
    classes: Classes<'a>,
    outputs: usize,
}

impl<'a> Dense<'a> {
    pub(crate) fn new(rows: &'a Matrix, classes: Classes<'a>, outputs: usize) -> Self {
        Self { rows, classes, outputs }
    }

    fn panels(&self) -> usize {
        self.outputs.div_ceil(WIDTH)
    }

    /// Returns the number of features, rounded up to whole tiles.
    fn padded_features(&self) -> usize {
        self.rows.cols().next_multiple_of(TILE)
    }

    /// Packs parameters into panels, `[panels, features + 1]`, with the intercepts last. An output that is only padding has
    /// the intercept -infinity, so that its share is 0.
    fn pack(&self, parameters: &[f64]) -> Vec<Group64> {
        let height = self.rows.cols() + 1;
        let number = |panel: usize, row: usize, lane: usize| match panel * WIDTH + lane {
            output if output < self.outputs => parameters[row * self.outputs + output],
            _ if row + 1 == height => f64::NEG_INFINITY,
            _ => 0.0,
        };
        let group = |panel, row| Group64(from_fn(|lane| number(panel, row, lane)));
        (0..self.panels()).flat_map(|panel| (0..height).map(move |row| group(panel, row))).collect()
    }
}

impl Objective for Dense<'_> {
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
        let (weights, arch) = (self.pack(parameters), Arch::new());
        let groups = self.panels() * (self.padded_features() + 1);
        let chunks = chunks(self.rows.rows(), groups * size_of::<Group64>());
        let of_chunk = |rows: Range<usize>| {
            let mut sums = Sums::new(self);
            arch.dispatch(Chunk { data: self, weights: &weights, rows, sums: &mut sums });
            sums
        };
        let parts: Vec<Sums> = chunks.into_par_iter().map(of_chunk).collect();
        let height = self.padded_features() + 1;
        gradient.par_chunks_mut(self.outputs).enumerate().for_each(|(row, gradient)| {
            let row = if row < self.rows.cols() { row } else { height - 1 };
            for (output, gradient) in gradient.iter_mut().enumerate() {
                let place = output / WIDTH * height + row;
                *gradient = parts.iter().map(|part| part.gradient[place].0[output % WIDTH]).sum();
            }
        });
        parts.iter().map(|part| part.loss).sum()
    }
}

/// The sums over a chunk of rows.
struct Sums {
    loss: f64,
    /// The gradient, `[panels, padded features + 1]`, with the intercepts last.
    gradient: Vec<Group64>,
}

impl Sums {
    fn new(data: &Dense<'_>) -> Self {
        Self { loss: 0.0, gradient: vec![Group64::ZEROS; data.panels() * (data.padded_features() + 1)] }
    }
}

/// A chunk of rows, whose loss and gradient are summed.
struct Chunk<'a> {
    data: &'a Dense<'a>,
    /// `[panels, features + 1]`
    weights: &'a [Group64],
    rows: Range<usize>,
    sums: &'a mut Sums,
}

/// A block of rows in 64 bits, and their logits, which become residuals.
struct Block {
    /// The rows that there is space for, a multiple of [`TILE`].
    height: usize,
    /// The distance from the start of a row to the start of the next.
    stride: usize,
    /// `[height, stride]`; numbers past the last feature and rows past the last one are zeros.
    rows: Vec<f64>,
    /// `[panels, height]`
    logits: Vec<Group64>,
}

impl Block {
    fn new(data: &Dense<'_>, rows: usize) -> Self {
        let features = data.padded_features();
        // Rows that begin a power of two apart would share few sets of the cache.
        let stride = if features.is_multiple_of(32) { features + 4 } else { features };
        let most = (BLOCK_NUMBERS / stride / TILE * TILE).clamp(TILE, MAX_BLOCK_ROWS);
        let height = most.min(rows.next_multiple_of(TILE));
        let logits = vec![Group64::ZEROS; data.panels() * height];
        Self { height, stride, rows: vec![0.0; height * stride], logits }
    }

    /// Replaces the rows by those of a matrix.
    #[inline(always)]
    fn load(&mut self, matrix: &Matrix, rows: Range<usize>) {
        let count = rows.len();
        for (target, row) in self.rows.chunks_exact_mut(self.stride).zip(rows) {
            target.iter_mut().zip(matrix.row(row)).for_each(|(target, &value)| *target = f64::from(value));
        }
        self.rows[count * self.stride..].fill(0.0);
    }
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut block = Block::new(self.data, self.rows.len());
        let rows = self.rows.clone();
        for start in rows.clone().step_by(block.height) {
            let rows = start..rows.end.min(start + block.height);
            block.load(self.data.rows, rows.clone());
            self.multiply(simd, &mut block);
            self.subtract_targets(&mut block, rows);
            self.add_gradient(simd, &block);
        }
    }
}

impl Chunk<'_> {
    /// Computes the logits of a block.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, block: &mut Block) {
        let features = self.data.rows.cols();
        let weights = || self.weights.chunks_exact(features + 1);
        for (logits, weights) in block.logits.chunks_exact_mut(block.height).zip(weights()) {
            logits.fill(weights[features]);
        }
        for tile in (0..block.height).step_by(TILE) {
            let rows = &block.rows[tile * block.stride..];
            for first in (0..features).step_by(INNER) {
                let inner = first..features.min(first + INNER);
                let left: [&[f64]; TILE] = from_fn(|r| &rows[r * block.stride..][inner.clone()]);
                for (logits, weights) in block.logits.chunks_exact_mut(block.height).zip(weights()) {
                    let target = logits[tile..].first_chunk_mut().expect("heights are whole tiles");
                    multiply_tile(simd, left, &weights[inner.clone()], target);
                }
            }
        }
    }

    /// Adds the loss of a block's rows, replaces their logits by the residuals, and adds these to the gradient of the
    /// intercepts. The residuals of rows past the last one become zeros.
    #[inline(always)]
    fn subtract_targets(&mut self, block: &mut Block, rows: Range<usize>) {
        let (height, count) = (block.height, rows.len());
        for (at, row) in rows.enumerate() {
            let loss = softmax(&mut block.logits, (at, height), self.data.classes.of_row(row) as usize);
            self.sums.loss += match self.data.classes.weight_of_row(row) {
                Some(weight) => {
                    let groups = block.logits[at..].iter_mut().step_by(height);
                    groups.for_each(|group| group.0.iter_mut().for_each(|residual| *residual *= weight));
                    weight * loss
                }
                None => loss,
            };
        }
        let stride = self.data.padded_features() + 1;
        let panels = block.logits.chunks_exact_mut(height).zip(self.sums.gradient.chunks_exact_mut(stride));
        for (residuals, gradient) in panels {
            residuals[count..].fill(Group64::ZEROS);
            let intercepts = &mut gradient[stride - 1].0;
            for group in &residuals[..count] {
                intercepts.iter_mut().zip(group.0).for_each(|(sum, residual)| *sum += residual);
            }
        }
    }

    /// Adds the gradient of the weights.
    #[inline(always)]
    fn add_gradient<S: Simd>(&mut self, simd: S, block: &Block) {
        let stride = self.data.padded_features() + 1;
        for tile in (0..stride - 1).step_by(TILE) {
            let left = (&block.rows[tile..], block.stride);
            let panels = block.logits.chunks_exact(block.height).zip(self.sums.gradient.chunks_exact_mut(stride));
            for (residuals, gradient) in panels {
                let target = gradient[tile..].first_chunk_mut().expect("padded features are whole tiles");
                multiply_transposed_tile(simd, left, residuals, target);
            }
        }
    }
}

/// Replaces a row's logits, in panels of `height` rows, by the residuals of the softmax, and returns the row's loss. Sums
/// and maxima are taken lane by lane over the panels, and then from the first lane to the last.
#[inline(always)]
fn softmax(logits: &mut [Group64], (row, height): (usize, usize), class: usize) -> f64 {
    let own = logits[class / WIDTH * height + row].0[class % WIDTH];
    let mut lanes = [f64::NEG_INFINITY; WIDTH];
    for group in logits[row..].iter().step_by(height) {
        lanes.iter_mut().zip(group.0).for_each(|(lane, z)| *lane = if z > *lane { z } else { *lane });
    }
    let largest = lanes.into_iter().fold(f64::NEG_INFINITY, |largest, z| if z > largest { z } else { largest });
    let mut lanes = [0.0; WIDTH];
    for group in logits[row..].iter_mut().step_by(height) {
        for (lane, z) in lanes.iter_mut().zip(&mut group.0) {
            *z = exp(*z - largest);
            *lane += *z;
        }
    }
    let sum: f64 = lanes.iter().sum();
    let factor = 1.0 / sum;
    for group in logits[row..].iter_mut().step_by(height) {
        group.0.iter_mut().for_each(|z| *z *= factor);
    }
    logits[class / WIDTH * height + row].0[class % WIDTH] -= 1.0;
    largest - own + ln(sum)
}
