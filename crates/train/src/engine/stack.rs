//! Matrices of several models on the device, as one.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::Matrix;

/// The numbers of matrices of one shape, one below the other, each that is there several times once; and where the rows of
/// each begin.
pub(super) fn stacked(matrices: &[&Matrix]) -> (Vec<f32>, Vec<usize>) {
    let mut distinct: Vec<&Matrix> = Vec::new();
    let mut first_rows = Vec::with_capacity(matrices.len());
    for &matrix in matrices {
        let place = distinct.iter().position(|known| std::ptr::eq(*known, matrix)).unwrap_or(distinct.len());
        if place == distinct.len() {
            distinct.push(matrix);
        }
        first_rows.push(place * matrix.rows());
    }
    (distinct.iter().map(|matrix| matrix.values()).collect::<Vec<_>>().concat(), first_rows)
}

/// A matrix of the same shape for every model, one below the other; one that several models share is there once.
pub(super) struct Stack<B: Backend> {
    /// `[matrices * rows, cols]`.
    whole: Tensor<B, 2>,
    /// Where each model's rows begin.
    first_rows: Vec<usize>,
    /// The rows of one matrix.
    rows: usize,
}

impl<B: Backend> Stack<B> {
    /// Copies the matrices to the device, one a model.
    pub(super) fn new(matrices: &[&Matrix], device: &B::Device) -> Self {
        let (rows, cols) = matrices.first().map_or((0, 0), |first| (first.rows(), first.cols()));
        let (values, first_rows) = stacked(matrices);
        let shape = [values.len() / cols.max(1), cols];
        Self { whole: Tensor::from_data(TensorData::new(values, shape), device), first_rows, rows }
    }

    /// The rows of each model.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The columns.
    pub(super) fn cols(&self) -> usize {
        self.whole.dims()[1]
    }

    /// Where rows of models stand, model after model; of each as many.
    pub(super) fn indices(&self, models: &[usize], rows: &[&[usize]]) -> Vec<i32> {
        let of_model = |(&model, rows): (&usize, &&[usize])| {
            let first = self.first_rows[model];
            rows.iter().map(|row| (first + row) as i32).collect::<Vec<_>>()
        };
        models.iter().zip(rows).flat_map(of_model).collect()
    }

    /// The rows at these [`indices`](Self::indices) of so many models, `[models, rows, cols]`.
    pub(super) fn gather(&self, models: usize, indices: Tensor<B, 1, Int>) -> Tensor<B, 3> {
        let rows = indices.dims()[0] / models;
        self.whole.clone().select(0, indices).reshape([models, rows, self.cols()])
    }
}
