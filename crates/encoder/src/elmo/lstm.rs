//! A stack of LSTM layers with projection and clipping: one of ELMo's two directions.
//!
//! The gates are `z = x Wx + h Wh + b` in the order i, j, f, o;
//! `c = clip(sigmoid(f + 1) c + sigmoid(i) tanh(j))`, `h = clip((sigmoid(o) tanh(c)) W_P)`. The state is 0 at the beginning of
//! every text. With skip connections, every layer except the first adds its input to its output.
//!
//! Texts are computed in batches with a fixed number of rows, one text per row, in blocks of [`STEPS`] tokens through all
//! layers, so that memory doesn't depend on the length of a text. Steps after the end of a text are masked out of its sums, and
//! rows don't depend on each other. The product with the input is computed for a whole block at once. Every product has the
//! same shape for all texts, so that the numbers of a text never depend on the other texts.

use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::options::{Lstm, Options};
use super::panels::Panels;
use super::weights::{self, Array};

/// Number of tokens per block.
pub(super) const STEPS: usize = 4;

/// The batch size and panel width for a device.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Number of texts per batch.
    pub(super) rows: usize,
    /// Maximum number of columns per panel of a matrix.
    pub(super) panel: usize,
}

/// The layers of one direction on a device.
pub(super) struct Stack<B: Backend> {
    layers: Vec<Layer<B>>,
    /// Number of texts per batch.
    rows: usize,
    /// Whether every layer except the first adds its input to its output.
    skip: bool,
    device: B::Device,
}

/// An LSTM layer.
struct Layer<B: Backend> {
    /// The input weights Wx, `[P, 4C]`.
    input: Tensor<B, 2>,
    /// The recurrent weights Wh, `[P, 4C]`.
    recurrent: Panels<B>,
    /// The bias, `[1, 4C]`, including the 1 of the forget gate.
    bias: Tensor<B, 2>,
    /// The projection W_P, `[C, P]`.
    projection: Panels<B>,
    cell_clip: Option<f32>,
    proj_clip: Option<f32>,
}

/// The state of a layer between two blocks.
struct State<B: Backend> {
    /// The cell state c, `[rows, C]`.
    cell: Tensor<B, 2>,
    /// The last output h, `[rows, P]`.
    output: Tensor<B, 2>,
    /// The sum of the outputs at the tokens that count, `[rows, P]`.
    sum: Tensor<B, 2>,
}

/// A block of tokens, step by step: first the first token of all rows, then the second, and so on.
pub(super) struct Block {
    /// The token vectors, `[STEPS * rows, P]`; 0 after the end of a row.
    pub(super) tokens: Vec<f32>,
    /// 1 if the output counts, otherwise 0, `[STEPS * rows]`.
    pub(super) counts: Vec<f32>,
    /// The number of steps until the last row has ended, at most [`STEPS`].
    pub(super) steps: usize,
}

impl<B: Backend> Stack<B> {
    pub(super) fn new(options: &Options, cells: Vec<weights::Cell>, shape: Shape, device: &B::Device) -> Self {
        let layers = cells.into_iter().map(|cell| Layer::new(&options.lstm, cell, shape.panel, device)).collect();
        Self { layers, rows: shape.rows, skip: options.lstm.use_skip_connections, device: device.clone() }
    }

    /// Runs a batch. Returns for each layer the sum of its outputs at the tokens that count, `[rows, P]`, row-major.
    pub(super) fn sums(&self, blocks: impl Iterator<Item = Block>) -> Vec<Vec<f32>> {
        let mut states: Vec<State<B>> = self.layers.iter().map(|layer| layer.start(self.rows, &self.device)).collect();
        for block in blocks {
            let height = STEPS * self.rows;
            let width = block.tokens.len() / height;
            let mut x = Tensor::from_data(TensorData::new(block.tokens, [height, width]), &self.device);
            let counts = Tensor::from_data(TensorData::new(block.counts, [height, 1]), &self.device);
            for (index, (layer, state)) in self.layers.iter().zip(&mut states).enumerate() {
                let mut y = layer.run(x.clone(), state, block.steps);
                if index > 0 && self.skip {
                    y = y + x;
                }
                let counted: Tensor<B, 2> = y.clone() * counts.clone();
                let added = counted.reshape([STEPS, self.rows, width]).sum_dim(0).reshape([self.rows, width]);
                state.sum = state.sum.clone() + added;
                x = y;
            }
        }
        states.into_iter().map(|state| host(state.sum)).collect()
    }
}

impl<B: Backend> Layer<B> {
    fn new(lstm: &Lstm, cell: weights::Cell, panel: usize, device: &B::Device) -> Self {
        let weights::Affine { mut weight, mut bias } = cell.gates;
        let (p, c) = (lstm.projection_dim, lstm.dim);
        let shape = vec![p, 4 * c];
        let recurrent = Array { shape: shape.clone(), values: weight.values.split_off(p * 4 * c) };
        weight.values.shrink_to_fit();
        bias.values[2 * c..3 * c].iter_mut().for_each(|forget| *forget += 1.0);
        Self {
            input: tensor(Array { shape, values: weight.values }, device),
            recurrent: Panels::new(recurrent, panel, device),
            bias: row(bias, device),
            projection: Panels::new(cell.projection, panel, device),
            cell_clip: lstm.cell_clip,
            proj_clip: lstm.proj_clip,
        }
    }

    fn start(&self, rows: usize, device: &B::Device) -> State<B> {
        let (c, p) = (self.projection.inputs(), self.projection.outputs());
        let zeros = |width| Tensor::zeros([rows, width], device);
        State { cell: zeros(c), output: zeros(p), sum: zeros(p) }
    }

    /// Runs a block, `[STEPS * rows, P]`; returns the outputs in the same shape. Outputs after `steps` repeat the last one.
    fn run(&self, x: Tensor<B, 2>, state: &mut State<B>, steps: usize) -> Tensor<B, 2> {
        let rows = state.cell.dims()[0];
        let inputs = x.matmul(self.input.clone()) + self.bias.clone();
        let width = inputs.dims()[1];
        let mut outputs = Vec::with_capacity(STEPS);
        for step in 0..STEPS {
            if step < steps {
                let input = inputs.clone().slice([step * rows..(step + 1) * rows, 0..width]);
                self.step(input, state);
            }
            outputs.push(state.output.clone());
        }
        Tensor::cat(outputs, 0)
    }

    /// Runs one token of every row; `input` is `x Wx + b`, `[rows, 4C]`.
    fn step(&self, input: Tensor<B, 2>, state: &mut State<B>) {
        let z = input + self.recurrent.product(state.output.clone());
        let [rows, c] = state.cell.dims();
        let gate = |index: usize| z.clone().slice([0..rows, index * c..(index + 1) * c]);
        let kept = sigmoid(gate(2)) * state.cell.clone();
        state.cell = clip(kept + sigmoid(gate(0)) * gate(1).tanh(), self.cell_clip);
        let output = sigmoid(gate(3)) * state.cell.clone().tanh();
        state.output = clip(self.projection.product(output), self.proj_clip);
    }
}

fn clip<B: Backend>(x: Tensor<B, 2>, bound: Option<f32>) -> Tensor<B, 2> {
    match bound {
        Some(bound) => x.clamp(-bound, bound),
        None => x,
    }
}

/// Copies a two-dimensional array to a device.
pub(super) fn tensor<B: Backend>(array: Array, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(array.values, array.shape), device)
}

/// Copies a one-dimensional array to a device, as `[1, n]`.
pub(super) fn row<B: Backend>(array: Array, device: &B::Device) -> Tensor<B, 2> {
    let shape = [1, array.values.len()];
    Tensor::from_data(TensorData::new(array.values, shape), device)
}

/// Copies the values of a tensor to the host, row-major.
pub(super) fn host<B: Backend>(x: Tensor<B, 2>) -> Vec<f32> {
    x.into_data().into_vec().expect("encoders compute in 32 bits")
}
