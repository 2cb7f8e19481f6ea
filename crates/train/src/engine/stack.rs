//! Matrices of several models, stacked into one on the device.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::Matrix;

/// Stacks the values of matrices of one shape vertically; a matrix that occurs several times is stored once. Returns
/// the values, and the first row of each matrix.
pub(super) fn stack_values(matrices: &[&Matrix]) -> (Vec<f32>, Vec<usize>) {
    let mut distinct: Vec<&Matrix> = Vec::new();
    let mut first_rows = Vec::with_capacity(matrices.len());
    for &matrix in matrices {
        let index = distinct.iter().position(|known| std::ptr::eq(*known, matrix)).unwrap_or(distinct.len());
        if index == distinct.len() {
            distinct.push(matrix);
        }
        first_rows.push(index * matrix.rows());
    }
    (distinct.iter().map(|matrix| matrix.values()).collect::<Vec<_>>().concat(), first_rows)
}

/// A matrix of the same shape for every model, stacked vertically; one that several models share is stored once.
pub(super) struct Stack<B: Backend> {
    /// `[matrices * rows, cols]`.
    whole: Tensor<B, 2>,
    /// The first row of each model.
    first_rows: Vec<usize>,
    /// The number of rows of one matrix.
    rows: usize,
}

impl<B: Backend> Stack<B> {
    /// Copies the matrices to the device, one per model.
    pub(super) fn new(matrices: &[&Matrix], device: &B::Device) -> Self {
        let (rows, cols) = matrices.first().map_or((0, 0), |first| (first.rows(), first.cols()));
        let (values, first_rows) = stack_values(matrices);
        let shape = [values.len() / cols.max(1), cols];
        Self { whole: Tensor::from_data(TensorData::new(values, shape), device), first_rows, rows }
    }

    /// Returns the number of rows of each model.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub(super) fn cols(&self) -> usize {
        self.whole.dims()[1]
    }

    /// Returns the stacked indices of rows of models, model by model, equally many for each.
    pub(super) fn indices(&self, models: &[usize], rows: &[&[usize]]) -> Vec<i32> {
        let of_model = |(&model, rows): (&usize, &&[usize])| {
            let first = self.first_rows[model];
            rows.iter().map(|row| (first + row) as i32).collect::<Vec<_>>()
        };
        models.iter().zip(rows).flat_map(of_model).collect()
    }

    /// Returns the rows at these [`indices`](Self::indices) for this number of models, `[models, rows, cols]`.
    pub(super) fn gather(&self, models: usize, indices: Tensor<B, 1, Int>) -> Tensor<B, 3> {
        let rows = indices.dims()[0] / models;
        self.whole.clone().select(0, indices).reshape([models, rows, self.cols()])
    }
}
