//! Trains a sentence encoder on pairs of texts, and then a head on the vectors of the trained encoder: SetFit (Tunstall et al.,
//! "Efficient few-shot learning without prompts", 2022).
//!
//! A [`FitRequest`] enters whose features are token ids; a [`FittedModel`] leaves that is the head's fit on frozen vectors,
//! with the encoder's arrays before the head's. As SetFit does, the rate rises during the first tenth of the steps and then
//! falls towards zero, both linearly, and the gradient of a step is scaled down to a length of at most 1.

mod draw;

use std::time::Instant;

use emberline_base::record::Contrastive as Record;
use emberline_base::{CancellationToken, Features, Matrix, Splits, TokenSequences};
use emberline_device::{Device, memory};
use emberline_encoder::fine_tune::HostEncoder;

use crate::Error;
use crate::callback::PairProgress;
use crate::checkpoint::{Checkpoint, CheckpointAction, Checkpointer};
use crate::divergence::Divergence;
use crate::engine::{self, PairEngine, PairSpec};
use crate::fit::{EngineChoice, fit_with};
use crate::request::{FitRequest, FittedModel};
use crate::settings::{Clip, Train};
use crate::spec::FitSpec;
use crate::weights::Weights;

pub(crate) use self::draw::Pair;
pub use self::draw::check_pairs;

/// The share of all steps during which the learning rate rises.
const WARMUP: f64 = 0.1;
/// The greatest length of a step's gradient.
const CLIP: Clip = Clip::Norm(1.0);
/// The number of steps between two notifications of callbacks.
const NOTIFY_EVERY: usize = 10;

/// A trained encoder.
struct Tuned {
    arrays: Weights,
    /// The vectors of all texts.
    vectors: Splits<Features>,
    record: Record,
}

/// Trains the encoder of a request on pairs, and then its head.
///
/// # Errors
/// If the labels give no pairs, training diverges, a setting doesn't suit the data, there is not enough memory, or the fit was
/// interrupted.
pub(crate) fn fit(engine: EngineChoice, mut request: FitRequest<'_, '_>, device: Device) -> Result<FittedModel, Error> {
    let tuned = match tune(&mut request, device) {
        Ok(tuned) => tuned,
        Err(error) => {
            if !matches!(error, Error::Interrupted) {
                request.callbacks.iter_mut().for_each(|callback| callback.on_failure());
            }
            return Err(error);
        }
    };
    let Tuned { arrays: Weights(mut arrays), vectors, record } = tuned;
    let train = Train { contrastive: None, ..request.spec.train.clone() };
    let spec = FitSpec { train: &train, features: &vectors, encoder: None, ..request.spec.clone() };
    let mut of_head = request.checkpointer.map(HeadCheckpointer);
    let checkpointer = of_head.as_mut().map(|checkpointer| checkpointer as &mut dyn Checkpointer);
    let of_head = vec![FitRequest { spec: &spec, callbacks: request.callbacks, checkpointer }];
    let mut fitted = fit_with(engine, of_head, device)?.pop().expect("one request gives one fit")?;
    arrays.append(&mut fitted.weights.0);
    let seconds = record.seconds + fitted.seconds;
    Ok(FittedModel { weights: Weights(arrays), contrastive: Some(record), seconds, ..fitted })
}

/// Trains the encoder of a request on pairs.
fn tune(request: &mut FitRequest<'_, '_>, device: Device) -> Result<Tuned, Error> {
    let spec = request.spec;
    let (settings, host) = spec.contrastive().expect("the caller has looked");
    let _reserved = memory::reserve(spec.memory()).map_err(Error::EncoderMemory)?;
    let pairs = draw::pairs(spec.task, &spec.targets.train, settings, spec.seed)?;
    let start = Weights(spec.embedding_weights()?);
    let training = spec.train.encoder_training(host.scope());
    let sequences = tokens(&spec.features.train)?;
    let pair_spec = PairSpec { host, training, sequences, start: &start, clip: CLIP, seed: spec.seed };
    let mut engine = engine::build_pairs(device, &pair_spec)?;
    let batch_size = settings.batch_size as usize;
    let steps: Vec<&[Pair]> = pairs.chunks(batch_size.saturating_mul(training.accumulate as usize)).collect();
    let seconds = train(engine.as_mut(), &steps, batch_size, training.learning_rate, request, &start)?;
    let finished = Instant::now();
    let arrays = engine.weights();
    drop(engine);
    if !arrays.is_finite() {
        let steps = steps.len() as u32;
        return Err(Divergence::Pairs { step: steps, steps, learning_rate: training.learning_rate }.into());
    }
    let vectors = vectors(spec, host, &arrays)?;
    let loss = mean_loss(&pairs, frozen(&vectors.train));
    let seconds = seconds + finished.elapsed().as_secs_f64();
    let record = Record { pairs: pairs.len() as u64, steps: steps.len() as u32, loss, seconds };
    Ok(Tuned { arrays, vectors, record })
}

/// Takes all steps, or those that are left after a checkpoint. Returns the wall time, also of earlier processes.
fn train(
    engine: &mut dyn PairEngine,
    steps: &[&[Pair]],
    batch_size: usize,
    learning_rate: f64,
    request: &mut FitRequest<'_, '_>,
    start: &Weights,
) -> Result<f64, Error> {
    let started = Instant::now();
    let saved = request.checkpointer.as_mut().and_then(|checkpointer| checkpointer.resume());
    let saved = saved.and_then(|checkpoint| checkpoint.of_pairs(start));
    let (first, seconds_before) = saved.map_or((0, 0.0), |checkpoint| {
        engine.resume(&checkpoint.state);
        (checkpoint.state.steps as usize, checkpoint.seconds)
    });
    for (at, pairs) in steps.iter().enumerate().skip(first) {
        let batches: Vec<&[Pair]> = pairs.chunks(batch_size).collect();
        let loss = engine.step(&batches, share_of_rate(at, steps.len()));
        if !loss.is_finite() {
            let (step, steps) = (at as u32 + 1, steps.len() as u32);
            return Err(Divergence::Pairs { step, steps, learning_rate }.into());
        }
        let is_last = at + 1 == steps.len();
        if is_last || at.is_multiple_of(NOTIFY_EVERY) {
            let progress = PairProgress { step: at as u32 + 1, steps: steps.len() as u32, loss };
            request.callbacks.iter_mut().for_each(|callback| callback.on_pairs(&progress));
        }
        let seconds = || seconds_before + started.elapsed().as_secs_f64();
        if let Some(checkpointer) = request.checkpointer.as_deref_mut() {
            save(engine, checkpointer, request.spec.checkpoint_memory(), is_last, seconds())?;
        }
    }
    Ok(seconds_before + started.elapsed().as_secs_f64())
}

/// Saves a checkpoint if the checkpointer asks for one, or if the last step was taken: the head's fit has none of its own.
fn save(
    engine: &dyn PairEngine,
    checkpointer: &mut dyn Checkpointer,
    bytes: u64,
    is_last: bool,
    seconds: f64,
) -> Result<(), Error> {
    let action = checkpointer.next_action();
    if action == CheckpointAction::Continue && !is_last {
        return Ok(());
    }
    match memory::check_available(bytes) {
        Err(lack) => checkpointer.on_skip(&lack),
        Ok(()) => {
            let checkpoint =
                Checkpoint { history: Vec::new(), seconds, state: engine.state(), best: Weights::default() };
            checkpointer.save(&checkpoint)?;
        }
    }
    if action == CheckpointAction::SaveAndStop { Err(Error::Interrupted) } else { Ok(()) }
}

/// Returns the share of the learning rate at a step, 0 for the first of `steps`. Every step has some, so that a single one trains.
fn share_of_rate(step: usize, steps: usize) -> f64 {
    let (step, steps) = (step as f64, steps as f64);
    let warmup = (WARMUP * steps).ceil();
    if step < warmup { (step + 1.0) / warmup } else { (steps - step) / (steps - warmup + 1.0) }
}

/// Returns the vectors of all texts by the trained encoder.
fn vectors(spec: &FitSpec<'_>, host: &HostEncoder, arrays: &Weights) -> Result<Splits<Features>, Error> {
    let encoder = arrays.tuned(host)?;
    let of = |features: &Features| -> Result<Features, Error> {
        Ok(Features::Frozen(encoder.encode_tokens(tokens(features)?)?))
    };
    let Splits { train, valid, test } = spec.features;
    Ok(Splits {
        train: of(train)?,
        valid: valid.as_ref().map(of).transpose()?,
        test: test.as_ref().map(of).transpose()?,
    })
}

/// Returns the mean loss of pairs, given the vectors of all rows.
fn mean_loss(pairs: &[Pair], vectors: &Matrix) -> f64 {
    let dot = |a: usize, b: usize| -> f64 {
        vectors.row(a).iter().zip(vectors.row(b)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let lengths: Vec<f64> = (0..vectors.rows()).map(|row| dot(row, row).sqrt().max(1e-8)).collect();
    let loss = |pair: &Pair| {
        let [a, b] = pair.rows;
        (dot(a, b) / (lengths[a] * lengths[b]) - f64::from(u8::from(pair.equal))).powi(2)
    };
    pairs.iter().map(loss).sum::<f64>() / pairs.len() as f64
}

/// Returns the token ids of features.
fn tokens(features: &Features) -> Result<&TokenSequences, Error> {
    match features {
        Features::Tokens { sequences, .. } => Ok(sequences),
        Features::Frozen(_) | Features::Trainable(_) | Features::Mixed(_) => {
            Err(Error::Unsupported("`contrastive` trains the encoder of a `sentence_transformer`".into()))
        }
    }
}

fn frozen(features: &Features) -> &Matrix {
    match features {
        Features::Frozen(vectors) => vectors,
        Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => unreachable!("vectors are frozen"),
    }
}

/// Interrupts the fit of the head, which starts over later from the checkpoint of the trained encoder.
struct HeadCheckpointer<'c>(&'c mut dyn Checkpointer);

impl Checkpointer for HeadCheckpointer<'_> {
    fn resume(&mut self) -> Option<Checkpoint> {
        None
    }

    fn next_action(&mut self) -> CheckpointAction {
        match self.0.next_action() {
            CheckpointAction::SaveAndStop => CheckpointAction::SaveAndStop,
            CheckpointAction::Save | CheckpointAction::Continue => CheckpointAction::Continue,
        }
    }

    fn save(&mut self, _: &Checkpoint) -> Result<(), Error> {
        Ok(())
    }

    fn interrupt(&self) -> Option<CancellationToken> {
        self.0.interrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_for_a_tenth_of_the_steps_and_then_falls() {
        let shares = |steps| (0..steps).map(|step| share_of_rate(step, steps)).collect::<Vec<_>>();
        assert_eq!(shares(1), [1.0]);
        assert_eq!(shares(4), [1.0, 0.75, 0.5, 0.25]);
        let twenty = shares(20);
        assert_eq!((twenty[0], twenty[1], twenty.len()), (0.5, 1.0, 20));
        assert!(twenty[1..].is_sorted_by(|a, b| a > b) && twenty[19] > 0.0, "{twenty:?}");
    }
}
