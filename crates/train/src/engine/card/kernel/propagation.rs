//! Forward and back, the rows of a batch side by side.

use cubecl::prelude::*;

use super::{
    ACTIVATION, BIT, BITS, COLUMN, DROPS, FACTS, GAIN, GELU, INPUTS, KERNEL, OUTPUTS, QUAD, Quad, RELU, SIGMOID, Sizes,
    TANH, TILE, TRANSPOSED, fact,
};

/// The numbers of a matrix that are on their way at a time: one takes hundreds of cycles to come.
const AHEAD: usize = 16;

/// A batch through all layers; and the gradients back, where `trains`.
///
/// `members` `[places]` names the models. By model are the starts, `weights` `[parameters]`, `transposed`, `outputs` and
/// `slopes` `[capacity, columns]`; by place are `order` `[rows]`, `masks` `[rows, words]`, a bit for every output that stays,
/// and `logits` `[rows, outputs]`. `slopes` ends as the gradients of the loss by what each activation is applied to. The
/// batch begins at row `sizes.first`: of `order` where `trains`, else of the split.
#[cube(launch_unchecked)]
pub(in crate::engine::card) fn propagate(
    members: &Array<u32>,
    vectors: &Array<f32>,
    vector_starts: &Array<u32>,
    targets: &Array<f32>,
    target_starts: &Array<u32>,
    order: &Array<u32>,
    masks: &Array<u32>,
    layout: &Array<u32>,
    weights: &Array<f32>,
    transposed: &Array<f32>,
    outputs: &mut Array<f32>,
    slopes: &mut Array<f32>,
    logits: &mut Array<f32>,
    sizes: Sizes,
    divisor: f32,
    #[comptime] trains: bool,
    #[comptime] categorical: bool,
    #[comptime] quads: usize,
    #[comptime] cube: usize,
) {
    let rows_of_cube = comptime!(quads * QUAD);
    let unit = UNIT_POS as usize;
    let place = CUBE_POS_Y as usize;
    let model = members[place] as usize;
    let first_row = CUBE_POS_X as usize * rows_of_cube;
    let into = place * sizes.rows + sizes.first + first_row;
    let mut tile = SharedMemory::<Quad>::new(TILE * quads);
    let mut sums = SharedMemory::<Quad>::new(cube * quads);
    // Where the rows' vectors, targets and outputs begin; rows past the batch's end are its last one, and leave no trace.
    let mut of_vectors = SharedMemory::<u32>::new(rows_of_cube);
    let mut of_targets = SharedMemory::<u32>::new(rows_of_cube);
    let mut of_outputs = SharedMemory::<u32>::new(rows_of_cube);
    if unit < rows_of_cube {
        let row = min(first_row + unit, sizes.batch - 1);
        let mut at = sizes.first + row;
        if trains {
            at = order[place * sizes.rows + at] as usize;
        }
        of_vectors[unit] = ((vector_starts[model] as usize + at) * sizes.dim) as u32;
        of_targets[unit] = target_starts[model] + at as u32;
        of_outputs[unit] = ((model * sizes.capacity + row) * sizes.columns) as u32;
    }
    sync_cube();

    for layer in 0..sizes.layers {
        let (inputs, units) = (fact(layout, layer, INPUTS), fact(layout, layer, OUTPUTS));
        let kernel = model * sizes.parameters + fact(layout, layer, KERNEL);
        let column = fact(layout, layer, COLUMN);
        let activation = fact(layout, layer, ACTIVATION);
        let drops = fact(layout, layer, DROPS) == 1;
        let across = columns_of(units, cube);
        for first_unit in range_stepped(0, units, across) {
            let to = first_unit + unit % across;
            let mut from = 0usize.runtime();
            if layer > 0 {
                from = column - inputs;
            }
            let task = Task { from, matrix: kernel, inputs, units, first_unit, across };
            if layer == 0 {
                product(vectors, &of_vectors, weights, task, &mut tile, &mut sums, quads, cube);
            } else {
                product(outputs, &of_outputs, weights, task, &mut tile, &mut sums, quads, cube);
            }
            if to < units {
                let bias = weights[kernel + inputs * units + to];
                for quad in range_stepped(unit / across, quads, cube / across) {
                    let four = sums[unit % across * quads + quad];
                    #[unroll]
                    for part in 0..QUAD {
                        let row = quad * QUAD + part;
                        if first_row + row < sizes.batch {
                            let at = of_outputs[row] as usize + column + to;
                            let (value, slope) = activate(four[part] + bias, activation);
                            if trains {
                                let mut gain = 1.0f32.runtime();
                                if drops {
                                    let bit = fact(layout, layer, BIT) + to;
                                    let word = masks[(into + row) * sizes.words + bit / BITS];
                                    let stays = (word >> (bit % BITS) as u32) & 1;
                                    gain = f32::reinterpret(layout[layer * FACTS + GAIN]) * stays as f32;
                                }
                                outputs[at] = value * gain;
                                slopes[at] = slope * gain;
                            } else {
                                outputs[at] = value;
                            }
                        }
                    }
                }
            }
        }
        sync_storage();
    }

    let last = sizes.layers - 1;
    let (classes, column) = (fact(layout, last, OUTPUTS), fact(layout, last, COLUMN));
    for at in range_stepped(unit, rows_of_cube * classes, cube) {
        let (row, class) = (at / classes, at % classes);
        if first_row + row < sizes.batch {
            let logit = of_outputs[row] as usize + column + class;
            logits[(into + row) * classes + class] = outputs[logit];
            if trains {
                let target = targets[of_targets[row] as usize * classes + class];
                let likely = if categorical {
                    share(outputs, of_outputs[row] as usize + column, classes, class)
                } else {
                    sigmoid(outputs[logit])
                };
                slopes[logit] *= (likely - target) / divisor;
            }
        }
    }

    if trains {
        sync_storage();
        for step in 1..sizes.layers {
            let layer = sizes.layers - step;
            let (inputs, units) = (fact(layout, layer, INPUTS), fact(layout, layer, OUTPUTS));
            let kernel = model * sizes.transposed + fact(layout, layer, TRANSPOSED);
            let column = fact(layout, layer, COLUMN);
            let across = columns_of(inputs, cube);
            for first_unit in range_stepped(0, inputs, across) {
                let to = first_unit + unit % across;
                let task = Task { from: column, matrix: kernel, inputs: units, units: inputs, first_unit, across };
                product(slopes, &of_outputs, transposed, task, &mut tile, &mut sums, quads, cube);
                if to < inputs {
                    for quad in range_stepped(unit / across, quads, cube / across) {
                        let four = sums[unit % across * quads + quad];
                        #[unroll]
                        for part in 0..QUAD {
                            let row = quad * QUAD + part;
                            if first_row + row < sizes.batch {
                                slopes[of_outputs[row] as usize + column - inputs + to] *= four[part];
                            }
                        }
                    }
                }
            }
            sync_storage();
        }
    }
}

/// How many columns a cube handles at a time: a power of two, so that the rest of the units share the sums evenly.
#[cube]
fn columns_of(units: usize, #[comptime] cube: usize) -> usize {
    let mut columns = cube.runtime();
    while columns / 2 >= units {
        columns /= 2;
    }
    columns
}

/// A product of rows, of which each begins at its base and there `from`, and of the matrix at `matrix`, `[inputs, units]`: its
/// columns from `first_unit` on, `across` of them.
#[derive(CubeType, Clone, Copy)]
struct Task {
    from: usize,
    matrix: usize,
    inputs: usize,
    units: usize,
    first_unit: usize,
    across: usize,
}

/// Leaves the sums of a product at the head of `sums`, `[across, quads]`.
#[cube]
fn product(
    source: &Array<f32>,
    bases: &SharedMemory<u32>,
    matrix: &Array<f32>,
    task: Task,
    tile: &mut SharedMemory<Quad>,
    sums: &mut SharedMemory<Quad>,
    #[comptime] quads: usize,
    #[comptime] cube: usize,
) {
    let Task { from, matrix: at, inputs, units, first_unit, across } = task;
    let unit = UNIT_POS as usize;
    let (column, group, groups) = (unit % across, unit / across, cube / across);
    let to = first_unit + column;
    let mut own = Array::<Quad>::new(quads);
    #[unroll]
    for quad in 0..quads {
        own[quad] = Quad::new(0.0);
    }
    for begin in range_stepped(0, inputs, TILE) {
        let count = min(inputs - begin, TILE.runtime());
        sync_cube();
        for place in range_stepped(unit, count * quads, cube) {
            let (quad, input) = (place / count, place % count);
            let mut four = Quad::new(0.0);
            #[unroll]
            for part in 0..QUAD {
                four[part] = source[bases[quad * QUAD + part] as usize + from + begin + input];
            }
            tile[input * quads + quad] = four;
        }
        sync_cube();
        if to < units {
            for first in range_stepped(group, count, groups * AHEAD) {
                let mut ahead = Array::<f32>::new(AHEAD);
                #[unroll]
                for place in 0..AHEAD {
                    let input = min(first + place * groups, count - 1);
                    ahead[place] = matrix[at + (begin + input) * units + to];
                }
                #[unroll]
                for place in 0..AHEAD {
                    let input = min(first + place * groups, count - 1);
                    let weight = Quad::new(select(first + place * groups < count, ahead[place], 0.0));
                    #[unroll]
                    for quad in 0..quads {
                        own[quad] = fma(tile[input * quads + quad], weight, own[quad]);
                    }
                }
            }
        }
    }
    #[unroll]
    for quad in 0..quads {
        sums[unit * quads + quad] = own[quad];
    }
    sync_cube();
    let mut half = groups / 2;
    while half > 0 {
        if group < half {
            #[unroll]
            for quad in 0..quads {
                let other = sums[(unit + half * across) * quads + quad];
                sums[unit * quads + quad] += other;
            }
        }
        sync_cube();
        half /= 2;
    }
}

/// The activation's value and slope.
#[cube]
fn activate(x: f32, activation: usize) -> (f32, f32) {
    let mut value = x;
    let mut slope = 1.0f32;
    if activation == RELU {
        // Not `max`, which would make 0 of NaN.
        if x < 0.0 {
            value = 0.0;
        }
        if x <= 0.0 {
            slope = 0.0;
        }
    } else if activation == TANH {
        value = x.tanh();
        slope = 1.0 - value * value;
    } else if activation == SIGMOID {
        value = sigmoid(x);
        slope = value * (1.0 - value);
    } else if activation == GELU {
        // x Phi(x), and Phi(x) + x phi(x).
        let share = 0.5 + 0.5 * Erf::erf(x * std::f32::consts::FRAC_1_SQRT_2);
        value = x * share;
        slope = share + x * 0.398_942_3 * (-0.5 * x * x).exp();
    }
    (value, slope)
}

#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// A class's part in the softmax of the logits that begin at `from`.
#[cube]
fn share(outputs: &Array<f32>, from: usize, classes: usize, class: usize) -> f32 {
    let mut largest = outputs[from];
    for other in 1..classes {
        largest = max(largest, outputs[from + other]);
    }
    let mut sum = 0.0f32;
    for other in 0..classes {
        sum += (outputs[from + other] - largest).exp();
    }
    (outputs[from + class] - largest).exp() / sum
}
