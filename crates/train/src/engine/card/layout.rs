//! Where a head's numbers stand in flat arrays.

use super::kernel::{
    ACTIVATION, COLUMN, FACTS, FIRST_TILE, GELU, INPUTS, KERNEL, LINEAR, OUTPUTS, RELU, SIDE, SIGMOID, TANH, TRANSPOSED,
};
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
}

struct Layer {
    inputs: usize,
    units: usize,
    activation: Activation,
    kernel: usize,
    transposed: usize,
    column: usize,
    first_tile: usize,
}

impl Layout {
    /// Of a head's dense steps, and arrays of its shapes.
    pub(super) fn new(steps: &[Step], weights: &Weights) -> Self {
        let shapes = weights.0.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        let mut layout = Self { layers: Vec::new(), shapes, parameters: 0, transposed: 0, columns: 0, tiles: 0 };
        for step in steps {
            if let Step::Dense { inputs, units, activation, .. } = *step {
                layout.push(inputs, units, activation);
            }
        }
        layout
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
        self.layers.push(Layer { inputs, units, activation, kernel, transposed, column, first_tile });
    }

    pub(super) fn layers(&self) -> usize {
        self.layers.len()
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
