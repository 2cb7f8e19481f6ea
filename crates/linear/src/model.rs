//! A fitted linear classifier.

use emberline_base::{Matrix, OutOfMemory};
use rayon::prelude::*;

use crate::rows::Rows;

/// Rows per parallel work item.
const CHUNK_ROWS: usize = 1024;

/// A linear classifier: `logits = features * weights + intercepts`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    /// The weights, row-major, `[features, outputs]`.
    pub weights: Vec<f64>,
    /// The intercepts, `[outputs]`.
    pub intercepts: Vec<f64>,
}

impl LinearModel {
    /// Returns the logits of rows, `[rows, outputs]`, summed in 64 bits.
    ///
    /// # Errors
    /// If there is not enough memory.
    ///
    /// # Panics
    /// If the rows have another number of features than the rows of the fit.
    pub fn logits(&self, rows: Rows<'_>) -> Result<Matrix, OutOfMemory> {
        let outputs = self.intercepts.len();
        assert_eq!(rows.cols() * outputs, self.weights.len(), "the features of the fit");
        let mut logits = Matrix::try_zeros(rows.rows(), outputs)?;
        logits.values_mut().par_chunks_mut(CHUNK_ROWS * outputs).enumerate().for_each(|(chunk, logits)| {
            let mut sums = vec![0.0; outputs];
            for (place, target) in logits.chunks_exact_mut(outputs).enumerate() {
                sums.copy_from_slice(&self.intercepts);
                self.add_row(rows, chunk * CHUNK_ROWS + place, &mut sums);
                target.iter_mut().zip(&sums).for_each(|(target, &sum)| *target = sum as f32);
            }
        });
        Ok(logits)
    }

    fn add_row(&self, rows: Rows<'_>, row: usize, sums: &mut [f64]) {
        let mut add = |column: usize, value: f32| {
            let weights = &self.weights[column * sums.len()..][..sums.len()];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += f64::from(value) * weight);
        };
        match rows {
            Rows::Dense(matrix) => {
                matrix.row(row).iter().enumerate().for_each(|(column, &value)| add(column, value));
            }
            Rows::Sparse(sparse) => {
                let (ids, values) = sparse.row(row);
                ids.iter().zip(values).for_each(|(&id, &value)| add(id as usize, value));
            }
        }
    }
}
