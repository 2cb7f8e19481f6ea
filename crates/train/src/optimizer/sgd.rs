//! Stochastic gradient descent with momentum, as Keras computes it: u = momentum u - lr g; w += u.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Memory;

pub(super) fn apply<B: Backend>(
    memory: &mut Memory<B>,
    value: Tensor<B, 2>,
    gradient: Tensor<B, 2>,
    learning_rate: f64,
    momentum: f64,
) -> Tensor<B, 2> {
    if momentum == 0.0 {
        return value - gradient * learning_rate as f32;
    }
    let (velocity, unused) = memory.take(&value);
    let velocity = velocity * momentum as f32 - gradient * learning_rate as f32;
    memory.0 = Some((velocity.clone(), unused));
    value + velocity
}
