//! The optimisers' update of arrays in host memory: one pass over each array, instead of one per operation.
//!
//! An encoder has tens of millions of numbers, and an operation on Burn's tensors reads and writes all of them. Parameters
//! and gradients enter; parameters with their next values leave. On a backend whose tensors are in host memory, nothing is
//! copied. No result depends on the number of threads: sums are of chunks of a fixed size, in order.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_kernels::product::Rule;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::dense::{Adjustment, AnyRule};
use super::parameter::{Parameter, floats};
use crate::optimizer::OptimizerState;
use crate::settings::Clip;

/// The number of numbers that a thread updates at a time.
const CHUNK: usize = 1 << 15;

/// How one array is updated.
#[derive(Clone, Copy)]
pub(super) struct ArrayRule {
    /// The optimiser's rule.
    pub(super) rule: AnyRule,
    /// The factor of the values before the step, by decoupled weight decay.
    pub(super) decay: f32,
}

/// Updates parameters by their gradients, which are clipped together; one without a gradient stays.
pub(super) fn update<'p, B: Backend + 'p>(
    parameters: impl Iterator<Item = (&'p mut Parameter<B>, ArrayRule)>,
    gradients: Vec<Option<Tensor<B, 3>>>,
    clip: Option<Clip>,
) {
    let gradients: Vec<Option<Vec<f32>>> = gradients.into_iter().map(|gradient| gradient.map(floats)).collect();
    let (scale, clip) = match clip {
        Some(Clip::Norm(bound)) => (bound as f32 / norm(&gradients).max(bound as f32), None),
        clip => (1.0, clip),
    };
    for ((parameter, ArrayRule { rule, decay }), gradient) in parameters.zip(gradients) {
        let Some(mut gradient) = gradient else { continue };
        let rule = rule.adjusted(Adjustment::new(clip, 0.0));
        // The placeholder lets the array be taken without a copy.
        let empty = Tensor::zeros([1, 1, 1], &parameter.value.device());
        let value = std::mem::replace(&mut parameter.value, empty);
        let (shape, device) = (value.dims(), value.device());
        let (first, second) = parameter.state.take(&value);
        let mut arrays = [value, first, second].map(floats);
        let [value, first, second] = &mut arrays;
        let chunks = value.par_chunks_mut(CHUNK).zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.zip(gradient.par_chunks_mut(CHUNK)).for_each(|(((value, first), second), gradient)| {
            gradient.iter_mut().for_each(|number| *number *= scale);
            value.iter_mut().for_each(|number| *number *= decay);
            let arrays = [value, first, second];
            match rule {
                AnyRule::Adam(rule) => Arch::new().dispatch(Step { rule, arrays, gradient }),
                AnyRule::Sgd(rule) => Arch::new().dispatch(Step { rule, arrays, gradient }),
            }
        });
        let [value, first, second] =
            arrays.map(|values| Tensor::<B, 3>::from_data(TensorData::new(values, shape), &device));
        (parameter.value, parameter.state) = (value, OptimizerState::of(first, second));
    }
}

/// Returns the root of the sum of the squares of all numbers.
fn norm(gradients: &[Option<Vec<f32>>]) -> f32 {
    let square = |chunk: &[f32]| chunk.iter().map(|&number| f64::from(number) * f64::from(number)).sum::<f64>();
    let of_array = |gradient: &Vec<f32>| gradient.par_chunks(CHUNK).map(square).collect::<Vec<f64>>();
    gradients.iter().flatten().flat_map(of_array).sum::<f64>().sqrt() as f32
}

/// The update of a part of an array.
struct Step<'a, R> {
    rule: R,
    /// The values, and the two arrays of the optimiser's state.
    arrays: [&'a mut [f32]; 3],
    gradient: &'a [f32],
}

impl<R: Rule> WithSimd for Step<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rule, arrays, gradient } = self;
        let [(values, value_rest), (firsts, first_rest), (seconds, second_rest)] = arrays.map(S::as_mut_simd_f32s);
        let (gradients, gradient_rest) = S::as_simd_f32s(gradient);
        for (((gradient, value), first), second) in gradients.iter().zip(values).zip(firsts).zip(seconds) {
            rule.apply(simd, *gradient, value, first, second);
        }
        let scalar = pulp::Scalar::new();
        for (((gradient, value), first), second) in
            gradient_rest.iter().zip(value_rest).zip(first_rest).zip(second_rest)
        {
            rule.apply(scalar, *gradient, value, first, second);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use emberline_base::Substream;

    use super::super::parameter::{clipped, parameters};
    use super::*;
    use crate::optimizer::StepOptimizer;
    use crate::settings::{Adam, Sgd};
    use crate::weights::{self, Weights};

    /// Two arrays, one of them longer than a chunk.
    fn arrays(stream: &str) -> Weights {
        let mut stream = Substream::new(1, stream);
        let mut tensor = |name: &str, shape: Vec<usize>| {
            let values = (0..shape.iter().product()).map(|_| stream.symmetric(1.0)).collect();
            weights::Tensor { name: name.to_owned(), shape, values }
        };
        Weights(vec![tensor("a", vec![37, 1001]), tensor("b", vec![5])])
    }

    /// The numbers are those of Burn's tensors, of every optimiser and way to clip.
    #[test]
    fn one_pass_gives_what_tensors_give() {
        let device = Default::default();
        let gradients = || {
            parameters::<Flex>(&[&arrays("gradients")], &device).into_iter().map(|p| Some(p.value)).collect::<Vec<_>>()
        };
        let sgd = StepOptimizer::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9 });
        for optimizer in [StepOptimizer::Adam(Adam::default()), sgd] {
            for clip in [None, Some(Clip::Norm(0.5)), Some(Clip::Value(0.25))] {
                let start = || parameters::<Flex>(&[&arrays("values")], &device);
                let (mut host, mut tensors) = (start(), start());
                for step in 1..=3 {
                    let rule = ArrayRule { rule: AnyRule::of(&optimizer, 0.01, step), decay: 0.99 };
                    update(host.iter_mut().map(|parameter| (parameter, rule)), gradients(), clip);
                    let sizes = optimizer.step_sizes(&[0.01], step, &device);
                    for (parameter, gradient) in tensors.iter_mut().zip(clipped(clip, gradients())) {
                        let value = parameter.value.clone() * 0.99;
                        parameter.value = optimizer.apply(&mut parameter.state, value, gradient.expect("one"), &sizes);
                    }
                }
                for (host, tensors) in host.into_iter().zip(tensors) {
                    for (host, tensor) in floats(host.value).into_iter().zip(floats(tensors.value)) {
                        assert!((host - tensor).abs() < 1e-5, "{optimizer:?}, {clip:?}: {host} {tensor}");
                    }
                }
            }
        }
    }
}
