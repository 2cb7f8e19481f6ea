//! Layer normalisation: `y = (x - mean) / sqrt(variance + epsilon) * scale + shift`, row by row.
//!
//! With the normalised row n, of length `cols`, and g = dy * scale, the gradient of the row is
//! `dx = (g - mean(g) - n * mean(g n)) / sqrt(variance + epsilon)`; those of scale and shift are the sums of dy n and dy over rows.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use emberline_kernels::LANES;
use emberline_kernels::dot::sum_in_pairs;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{column_sums, contiguous, finish, given_back, numbers, register, tensor, tracked};

/// Rows that a thread takes at a time.
const ROWS: usize = 64;

/// Normalises rows, `[rows, cols]`; scale and shift are `[1, cols]`.
pub(in crate::transformer) fn layer_norm<B: Backend>(
    x: &Tensor<B, 2>,
    scale: &Tensor<B, 2>,
    shift: &Tensor<B, 2>,
    epsilon: f32,
) -> Option<Tensor<B, 2>> {
    let ([rows, cols], x, scale, shift) = (x.dims(), tracked(x)?, tracked(scale)?, tracked(shift)?);
    let [input, factors, added] = [&x, &scale, &shift].map(|tensor| contiguous(&tensor.primitive));
    let (factors, added, input) = (numbers(&factors), numbers(&added), numbers(&input));
    let (mut output, mut normal, mut inverse) = (vec![0.0; rows * cols], vec![0.0; rows * cols], vec![0.0; rows]);
    let chunks = output.par_chunks_mut(ROWS * cols).zip(normal.par_chunks_mut(ROWS * cols));
    let chunks = chunks.zip(inverse.par_chunks_mut(ROWS)).zip(input.par_chunks(ROWS * cols));
    chunks.for_each(|(((output, normal), inverse), input)| {
        Arch::new().dispatch(Forward { input, factors, added, epsilon, output, normal, inverse });
    });
    let scale_values = tensor(factors.to_vec(), [1, cols]);
    let state =
        || State { normal: tensor(normal, [rows, cols]), inverse: tensor(inverse, [1, rows]), scale: scale_values };
    given_back(finish(LayerNorm, [&x, &scale, &shift], tensor(output, [rows, cols]), state))
}

#[derive(Debug)]
struct LayerNorm;

#[derive(Clone, Debug)]
struct State {
    /// The normalised rows, `[rows, cols]`.
    normal: FlexTensor,
    /// One over the root of the variance of every row, `[1, rows]`.
    inverse: FlexTensor,
    /// `[1, cols]`.
    scale: FlexTensor,
}

impl Backward<Flex, 3> for LayerNorm {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&gradients.consume::<Flex>(&ops.node));
        let [rows, cols] = [dy.layout().shape()[0], dy.layout().shape()[1]];
        let (state, [x, scale, shift]) = (ops.state, ops.parents.map(|parent| parent.map(|node| node.id)));
        let (dy, normal) = (numbers(&dy), numbers(&state.normal));
        register(gradients, x, || {
            let (inverse, factors) = (numbers(&state.inverse), numbers(&state.scale));
            let mut result = vec![0.0; rows * cols];
            let chunks = result.par_chunks_mut(ROWS * cols).zip(dy.par_chunks(ROWS * cols));
            let chunks = chunks.zip(normal.par_chunks(ROWS * cols)).zip(inverse.par_chunks(ROWS));
            chunks.for_each(|(((result, dy), normal), inverse)| {
                Arch::new().dispatch(Descent { dy, normal, inverse, factors, result });
            });
            tensor(result, [rows, cols])
        });
        register(gradients, scale, || tensor(column_sums(dy, Some(normal), cols), [1, cols]));
        register(gradients, shift, || tensor(column_sums(dy, None, cols), [1, cols]));
    }
}

/// Normalises rows.
struct Forward<'a> {
    input: &'a [f32],
    factors: &'a [f32],
    added: &'a [f32],
    epsilon: f32,
    output: &'a mut [f32],
    normal: &'a mut [f32],
    inverse: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let cols = self.factors.len();
        let rows = self.output.chunks_exact_mut(cols).zip(self.normal.chunks_exact_mut(cols));
        for (((output, normal), inverse), x) in rows.zip(self.inverse).zip(self.input.chunks_exact(cols)) {
            let mean = sum(x, |x, _| x, x) / cols as f32;
            normal.iter_mut().zip(x).for_each(|(normal, x)| *normal = x - mean);
            let variance = sum(normal, |a, b| a * b, normal) / cols as f32;
            *inverse = 1.0 / (variance + self.epsilon).sqrt();
            normal.iter_mut().for_each(|normal| *normal *= *inverse);
            let by_column = self.factors.iter().zip(self.added);
            for ((value, normal), (factor, added)) in output.iter_mut().zip(normal).zip(by_column) {
                *value = normal.mul_add(*factor, *added);
            }
        }
    }
}

/// Computes the gradient of rows.
struct Descent<'a> {
    dy: &'a [f32],
    normal: &'a [f32],
    inverse: &'a [f32],
    factors: &'a [f32],
    result: &'a mut [f32],
}

impl WithSimd for Descent<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let cols = self.factors.len();
        let rows = self.result.chunks_exact_mut(cols).zip(self.dy.chunks_exact(cols));
        for (((dx, dy), normal), inverse) in rows.zip(self.normal.chunks_exact(cols)).zip(self.inverse) {
            dx.iter_mut().zip(dy).zip(self.factors).for_each(|((dx, dy), factor)| *dx = dy * factor);
            let mean = sum(dx, |g, _| g, dx) / cols as f32;
            let along = sum(dx, |g, n| g * n, normal) / cols as f32;
            dx.iter_mut().zip(normal).for_each(|(dx, n)| *dx = (*dx - mean - n * along) * inverse);
        }
    }
}

/// Sums a term over two rows in an order that doesn't depend on the width of registers.
#[inline(always)]
fn sum(left: &[f32], term: impl Fn(f32, f32) -> f32, right: &[f32]) -> f32 {
    let ((left, rest_left), (right, rest_right)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += term(*left, *right);
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(rest_left).zip(rest_right) {
        *sum += term(*left, *right);
    }
    sum_in_pairs(sums)
}
