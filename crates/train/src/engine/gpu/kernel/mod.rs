//! The two kernels of a training step, in Burn's kernel language.
//!
//! `propagate` computes the forward and the backward pass: a cube takes a few quads of rows through all layers, since no
//! row's numbers depend on another's. `update` needs all rows: a cube sums the gradient of one tile of an array over the
//! batch, and updates the tile. Both handle all active models, which are laid out along the y axis.
//!
//! A "unit" is one output of a layer. CubeCL uses the same word for the threads of a kernel, of which `cube` form a cube.

mod descent;
mod propagation;

use cubecl::prelude::*;

pub(super) use descent::{OptimizerArraysLaunch, RuleLaunch, UpdateConfig, UpdateInputLaunch, update};
pub(super) use propagation::{PropagationConfig, PropagationInputLaunch, propagate};

/// The maximum number of bindings of a kernel: the arrays of `propagate`, and one for all scalars.
pub(super) const BINDINGS: u32 = 14;
/// The number of threads of a cube of `update`.
pub(super) const UPDATE_THREADS: usize = 256;
/// The maximum number of threads of a cube of `propagate`. Each thread computes a part of a sum, so the number of threads
/// determines how sums are rounded.
pub(super) const MAX_PROPAGATION_THREADS: usize = 512;
/// The number of rows of a quad.
pub(super) const QUAD: usize = 4;
/// The number of inputs that are staged in shared memory at a time.
const STAGED_INPUTS: usize = 256;
/// The number of inputs and of units of a tile of `update`.
pub(super) const TILE_SIDE: usize = 32;

/// Offsets of the fields in a layer's descriptor. This one is the number of inputs.
pub(super) const INPUTS: usize = 0;
/// The number of units.
pub(super) const UNITS: usize = 1;
/// The activation function, see [`LINEAR`] and the following.
pub(super) const ACTIVATION: usize = 2;
/// The offset of the kernel in a model's parameters; the bias follows it.
pub(super) const KERNEL: usize = 3;
/// The offset of the kernel in a model's transposed kernels.
pub(super) const TRANSPOSED: usize = 4;
/// The offset of the outputs in a row of all layers' outputs.
pub(super) const COLUMN: usize = 5;
/// The index of the first tile.
pub(super) const FIRST_TILE: usize = 6;
/// 1 if outputs are dropped during training.
pub(super) const HAS_DROPOUT: usize = 7;
/// The first bit in a row of all layers' dropout masks.
pub(super) const FIRST_BIT: usize = 8;
/// The factor of the outputs that are kept, as the bits of a 32-bit float.
pub(super) const DROPOUT_GAIN: usize = 9;
/// The number of fields of a layer's descriptor.
pub(super) const DESCRIPTOR_LENGTH: usize = 10;
/// The number of bits of a word of a dropout mask.
pub(super) const WORD_BITS: usize = 32;

/// Activation functions, as descriptors encode them.
pub(super) const LINEAR: usize = 0;
pub(super) const RELU: usize = 1;
pub(super) const TANH: usize = 2;
pub(super) const SIGMOID: usize = 3;
pub(super) const GELU: usize = 4;

type Quad = Vector<f32, Const<4>>;

/// Returns the shared memory that a cube of `propagate` takes per quad of rows, rounded up, in bytes.
pub(super) fn shared_bytes_per_quad(threads: usize) -> usize {
    (STAGED_INPUTS + threads + QUAD) * QUAD * size_of::<f32>()
}

/// A matrix of the same shape for every model, stacked vertically; models may share one.
#[derive(CubeType, CubeLaunch)]
pub(super) struct ModelMatrices {
    /// `[matrices * rows, cols]`
    values: Array<f32>,
    /// `[models]`: the first row of each model.
    first_rows: Array<u32>,
}

/// The layers of all models, and their weights.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Network {
    /// `[layers, DESCRIPTOR_LENGTH]`
    descriptors: Array<u32>,
    /// `[models, parameters]`
    weights: Array<f32>,
    /// `[models, transposed]`: the kernels except the first, transposed.
    transposed: Array<f32>,
}

/// What `propagate` computes for every unit, and `update` reads.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Activations {
    /// `[models, capacity, columns]`
    outputs: Array<f32>,
    /// `[models, capacity, columns]`: first the derivatives of the activations, in the end the gradients of the loss with
    /// respect to the inputs of the activations.
    slopes: Array<f32>,
}

/// The dimensions of the arrays, and the rows of the batch.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Dimensions {
    head: HeadDimensions,
    /// The number of rows for which [`Activations`] have space.
    capacity: usize,
    /// The number of rows of the split.
    rows: usize,
    /// The first row of the batch.
    first: usize,
    /// The number of rows of the batch.
    batch: usize,
}

/// The dimensions that don't change during a fit.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct HeadDimensions {
    /// The number of layers.
    layers: usize,
    /// The length of a vector.
    dim: usize,
    /// The number of outputs of all layers.
    columns: usize,
    /// The number of words of a row of dropout masks.
    words: usize,
    /// The number of trained parameters of a model.
    parameters: usize,
    /// The number of values of a model's transposed kernels.
    transposed: usize,
}

/// Returns a field of a layer's descriptor.
#[cube]
fn field(descriptors: &Array<u32>, layer: usize, #[comptime] field: usize) -> usize {
    descriptors[layer * DESCRIPTOR_LENGTH + field] as usize
}
