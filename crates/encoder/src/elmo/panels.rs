//! Products of few rows with a large matrix that is split into panels of columns, for cache efficiency.
//!
//! `x [rows, inputs]` times `[inputs, outputs]` reads the matrix once for few rows of `x`. In row-major order, each row of a
//! wide matrix is on another memory page and, if `outputs` is a power of two, its columns map to the same cache lines. Panels
//! of [`WIDTH`] columns, stored one after another, are read sequentially: this is twice as fast on a CPU for 32 rows and a
//! matrix of 512 x 16,384. On a GPU, the matrix is a single panel.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::weights::Array;

/// Maximum number of columns per panel on a CPU.
pub(super) const WIDTH: usize = 32;

/// A matrix in panels, `[panels, inputs, outputs / panels]`.
pub(super) struct Panels<B: Backend>(Tensor<B, 3>);

impl<B: Backend> Panels<B> {
    /// Splits a matrix `[inputs, outputs]` into the widest equal panels of at most `widest` columns.
    pub(super) fn new(matrix: Array, widest: usize, device: &B::Device) -> Self {
        let (inputs, outputs) = (matrix.shape[0], matrix.shape[1]);
        let width = (1..=widest.min(outputs)).rev().find(|width| outputs % width == 0).unwrap_or(1);
        let shape = [outputs / width, inputs, width];
        if width == outputs {
            return Self(Tensor::from_data(TensorData::new(matrix.values, shape), device));
        }
        let mut values = Vec::with_capacity(matrix.values.len());
        for panel in 0..shape[0] {
            for row in matrix.values.chunks_exact(outputs) {
                values.extend_from_slice(&row[panel * width..(panel + 1) * width]);
            }
        }
        Self(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// Returns the number of columns of the matrix.
    pub(super) fn outputs(&self) -> usize {
        let [panels, _, width] = self.0.dims();
        panels * width
    }

    /// Returns the number of rows of the matrix.
    pub(super) fn inputs(&self) -> usize {
        self.0.dims()[1]
    }

    /// Multiplies rows by the matrix: `[rows, inputs]` -> `[rows, outputs]`.
    pub(super) fn product(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let rows = x.dims()[0];
        let y = x.unsqueeze::<3>().matmul(self.0.clone()); // [panels, rows, width]
        y.swap_dims(0, 1).reshape([rows, self.outputs()])
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::super::lstm::{host, tensor};
    use super::*;

    #[test]
    fn a_product_is_the_same_in_any_panels() {
        let array = |rows: usize, cols: usize| Array {
            shape: vec![rows, cols],
            values: (0..rows * cols).map(|i| (i * 7 % 11) as f32).collect(),
        };
        let device = Default::default();
        let x = || tensor::<Flex>(array(5, 3), &device);
        let whole = host(x().matmul(tensor::<Flex>(array(3, 12), &device)));
        for (widest, width) in [(1, 1), (5, 4), (6, 6), (11, 6), (12, 12), (100, 12)] {
            let panels = Panels::<Flex>::new(array(3, 12), widest, &device);
            assert_eq!((panels.0.dims(), panels.inputs(), panels.outputs()), ([12 / width, 3, width], 3, 12));
            assert_eq!(host(panels.product(x())), whole);
        }
    }
}
