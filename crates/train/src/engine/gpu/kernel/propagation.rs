//! The forward and the backward pass, for the rows of a batch in parallel.

use cubecl::prelude::*;

use super::{
    ACTIVATION, Activations, COLUMN, DESCRIPTOR_LENGTH, DROPOUT_GAIN, Dimensions, FIRST_BIT, GELU, HAS_DROPOUT, INPUTS,
    KERNEL, ModelMatrices, Network, QUAD, Quad, RELU, SIGMOID, STAGED_INPUTS, TANH, TRANSPOSED, UNITS, WORD_BITS,
    field,
};

/// The number of values of a matrix that are requested ahead, since memory takes hundreds of cycles to deliver one.
const PREFETCHED: usize = 16;

/// The data of a batch.
#[derive(CubeType, CubeLaunch)]
pub(in crate::engine::gpu) struct PropagationInput {
    /// `[positions]`: the indices of the active models.
    models: Array<u32>,
    /// `[rows, dim]` per model.
    vectors: ModelMatrices,
    /// `[rows, classes]` per model.
    targets: ModelMatrices,
    /// `[positions, rows]`: the order of the training rows. Only read if the configuration trains.
    order: Array<u32>,
    /// `[positions, rows, words]`: the dropout masks, with one bit per output, 1 if it is kept. Only read if the
    /// configuration trains.
    masks: Array<u32>,
    /// The divisor of the mean loss of the batch.
    divisor: f32,
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine::gpu) struct PropagationConfig {
    /// Whether the backward pass follows, with dropout. Otherwise only the logits are computed.
    pub(in crate::engine::gpu) trains: bool,
    /// Whether the gradient of the loss is softmax(z) - y; otherwise it is sigmoid(z) - y.
    pub(in crate::engine::gpu) softmax: bool,
    /// The number of quads of rows of a cube.
    pub(in crate::engine::gpu) quads: usize,
    /// The number of threads of a cube.
    pub(in crate::engine::gpu) threads: usize,
}

/// Computes the logits of a batch, `[positions, rows, classes]`, and the gradients if the configuration trains.
///
/// Arrays of models are indexed by the model, those of active models by the position among them. The batch starts at row
/// `dims.first`: of `order` if the configuration trains, otherwise of the split.
#[cube(launch_unchecked)]
pub(in crate::engine::gpu) fn propagate(
    input: &PropagationInput,
    network: &Network,
    activations: &mut Activations,
    logits: &mut Array<f32>,
    dims: Dimensions,
    #[comptime] config: PropagationConfig,
) {
    let trains = comptime!(config.trains);
    let softmax = comptime!(config.softmax);
    let quads = comptime!(config.quads);
    let threads = comptime!(config.threads);
    let rows_of_cube = comptime!(quads * QUAD);
    let unit = UNIT_POS as usize;
    let position = CUBE_POS_Y as usize;
    let model = input.models[position] as usize;
    let first_row = CUBE_POS_X as usize * rows_of_cube;
    let out_row = position * dims.rows + dims.first + first_row;
    let mut staged = SharedMemory::<Quad>::new(STAGED_INPUTS * quads);
    let mut sums = SharedMemory::<Quad>::new(threads * quads);
    // The offsets of the rows' vectors, targets and outputs. Rows past the end of the batch repeat its last row, and their
    // results are not stored.
    let mut vector_offsets = SharedMemory::<u32>::new(rows_of_cube);
    let mut target_rows = SharedMemory::<u32>::new(rows_of_cube);
    let mut output_offsets = SharedMemory::<u32>::new(rows_of_cube);
    if unit < rows_of_cube {
        let row = min(first_row + unit, dims.batch - 1);
        let mut at = dims.first + row;
        if trains {
            at = input.order[position * dims.rows + at] as usize;
        }
        vector_offsets[unit] = ((input.vectors.first_rows[model] as usize + at) * dims.head.dim) as u32;
        target_rows[unit] = input.targets.first_rows[model] + at as u32;
        output_offsets[unit] = ((model * dims.capacity + row) * dims.head.columns) as u32;
    }
    sync_cube();

    for layer in 0..dims.head.layers {
        let (inputs, units) = (field(&network.descriptors, layer, INPUTS), field(&network.descriptors, layer, UNITS));
        let kernel = model * dims.head.parameters + field(&network.descriptors, layer, KERNEL);
        let column = field(&network.descriptors, layer, COLUMN);
        let activation = field(&network.descriptors, layer, ACTIVATION);
        let drops = field(&network.descriptors, layer, HAS_DROPOUT) == 1;
        let across = columns_of(units, threads);
        for first_unit in range_stepped(0, units, across) {
            let to = first_unit + unit % across;
            let mut from = 0usize.runtime();
            if layer > 0 {
                from = column - inputs;
            }
            let task = ProductTask { from, matrix: kernel, inputs, units, first_unit, across };
            if layer == 0 {
                product(&input.vectors.values, &vector_offsets, &network.weights, task, &mut staged, &mut sums, config);
            } else {
                product(&activations.outputs, &output_offsets, &network.weights, task, &mut staged, &mut sums, config);
            }
            if to < units {
                let bias = network.weights[kernel + inputs * units + to];
                for quad in range_stepped(unit / across, quads, threads / across) {
                    let four = sums[unit % across * quads + quad];
                    #[unroll]
                    for part in 0..QUAD {
                        let row = quad * QUAD + part;
                        if first_row + row < dims.batch {
                            let at = output_offsets[row] as usize + column + to;
                            let (value, slope) = activate(four[part] + bias, activation);
                            if trains {
                                let mut gain = 1.0f32.runtime();
                                if drops {
                                    let bit = field(&network.descriptors, layer, FIRST_BIT) + to;
                                    let word = input.masks[(out_row + row) * dims.head.words + bit / WORD_BITS];
                                    let stays = (word >> (bit % WORD_BITS) as u32) & 1;
                                    gain =
                                        f32::reinterpret(network.descriptors[layer * DESCRIPTOR_LENGTH + DROPOUT_GAIN])
                                            * stays as f32;
                                }
                                activations.outputs[at] = value * gain;
                                activations.slopes[at] = slope * gain;
                            } else {
                                activations.outputs[at] = value;
                            }
                        }
                    }
                }
            }
        }
        sync_storage();
    }

    let last = dims.head.layers - 1;
    let (classes, column) = (field(&network.descriptors, last, UNITS), field(&network.descriptors, last, COLUMN));
    for at in range_stepped(unit, rows_of_cube * classes, threads) {
        let (row, class) = (at / classes, at % classes);
        if first_row + row < dims.batch {
            let logit = output_offsets[row] as usize + column + class;
            logits[(out_row + row) * classes + class] = activations.outputs[logit];
            if trains {
                let target = input.targets.values[target_rows[row] as usize * classes + class];
                let likely = if softmax {
                    softmax_of(&activations.outputs, output_offsets[row] as usize + column, classes, class)
                } else {
                    sigmoid(activations.outputs[logit])
                };
                activations.slopes[logit] *= (likely - target) / input.divisor;
            }
        }
    }

    if trains {
        sync_storage();
        for step in 1..dims.head.layers {
            let layer = dims.head.layers - step;
            let (inputs, units) =
                (field(&network.descriptors, layer, INPUTS), field(&network.descriptors, layer, UNITS));
            let kernel = model * dims.head.transposed + field(&network.descriptors, layer, TRANSPOSED);
            let column = field(&network.descriptors, layer, COLUMN);
            let across = columns_of(inputs, threads);
            for first_unit in range_stepped(0, inputs, across) {
                let to = first_unit + unit % across;
                let task =
                    ProductTask { from: column, matrix: kernel, inputs: units, units: inputs, first_unit, across };
                product(
                    &activations.slopes,
                    &output_offsets,
                    &network.transposed,
                    task,
                    &mut staged,
                    &mut sums,
                    config,
                );
                if to < inputs {
                    for quad in range_stepped(unit / across, quads, threads / across) {
                        let four = sums[unit % across * quads + quad];
                        #[unroll]
                        for part in 0..QUAD {
                            let row = quad * QUAD + part;
                            if first_row + row < dims.batch {
                                activations.slopes[output_offsets[row] as usize + column - inputs + to] *= four[part];
                            }
                        }
                    }
                }
            }
            sync_storage();
        }
    }
}

/// Returns how many columns a cube computes at a time: a power of two, so that the other threads share the sums evenly.
/// For example, 64 units and 256 threads give 64 columns, with 4 threads per column.
#[cube]
fn columns_of(units: usize, #[comptime] threads: usize) -> usize {
    let mut columns = threads.runtime();
    while columns / 2 >= units {
        columns /= 2;
    }
    columns
}

/// A product of rows and a matrix. Each row starts at its base plus `from`; the matrix `[inputs, units]` starts at
/// `matrix`. The product has `across` columns, from `first_unit` on.
#[derive(CubeType, Clone, Copy)]
struct ProductTask {
    from: usize,
    matrix: usize,
    inputs: usize,
    units: usize,
    first_unit: usize,
    across: usize,
}

/// Computes a product, and leaves the sums at the start of `sums`, `[across, quads]`.
#[cube]
fn product(
    source: &Array<f32>,
    bases: &SharedMemory<u32>,
    matrix: &Array<f32>,
    task: ProductTask,
    staged: &mut SharedMemory<Quad>,
    sums: &mut SharedMemory<Quad>,
    #[comptime] config: PropagationConfig,
) {
    let quads = comptime!(config.quads);
    let threads = comptime!(config.threads);
    let ProductTask { from, matrix: at, inputs, units, first_unit, across } = task;
    let unit = UNIT_POS as usize;
    let (column, group, groups) = (unit % across, unit / across, threads / across);
    let to = first_unit + column;
    let mut own = Array::<Quad>::new(quads);
    #[unroll]
    for quad in 0..quads {
        own[quad] = Quad::new(0.0);
    }
    for begin in range_stepped(0, inputs, STAGED_INPUTS) {
        let count = min(inputs - begin, STAGED_INPUTS.runtime());
        sync_cube();
        for place in range_stepped(unit, count * quads, threads) {
            let (quad, input) = (place / count, place % count);
            let mut four = Quad::new(0.0);
            #[unroll]
            for part in 0..QUAD {
                four[part] = source[bases[quad * QUAD + part] as usize + from + begin + input];
            }
            staged[input * quads + quad] = four;
        }
        sync_cube();
        if to < units {
            for first in range_stepped(group, count, groups * PREFETCHED) {
                let mut prefetched = Array::<f32>::new(PREFETCHED);
                #[unroll]
                for place in 0..PREFETCHED {
                    let input = min(first + place * groups, count - 1);
                    prefetched[place] = matrix[at + (begin + input) * units + to];
                }
                #[unroll]
                for place in 0..PREFETCHED {
                    let input = min(first + place * groups, count - 1);
                    let weight = Quad::new(select(first + place * groups < count, prefetched[place], 0.0));
                    #[unroll]
                    for quad in 0..quads {
                        own[quad] = fma(staged[input * quads + quad], weight, own[quad]);
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

/// Returns the value and the derivative of an activation function.
#[cube]
fn activate(x: f32, activation: usize) -> (f32, f32) {
    let mut value = x;
    let mut slope = 1.0f32;
    if activation == RELU {
        // Not `max`, which would turn NaN into 0.
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
        // x Phi(x), and its derivative Phi(x) + x phi(x).
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

/// Returns a class's share in the softmax of the logits that start at `from`.
#[cube]
fn softmax_of(outputs: &Array<f32>, from: usize, classes: usize, class: usize) -> f32 {
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
