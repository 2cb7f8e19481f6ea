//! A stack of LSTM layers with projections and clipping, one direction of ELMo's two.
//!
//! Gates `z = x Wx + h Wh + b` in the order i, j, f, o;
//! `c = clip(sigmoid(f + 1) c + sigmoid(i) tanh(j))`, `h = clip((sigmoid(o) tanh(c)) W_P)`; the state begins at 0 for every
//! text. Every layer but the first adds its input to its output.
//!
//! Texts run in batches of one number of rows, each from its own first token, in blocks of [`STEPS`] tokens through all
//! layers: memory doesn't depend on a text's length. What runs on behind a text's end is masked out of its sums, and
//! a row never sees another one; the input's product is done a block at once. Every product has one shape whatever
//! the texts, so that a text's numbers never depend on those beside it.

use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::options::{Lstm, Options};
use super::panels::Panels;
use super::weights::{self, Array};

/// The tokens of a block.
pub(super) const STEPS: usize = 4;

/// What a device takes at a time.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Texts of a batch.
    pub(super) rows: usize,
    /// The most columns of a matrix's panel.
    pub(super) panel: usize,
}

/// The layers of one direction on a device.
pub(super) struct Stack<B: Backend> {
    layers: Vec<Layer<B>>,
    /// Rows of a batch.
    rows: usize,
    skip: bool,
    device: B::Device,
}

/// One layer.
struct Layer<B: Backend> {
    /// `[P, 4C]`
    input: Tensor<B, 2>,
    /// `[P, 4C]`
    recurrent: Panels<B>,
    /// `[1, 4C]`, with the forget gate's 1.
    bias: Tensor<B, 2>,
    /// `[C, P]`
    projection: Panels<B>,
    cell_clip: Option<f32>,
    proj_clip: Option<f32>,
}

/// Where a layer stands between two blocks.
struct State<B: Backend> {
    /// `[rows, C]`
    cell: Tensor<B, 2>,
    /// `[rows, P]`
    output: Tensor<B, 2>,
    /// The outputs at counted tokens so far, added up, `[rows, P]`.
    sum: Tensor<B, 2>,
}

/// A block of tokens, the rows' first ones before their second ones.
pub(super) struct Block {
    /// Token vectors `[STEPS * rows, P]`, 0 where a row has ended.
    pub(super) tokens: Vec<f32>,
    /// 1 where the output counts, else 0, `[STEPS * rows]`.
    pub(super) counts: Vec<f32>,
    /// The steps that any row still needs, at most [`STEPS`].
    pub(super) steps: usize,
}

impl<B: Backend> Stack<B> {
    pub(super) fn new(options: &Options, cells: Vec<weights::Cell>, shape: Shape, device: &B::Device) -> Self {
        let layers = cells.into_iter().map(|cell| Layer::new(&options.lstm, cell, shape.panel, device)).collect();
        Self { layers, rows: shape.rows, skip: options.lstm.use_skip_connections, device: device.clone() }
    }

    /// Runs a batch; gives for each layer the sum of its outputs at the tokens that count, `[rows, P]` row after row.
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

    /// A block `[STEPS * rows, P]` -> the outputs, of that shape; what stands behind `steps` repeats the last one.
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

    /// One token of every row; `input` is `x Wx + b`, `[rows, 4C]`.
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

/// An array of two dimensions on a device.
pub(super) fn tensor<B: Backend>(array: Array, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(array.values, array.shape), device)
}

/// An array of one dimension, `[1, n]` on a device.
pub(super) fn row<B: Backend>(array: Array, device: &B::Device) -> Tensor<B, 2> {
    let shape = [1, array.values.len()];
    Tensor::from_data(TensorData::new(array.values, shape), device)
}

/// A tensor's numbers on the host, row after row.
pub(super) fn host<B: Backend>(x: Tensor<B, 2>) -> Vec<f32> {
    x.into_data().into_vec().expect("encoders compute in 32 bits")
}
