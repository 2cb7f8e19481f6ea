//! The engine on Burn's tensors and autodiff, for every kind of layer and every device.
//!
//! All active models take a step as one computation on arrays `[models, ...]`: a device that is bound by kernel
//! launches does the work of many models in the time of one. A fine-tuned table, or a mix of layers, is trained alone.

use burn::backend::Autodiff;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::{Matrix, SplitName, Splits};

use super::dropout::Dropout;
use super::forward::{Masks, forward};
use super::inputs::{BagBatch, Inputs};
use super::parameter::{Parameter, clipped, download, floats, parameters, with_rank, with_states};
use super::stack::Stack;
use super::{Engine, EngineSpec, EpochInput};
use crate::head::Step;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::Clip;
use crate::weights::{self, TrainingState, Weights};

/// The number of rows whose logits are computed at once during evaluation.
const EVALUATION_ROWS: usize = 256;

/// The minimum sum of squares by which a row is scaled.
const SMALLEST_SQUARE: f32 = 1e-24;

/// Models whose arrays are Burn tensors.
pub(super) struct AutodiffEngine<B: Backend> {
    steps: Vec<Step>,
    optimizer: StepOptimizer,
    objective: Objective,
    clip: Option<Clip>,
    l2: f64,
    batch_size: usize,
    /// The seed of every model.
    seeds: Vec<u64>,
    inputs: Splits<Inputs<B>>,
    targets: Stack<B>,
    /// The trained arrays of the active models: a fine-tuned table, or mix and gamma, first; then two of every layer that
    /// has some: kernel and bias, or gamma and beta.
    parameters: Vec<Parameter<B>>,
    /// The indices of the active models.
    models: Vec<usize>,
    steps_done: u32,
    device: B::Device,
}

impl<B: Backend> AutodiffEngine<B> {
    /// Builds the engine for at least one model, all of one shape.
    pub(super) fn new(specs: &[EngineSpec<'_>], device: B::Device) -> Self {
        let first = &specs[0];
        let EngineSpec {
            architecture,
            optimizer,
            objective,
            clip,
            l2,
            batch_size,
            seed: _,
            features,
            targets: _,
            weights: _,
            encoder: _,
        } = first;
        let inputs = features.map(|split, _| {
            let of_split: Vec<_> = specs.iter().filter_map(|spec| spec.features.get(split)).collect();
            Inputs::new(&of_split, &device)
        });
        let targets: Vec<&Matrix> = specs.iter().map(|spec| spec.targets).collect();
        let weights: Vec<&Weights> = specs.iter().map(|spec| spec.weights).collect();
        Self {
            steps: architecture.steps.clone(),
            optimizer: (*optimizer).clone(),
            objective: (*objective).clone(),
            clip: *clip,
            l2: *l2,
            batch_size: *batch_size,
            seeds: specs.iter().map(|spec| spec.seed).collect(),
            inputs,
            targets: Stack::new(&targets, &device),
            parameters: parameters(&weights, &device),
            models: (0..specs.len()).collect(),
            steps_done: 0,
            device,
        }
    }

    /// Takes one step on one batch per model. Returns the batches' logits, `[models, batch, outputs]`.
    fn step(&mut self, rows: &[&[usize]], learning_rates: &[f64], masks: &mut Masks) -> Tensor<B, 3> {
        match self.models.len() {
            1 => self.step_of_rank::<2>(rows, learning_rates, masks), // Some backends add a bias faster at rank 2.
            _ => self.step_of_rank::<3>(rows, learning_rates, masks),
        }
    }

    /// Takes the step on arrays of rank `R`: 2 without the axis of models, 3 with it.
    fn step_of_rank<const R: usize>(
        &mut self,
        rows: &[&[usize]],
        learning_rates: &[f64],
        masks: &mut Masks,
    ) -> Tensor<B, 3> {
        let track = |p: &Parameter<B>| Tensor::<Autodiff<B>, R>::from_inner(with_rank(p.value.clone())).require_grad();
        let tracked: Vec<Tensor<Autodiff<B>, R>> = self.parameters.iter().map(track).collect();
        let vectors = match &self.inputs.train {
            Inputs::Frozen(stack) => Tensor::from_inner(with_rank(self.gather(stack, rows))),
            Inputs::Trainable(bags) => {
                let batch = BagBatch::<B>::new(bags, rows[0], &self.device);
                let (ids, weights) = (Tensor::from_inner(batch.ids), Tensor::from_inner(batch.weights));
                with_rank(pool(with_rank(tracked[0].clone()), ids, weights, batch.normalize))
            }
            Inputs::Mixed(stack, layers) => {
                let vectors = Tensor::from_inner(with_rank(self.gather(stack, rows)));
                with_rank(mix(vectors, *layers, with_rank(tracked[0].clone()), with_rank(tracked[1].clone())))
            }
        };
        let head = &tracked[self.inputs.train.embedding_arrays()..];
        let logits = forward(&self.steps, head, vectors, |rate, shape| Some(masks.draw(rate, shape)));
        let values: Tensor<B, 3> = with_rank(logits.clone().inner());
        let gradient = with_rank(self.objective.gradient(values.clone(), self.gather(&self.targets, rows)));
        let mut gradients = (logits * Tensor::from_inner(gradient)).sum().backward();
        self.steps_done += 1;
        let gradients: Vec<Option<Tensor<B, 3>>> = self
            .parameters
            .iter()
            .zip(tracked)
            .map(|(parameter, tracked)| {
                let gradient = tracked.grad_remove(&mut gradients)?.reshape(parameter.value.dims());
                Some(parameter.penalised(self.l2, gradient))
            })
            .collect();
        let gradients = clipped(self.clip, gradients);
        let step_sizes = self.optimizer.step_sizes(learning_rates, self.steps_done, &self.device);
        for (parameter, gradient) in self.parameters.iter_mut().zip(gradients) {
            if let Some(gradient) = gradient {
                let value = parameter.value.clone();
                parameter.value = self.optimizer.apply(&mut parameter.state, value, gradient, &step_sizes);
            }
        }
        values
    }

    /// Downloads one array per parameter for the active models at these positions.
    fn arrays(&self, positions: &[usize], of: impl Fn(&Parameter<B>) -> Tensor<B, 3>) -> Vec<Weights> {
        let mut all = vec![Weights(Vec::with_capacity(self.parameters.len())); positions.len()];
        for parameter in &self.parameters {
            let values = floats(of(parameter).select(0, index_tensor(positions, &self.device)));
            let each = values.chunks_exact(values.len() / positions.len().max(1));
            for (weights, values) in all.iter_mut().zip(each) {
                let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
                weights.0.push(weights::Tensor { name, shape, values: values.to_vec() });
            }
        }
        all
    }

    /// Returns rows of the active models, `[models, rows, cols]`.
    fn gather(&self, stack: &Stack<B>, rows: &[&[usize]]) -> Tensor<B, 3> {
        stack.gather(self.models.len(), integers(stack.indices(&self.models, rows), &self.device))
    }

    /// Returns the logits of the rows `first..last` of a split, without dropout, `[models, rows, outputs]`.
    fn evaluate(&self, inputs: &Inputs<B>, first: usize, last: usize) -> Tensor<B, 3> {
        let values: Vec<Tensor<B, 3>> = self.parameters.iter().map(|p| p.value.clone()).collect();
        let rows: Vec<usize> = (first..last).collect();
        let of_all = vec![rows.as_slice(); self.models.len()];
        let vectors = match inputs {
            Inputs::Frozen(stack) => self.gather(stack, &of_all),
            Inputs::Trainable(bags) => {
                let batch = BagBatch::<B>::new(bags, &rows, &self.device);
                pool(with_rank(values[0].clone()), batch.ids, batch.weights, batch.normalize).unsqueeze()
            }
            Inputs::Mixed(stack, layers) => {
                let vectors = with_rank(self.gather(stack, &of_all));
                mix(vectors, *layers, with_rank(values[0].clone()), with_rank(values[1].clone())).unsqueeze()
            }
        };
        forward(&self.steps, &values[inputs.embedding_arrays()..], vectors, |_, _| None)
    }
}

impl<B: Backend> Engine for AutodiffEngine<B> {
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let mut masks = Masks(self.models.iter().map(|&model| Dropout::new(self.seeds[model], epoch)).collect());
        let count = inputs.first().map_or(0, |input| input.order.len());
        let batch_size = self.batch_size;
        let batches = (0..count).step_by(batch_size).map(|first| first..count.min(first + batch_size)).enumerate();
        let logits = batches.map(|(step, batch)| {
            let learning_rates: Vec<f64> = inputs.iter().map(|input| input.learning_rates[step]).collect();
            let rows: Vec<&[usize]> = inputs.iter().map(|input| &input.order[batch.clone()]).collect();
            self.step(&rows, &learning_rates, &mut masks)
        });
        download(logits.collect())
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        let Some(inputs) = self.inputs.get(split) else {
            return vec![Matrix::zeros(0, self.targets.cols()); self.models.len()];
        };
        let rows = inputs.rows();
        let chunk = |first: usize| self.evaluate(inputs, first, rows.min(first + EVALUATION_ROWS));
        download((0..rows).step_by(EVALUATION_ROWS).map(chunk).collect())
    }

    fn weights(&self, positions: &[usize], _: Vec<Weights>) -> Vec<Weights> {
        self.arrays(positions, |parameter| parameter.value.clone())
    }

    fn retain(&mut self, positions: &[usize]) {
        let indices = index_tensor(positions, &self.device);
        for parameter in &mut self.parameters {
            parameter.value = parameter.value.clone().select(0, indices.clone());
            parameter.state.select(&indices);
        }
        self.models = positions.iter().map(|&position| self.models[position]).collect();
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.parameters = parameters(weights, &self.device);
        self.models = (0..weights.len()).collect();
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        let values = self.weights(positions, Vec::new());
        let [first, second] = [0, 1].map(|at| self.arrays(positions, |p| p.state.arrays(&p.value)[at].clone()));
        let state =
            |((values, first), second)| TrainingState { parts: [values, first, second], steps: self.steps_done };
        values.into_iter().zip(first).zip(second).map(state).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        self.parameters = with_states(states, &self.device);
        self.models = (0..states.len()).collect();
        self.steps_done = states.first().map_or(0, |state| state.steps);
    }
}

/// Pools bags: weights `[texts, tokens]` x `table[ids]` `[tokens, dim]` -> `[texts, dim]`, each scaled to length 1 if
/// `normalized`.
fn pool<B: Backend>(
    table: Tensor<B, 2>,
    ids: Tensor<B, 1, Int>,
    weights: Tensor<B, 2>,
    normalized: bool,
) -> Tensor<B, 2> {
    let vectors = weights.matmul(table.select(0, ids));
    if normalized { normalize(vectors) } else { vectors }
}

/// `gamma * softmax(weights) . layers`: layers `[texts, layers * dim]`, weights `[1, layers]`, gamma `[1, 1]` -> `[texts, dim]`
fn mix<B: Backend>(vectors: Tensor<B, 2>, layers: usize, weights: Tensor<B, 2>, gamma: Tensor<B, 2>) -> Tensor<B, 2> {
    let [texts, width] = vectors.dims();
    let shares = (softmax(weights, 1) * gamma).reshape([1, layers, 1]);
    (vectors.reshape([texts, layers, width / layers]) * shares).sum_dim(1).reshape([texts, width / layers])
}

/// Scales every row to length 1, `[texts, dim]`; a row of zeros stays, and its gradient is finite.
fn normalize<B: Backend>(vectors: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = vectors.clone().powi_scalar(2).sum_dim(1).clamp_min(SMALLEST_SQUARE).sqrt(); // [texts, 1]
    vectors / length
}

fn integers<B: Backend>(values: Vec<i32>, device: &B::Device) -> Tensor<B, 1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn index_tensor<B: Backend>(positions: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    integers(positions.iter().map(|&position| position as i32).collect(), device)
}
