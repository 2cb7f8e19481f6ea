//! A dense row-major matrix of 32-bit floats, used for embeddings, features and targets.

use crate::memory::{self, OutOfMemory};

/// A dense matrix, row-major. The number of values is always `rows * cols`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Creates a matrix of zeros, `[rows, cols]`.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, values: vec![0.0; rows * cols] }
    }

    /// Creates a matrix of zeros, `[rows, cols]`, whose size comes from data or settings.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn try_zeros(rows: usize, cols: usize) -> Result<Self, OutOfMemory> {
        let count = rows.saturating_mul(cols);
        Ok(Self { rows, cols, values: memory::filled(0.0, count)? })
    }

    /// Wraps row-major values, `[rows, cols]`.
    ///
    /// # Panics
    /// If `values` doesn't hold `rows * cols` numbers.
    pub fn new(rows: usize, cols: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * cols, "a [{rows}, {cols}] matrix");
        Self { rows, cols, values }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns one row, `[cols]`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// Returns one row, `[cols]`, for writing.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// Copies the row `from` over the row `to`.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        self.values.copy_within(from * self.cols..(from + 1) * self.cols, to * self.cols);
    }

    /// Returns all values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns all values in row-major order, for writing.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Returns the values in row-major order without copying them.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Copies the rows with the given indices, in that order, `[indices.len(), cols]`.
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
