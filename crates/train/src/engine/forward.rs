//! The forward pass of a head on Burn's tensors, and the dropout masks of its layers.

use burn::tensor::activation::{gelu, relu, sigmoid, silu, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::dropout::{self, Dropout};
use crate::head::Step;
use crate::settings::Activation;

/// Computes the forward pass, `[batch, dim]` -> `[batch, outputs]`, or that of several models, `[models, batch, ...]`.
/// `arrays` holds the two arrays of each step that has some, in order; `mask` returns a dropout mask of a shape, or none if
/// nothing is dropped.
pub(super) fn forward<B: Backend, const R: usize>(
    steps: &[Step],
    arrays: &[Tensor<B, R>],
    vectors: Tensor<B, R>,
    mut mask: impl FnMut(f32, [usize; R]) -> Option<TensorData>,
) -> Tensor<B, R> {
    let mut arrays = arrays.chunks_exact(2);
    let mut x = vectors;
    for step in steps {
        x = match step {
            Step::Dense { activation, .. } => {
                let [kernel, bias] = arrays.next().expect("two arrays for each dense step") else {
                    unreachable!("chunks of two")
                };
                activate(*activation, x.matmul(kernel.clone()) + bias.clone()) // [.., batch, units]
            }
            Step::LayerNorm { epsilon, .. } => {
                let [gamma, beta] = arrays.next().expect("two arrays for each normalisation") else {
                    unreachable!("chunks of two")
                };
                layer_norm(x, *epsilon) * gamma.clone() + beta.clone() // [.., batch, units]
            }
            Step::Dropout { rate, .. } => match mask(*rate, x.dims()) {
                Some(mask) => {
                    let mask = Tensor::from_data(mask, &x.device());
                    x * mask
                }
                None => x,
            },
        };
    }
    x
}

fn activate<B: Backend, const R: usize>(activation: Activation, x: Tensor<B, R>) -> Tensor<B, R> {
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => silu(x),
    }
}

/// Shifts and scales every row to the mean 0 and the variance 1.
fn layer_norm<B: Backend, const R: usize>(x: Tensor<B, R>, epsilon: f64) -> Tensor<B, R> {
    let centred = x.clone() - x.mean_dim(R - 1);
    let variance = (centred.clone() * centred.clone()).mean_dim(R - 1);
    centred / (variance + epsilon).sqrt()
}

/// Dropout masks, with one random stream per model.
pub(super) struct Masks(pub(super) Vec<Dropout>);

impl Masks {
    /// Draws a mask: 0 with probability `rate`, else 1 / (1 - rate), `[models, batch, units]`.
    pub(super) fn draw<const R: usize>(&mut self, rate: f32, shape: [usize; R]) -> TensorData {
        let gain = dropout::gain(rate);
        let count: usize = shape.iter().product();
        let mut values = Vec::with_capacity(count);
        let of_model = count / self.0.len();
        for stream in &mut self.0 {
            values.extend((0..of_model).map(|_| if stream.drops(rate) { 0.0 } else { gain }));
        }
        TensorData::new::<f32, _>(values, shape)
    }
}
