//! Stochastic gradient descent with momentum, as Keras computes it: u = momentum u - lr g; w += u.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Memory, NO_MEAN, Sizes, settled};

pub(super) fn apply<B: Backend>(
    memory: &mut Memory<B>,
    value: Tensor<B, 3>,
    gradient: Tensor<B, 3>,
    sizes: &Sizes<B>,
    momentum: f64,
) -> Tensor<B, 3> {
    if momentum == 0.0 {
        return value - sizes.rate.scale(gradient);
    }
    let (velocity, unused) = memory.take(&value);
    let mut velocity = velocity * momentum as f32 - sizes.rate.scale(gradient);
    if sizes.settles {
        velocity = settled(velocity, NO_MEAN);
    }
    memory.0 = Some((velocity.clone(), unused));
    value + velocity
}
