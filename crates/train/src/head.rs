//! The architecture of a head: its steps, its arrays, and their initial values.
//!
//! Kernels are initialised like Keras's `glorot_uniform` (Glorot and Bengio, 2010), U(-l, l) with
//! l = sqrt(6 / (inputs + units)); biases and betas start at zero, gammas at one. Each array is drawn on the host from its own random substream, so that all devices
//! start from equal numbers.

use emberline_base::{OutOfMemory, Substream, memory};

use crate::settings::{Activation, Head, Layer, LayerNorm};
use crate::weights::{Tensor, Weights};

/// One step of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// x `[batch, inputs]` -> activation(x kernel + bias) `[batch, units]`
    Dense { name: String, inputs: usize, units: usize, activation: Activation },
    /// x `[batch, units]` -> the same shape; during training, a share of the values is set to zero
    Dropout { name: String, rate: f32, units: usize },
    /// x `[batch, units]` -> gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and variance of each row
    LayerNorm { name: String, units: usize, epsilon: f64 },
}

/// A head for vectors of a given length and a given number of outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    pub(crate) steps: Vec<Step>,
    pub(crate) dim: usize,
}

impl Architecture {
    /// The hidden layers of a head followed by the output layer, which computes logits `[batch, outputs]`.
    pub fn new(head: &Head, dim: usize, outputs: usize) -> Self {
        let mut steps = Vec::with_capacity(head.layers.len() + 1);
        let mut inputs = dim;
        for (index, layer) in head.layers.iter().enumerate() {
            let name = format!("head.{index}");
            match layer {
                Layer::Dense { units, activation } => {
                    let units = *units as usize;
                    steps.push(Step::Dense { name, inputs, units, activation: *activation });
                    inputs = units;
                }
                Layer::Dropout { rate } => steps.push(Step::Dropout { name, rate: *rate, units: inputs }),
                Layer::LayerNorm(norm) => {
                    steps.push(Step::LayerNorm { name, units: inputs, epsilon: norm.epsilon });
                }
            }
        }
        let name = "head.output".to_owned();
        steps.push(Step::Dense { name, inputs, units: outputs, activation: Activation::Linear });
        Self { steps, dim }
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        match self.steps.last() {
            Some(Step::Dense { units, .. }) => *units,
            Some(Step::Dropout { .. } | Step::LayerNorm { .. }) | None => {
                unreachable!("the last step is the output layer")
            }
        }
    }

    /// Returns the hidden layers, as `[head]` has them.
    pub(crate) fn hidden_layers(&self) -> Vec<Layer> {
        let layer = |step: &Step| match step {
            Step::Dense { units, activation, .. } => Layer::Dense { units: *units as u32, activation: *activation },
            Step::Dropout { rate, .. } => Layer::Dropout { rate: *rate },
            Step::LayerNorm { epsilon, .. } => Layer::LayerNorm(LayerNorm { epsilon: *epsilon }),
        };
        self.steps[..self.steps.len() - 1].iter().map(layer).collect()
    }

    /// Returns the names and shapes of the arrays in order: the kernel and bias of a dense layer, gamma and beta of a layer
    /// normalisation.
    pub(crate) fn arrays(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let of_step = |step: &Step| match step {
            Step::Dense { name, inputs, units, .. } => {
                vec![(format!("{name}.kernel"), vec![*inputs, *units]), (format!("{name}.bias"), vec![*units])]
            }
            Step::LayerNorm { name, units, .. } => {
                vec![(format!("{name}.gamma"), vec![*units]), (format!("{name}.beta"), vec![*units])]
            }
            Step::Dropout { .. } => Vec::new(),
        };
        self.steps.iter().flat_map(of_step)
    }

    /// Returns the number of parameters: the values of all arrays.
    pub fn parameters(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Dense { inputs, units, .. } => ((inputs + 1) * units) as u64,
                Step::LayerNorm { units, .. } => 2 * *units as u64,
                Step::Dropout { .. } => 0,
            })
            .sum()
    }

    /// Returns the number of units of all layers.
    pub(crate) fn units(&self) -> u64 {
        let of_step = |step: &Step| match step {
            Step::Dense { units, .. } | Step::Dropout { units, .. } | Step::LayerNorm { units, .. } => *units as u64,
        };
        self.steps.iter().map(of_step).sum()
    }

    /// Returns the initial weights for a seed.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn initial_weights(&self, seed: u64) -> Result<Weights, OutOfMemory> {
        let mut tensors = Vec::new();
        for step in &self.steps {
            let constant = |name: &str, part: &str, units: usize, value: f32| Tensor {
                name: format!("{name}.{part}"),
                shape: vec![units],
                values: vec![value; units],
            };
            match step {
                Step::Dense { name, inputs, units, .. } => {
                    tensors.push(glorot_uniform(seed, format!("{name}.kernel"), *inputs, *units)?);
                    tensors.push(constant(name, "bias", *units, 0.0));
                }
                Step::LayerNorm { name, units, .. } => {
                    tensors.push(constant(name, "gamma", *units, 1.0));
                    tensors.push(constant(name, "beta", *units, 0.0));
                }
                Step::Dropout { .. } => {}
            }
        }
        Ok(Weights(tensors))
    }
}

/// Draws a kernel, `[inputs, units]`.
fn glorot_uniform(seed: u64, name: String, inputs: usize, units: usize) -> Result<Tensor, OutOfMemory> {
    let limit = (6.0 / (inputs + units) as f32).sqrt();
    let mut stream = Substream::new(seed, &format!("initialisation/{name}"));
    let mut values = memory::with_capacity(inputs * units)?;
    values.extend((0..inputs * units).map(|_| stream.symmetric(limit)));
    Ok(Tensor { name, shape: vec![inputs, units], values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Head {
        let dense = |units| Layer::Dense { units, activation: Activation::Relu };
        Head { layers: vec![dense(256), Layer::Dropout { rate: 0.5 }, dense(64)] }
    }

    #[test]
    fn parameters_are_those_of_keras() {
        // The published counts of the course for the heads of swivel-20 and nnlm-128.
        assert_eq!(Architecture::new(&course(), 20, 1).parameters(), 21_889);
        assert_eq!(Architecture::new(&course(), 128, 1).parameters(), 49_537);
    }

    #[test]
    fn kernels_start_within_glorots_limit_and_biases_at_zero() {
        let weights = Architecture::new(&course(), 20, 1).initial_weights(1).expect("memory");
        let kernel = weights.get("head.0.kernel").expect("a kernel");
        let limit = (6.0f32 / 276.0).sqrt();
        assert!(kernel.values.iter().all(|v| v.abs() <= limit));
        let mean_square = kernel.values.iter().map(|v| v * v).sum::<f32>() / kernel.values.len() as f32;
        assert!((mean_square - limit * limit / 3.0).abs() < 0.05 * limit * limit, "{mean_square}");
        assert!(weights.get("head.0.bias").expect("a bias").values.iter().all(|&v| v == 0.0));
        assert_ne!(weights, Architecture::new(&course(), 20, 1).initial_weights(2).expect("memory"));
    }
}
