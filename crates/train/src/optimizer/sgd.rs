//! Stochastic gradient descent with momentum, as Keras computes it: u = momentum u - lr g; w += u.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Factor, Memory};

pub(super) fn apply<B: Backend>(
    memory: &mut Memory<B>,
    value: Tensor<B, 3>,
    gradient: Tensor<B, 3>,
    rate: &Factor<B>,
    momentum: f64,
) -> Tensor<B, 3> {
    if momentum == 0.0 {
        return value - rate.scale(gradient);
    }
    let (velocity, unused) = memory.take(&value);
    let velocity = velocity * momentum as f32 - rate.scale(gradient);
    memory.0 = Some((velocity.clone(), unused));
    value + velocity
}
