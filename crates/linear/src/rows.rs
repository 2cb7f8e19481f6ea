//! Rows of features: dense, or sparse in CSR form.

use emberline_base::{Matrix, OutOfMemory, memory};

use crate::Error;

/// The features of a list of rows, `[rows, cols]`.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// A number for every feature of every row.
    Dense(&'a Matrix),
    /// The features of each row that aren't zero.
    Sparse(&'a SparseRows),
}

impl Rows<'_> {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.rows(),
            Self::Sparse(sparse) => sparse.rows(),
        }
    }

    /// Returns the number of features of a row.
    pub fn cols(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.cols(),
            Self::Sparse(sparse) => sparse.cols(),
        }
    }

    /// Checks that all features are finite.
    pub(crate) fn check_finite(&self) -> Result<(), Error> {
        let check = |row: usize, values: &[f32]| match values.iter().find(|value| !value.is_finite()) {
            Some(&value) => Err(Error::NotFinite { row, value }),
            None => Ok(()),
        };
        match self {
            Self::Dense(matrix) => (0..matrix.rows()).try_for_each(|row| check(row, matrix.row(row))),
            Self::Sparse(sparse) => (0..sparse.rows()).try_for_each(|row| check(row, sparse.row(row).1)),
        }
    }
}

/// Sparse rows, `[rows, cols]`, in CSR form: row `i` has the values `values[offsets[i]..offsets[i + 1]]` in the columns `ids`
/// of the same places.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseRows {
    cols: usize,
    offsets: Vec<usize>,
    ids: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Creates rows from their parts.
    ///
    /// # Panics
    /// If `offsets` doesn't begin with 0, falls, or doesn't end with the number of values, if there aren't as many `ids` as
    /// `values`, or if an id is `cols` or more.
    pub fn new(cols: usize, offsets: Vec<usize>, ids: Vec<u32>, values: Vec<f32>) -> Self {
        assert!(offsets.first() == Some(&0) && offsets.is_sorted(), "offsets rise from 0");
        assert_eq!((offsets.last(), ids.len()), (Some(&values.len()), values.len()), "one id per value");
        assert!(ids.iter().all(|&id| (id as usize) < cols), "ids are below {cols}");
        Self { cols, offsets, ids, values }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Returns the number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns the columns of one row, and its values in them.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.ids[range.clone()], &self.values[range])
    }

    /// Returns the number of values that are stored.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// Returns the values of all rows, for writing.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Returns the same rows with every value multiplied by its column's factor.
    ///
    /// # Panics
    /// If there isn't one factor per column.
    #[must_use]
    pub fn scaled_by_column(&self, factors: &[f64]) -> Self {
        assert_eq!(factors.len(), self.cols, "one factor per column");
        let scale = |(&id, &value): (&u32, &f32)| (f64::from(value) * factors[id as usize]) as f32;
        Self { values: self.ids.iter().zip(&self.values).map(scale).collect(), ..self.clone() }
    }

    /// Returns the transposed matrix, `[cols, rows]`; the columns of each of its rows rise.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn transposed(&self) -> Result<Self, OutOfMemory> {
        let mut offsets = memory::filled(0_usize, self.cols + 1)?;
        for &id in &self.ids {
            offsets[id as usize + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        let mut next = memory::copied(&offsets)?;
        let (mut ids, mut values) = (memory::filled(0, self.ids.len())?, memory::filled(0.0, self.ids.len())?);
        for row in 0..self.rows() {
            let (columns, of_row) = self.row(row);
            for (&column, &value) in columns.iter().zip(of_row) {
                let at = &mut next[column as usize];
                (ids[*at], values[*at]) = (row as u32, value);
                *at += 1;
            }
        }
        Ok(Self { cols: self.rows(), offsets, ids, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> SparseRows {
        SparseRows::new(3, vec![0, 2, 2, 3], vec![2, 0, 2], vec![1.0, 2.0, 3.0])
    }

    #[test]
    fn transposed_rows_are_the_columns() {
        let transposed = rows().transposed().expect("memory");
        assert_eq!(transposed, SparseRows::new(3, vec![0, 1, 1, 3], vec![0, 0, 2], vec![2.0, 1.0, 3.0]));
    }

    #[test]
    fn every_column_has_its_factor() {
        assert_eq!(rows().scaled_by_column(&[10.0, 1.0, 0.5]).row(0), (&[2, 0][..], &[0.5, 20.0][..]));
    }

    #[test]
    #[should_panic(expected = "ids are below 3")]
    fn a_column_outside_is_refused() {
        SparseRows::new(3, vec![0, 1], vec![3], vec![1.0]);
    }

    #[test]
    fn a_row_that_is_not_finite_is_named() {
        let matrix = Matrix::new(2, 1, vec![0.0, f32::NAN]);
        assert!(matches!(Rows::Dense(&matrix).check_finite(), Err(Error::NotFinite { row: 1, .. })));
    }
}
