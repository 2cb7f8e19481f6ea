//! The engine that trains a sentence encoder together with its head, one model alone.
//!
//! Token ids of batches enter; autodiff differentiates the encoder's forward pass and the head's. The encoder's arrays come
//! first among the parameters and have a learning rate and a weight decay of their own. Scores are computed by the encoder
//! that the trained values make and by the inference kernels, as a saved model computes them later.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_base::{Features, Matrix, SplitName, Splits, Substream, TokenSequences};
use emberline_encoder::fine_tune::{self, DeviceEncoder, HostEncoder};
use emberline_encoder::sentence_transformer::SentenceTransformer;

use super::dense::{AnyRule, Network, Vectors};
use super::dropout::Dropout;
use super::forward::{Masks, forward};
use super::host_update::{self, ArrayRule};
use super::parameter::{Parameter, clipped, download, floats, parameters, with_rank, with_states};
use super::{Engine, EngineSpec, EpochInput};
use crate::Error;
use crate::head::Architecture;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::settings::{Clip, EncoderTraining};
use crate::weights::{self, TrainingState, Weights};

/// A sentence encoder and its head, whose arrays are Burn tensors.
pub(super) struct EncoderEngine<'a, B: Backend> {
    host: &'a HostEncoder,
    device_encoder: DeviceEncoder<Autodiff<B>>,
    architecture: &'a Architecture,
    optimizer: StepOptimizer,
    training: EncoderTraining,
    objective: &'a Objective,
    clip: Option<Clip>,
    l2: f64,
    batch_size: usize,
    seed: u64,
    features: &'a Splits<Features>,
    targets: &'a Matrix,
    /// The trained arrays of the encoder, then two of every layer of the head that has some.
    parameters: Vec<Parameter<B>>,
    /// How many of the parameters are the encoder's.
    encoder_arrays: usize,
    steps_done: u32,
    /// The encoder of the present values, made when it is needed.
    tuned: Option<SentenceTransformer>,
    /// Whether the backend's tensors are in host memory, where one pass updates an array.
    is_host: bool,
    device: B::Device,
}

/// The logits of a batch, `[1, batch, outputs]`, and the gradient of every parameter that has one.
type BatchGradients<B> = (Tensor<B, 3>, Vec<Option<Tensor<B, 3>>>);

/// The random streams of an epoch: the head's dropout and the encoder's.
struct EpochDropout {
    head: Masks,
    encoder: Substream,
}

impl<'a, B: Backend> EncoderEngine<'a, B> {
    /// Builds the engine for the encoder that the spec's token ids are for.
    ///
    /// # Errors
    /// If the frozen arrays can't be read, or there is no memory for them.
    pub(super) fn new(
        spec: &EngineSpec<'a>,
        (host, training): (&'a HostEncoder, EncoderTraining),
        device: B::Device,
        is_host: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            host,
            device_encoder: DeviceEncoder::new(host, device.clone())?,
            architecture: spec.architecture,
            optimizer: spec.optimizer.clone(),
            training,
            objective: spec.objective,
            clip: spec.clip,
            l2: spec.l2,
            batch_size: spec.batch_size,
            seed: spec.seed,
            features: spec.features,
            targets: spec.targets,
            parameters: parameters(&[spec.weights], &device),
            encoder_arrays: host.shapes().len(),
            steps_done: 0,
            tuned: None,
            is_host,
            device,
        })
    }

    /// Takes one step on several batches of rows. Returns the logits of each batch, `[1, batch, outputs]`.
    fn step(&mut self, batches: &[&[usize]], learning_rate: f64, dropout: &mut EpochDropout) -> Vec<Tensor<B, 3>> {
        let rows: usize = batches.iter().map(|rows| rows.len()).sum();
        let (mut logits, mut sums) = (Vec::with_capacity(batches.len()), Vec::new());
        for batch in batches {
            let (of_batch, gradients) = self.gradients(batch, batch.len() as f64 / rows as f64, dropout);
            logits.push(of_batch);
            sums = if sums.is_empty() { gradients } else { added(sums, gradients) };
        }
        let penalised = |(parameter, gradient): (&Parameter<B>, Option<Tensor<B, 3>>)| {
            gradient.map(|gradient| parameter.penalised(self.l2, gradient))
        };
        let gradients = self.parameters.iter().zip(sums).map(penalised).collect();
        self.update(gradients, learning_rate);
        logits
    }

    /// Computes the gradients of a batch's mean loss, times `share`.
    fn gradients(&self, rows: &[usize], share: f64, dropout: &mut EpochDropout) -> BatchGradients<B> {
        let track = |p: &Parameter<B>| Tensor::<Autodiff<B>, 2>::from_inner(with_rank(p.value.clone())).require_grad();
        let tracked: Vec<Tensor<Autodiff<B>, 2>> = self.parameters.iter().map(track).collect();
        let (of_encoder, of_head) = tracked.split_at(self.encoder_arrays);
        let sequences = sequences(&self.features.train);
        let ids: Vec<&[u32]> = rows.iter().map(|&row| sequences.of_text(row)).collect();
        let rate = self.training.dropout;
        let encoder_dropout = (rate > 0.0).then_some(fine_tune::Dropout { rate, stream: &mut dropout.encoder });
        let vectors = self.device_encoder.forward(of_encoder, &ids, encoder_dropout); // [batch, dim]
        let masks = &mut dropout.head;
        let logits = forward(&self.architecture.steps, of_head, vectors, |rate, shape| Some(masks.draw(rate, shape)));
        let values: Tensor<B, 3> = with_rank(logits.clone().inner());
        let gradient = self.objective.gradient(values.clone(), self.targets_of(rows)) * share;
        let mut gradients = (logits * Tensor::from_inner(with_rank(gradient))).sum().backward();
        let each = self
            .parameters
            .iter()
            .zip(tracked)
            .map(|(parameter, tracked)| Some(tracked.grad_remove(&mut gradients)?.reshape(parameter.value.dims())));
        (values, each.collect())
    }

    /// Returns the targets of rows, `[1, rows, outputs]`.
    fn targets_of(&self, rows: &[usize]) -> Tensor<B, 3> {
        let targets = self.targets.select(rows);
        let shape = [1, targets.rows(), targets.cols()];
        Tensor::from_data(TensorData::new(targets.into_values(), shape), &self.device)
    }

    /// Updates all parameters. The encoder's learning rate changes from step to step as the head's does.
    fn update(&mut self, gradients: Vec<Option<Tensor<B, 3>>>, learning_rate: f64) {
        self.steps_done += 1;
        self.tuned = None;
        let encoder_rate = self.training.learning_rate * (learning_rate / self.optimizer.learning_rate());
        let decay = (1.0 - encoder_rate * self.training.weight_decay) as f32;
        let of_encoder = self.optimizer.without_decay();
        let rules = [(&of_encoder, encoder_rate), (&self.optimizer, learning_rate)];
        // Whether an array is the head's, and its factor before the step. Biases and normalisations have one axis, and no decay;
        // the head's decay is part of its optimiser.
        let count = self.encoder_arrays;
        let group = |(at, array): (usize, &Parameter<B>)| match at < count {
            true => (0, if array.shape.len() > 1 { decay } else { 1.0 }),
            false => (1, 1.0),
        };
        let groups: Vec<(usize, f32)> = self.parameters.iter().enumerate().map(group).collect();
        if self.is_host {
            let of_groups = rules.map(|(optimizer, rate)| AnyRule::of(optimizer, rate, self.steps_done));
            let rules = groups.into_iter().map(|(group, decay)| ArrayRule { rule: of_groups[group], decay });
            return host_update::update(self.parameters.iter_mut().zip(rules), gradients, self.clip);
        }
        let sizes = rules.map(|(optimizer, rate)| optimizer.step_sizes::<B>(&[rate], self.steps_done, &self.device));
        let arrays = self.parameters.iter_mut().zip(groups);
        for ((array, (group, decay)), gradient) in arrays.zip(clipped(self.clip, gradients)) {
            let Some(gradient) = gradient else { continue };
            let value = array.value.clone() * decay;
            array.value = rules[group].0.apply(&mut array.state, value, gradient, &sizes[group]);
        }
    }

    /// Returns the logits of texts as a saved model computes them, `[texts, outputs]`.
    fn evaluate(&mut self, sequences: &TokenSequences) -> Result<Matrix, Error> {
        let weights = self.arrays(|parameter| parameter.value.clone());
        if self.tuned.is_none() {
            let arrays: Vec<&[f32]> =
                weights.0[..self.encoder_arrays].iter().map(|array| array.values.as_slice()).collect();
            self.tuned = Some(self.host.tuned(&arrays)?);
        }
        let encoder = self.tuned.as_ref().expect("it was just made");
        let vectors = encoder.encode_tokens(sequences)?;
        let network = Network::new(self.architecture, &weights)?;
        Ok(network.logits(&Vectors::Fixed(&vectors))?)
    }

    /// Downloads one array per parameter.
    fn arrays(&self, of: impl Fn(&Parameter<B>) -> Tensor<B, 3>) -> Weights {
        let array = |parameter: &Parameter<B>| {
            let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
            weights::Tensor { name, shape, values: floats(of(parameter)) }
        };
        Weights(self.parameters.iter().map(array).collect())
    }
}

impl<B: Backend> Engine for EncoderEngine<'_, B> {
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let [EpochInput { order, learning_rates }] = inputs else { unreachable!("an encoder is trained alone") };
        let encoder = Substream::new(self.seed, &format!("dropout/encoder/epoch/{epoch}"));
        let mut dropout = EpochDropout { head: Masks(vec![Dropout::new(self.seed, epoch)]), encoder };
        let rows_per_step = self.batch_size.saturating_mul(self.training.accumulate as usize);
        let mut logits = Vec::new();
        for (rows, &learning_rate) in order.chunks(rows_per_step).zip(learning_rates) {
            let batches: Vec<&[usize]> = rows.chunks(self.batch_size).collect();
            logits.extend(self.step(&batches, learning_rate, &mut dropout));
        }
        download(logits)
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        let features = self.features;
        let Some(features) = features.get(split) else { return vec![Matrix::zeros(0, self.targets.cols())] };
        vec![self.evaluate(sequences(features)).unwrap_or_else(|error| panic!("{error}"))]
    }

    fn weights(&self, positions: &[usize], _: Vec<Weights>) -> Vec<Weights> {
        positions.iter().map(|_| self.arrays(|parameter| parameter.value.clone())).collect()
    }

    fn retain(&mut self, positions: &[usize]) {
        // A fit that has ended keeps its arrays until better ones are loaded.
        assert!(positions.len() <= 1, "an encoder is trained alone");
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.parameters = parameters(weights, &self.device);
        self.tuned = None;
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        let state = |_: &usize| {
            let values = self.arrays(|parameter| parameter.value.clone());
            let [first, second] = [0, 1].map(|at| self.arrays(|p| p.state.arrays(&p.value)[at].clone()));
            TrainingState { parts: [values, first, second], steps: self.steps_done }
        };
        positions.iter().map(state).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        self.parameters = with_states(states, &self.device);
        self.steps_done = states.first().map_or(0, |state| state.steps);
        self.tuned = None;
    }
}

/// Returns the token ids of features.
fn sequences(features: &Features) -> &TokenSequences {
    match features {
        Features::Tokens { sequences, .. } => sequences,
        Features::Frozen(_) | Features::Trainable(_) | Features::Mixed(_) => {
            unreachable!("an encoder is trained on token ids")
        }
    }
}

/// Adds the gradients of two batches.
fn added<B: Backend>(
    sums: Vec<Option<Tensor<B, 3>>>,
    gradients: Vec<Option<Tensor<B, 3>>>,
) -> Vec<Option<Tensor<B, 3>>> {
    let add = |(sum, gradient): (Option<Tensor<B, 3>>, Option<Tensor<B, 3>>)| match (sum, gradient) {
        (Some(sum), Some(gradient)) => Some(sum + gradient),
        (sum, gradient) => sum.or(gradient),
    };
    sums.into_iter().zip(gradients).map(add).collect()
}
