//! The arrays along their gradients, the tiles of all side by side.

use cubecl::prelude::*;

use super::{COLUMN, FIRST_TILE, INPUTS, KERNEL, OUTPUTS, QUAD, Quad, SIDE, Sizes, TRANSPOSED, UNITS, fact};
use crate::optimizer::{NO_MEAN, NO_SQUARE};

/// What an optimiser is told; of gradient descent, `beta_1` is the momentum.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(in crate::engine::card) struct Rule {
    beta_1: f32,
    rest_1: f32,
    beta_2: f32,
    rest_2: f32,
    epsilon: f32,
    /// Whether what is too small to matter becomes 0.
    settles: u32,
}

/// Moves a tile of an array, `[SIDE inputs, SIDE units]`, along its gradient over a batch; a layer's bias is the row behind
/// its kernel's last, whose input is always 1.
///
/// By place are the two numbers of each step in `rates` `[steps, places, 2]`: its size, and what is left of a weight before.
/// The batch is gone through `staged` rows at a time, a multiple of [`SIDE`].
#[cube(launch_unchecked)]
pub(in crate::engine::card) fn update(
    members: &Array<u32>,
    vectors: &Array<f32>,
    vector_starts: &Array<u32>,
    order: &Array<u32>,
    layout: &Array<u32>,
    outputs: &Array<f32>,
    slopes: &Array<f32>,
    rates: &Array<f32>,
    weights: &mut Array<f32>,
    transposed: &mut Array<f32>,
    first_memory: &mut Array<f32>,
    second_memory: &mut Array<f32>,
    sizes: Sizes,
    rule: Rule,
    step: usize,
    #[comptime] adam: bool,
    #[comptime] staged: usize,
) {
    let unit = UNIT_POS as usize;
    let place = CUBE_POS_Y as usize;
    let model = members[place] as usize;
    let number = CUBE_POS_X as usize;
    let mut layer = 0usize.runtime();
    while layer + 1 < sizes.layers && number >= fact(layout, layer + 1, FIRST_TILE) {
        layer += 1;
    }
    let (inputs, units) = (fact(layout, layer, INPUTS), fact(layout, layer, OUTPUTS));
    let column = fact(layout, layer, COLUMN);
    let across = units.div_ceil(SIDE);
    let of_layer = number - fact(layout, layer, FIRST_TILE);
    let (first_input, first_unit) = (of_layer / across * SIDE, of_layer % across * SIDE);
    let to = first_unit + unit % SIDE;
    let (across_unit, down_unit) = (unit % SIDE, unit / SIDE);
    let own_input = first_input + down_unit * QUAD;
    let own_at = model * sizes.parameters + fact(layout, layer, KERNEL) + own_input * units + to;
    let mut values = Quad::new(0.0);
    let mut firsts = Quad::new(0.0);
    let mut seconds = Quad::new(0.0);
    if to < units {
        #[unroll]
        for part in 0..QUAD {
            if own_input + part <= inputs {
                values[part] = weights[own_at + part * units];
                firsts[part] = first_memory[own_at + part * units];
                if adam {
                    seconds[part] = second_memory[own_at + part * units];
                }
            }
        }
    }
    let mut left = SharedMemory::<Quad>::new(staged * SIDE / QUAD); // [rows, inputs]
    let mut right = SharedMemory::<f32>::new(staged * SIDE); // [rows, units]
    let mut gradient = Quad::new(0.0);
    for begin in range_stepped(0, sizes.batch, staged) {
        sync_cube();
        #[unroll]
        for part in 0..staged * SIDE / QUAD / UNITS {
            let (row, quad) = (unit / (SIDE / QUAD) + part * UNITS * QUAD / SIDE, unit % (SIDE / QUAD));
            let mut four = Quad::new(0.0);
            if begin + row < sizes.batch {
                let mut base = (model * sizes.capacity + begin + row) * sizes.columns + column - inputs;
                if layer == 0 {
                    let at = order[place * sizes.rows + sizes.first + begin + row];
                    base = (vector_starts[model] + at) as usize * sizes.dim;
                }
                #[unroll]
                for part in 0..QUAD {
                    let input = first_input + quad * QUAD + part;
                    if input == inputs {
                        four[part] = 1.0f32;
                    } else if input < inputs {
                        if layer == 0 {
                            four[part] = vectors[base + input];
                        } else {
                            four[part] = outputs[base + input];
                        }
                    }
                }
            }
            left[row * (SIDE / QUAD) + quad] = four;
        }
        #[unroll]
        for part in 0..staged * SIDE / UNITS {
            let row = down_unit + part * UNITS / SIDE;
            let mut value = 0.0f32;
            if begin + row < sizes.batch && to < units {
                value = slopes[(model * sizes.capacity + begin + row) * sizes.columns + column + to];
            }
            right[row * SIDE + across_unit] = value;
        }
        sync_cube();
        #[unroll]
        for row in 0..staged {
            gradient = fma(left[row * (SIDE / QUAD) + down_unit], Quad::new(right[row * SIDE + across_unit]), gradient);
        }
    }
    if to < units {
        let members = CUBE_COUNT_Y as usize;
        let rate = rates[(step * members + place) * 2];
        let kept = rates[(step * members + place) * 2 + 1];
        #[unroll]
        for part in 0..QUAD {
            let input = own_input + part;
            if input <= inputs {
                let at = own_at + part * units;
                let slope = gradient[part];
                let mut value = values[part] * kept;
                let mut first = firsts[part];
                if adam {
                    first = settled(first * rule.beta_1 + slope * rule.rest_1, NO_MEAN, rule.settles);
                    let second = seconds[part] * rule.beta_2 + slope * slope * rule.rest_2;
                    let second = settled(second, NO_SQUARE, rule.settles);
                    second_memory[at] = second;
                    value -= rate * first / (second.sqrt() + rule.epsilon);
                } else {
                    first = settled(first * rule.beta_1 - slope * rate, NO_MEAN, rule.settles);
                    value += first;
                }
                first_memory[at] = first;
                weights[at] = value;
                if layer > 0 && input < inputs {
                    transposed[model * sizes.transposed + fact(layout, layer, TRANSPOSED) + to * inputs + input] =
                        value;
                }
            }
        }
    }
}

/// A number of at least this size, 0 for others, where `settles` is 1.
#[cube]
fn settled(number: f32, #[comptime] least: f32, settles: u32) -> f32 {
    let mut settled = number;
    if settles == 1 && number.abs() < least {
        settled = 0.0;
    }
    settled
}
