//! The engine that trains a sentence encoder on pairs of texts, without a head.
//!
//! The loss of a pair is the square of what the cosine of its vectors lacks to 1 if the labels are equal, and to 0 if they
//! aren't: sentence-transformers' `CosineSimilarityLoss`, which SetFit trains with.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::{Substream, TokenSequences};
use emberline_encoder::fine_tune::{self, DeviceEncoder, HostEncoder};

use super::super::parameter::{floats, with_rank};
use super::arrays::{Gradients, TrainedArrays, UpdateSettings, added};
use crate::Error;
use crate::contrastive::Pair;
use crate::optimizer::StepOptimizer;
use crate::settings::{Adam, Clip, EncoderTraining};
use crate::weights::{TrainingState, Weights};

/// The least square of the length that a vector is divided by; the root of zero would have no slope.
const LEAST_SQUARE: f32 = 1e-16;

/// What an encoder is trained on pairs with.
pub(crate) struct PairSpec<'a> {
    pub(crate) host: &'a HostEncoder,
    pub(crate) training: EncoderTraining,
    /// The token ids of the texts.
    pub(crate) sequences: &'a TokenSequences,
    /// The arrays that are trained, with the values from which they start.
    pub(crate) start: &'a Weights,
    pub(crate) clip: Clip,
    pub(crate) seed: u64,
}

/// Trains an encoder on pairs.
pub(crate) trait PairEngine {
    /// Takes a step on several batches of pairs, at a share of the encoder's learning rate. Returns the mean loss.
    fn step(&mut self, batches: &[&[Pair]], share_of_rate: f64) -> f64;

    /// Returns the present values, with the optimiser's state.
    fn state(&self) -> TrainingState;

    /// Continues from a state.
    fn resume(&mut self, state: &TrainingState);

    /// Returns the present values.
    fn weights(&self) -> Weights;
}

/// A sentence encoder whose arrays are Burn tensors.
pub(in crate::engine) struct BurnPairEngine<'a, B: Backend> {
    spec: &'a PairSpec<'a>,
    device_encoder: DeviceEncoder<burn::backend::Autodiff<B>>,
    arrays: TrainedArrays<B>,
    device: B::Device,
}

impl<'a, B: Backend> BurnPairEngine<'a, B> {
    /// Builds the engine.
    ///
    /// # Errors
    /// If the frozen arrays can't be read, or there is no memory for them.
    pub(in crate::engine) fn new(spec: &'a PairSpec<'a>, device: B::Device, is_host: bool) -> Result<Self, Error> {
        let PairSpec { host, training, start, clip, .. } = *spec;
        let learning_rate = training.learning_rate;
        let optimizer = StepOptimizer::Adam(Adam { learning_rate, epsilon: 1e-8, ..Adam::default() });
        let settings = UpdateSettings { optimizer, training, clip: Some(clip) };
        let device_encoder = DeviceEncoder::new(host, device.clone())?;
        let arrays = TrainedArrays::new(host, start, settings, device.clone(), is_host);
        Ok(Self { spec, device_encoder, arrays, device })
    }

    /// Computes the loss of a batch, and the gradients of its mean loss times `share`.
    fn gradients(&self, pairs: &[Pair], share: f64, dropout: &mut Substream) -> (f64, Gradients<B>) {
        let tracked = self.arrays.tracked();
        // A text that occurs in several pairs is encoded once.
        let mut rows: Vec<usize> = pairs.iter().flat_map(|pair| pair.rows).collect();
        rows.sort_unstable();
        rows.dedup();
        let ids: Vec<&[u32]> = rows.iter().map(|&row| self.spec.sequences.of_text(row)).collect();
        let rate = self.spec.training.dropout;
        let dropout = (rate > 0.0).then_some(fine_tune::Dropout { rate, stream: dropout });
        let vectors = self.device_encoder.forward(&tracked, &ids, dropout); // [texts, dim]
        let lengths = (vectors.clone() * vectors.clone()).sum_dim(1).clamp_min(LEAST_SQUARE).sqrt();
        let directions = vectors / lengths;
        let sides = [0, 1].map(|side| {
            let place = |pair: &Pair| rows.partition_point(|&row| row < pair.rows[side]) as i64;
            let places = TensorData::new(pairs.iter().map(place).collect(), [pairs.len()]);
            directions.clone().select(0, Tensor::<_, 1, Int>::from_data(places, &self.device))
        });
        let [left, right] = sides;
        let cosines = (left * right).sum_dim(1); // [pairs, 1]
        let wanted = pairs.iter().map(|pair| f32::from(u8::from(pair.equal))).collect::<Vec<f32>>();
        let lacks = cosines - Tensor::from_data(TensorData::new(wanted, [pairs.len(), 1]), &self.device);
        let loss = (lacks.clone() * lacks).mean();
        let value: Tensor<B, 3> = with_rank(loss.clone().inner().reshape([1, 1]));
        let gradients = self.arrays.gradients(&(loss * share), tracked);
        (f64::from(floats(value)[0]), gradients)
    }
}

impl<B: Backend> PairEngine for BurnPairEngine<'_, B> {
    fn step(&mut self, batches: &[&[Pair]], share_of_rate: f64) -> f64 {
        let pairs: usize = batches.iter().map(|batch| batch.len()).sum();
        let mut dropout =
            Substream::new(self.spec.seed, &format!("dropout/contrastive/step/{}", self.arrays.steps_done()));
        let (mut loss, mut sums) = (0.0, Vec::new());
        for batch in batches {
            let share = batch.len() as f64 / pairs as f64;
            let (of_batch, gradients) = self.gradients(batch, share, &mut dropout);
            loss += of_batch * share;
            sums = if sums.is_empty() { gradients } else { added(sums, gradients) };
        }
        self.arrays.update(sums, self.spec.training.learning_rate * share_of_rate);
        loss
    }

    fn state(&self) -> TrainingState {
        self.arrays.state()
    }

    fn resume(&mut self, state: &TrainingState) {
        self.arrays.resume(state);
    }

    fn weights(&self) -> Weights {
        self.arrays.weights()
    }
}
