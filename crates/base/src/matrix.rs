//! A dense row-major matrix of 32-bit floats: what embeddings and targets are made of.

use crate::memory::{self, OutOfMemory};

/// A dense matrix, row-major. The number of values is always `rows * cols`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// A matrix of zeros, `[rows, cols]`.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, values: vec![0.0; rows * cols] }
    }

    /// As [`zeros`](Self::zeros), for matrices whose size comes from data or settings.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn try_zeros(rows: usize, cols: usize) -> Result<Self, OutOfMemory> {
        let count = rows.saturating_mul(cols);
        Ok(Self { rows, cols, values: memory::filled(0.0, count)? })
    }

    /// Wraps row-major values.
    ///
    /// # Panics
    /// When `values` does not hold `rows * cols` numbers.
    pub fn new(rows: usize, cols: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * cols, "a [{rows}, {cols}] matrix");
        Self { rows, cols, values }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row, `[cols]`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// One row, `[cols]`, to write to.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// Writes the row `from` over the row `to`.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        self.values.copy_within(from * self.cols..(from + 1) * self.cols, to * self.cols);
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row after row, to write to.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Gives the values away.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The named rows, in that order, `[indices.len(), cols]`.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut values = Vec::with_capacity(indices.len() * self.cols);
        for &index in indices {
            values.extend_from_slice(self.row(index));
        }
        Self { rows: indices.len(), cols: self.cols, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_takes_rows_in_the_order_asked() {
        let m = Matrix::new(3, 2, vec![0., 1., 2., 3., 4., 5.]);
        assert_eq!(m.select(&[2, 0]).values(), [4., 5., 0., 1.]);
    }
}
