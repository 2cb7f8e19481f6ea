//! The two kernels of a step, in Burn's kernel language.
//!
//! `propagate` goes forward and back: a cube takes a few quads of rows through all layers, since no row's numbers depend on
//! another's. `update` needs all rows: a cube sums the gradient of a tile of an array over the batch, and moves it. Both
//! handle all models that are in, one behind the other along the y axis.
//!
//! "Unit" is a layer's; what runs a kernel side by side is also called so in CubeCL, and `cube` of them make a cube.

mod descent;
mod propagation;

use cubecl::prelude::*;

pub(super) use descent::{RuleLaunch, update};
pub(super) use propagation::propagate;

/// What a kernel is bound to at most: the arrays of `propagate`, and the sizes.
pub(super) const BINDINGS: u32 = 14;
/// The units of a cube of `update`.
pub(super) const UNITS: usize = 256;
/// The units of a cube of `propagate`, at most. Of sums, each unit takes a part: their number decides how sums are rounded.
pub(super) const MOST_UNITS: usize = 512;
/// The rows of a quad.
pub(super) const QUAD: usize = 4;
/// The inputs that are staged at a time.
const TILE: usize = 256;
/// The inputs and the units of a tile of `update`.
pub(super) const SIDE: usize = 32;

/// Where the facts of a layer stand in the layout.
pub(super) const INPUTS: usize = 0;
pub(super) const OUTPUTS: usize = 1;
pub(super) const ACTIVATION: usize = 2;
/// Where its kernel begins among a model's numbers; its bias follows.
pub(super) const KERNEL: usize = 3;
/// Where its kernel begins among a model's transposed ones.
pub(super) const TRANSPOSED: usize = 4;
/// Where its outputs begin in a row of all layers' outputs.
pub(super) const COLUMN: usize = 5;
/// The first of its tiles.
pub(super) const FIRST_TILE: usize = 6;
/// 1 where some of its outputs are dropped while it is trained.
pub(super) const DROPS: usize = 7;
/// The first of its bits in a row of all layers' masks.
pub(super) const BIT: usize = 8;
/// What the outputs that stay are multiplied by, as the bits of a float.
pub(super) const GAIN: usize = 9;
/// The number of facts of a layer.
pub(super) const FACTS: usize = 10;
/// The bits of a number of a mask.
pub(super) const BITS: usize = 32;

/// Activations, as the layout tells them.
pub(super) const LINEAR: usize = 0;
pub(super) const RELU: usize = 1;
pub(super) const TANH: usize = 2;
pub(super) const SIGMOID: usize = 3;
pub(super) const GELU: usize = 4;

type Quad = Vector<f32, Const<4>>;

/// The shared memory that a cube of so many units takes for each quad of rows, and a little more.
pub(super) fn shared_bytes_of_quad(cube: usize) -> usize {
    (TILE + cube + QUAD) * QUAD * size_of::<f32>()
}

/// What every launch is told of the models and of the batch.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    layers: usize,
    /// Numbers of a vector.
    dim: usize,
    /// Outputs of all layers together.
    columns: usize,
    /// Numbers of a row of masks.
    words: usize,
    /// Numbers of a model that are trained.
    parameters: usize,
    /// Numbers of a model's transposed kernels.
    transposed: usize,
    /// Rows that the arrays of outputs have room for.
    capacity: usize,
    /// Rows of the split.
    rows: usize,
    /// The first row of the batch, and how many there are.
    first: usize,
    batch: usize,
}

#[cube]
fn fact(layout: &Array<u32>, layer: usize, #[comptime] fact: usize) -> usize {
    layout[layer * FACTS + fact] as usize
}
