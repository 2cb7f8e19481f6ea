//! The logistic loss on dense rows with one output. Every row is read once, for its logit and for its share of the
//! gradient.

use std::ops::Range;

use emberline_base::Matrix;
use emberline_kernels::double::{add_scaled, dot};
use pulp::Arch;
use rayon::prelude::*;

use crate::loss::logistic;
use crate::objective::{Classes, Objective, chunks};

/// The logistic loss on dense rows.
pub(crate) struct NarrowDense<'a> {
    arch: Arch,
    rows: &'a Matrix,
    /// The class of each row, 0 or 1.
    classes: Classes<'a>,
}

impl<'a> NarrowDense<'a> {
    pub(crate) fn new(rows: &'a Matrix, classes: Classes<'a>) -> Self {
        Self { arch: Arch::new(), rows, classes }
    }

    /// Returns the loss of a chunk of rows and its gradient, `[features + 1]`.
    fn chunk(&self, parameters: &[f64], rows: Range<usize>) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; parameters.len()];
        let loss = self.arch.dispatch(
            #[inline(always)]
            || self.add_rows(parameters, rows, &mut gradient),
        );
        (loss, gradient)
    }

    #[inline(always)]
    fn add_rows(&self, parameters: &[f64], rows: Range<usize>, gradient: &mut [f64]) -> f64 {
        let (intercept, weights) = parameters.split_last().expect("an intercept");
        let (intercept_gradient, gradient) = gradient.split_last_mut().expect("an intercept");
        let mut sum = 0.0;
        for at in rows {
            let row = self.rows.row(at);
            let (mut loss, mut residual) = logistic(dot(row, weights) + intercept, self.classes.of_row(at));
            if let Some(weight) = self.classes.weight_of_row(at) {
                (loss, residual) = (weight * loss, weight * residual);
            }
            add_scaled(gradient, residual, row);
            *intercept_gradient += residual;
            sum += loss;
        }
        sum
    }
}

impl Objective for NarrowDense<'_> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn features(&self) -> usize {
        self.rows.cols()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let chunks = chunks(self.rows.rows(), size_of_val(parameters));
        let parts: Vec<(f64, Vec<f64>)> = chunks.into_par_iter().map(|rows| self.chunk(parameters, rows)).collect();
        gradient.fill(0.0);
        for (_, part) in &parts {
            gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        parts.iter().map(|(loss, _)| loss).sum()
    }
}
