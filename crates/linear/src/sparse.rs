//! Both losses on sparse rows.
//!
//! The residuals of all rows are computed row by row, and the gradient then feature by feature from the transposed rows, so
//! that no thread needs a gradient of its own: with many classes and a large vocabulary it would be large.

use pulp::Arch;
use rayon::prelude::*;

use crate::loss::Loss;
use crate::objective::{Classes, Objective};
use crate::rows::SparseRows;

/// Rows per parallel work item.
const CHUNK_ROWS: usize = 1024;

/// Features per parallel work item.
const CHUNK_FEATURES: usize = 256;

/// A loss on sparse rows.
pub(crate) struct Sparse<'a> {
    arch: Arch,
    rows: &'a SparseRows,
    /// The transposed rows, shared by the problems of several classes.
    transposed: &'a SparseRows,
    classes: Classes<'a>,
    outputs: usize,
    loss: Loss,
}

impl<'a> Sparse<'a> {
    pub(crate) fn new(
        (rows, transposed): (&'a SparseRows, &'a SparseRows),
        classes: Classes<'a>,
        outputs: usize,
        loss: Loss,
    ) -> Self {
        Self { arch: Arch::new(), rows, transposed, classes, outputs, loss }
    }

    fn residuals_of_chunk(&self, parameters: &[f64], chunk: usize, residuals: &mut [f64]) -> (f64, Vec<f64>) {
        self.arch.dispatch(
            #[inline(always)]
            || self.residuals(parameters, chunk * CHUNK_ROWS, residuals),
        )
    }

    fn gradient_of_chunk(&self, residuals: &[f64], chunk: usize, gradient: &mut [f64]) {
        self.arch.dispatch(
            #[inline(always)]
            || self.gradient(residuals, chunk * CHUNK_FEATURES, gradient),
        );
    }

    /// Writes the residuals of rows from `first` on, `[rows, outputs]`. Returns their loss, and the sums of the residuals.
    #[inline(always)]
    fn residuals(&self, parameters: &[f64], first: usize, residuals: &mut [f64]) -> (f64, Vec<f64>) {
        let (mut loss, mut sums) = (0.0, vec![0.0; self.outputs]);
        let intercepts = &parameters[self.rows.cols() * self.outputs..];
        for (place, row) in residuals.chunks_exact_mut(self.outputs).enumerate() {
            row.copy_from_slice(intercepts);
            add_product(self.rows.row(first + place), parameters, row);
            let of_row = self.loss.residuals(row, self.classes.of_row(first + place));
            loss += match self.classes.weight_of_row(first + place) {
                Some(weight) => {
                    row.iter_mut().for_each(|residual| *residual *= weight);
                    weight * of_row
                }
                None => of_row,
            };
            sums.iter_mut().zip(&*row).for_each(|(sum, residual)| *sum += residual);
        }
        (loss, sums)
    }

    /// Writes the gradient of features from `first` on, `[features, outputs]`.
    #[inline(always)]
    fn gradient(&self, residuals: &[f64], first: usize, gradient: &mut [f64]) {
        for (place, of_feature) in gradient.chunks_exact_mut(self.outputs).enumerate() {
            of_feature.fill(0.0);
            add_product(self.transposed.row(first + place), residuals, of_feature);
        }
    }
}

/// Adds the product of a sparse row and a row-major matrix with as many columns as `sums` has numbers.
#[inline(always)]
fn add_product((ids, values): (&[u32], &[f32]), matrix: &[f64], sums: &mut [f64]) {
    if let [sum] = sums {
        for (&id, &value) in ids.iter().zip(values) {
            *sum += f64::from(value) * matrix[id as usize];
        }
        return;
    }
    for (&id, &value) in ids.iter().zip(values) {
        let row = &matrix[id as usize * sums.len()..][..sums.len()];
        sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += f64::from(value) * weight);
    }
}

impl Objective for Sparse<'_> {
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
        let mut residuals = vec![0.0; self.rows.rows() * self.outputs];
        let chunks = residuals.par_chunks_mut(CHUNK_ROWS * self.outputs).enumerate();
        let parts: Vec<(f64, Vec<f64>)> =
            chunks.map(|(chunk, part)| self.residuals_of_chunk(parameters, chunk, part)).collect();
        let (gradient, intercepts) = gradient.split_at_mut(self.rows.cols() * self.outputs);
        let chunks = gradient.par_chunks_mut(CHUNK_FEATURES * self.outputs).enumerate();
        chunks.for_each(|(chunk, part)| self.gradient_of_chunk(&residuals, chunk, part));
        intercepts.fill(0.0);
        for (_, sums) in &parts {
            intercepts.iter_mut().zip(sums).for_each(|(sum, part)| *sum += part);
        }
        parts.iter().map(|(loss, _)| loss).sum()
    }
}
