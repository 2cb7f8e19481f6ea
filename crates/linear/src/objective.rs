//! The objective of a fit, as functions of its parameters.
//!
//! Parameters are row-major, `[features + 1, outputs]`: the weights of each feature, and the intercepts as the last row.

use std::ops::Range;

use crate::vector::{add_scaled, dot, scale};

/// The summed loss of a list of rows.
pub(crate) trait Objective: Sync {
    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Returns the number of features of a row.
    fn features(&self) -> usize;

    /// Returns the number of outputs.
    fn outputs(&self) -> usize;

    /// Replaces `gradient` by the gradient of the summed loss, and returns that loss.
    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64;
}

/// The precision that an objective is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

impl Precision {
    /// Returns the relative difference of two values below which they may be equal but for rounding.
    pub(crate) fn rounding(self) -> f64 {
        match self {
            Self::Single => 1e-6,
            Self::Double => 1e-12,
        }
    }

    /// Returns whether a higher precision should follow, since a step improved a value by no more than rounding could.
    pub(crate) fn is_spent(self, before: f64, after: f64) -> bool {
        match self {
            Self::Single => before - after <= self.rounding() * before.abs(),
            Self::Double => false,
        }
    }
}

/// The classes of rows, and how much they count.
#[derive(Clone, Copy)]
pub(crate) struct Classes<'a> {
    /// The class of each row.
    pub(crate) of_rows: &'a [u32],
    /// The weight of each class; none if all count equally.
    pub(crate) weights: Option<&'a [f64]>,
}

impl Classes<'_> {
    /// Returns the class of a row.
    #[inline(always)]
    pub(crate) fn of_row(self, row: usize) -> u32 {
        self.of_rows[row]
    }

    /// Returns the weight of a row's class; none if all classes count equally.
    #[inline(always)]
    pub(crate) fn weight_of_row(self, row: usize) -> Option<f64> {
        self.weights.map(|weights| weights[self.of_rows[row] as usize])
    }
}

/// Replaces `gradient` by the gradient of the mean loss with the penalty `l2 / (2 rows) |weights|^2`, and returns that
/// value.
pub(crate) fn penalised(objective: &dyn Objective, l2: f64, parameters: &[f64], gradient: &mut [f64]) -> f64 {
    let rows = objective.rows() as f64;
    let weights = objective.features() * objective.outputs();
    let loss = objective.evaluate(parameters, gradient);
    scale(gradient, 1.0 / rows);
    add_scaled(&mut gradient[..weights], l2 / rows, &parameters[..weights]);
    loss / rows + 0.5 * l2 / rows * dot(&parameters[..weights], &parameters[..weights])
}

/// The largest number of chunks that the rows of a dense matrix are divided into.
pub(crate) const MAX_CHUNKS: usize = 32;

/// The number of rows that a chunk has at least.
const MIN_CHUNK_ROWS: usize = 192;

/// The bytes that the gradients of all chunks may take together.
pub(crate) const MAX_GRADIENT_BYTES: usize = 256 << 20;

/// Divides rows into chunks, each of which has a gradient of its own of `gradient_bytes`. The chunks depend on the shape
/// alone, never on the number of threads, so that sums are rounded equally everywhere.
pub(crate) fn chunks(rows: usize, gradient_bytes: usize) -> Vec<Range<usize>> {
    let most = (MAX_GRADIENT_BYTES / gradient_bytes.max(1)).clamp(1, MAX_CHUNKS);
    let chunk = rows.div_ceil(most).max(MIN_CHUNK_ROWS);
    (0..rows).step_by(chunk).map(|start| start..rows.min(start + chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_row_once() {
        for (rows, bytes, count) in [(1, 8, 1), (192, 8, 1), (193, 8, 2), (10_003, 8, 32), (10_003, 1 << 30, 1)] {
            let chunks = chunks(rows, bytes);
            assert_eq!(chunks.len(), count, "{rows}");
            assert_eq!(chunks.into_iter().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
        }
    }
}
