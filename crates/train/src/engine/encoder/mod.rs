//! The engine that trains a sentence encoder together with its head, one model alone.
//!
//! Token ids of batches enter; autodiff differentiates the encoder's forward pass and the head's. The encoder's arrays come
//! first among the parameters and have a learning rate and a weight decay of their own. Scores are computed by the encoder
//! that the trained values make and by the inference kernels, as a saved model computes them later.

mod arrays;
mod pairs;

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_base::{Features, Matrix, SplitName, Splits, Substream, TokenSequences};
use emberline_encoder::fine_tune::{self, DeviceEncoder, HostEncoder};
use emberline_encoder::sentence_transformer::SentenceTransformer;

use self::arrays::{Gradients, TrainedArrays, UpdateSettings, added};
pub(super) use self::pairs::BurnPairEngine;
pub(crate) use self::pairs::{PairEngine, PairSpec};
use super::dense::{Network, Vectors};
use super::dropout::Dropout;
use super::forward::{Masks, forward};
use super::parameter::{download, with_rank};
use super::{Engine, EngineSpec, EpochInput};
use crate::Error;
use crate::head::Architecture;
use crate::objective::Objective;
use crate::settings::EncoderTraining;
use crate::weights::{TrainingState, Weights};

/// A sentence encoder and its head, whose arrays are Burn tensors.
pub(super) struct EncoderEngine<'a, B: Backend> {
    host: &'a HostEncoder,
    device_encoder: DeviceEncoder<Autodiff<B>>,
    architecture: &'a Architecture,
    training: EncoderTraining,
    objective: &'a Objective,
    l2: f64,
    batch_size: usize,
    seed: u64,
    features: &'a Splits<Features>,
    targets: &'a Matrix,
    arrays: TrainedArrays<B>,
    /// The encoder of the present values, made when it is needed.
    tuned: Option<SentenceTransformer>,
    device: B::Device,
}

/// The logits of a batch, `[1, batch, outputs]`, and the gradient of every parameter that has one.
type BatchGradients<B> = (Tensor<B, 3>, Gradients<B>);

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
        let settings = UpdateSettings { optimizer: spec.optimizer.clone(), training, clip: spec.clip };
        Ok(Self {
            host,
            device_encoder: DeviceEncoder::new(host, device.clone())?,
            architecture: spec.architecture,
            training,
            objective: spec.objective,
            l2: spec.l2,
            batch_size: spec.batch_size,
            seed: spec.seed,
            features: spec.features,
            targets: spec.targets,
            arrays: TrainedArrays::new(host, spec.weights, settings, device.clone(), is_host),
            tuned: None,
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
        let gradients = self.arrays.penalised(self.l2, sums);
        self.tuned = None;
        self.arrays.update(gradients, learning_rate);
        logits
    }

    /// Computes the gradients of a batch's mean loss, times `share`.
    fn gradients(&self, rows: &[usize], share: f64, dropout: &mut EpochDropout) -> BatchGradients<B> {
        let tracked = self.arrays.tracked();
        let (of_encoder, of_head) = self.arrays.divided(&tracked);
        let sequences = sequences(&self.features.train);
        let ids: Vec<&[u32]> = rows.iter().map(|&row| sequences.of_text(row)).collect();
        let rate = self.training.dropout;
        let encoder_dropout = (rate > 0.0).then_some(fine_tune::Dropout { rate, stream: &mut dropout.encoder });
        let vectors = self.device_encoder.forward(of_encoder, &ids, encoder_dropout); // [batch, dim]
        let masks = &mut dropout.head;
        let logits = forward(&self.architecture.steps, of_head, vectors, |rate, shape| Some(masks.draw(rate, shape)));
        let values: Tensor<B, 3> = with_rank(logits.clone().inner());
        let gradient = self.objective.gradient(values.clone(), self.targets_of(rows)) * share;
        let loss = (logits * Tensor::from_inner(with_rank(gradient))).sum();
        (values, self.arrays.gradients(&loss, tracked))
    }

    /// Returns the targets of rows, `[1, rows, outputs]`.
    fn targets_of(&self, rows: &[usize]) -> Tensor<B, 3> {
        let targets = self.targets.select(rows);
        let shape = [1, targets.rows(), targets.cols()];
        Tensor::from_data(TensorData::new(targets.into_values(), shape), &self.device)
    }

    /// Returns the logits of texts as a saved model computes them, `[texts, outputs]`.
    fn evaluate(&mut self, sequences: &TokenSequences) -> Result<Matrix, Error> {
        let weights = self.arrays.weights();
        if !weights.is_finite() {
            // As a head's would be; the fit has diverged.
            let (rows, cols) = (sequences.texts(), self.targets.cols());
            return Ok(Matrix::new(rows, cols, vec![f32::NAN; rows * cols]));
        }
        if self.tuned.is_none() {
            self.tuned = Some(weights.tuned(self.host)?);
        }
        let encoder = self.tuned.as_ref().expect("it was just made");
        let vectors = encoder.encode_tokens(sequences)?;
        let network = Network::new(self.architecture, &weights)?;
        Ok(network.logits(&Vectors::Fixed(&vectors))?)
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
        positions.iter().map(|_| self.arrays.weights()).collect()
    }

    fn retain(&mut self, positions: &[usize]) {
        // A fit that has ended keeps its arrays until better ones are loaded.
        assert!(positions.len() <= 1, "an encoder is trained alone");
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.arrays.load(weights[0]);
        self.tuned = None;
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        positions.iter().map(|_| self.arrays.state()).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        self.arrays.resume(states[0]);
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
