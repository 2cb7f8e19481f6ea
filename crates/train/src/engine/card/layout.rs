//! Where a head's numbers stand in flat arrays.

use super::kernel::{
    ACTIVATION, BIT, BITS, COLUMN, DROPS, FACTS, FIRST_TILE, GAIN, GELU, INPUTS, KERNEL, LINEAR, OUTPUTS, RELU, SIDE,
    SIGMOID, TANH, TRANSPOSED,
};
use crate::engine::dropout::{self, Dropout};
use crate::head::Step;
use crate::settings::Activation;
use crate::weights::{Tensor, Weights};

/// The layers of a head, and how long arrays of it are.
pub(super) struct Layout {
    layers: Vec<Layer>,
    /// The arrays' names and shapes.
    shapes: Vec<(String, Vec<usize>)>,
    /// Numbers of a model that are trained.
    pub(super) parameters: usize,
    /// Numbers of a model's kernels but the first, which are there transposed, too: going back is a product with them.
    pub(super) transposed: usize,
    /// Outputs of all layers.
    pub(super) columns: usize,
    /// Tiles of all layers.
    pub(super) tiles: usize,
    /// Outputs that can be dropped, of all layers.
    droppable: usize,
}

struct Layer {
    inputs: usize,
    units: usize,
    activation: Activation,
    kernel: usize,
    transposed: usize,
    column: usize,
    first_tile: usize,
    /// The rate that outputs are dropped at, and the first one's place among those of all layers.
    dropout: Option<(f32, usize)>,
}

impl Layout {
    /// Of a head's steps, and arrays of its shapes; none where something is dropped that isn't a dense layer's outputs.
    pub(super) fn new(steps: &[Step], weights: &Weights) -> Option<Self> {
        let shapes = weights.0.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        let mut layout =
            Self { layers: Vec::new(), shapes, parameters: 0, transposed: 0, columns: 0, tiles: 0, droppable: 0 };
        for step in steps {
            match *step {
                Step::Dense { inputs, units, activation, .. } => layout.push(inputs, units, activation),
                Step::Dropout { rate, units, .. } => {
                    let layer = layout.layers.last_mut().filter(|layer| layer.dropout.is_none())?;
                    layer.dropout = Some((rate, layout.droppable));
                    layout.droppable += units;
                }
            }
        }
        Some(layout)
    }

    fn push(&mut self, inputs: usize, units: usize, activation: Activation) {
        let (kernel, transposed) = (self.parameters, self.transposed);
        let (column, first_tile) = (self.columns, self.tiles);
        if !self.layers.is_empty() {
            self.transposed += inputs * units;
        }
        self.parameters += (inputs + 1) * units;
        self.columns += units;
        self.tiles += (inputs + 1).div_ceil(SIDE) * units.div_ceil(SIDE);
        self.layers.push(Layer { inputs, units, activation, kernel, transposed, column, first_tile, dropout: None });
    }

    pub(super) fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Numbers of a row of masks.
    pub(super) fn words(&self) -> usize {
        self.droppable.div_ceil(BITS)
    }

    /// What stays of a model's outputs in an epoch, `[rows, words]`, a bit each.
    pub(super) fn masks(&self, mut dropout: Dropout, rows: usize, batch_size: usize) -> Vec<u32> {
        let mut masks = vec![0; rows * self.words()];
        for batch in masks.chunks_mut(batch_size * self.words().max(1)) {
            for layer in &self.layers {
                let Some((rate, first)) = layer.dropout else { continue };
                for row in batch.chunks_exact_mut(self.words()) {
                    for bit in first..first + layer.units {
                        row[bit / BITS] |= u32::from(!dropout.drops(rate)) << (bit % BITS);
                    }
                }
            }
        }
        masks
    }

    /// What kernels are told of it, `[layers, FACTS]`.
    pub(super) fn facts(&self) -> Vec<u32> {
        let mut facts = vec![0; self.layers.len() * FACTS];
        for (facts, layer) in facts.chunks_exact_mut(FACTS).zip(&self.layers) {
            let activation = match layer.activation {
                Activation::Linear => LINEAR,
                Activation::Relu => RELU,
                Activation::Tanh => TANH,
                Activation::Sigmoid => SIGMOID,
                Activation::Gelu => GELU,
            };
            for (fact, value) in [
                (INPUTS, layer.inputs),
                (OUTPUTS, layer.units),
                (ACTIVATION, activation),
                (KERNEL, layer.kernel),
                (TRANSPOSED, layer.transposed),
                (COLUMN, layer.column),
                (FIRST_TILE, layer.first_tile),
                (DROPS, usize::from(layer.dropout.is_some())),
                (BIT, layer.dropout.map_or(0, |(_, first)| first)),
                (GAIN, layer.dropout.map_or(0, |(rate, _)| dropout::gain(rate).to_bits() as usize)),
            ] {
                facts[fact] = value as u32;
            }
        }
        facts
    }

    /// A model's numbers, one array after the other, as arrays.
    pub(super) fn weights(&self, numbers: &[f32]) -> Weights {
        let mut rest = numbers;
        let tensor = |(name, shape): &(String, Vec<usize>)| {
            let (values, others) = rest.split_at(shape.iter().product());
            rest = others;
            Tensor { name: name.clone(), shape: shape.clone(), values: values.to_vec() }
        };
        Weights(self.shapes.iter().map(tensor).collect())
    }

    /// The kernels but the first of a model's numbers, each `[units, inputs]`.
    pub(super) fn transpose<'n>(&'n self, numbers: &'n [f32]) -> impl Iterator<Item = f32> + 'n {
        self.layers.iter().skip(1).flat_map(move |layer| {
            let kernel = &numbers[layer.kernel..layer.kernel + layer.inputs * layer.units];
            (0..layer.units).flat_map(move |unit| kernel.iter().skip(unit).step_by(layer.units).copied())
        })
    }
}
