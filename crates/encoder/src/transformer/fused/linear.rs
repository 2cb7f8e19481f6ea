//! A linear map, `y = x W^T + b`, with the gradients `dx = dy W`, `dW = dy^T x` and `db`, the sum of the rows of dy.

use std::array::from_fn;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use emberline_kernels::rows::{Rows, Target, multiply_rows};
use emberline_kernels::{LANES, Panels};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Tracked, column_sums, contiguous, finish, given_back, numbers, register, tensor, tracked};

/// The rows of a tile of the product, of which a thread takes a multiple.
const TILE: usize = 12;
/// The side of the squares in which a matrix is transposed.
const SQUARE: usize = 16;

/// Applies a linear map with the weight `[out, in]` and the bias `[1, out]` to rows, `[rows, in]`.
pub(in crate::transformer) fn linear<B: Backend>(
    x: &Tensor<B, 2>,
    weight: &Tensor<B, 2>,
    bias: Option<&Tensor<B, 2>>,
) -> Option<Tensor<B, 2>> {
    let (x, weight) = (tracked(x)?, tracked(weight)?);
    let without = || Tracked::new(tensor(vec![0.0], [1, 1]));
    let (bias, has_bias) = (bias.map_or_else(|| Some(without()), tracked)?, bias.is_some());
    let state = State { x: contiguous(&x.primitive), weight: contiguous(&weight.primitive) };
    let start = contiguous(&bias.primitive);
    let output = state.forward(if has_bias { numbers(&start) } else { &[] });
    given_back(finish(Linear, [&x, &weight, &bias], output, || state))
}

#[derive(Debug)]
struct Linear;

#[derive(Clone, Debug)]
struct State {
    /// `[rows, in]`.
    x: FlexTensor,
    /// `[out, in]`.
    weight: FlexTensor,
}

impl Backward<Flex, 3> for Linear {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&gradients.consume::<Flex>(&ops.node));
        let (state, [x, weight, bias]) = (ops.state, ops.parents.map(|parent| parent.map(|node| node.id)));
        let [rows, outputs, inputs] = state.sizes();
        let dy = numbers(&dy);
        register(gradients, x, || {
            let panels = packed(numbers(&state.weight), [outputs, inputs]);
            tensor(multiply(dy, [rows, outputs], &panels, &[]), [rows, inputs])
        });
        register(gradients, weight, || {
            let panels = packed(numbers(&state.x), [rows, inputs]);
            let columns = transposed(dy, [rows, outputs]);
            tensor(multiply(&columns, [outputs, rows], &panels, &[]), [outputs, inputs])
        });
        register(gradients, bias, || tensor(column_sums(dy, None, outputs), [1, outputs]));
    }
}

impl State {
    fn sizes(&self) -> [usize; 3] {
        let (x, weight) = (self.x.layout().shape(), self.weight.layout().shape());
        [x[0], weight[0], x[1]]
    }

    fn forward(&self, bias: &[f32]) -> FlexTensor {
        let [rows, outputs, inputs] = self.sizes();
        let panels = packed_transpose(numbers(&self.weight), [outputs, inputs]);
        tensor(multiply(numbers(&self.x), [rows, inputs], &panels, bias), [rows, outputs])
    }
}

/// Computes the product of rows, `[rows, inner]`, and panels, `[inner, outputs]`, plus a bias, on all cores.
fn multiply(left: &[f32], [rows, inner]: [usize; 2], panels: &Panels, bias: &[f32]) -> Vec<f32> {
    let outputs = panels.cols();
    let mut product = vec![0.0; rows * outputs];
    let chunk = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(TILE);
    let parts = product.par_chunks_mut(chunk * outputs).zip(left.par_chunks(chunk * inner));
    parts.for_each(|(target, left)| Arch::new().dispatch(Product { left, inner, panels, bias, target }));
    product
}

struct Product<'a> {
    left: &'a [f32],
    inner: usize,
    panels: &'a Panels,
    bias: &'a [f32],
    target: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, inner, panels, bias, target } = self;
        let rows = Rows { values: left, stride: inner, count: left.len() / inner };
        let target = Target { values: target, stride: panels.cols() };
        multiply_rows(simd, rows, panels, bias, target, &mut Panels::default());
    }
}

/// Packs a matrix, `[rows, cols]`.
fn packed(values: &[f32], [rows, cols]: [usize; 2]) -> Panels {
    let mut panels = Panels::default();
    panels.pack(values, cols, rows, cols);
    panels
}

/// Packs the transpose, `[cols, rows]`, of a matrix, `[rows, cols]`.
fn packed_transpose(values: &[f32], [rows, cols]: [usize; 2]) -> Panels {
    let mut panels = Panels::default();
    panels.reshape(cols, rows);
    for (at, rows) in values.chunks(LANES * cols).enumerate() {
        let panel = panels.panel_mut(at);
        if rows.len() == LANES * cols {
            let rows: [&[f32]; LANES] = from_fn(|lane| &rows[lane * cols..][..cols]);
            for (k, group) in panel[..cols].iter_mut().enumerate() {
                group.0 = from_fn(|lane| rows[lane][k]);
            }
        } else {
            for (lane, row) in rows.chunks_exact(cols).enumerate() {
                panel.iter_mut().zip(row).for_each(|(group, value)| group[lane] = *value);
            }
        }
    }
    panels
}

/// Transposes a matrix, `[rows, cols]`.
fn transposed(values: &[f32], [rows, cols]: [usize; 2]) -> Vec<f32> {
    let mut result = vec![0.0; values.len()];
    result.par_chunks_mut(SQUARE * rows).enumerate().for_each(|(at, target)| {
        let first = at * SQUARE;
        let width = target.len() / rows;
        for top in (0..rows).step_by(SQUARE) {
            for row in top..(top + SQUARE).min(rows) {
                let values = &values[row * cols + first..][..width];
                values.iter().enumerate().for_each(|(column, value)| target[column * rows + row] = *value);
            }
        }
    });
    result
}
