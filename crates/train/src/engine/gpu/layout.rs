//! The layout of a head's parameters and outputs in flat arrays.

use cubecl::Runtime;

use super::kernel::{
    ACTIVATION, COLUMN, DESCRIPTOR_LENGTH, DROPOUT_GAIN, FIRST_BIT, FIRST_TILE, GELU, HAS_DROPOUT,
    HeadDimensionsLaunch, INPUTS, KERNEL, LINEAR, RELU, SIGMOID, TANH, TILE_SIDE, TRANSPOSED, UNITS, WORD_BITS,
};
use crate::engine::dropout::{self, Dropout};
use crate::head::Step;
use crate::settings::Activation;
use crate::weights::{Tensor, Weights};

/// The layers of a head, and the lengths of its flat arrays.
pub(super) struct Layout {
    layers: Vec<Layer>,
    /// The names and shapes of the arrays.
    shapes: Vec<(String, Vec<usize>)>,
    /// The number of trained parameters of a model.
    pub(super) parameters: usize,
    /// The number of values of a model's kernels except the first. They are stored transposed as well, since the
    /// backward pass is a product with the transposed kernels.
    pub(super) transposed: usize,
    /// The number of outputs of all layers.
    pub(super) columns: usize,
    /// The number of tiles of all layers.
    pub(super) tiles: usize,
    /// The number of outputs that dropout may drop, of all layers.
    droppable: usize,
}

/// Returns the code of an activation in kernels; none if they don't know it.
fn activation_code(activation: Activation) -> Option<usize> {
    match activation {
        Activation::Linear => Some(LINEAR),
        Activation::Relu => Some(RELU),
        Activation::Tanh => Some(TANH),
        Activation::Sigmoid => Some(SIGMOID),
        Activation::Gelu => Some(GELU),
        Activation::Silu => None,
    }
}

struct Layer {
    inputs: usize,
    units: usize,
    /// The code of the activation in kernels.
    activation: usize,
    kernel: usize,
    transposed: usize,
    column: usize,
    first_tile: usize,
    /// The dropout rate of the outputs, and the first output's index among the droppable outputs of all layers.
    dropout: Option<(f32, usize)>,
}

impl Layout {
    /// Creates the layout of a head's steps and arrays; none if dropout is applied to anything but the outputs of a
    /// dense layer, or if the kernels don't know a layer or an activation.
    pub(super) fn new(steps: &[Step], weights: &Weights) -> Option<Self> {
        let shapes = weights.0.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        let mut layout =
            Self { layers: Vec::new(), shapes, parameters: 0, transposed: 0, columns: 0, tiles: 0, droppable: 0 };
        for step in steps {
            match *step {
                Step::Dense { inputs, units, activation, .. } => {
                    layout.push(inputs, units, activation_code(activation)?);
                }
                Step::LayerNorm { .. } => return None,
                Step::Dropout { rate, units, .. } => {
                    let layer = layout.layers.last_mut().filter(|layer| layer.dropout.is_none())?;
                    layer.dropout = Some((rate, layout.droppable));
                    layout.droppable += units;
                }
            }
        }
        Some(layout)
    }

    fn push(&mut self, inputs: usize, units: usize, activation: usize) {
        let (kernel, transposed) = (self.parameters, self.transposed);
        let (column, first_tile) = (self.columns, self.tiles);
        if !self.layers.is_empty() {
            self.transposed += inputs * units;
        }
        self.parameters += (inputs + 1) * units;
        self.columns += units;
        self.tiles += (inputs + 1).div_ceil(TILE_SIDE) * units.div_ceil(TILE_SIDE);
        self.layers.push(Layer { inputs, units, activation, kernel, transposed, column, first_tile, dropout: None });
    }

    /// Returns the dimensions of the head as an argument of a kernel, for vectors of length `dim`.
    pub(super) fn dimensions<R: Runtime>(&self, dim: usize) -> HeadDimensionsLaunch<R> {
        let Self { columns, parameters, transposed, .. } = *self;
        HeadDimensionsLaunch::new(self.layers.len(), dim, columns, self.words(), parameters, transposed)
    }

    /// Returns the number of 32-bit words of a mask row. For example, 40 droppable outputs need 2.
    pub(super) fn words(&self) -> usize {
        self.droppable.div_ceil(WORD_BITS)
    }

    /// Draws the dropout masks of a model for one epoch, `[rows, words]`, with one bit per output, 1 if it is kept. For
    /// example, output 40 is bit 8 of word 1.
    pub(super) fn masks(&self, mut dropout: Dropout, rows: usize, batch_size: usize) -> Vec<u32> {
        let mut masks = vec![0; rows * self.words()];
        for batch in masks.chunks_mut(batch_size * self.words().max(1)) {
            for layer in &self.layers {
                let Some((rate, first)) = layer.dropout else { continue };
                for row in batch.chunks_exact_mut(self.words()) {
                    for bit in first..first + layer.units {
                        row[bit / WORD_BITS] |= u32::from(!dropout.drops(rate)) << (bit % WORD_BITS);
                    }
                }
            }
        }
        masks
    }

    /// Returns the layer descriptors for kernels, `[layers, DESCRIPTOR_LENGTH]`.
    pub(super) fn descriptors(&self) -> Vec<u32> {
        let mut descriptors = vec![0; self.layers.len() * DESCRIPTOR_LENGTH];
        for (descriptor, layer) in descriptors.chunks_exact_mut(DESCRIPTOR_LENGTH).zip(&self.layers) {
            for (field, value) in [
                (INPUTS, layer.inputs),
                (UNITS, layer.units),
                (ACTIVATION, layer.activation),
                (KERNEL, layer.kernel),
                (TRANSPOSED, layer.transposed),
                (COLUMN, layer.column),
                (FIRST_TILE, layer.first_tile),
                (HAS_DROPOUT, usize::from(layer.dropout.is_some())),
                (FIRST_BIT, layer.dropout.map_or(0, |(_, first)| first)),
                (DROPOUT_GAIN, layer.dropout.map_or(0, |(rate, _)| dropout::gain(rate).to_bits() as usize)),
            ] {
                descriptor[field] = value as u32;
            }
        }
        descriptors
    }

    /// Splits the flat parameters of a model into its arrays.
    pub(super) fn weights(&self, numbers: &[f32]) -> Weights {
        let mut rest = numbers;
        let tensor = |(name, shape): &(String, Vec<usize>)| {
            let (values, others) = rest.split_at(shape.iter().product());
            rest = others;
            Tensor { name: name.clone(), shape: shape.clone(), values: values.to_vec() }
        };
        Weights(self.shapes.iter().map(tensor).collect())
    }

    /// Returns the values of a model's kernels except the first, transposed, each `[units, inputs]`.
    pub(super) fn transpose<'n>(&'n self, numbers: &'n [f32]) -> impl Iterator<Item = f32> + 'n {
        self.layers.iter().skip(1).flat_map(move |layer| {
            let kernel = &numbers[layer.kernel..layer.kernel + layer.inputs * layer.units];
            (0..layer.units).flat_map(move |unit| kernel.iter().skip(unit).step_by(layer.units).copied())
        })
    }
}
