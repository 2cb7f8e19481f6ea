//! The engine on Burn's tensors and autodiff: every kind of layer, every device.

use burn::backend::Autodiff;
use burn::tensor::activation::{gelu, relu, sigmoid, softmax, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::{Matrix, SplitName, Splits, Substream};

use super::inputs::{BagBatch, Inputs, upload};
use super::{Blueprint, Engine};
use crate::head::Step;
use crate::optimizer::Memory;
use crate::settings::{Activation, Loss, Optimizer};
use crate::weights::{self, Weights};

/// Rows whose logits are computed at once, where nothing is trained.
const EVALUATION_ROWS: usize = 256;

/// The least sum of squares that a row is scaled by.
const SMALLEST_SQUARE: f32 = 1e-24;

/// A model whose arrays are Burn tensors.
pub(super) struct AutodiffEngine<B: Backend> {
    steps: Vec<Step>,
    optimizer: Optimizer,
    loss: Loss,
    seed: u64,
    inputs: Splits<Inputs<B>>,
    targets: Tensor<B, 2>,
    /// A tuned table, or mix and gamma, first; then kernel and bias of every dense layer.
    parameters: Vec<Parameter<B>>,
    steps_done: u32,
    device: B::Device,
}

/// An array that training moves; biases are `[1, units]`.
struct Parameter<B: Backend> {
    name: String,
    shape: Vec<usize>,
    value: Tensor<B, 2>,
    memory: Memory<B>,
}

impl<B: Backend> AutodiffEngine<B> {
    pub(super) fn new(blueprint: Blueprint<'_>, device: B::Device) -> Self {
        let parameter = |tensor: &weights::Tensor| Parameter {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            value: as_matrix(tensor, &device),
            memory: Memory::new(),
        };
        Self {
            steps: blueprint.architecture.steps.clone(),
            optimizer: blueprint.optimizer.clone(),
            loss: blueprint.loss,
            seed: blueprint.seed,
            inputs: blueprint.features.map(|_, features| Inputs::new(features, &device)),
            targets: upload(blueprint.targets, &device),
            parameters: blueprint.weights.0.iter().map(parameter).collect(),
            steps_done: 0,
            device,
        }
    }

    /// One step on a batch; gives the batch's logits, `[batch, outputs]`.
    fn step(&mut self, rows: &[usize], learning_rate: f64, masks: &mut Masks) -> Tensor<B, 2> {
        let traced: Vec<Tensor<Autodiff<B>, 2>> =
            self.parameters.iter().map(|p| Tensor::from_inner(p.value.clone()).require_grad()).collect();
        let indices = self.indices(rows);
        let vectors = match &self.inputs.train {
            Inputs::Frozen(matrix) => Tensor::from_inner(matrix.clone().select(0, indices.clone())),
            Inputs::Tuned(bags) => {
                let batch = BagBatch::<B>::new(bags, rows, &self.device);
                let vectors = pool(traced[0].clone(), Tensor::from_inner(batch.ids), Tensor::from_inner(batch.weights));
                if batch.normalize { normalize(vectors) } else { vectors }
            }
            Inputs::Mixed(matrix, layers) => {
                let vectors = Tensor::from_inner(matrix.clone().select(0, indices.clone()));
                mix(vectors, *layers, traced[0].clone(), traced[1].clone())
            }
        };
        let head = &traced[self.inputs.train.arrays()..];
        let logits = forward(&self.steps, head, vectors, |rate, shape| Some(masks.draw(rate, shape, &self.device)));
        let targets = self.targets.clone().select(0, indices); // [batch, outputs]
        let gradient = self.loss.gradient(logits.clone().inner(), targets);
        let mut gradients = (logits.clone() * Tensor::from_inner(gradient)).sum().backward();
        self.steps_done += 1;
        for (parameter, traced) in self.parameters.iter_mut().zip(traced) {
            if let Some(gradient) = traced.grad_remove(&mut gradients) {
                let value = traced.inner();
                parameter.value =
                    self.optimizer.apply(&mut parameter.memory, value, gradient, learning_rate, self.steps_done);
            }
        }
        logits.inner()
    }

    fn indices(&self, rows: &[usize]) -> Tensor<B, 1, Int> {
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let count = rows.len();
        Tensor::from_data(TensorData::new(rows, [count]), &self.device)
    }

    /// The logits of the rows `first..last` of a split, nothing dropped.
    fn evaluate(&self, inputs: &Inputs<B>, first: usize, last: usize) -> Tensor<B, 2> {
        let values: Vec<Tensor<B, 2>> = self.parameters.iter().map(|p| p.value.clone()).collect();
        let vectors = match inputs {
            Inputs::Frozen(matrix) => matrix.clone().narrow(0, first, last - first),
            Inputs::Tuned(bags) => {
                let rows: Vec<usize> = (first..last).collect();
                let batch = BagBatch::<B>::new(bags, &rows, &self.device);
                let vectors = pool(values[0].clone(), batch.ids, batch.weights);
                if batch.normalize { normalize(vectors) } else { vectors }
            }
            Inputs::Mixed(matrix, layers) => {
                let vectors = matrix.clone().narrow(0, first, last - first);
                mix(vectors, *layers, values[0].clone(), values[1].clone())
            }
        };
        forward(&self.steps, &values[inputs.arrays()..], vectors, |_, _| None)
    }
}

impl<B: Backend> Engine for AutodiffEngine<B> {
    fn train_epoch(&mut self, epoch: u32, order: &[usize], batch_size: usize, learning_rate: f64) -> Matrix {
        let mut masks = Masks(Substream::new(self.seed, &format!("dropout/epoch/{epoch}")));
        let logits = order.chunks(batch_size).map(|rows| self.step(rows, learning_rate, &mut masks)).collect();
        download(logits)
    }

    fn logits(&mut self, split: SplitName) -> Matrix {
        let Some(inputs) = self.inputs.get(split) else { return Matrix::zeros(0, self.targets.dims()[1]) };
        let rows = inputs.rows();
        let chunk = |first: usize| self.evaluate(inputs, first, rows.min(first + EVALUATION_ROWS));
        download((0..rows).step_by(EVALUATION_ROWS).map(chunk).collect())
    }

    fn weights(&self) -> Weights {
        let tensor = |p: &Parameter<B>| weights::Tensor {
            name: p.name.clone(),
            shape: p.shape.clone(),
            values: floats(p.value.clone()),
        };
        Weights(self.parameters.iter().map(tensor).collect())
    }

    fn load(&mut self, weights: &Weights) {
        for (parameter, tensor) in self.parameters.iter_mut().zip(&weights.0) {
            parameter.value = as_matrix(tensor, &self.device);
        }
    }
}

/// The forward pass, `[batch, dim]` -> `[batch, outputs]`. `arrays` holds kernel and bias of each
/// dense step in turn; `mask` gives a dropout mask of a shape, or nothing where nothing is dropped.
fn forward<B: Backend>(
    steps: &[Step],
    arrays: &[Tensor<B, 2>],
    vectors: Tensor<B, 2>,
    mut mask: impl FnMut(f32, [usize; 2]) -> Option<TensorData>,
) -> Tensor<B, 2> {
    let mut arrays = arrays.chunks_exact(2);
    let mut x = vectors;
    for step in steps {
        x = match step {
            Step::Dense { activation, .. } => {
                let [kernel, bias] = arrays.next().expect("two arrays for each dense step") else {
                    unreachable!("chunks of two")
                };
                activate(*activation, x.matmul(kernel.clone()) + bias.clone()) // [batch, units]
            }
            Step::Dropout { rate, .. } => match mask(*rate, x.dims()) {
                Some(mask) => {
                    let mask = Tensor::from_data(mask, &x.device());
                    x * mask
                }
                None => x,
            },
        };
    }
    x
}

fn activate<B: Backend>(activation: Activation, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// weights `[texts, tokens]` x `table[ids]` `[tokens, dim]` -> `[texts, dim]`
fn pool<B: Backend>(table: Tensor<B, 2>, ids: Tensor<B, 1, Int>, weights: Tensor<B, 2>) -> Tensor<B, 2> {
    weights.matmul(table.select(0, ids))
}

/// `gamma * softmax(weights) . layers`: layers `[texts, layers * dim]`, weights `[1, layers]`, gamma `[1, 1]` -> `[texts, dim]`
fn mix<B: Backend>(vectors: Tensor<B, 2>, layers: usize, weights: Tensor<B, 2>, gamma: Tensor<B, 2>) -> Tensor<B, 2> {
    let [texts, width] = vectors.dims();
    let shares = (softmax(weights, 1) * gamma).reshape([1, layers, 1]);
    (vectors.reshape([texts, layers, width / layers]) * shares).sum_dim(1).reshape([texts, width / layers])
}

/// Every row scaled to length 1, `[texts, dim]`; the row 0 stays, and passes no gradient that isn't finite.
fn normalize<B: Backend>(vectors: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = vectors.clone().powi_scalar(2).sum_dim(1).clamp_min(SMALLEST_SQUARE).sqrt(); // [texts, 1]
    vectors / length
}

/// Dropout masks, drawn on the host so that every device drops the same.
struct Masks(Substream);

impl Masks {
    /// 0 with probability `rate`, else 1 / (1 - rate), `shape`.
    fn draw<D>(&mut self, rate: f32, shape: [usize; 2], _: &D) -> TensorData {
        let kept = 1.0 / (1.0 - rate);
        let values = (0..shape[0] * shape[1]).map(|_| if self.0.unit() < rate { 0.0 } else { kept }).collect();
        TensorData::new::<f32, _>(values, shape)
    }
}

/// A host array on the device as a matrix; a vector becomes `[1, units]`.
fn as_matrix<B: Backend>(tensor: &weights::Tensor, device: &B::Device) -> Tensor<B, 2> {
    let cols = tensor.shape.last().copied().unwrap_or(1);
    let rows = tensor.values.len() / cols.max(1);
    Tensor::from_data(TensorData::new(tensor.values.clone(), [rows, cols]), device)
}

/// The chunks one below the other, on the host, in one transfer.
fn download<B: Backend>(chunks: Vec<Tensor<B, 2>>) -> Matrix {
    let whole = Tensor::cat(chunks, 0);
    let [rows, cols] = whole.dims();
    Matrix::new(rows, cols, floats(whole))
}

fn floats<B: Backend>(tensor: Tensor<B, 2>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().to_vec().expect("floats after conversion to floats")
}
