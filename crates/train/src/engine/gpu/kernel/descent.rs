//! The update of the arrays by their gradients, for all tiles in parallel.

use cubecl::prelude::*;

use super::{
    Activations, COLUMN, Dimensions, FIRST_TILE, INPUTS, KERNEL, ModelMatrices, QUAD, Quad, TILE_SIDE, TRANSPOSED,
    UNITS, UPDATE_THREADS, field,
};
use crate::optimizer::{FLUSH_BELOW, FLUSH_SQUARE_BELOW};

/// The settings of an optimiser. For gradient descent, `beta_1` is the momentum.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(in crate::engine::gpu) struct Rule {
    beta_1: f32,
    one_minus_beta_1: f32,
    beta_2: f32,
    one_minus_beta_2: f32,
    epsilon: f32,
    /// 1 if tiny values of the state are set to zero in this step.
    flush_subnormals: u32,
}

/// The data of a batch.
#[derive(CubeType, CubeLaunch)]
pub(in crate::engine::gpu) struct UpdateInput {
    /// `[positions]`: the indices of the active models.
    models: Array<u32>,
    /// `[rows, dim]` per model.
    vectors: ModelMatrices,
    /// `[positions, rows]`: the order of the training rows.
    order: Array<u32>,
    /// `[layers, DESCRIPTOR_LENGTH]`
    descriptors: Array<u32>,
    /// `[steps, positions, 2]`: the learning rate, and the factor of a weight by weight decay.
    rates: Array<f32>,
    /// The step of the epoch, 0 for the first.
    step: usize,
}

/// The arrays that a step changes.
#[derive(CubeType, CubeLaunch)]
pub(in crate::engine::gpu) struct OptimizerArrays {
    /// `[models, parameters]`
    weights: Array<f32>,
    /// `[models, transposed]`
    transposed: Array<f32>,
    /// `[models, parameters]`
    first_moments: Array<f32>,
    /// `[models, parameters]`: only used by Adam.
    second_moments: Array<f32>,
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine::gpu) struct UpdateConfig {
    /// Whether the optimiser is Adam or AdamW; otherwise it is gradient descent.
    pub(in crate::engine::gpu) adam: bool,
    /// The number of rows that are staged in shared memory at a time, a multiple of [`TILE_SIDE`].
    pub(in crate::engine::gpu) staged_rows: usize,
}

/// Updates one tile of an array, `[TILE_SIDE inputs, TILE_SIDE units]`, by its gradient over a batch. A layer's bias is the
/// row after the last row of its kernel, with an input that is always 1.
#[cube(launch_unchecked)]
pub(in crate::engine::gpu) fn update(
    input: &UpdateInput,
    activations: &Activations,
    arrays: &mut OptimizerArrays,
    dims: Dimensions,
    rule: Rule,
    #[comptime] config: UpdateConfig,
) {
    let adam = comptime!(config.adam);
    let staged_rows = comptime!(config.staged_rows);
    let unit = UNIT_POS as usize;
    let position = CUBE_POS_Y as usize;
    let model = input.models[position] as usize;
    let tile = CUBE_POS_X as usize;
    let mut layer = 0usize.runtime();
    while layer + 1 < dims.head.layers && tile >= field(&input.descriptors, layer + 1, FIRST_TILE) {
        layer += 1;
    }
    let (inputs, units) = (field(&input.descriptors, layer, INPUTS), field(&input.descriptors, layer, UNITS));
    let column = field(&input.descriptors, layer, COLUMN);
    let across = units.div_ceil(TILE_SIDE);
    let of_layer = tile - field(&input.descriptors, layer, FIRST_TILE);
    let (first_input, first_unit) = (of_layer / across * TILE_SIDE, of_layer % across * TILE_SIDE);
    let to = first_unit + unit % TILE_SIDE;
    let (across_unit, down_unit) = (unit % TILE_SIDE, unit / TILE_SIDE);
    let own_input = first_input + down_unit * QUAD;
    let own_at = model * dims.head.parameters + field(&input.descriptors, layer, KERNEL) + own_input * units + to;
    let mut values = Quad::new(0.0);
    let mut firsts = Quad::new(0.0);
    let mut seconds = Quad::new(0.0);
    if to < units {
        #[unroll]
        for part in 0..QUAD {
            if own_input + part <= inputs {
                values[part] = arrays.weights[own_at + part * units];
                firsts[part] = arrays.first_moments[own_at + part * units];
                if adam {
                    seconds[part] = arrays.second_moments[own_at + part * units];
                }
            }
        }
    }
    let mut left = SharedMemory::<Quad>::new(staged_rows * TILE_SIDE / QUAD); // [rows, inputs]
    let mut right = SharedMemory::<f32>::new(staged_rows * TILE_SIDE); // [rows, units]
    let mut gradient = Quad::new(0.0);
    for begin in range_stepped(0, dims.batch, staged_rows) {
        sync_cube();
        #[unroll]
        for part in 0..staged_rows * TILE_SIDE / QUAD / UPDATE_THREADS {
            let (row, quad) =
                (unit / (TILE_SIDE / QUAD) + part * UPDATE_THREADS * QUAD / TILE_SIDE, unit % (TILE_SIDE / QUAD));
            let mut four = Quad::new(0.0);
            if begin + row < dims.batch {
                let mut base = (model * dims.capacity + begin + row) * dims.head.columns + column - inputs;
                if layer == 0 {
                    let at = input.order[position * dims.rows + dims.first + begin + row];
                    base = (input.vectors.first_rows[model] + at) as usize * dims.head.dim;
                }
                #[unroll]
                for part in 0..QUAD {
                    let row_of_tile = first_input + quad * QUAD + part;
                    if row_of_tile == inputs {
                        four[part] = 1.0f32;
                    } else if row_of_tile < inputs {
                        if layer == 0 {
                            four[part] = input.vectors.values[base + row_of_tile];
                        } else {
                            four[part] = activations.outputs[base + row_of_tile];
                        }
                    }
                }
            }
            left[row * (TILE_SIDE / QUAD) + quad] = four;
        }
        #[unroll]
        for part in 0..staged_rows * TILE_SIDE / UPDATE_THREADS {
            let row = down_unit + part * UPDATE_THREADS / TILE_SIDE;
            let mut value = 0.0f32;
            if begin + row < dims.batch && to < units {
                value = activations.slopes[(model * dims.capacity + begin + row) * dims.head.columns + column + to];
            }
            right[row * TILE_SIDE + across_unit] = value;
        }
        sync_cube();
        #[unroll]
        for row in 0..staged_rows {
            gradient = fma(
                left[row * (TILE_SIDE / QUAD) + down_unit],
                Quad::new(right[row * TILE_SIDE + across_unit]),
                gradient,
            );
        }
    }
    if to < units {
        let positions = CUBE_COUNT_Y as usize;
        let rate = input.rates[(input.step * positions + position) * 2];
        let decay = input.rates[(input.step * positions + position) * 2 + 1];
        #[unroll]
        for part in 0..QUAD {
            let row_of_tile = own_input + part;
            if row_of_tile <= inputs {
                let at = own_at + part * units;
                let slope = gradient[part];
                let mut value = values[part] * decay;
                let mut first = firsts[part];
                if adam {
                    first = flush_below(
                        first * rule.beta_1 + slope * rule.one_minus_beta_1,
                        FLUSH_BELOW,
                        rule.flush_subnormals,
                    );
                    let second = seconds[part] * rule.beta_2 + slope * slope * rule.one_minus_beta_2;
                    let second = flush_below(second, FLUSH_SQUARE_BELOW, rule.flush_subnormals);
                    arrays.second_moments[at] = second;
                    value -= rate * first / (second.sqrt() + rule.epsilon);
                } else {
                    first = flush_below(first * rule.beta_1 - slope * rate, FLUSH_BELOW, rule.flush_subnormals);
                    value += first;
                }
                arrays.first_moments[at] = first;
                arrays.weights[at] = value;
                if layer > 0 && row_of_tile < inputs {
                    arrays.transposed[model * dims.head.transposed
                        + field(&input.descriptors, layer, TRANSPOSED)
                        + to * inputs
                        + row_of_tile] = value;
                }
            }
        }
    }
}

/// Returns the number if its magnitude is at least `least` or `flush_subnormals` is 0, else 0.
#[cube]
fn flush_below(number: f32, #[comptime] least: f32, flush_subnormals: u32) -> f32 {
    let mut result = number;
    if flush_subnormals == 1 && number.abs() < least {
        result = 0.0;
    }
    result
}
