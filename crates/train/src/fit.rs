//! Trains heads: epochs until the callbacks or the settings end a fit, then the scores of its best epoch. [`FitSpec`] ->
//! [`FitState`] -> [`FittedModel`].

use std::collections::BTreeMap;
use std::time::Instant;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Matrix, Monitor, SplitName, Splits};
use emberline_device::{Device, memory};
use rayon::prelude::*;

use crate::Error;
use crate::callback::Callback;
use crate::checkpoint::{CheckpointAction, Checkpointer};
use crate::engine::{self, Build, Engine, EngineSpec, EpochInput};
use crate::fit_state::FitState;
use crate::head::Architecture;
use crate::settings::Loss;
use crate::spec::FitSpec;
use crate::weights::Weights;

/// A finished fit.
#[derive(Clone, Debug)]
pub struct FittedModel {
    /// Every epoch, in order.
    pub history: Vec<Epoch>,
    /// The epoch whose weights are kept; 1 for the first.
    pub best_epoch: u32,
    /// Why training ended.
    pub stopped: Stop,
    /// The layers that the weights belong to.
    pub architecture: Architecture,
    /// The weights of the best epoch.
    pub weights: Weights,
    /// The probability from which on an output counts as positive, chosen on validation; 0.5 where there is none. Empty
    /// for tasks that need no threshold.
    pub thresholds: Vec<f64>,
    /// The scores of the best epoch: `loss`, `accuracy` as measured while training, `val_loss`, ...,
    /// `test_loss`, ...
    pub metrics: BTreeMap<String, f64>,
    /// The logits of the best epoch, `[rows, outputs]`; none for the training rows.
    pub logits: Splits<Matrix>,
    /// Wall time, in seconds; of fits that are trained together, an equal share of what they took.
    pub seconds: f64,
}

/// A fit to be made, and what observes it.
pub struct FitRequest<'r, 'c> {
    /// What decides its numbers.
    pub spec: &'r FitSpec<'r>,
    /// Callbacks, notified after every epoch.
    pub callbacks: &'r mut [Box<dyn Callback + 'c>],
    /// Saves checkpoints. Without one, an interrupted fit starts over.
    pub checkpointer: Option<&'r mut dyn Checkpointer>,
}

/// The arithmetic that a fit runs on.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The fastest engine of the device for the head.
    Fastest,
    /// Burn's tensors and automatic differentiation: the reference that tests and benchmarks hold the other engines to.
    Burn,
}

/// Trains heads, and the tables of fine-tuned features. Several fits must share a [`Shape`](crate::Shape): on a GPU, every
/// step of all of them is one computation; on the CPU each takes its own steps. A fit that has ended is no longer trained.
/// Each comes to the bytes that it would have come to alone; on Burn's tensors, except for the rounding of sums in another
/// order.
///
/// # Errors
/// When no fit can begin: their shapes differ, settings and data don't fit, or there is no memory. The inner errors are
/// those that end a single fit.
pub fn fit(requests: Vec<FitRequest<'_, '_>>, device: Device) -> Result<Vec<Result<FittedModel, Error>>, Error> {
    fit_with(EngineChoice::Fastest, requests, device)
}

/// Trains as [`fit()`], on a chosen engine.
///
/// # Errors
/// Those of [`fit()`].
#[doc(hidden)]
pub fn fit_with(
    engine: EngineChoice,
    requests: Vec<FitRequest<'_, '_>>,
    device: Device,
) -> Result<Vec<Result<FittedModel, Error>>, Error> {
    let build = match engine {
        EngineChoice::Fastest => engine::build,
        EngineChoice::Burn => engine::build_burn,
    };
    let mut states: Vec<FitState<'_, '_>> = requests.into_iter().map(FitState::new).collect();
    let fitted = fit_states(build, &mut states, device);
    states.iter_mut().for_each(FitState::fail);
    fitted
}

/// Takes the states whose fits have ended, well or not.
fn fit_states(
    build: Build,
    states: &mut Vec<FitState<'_, '_>>,
    device: Device,
) -> Result<Vec<Result<FittedModel, Error>>, Error> {
    let mut clock = Clock(Instant::now());
    let specs: Vec<&FitSpec<'_>> = states.iter().map(|state| state.request.spec).collect();
    let loss = loss_of_all(&specs)?;
    let _reserved = memory::reserve(specs.iter().map(|spec| spec.memory()).fold(0, u64::saturating_add))?;
    let architecture = specs[0].architecture();
    let starts =
        specs.iter().map(|spec| spec.starting_weights(&architecture)).collect::<Result<Vec<Weights>, Error>>()?;
    let engine_specs: Vec<EngineSpec<'_>> =
        specs.iter().zip(&starts).map(|(spec, start)| engine_spec(spec, &architecture, loss, start)).collect();
    let mut engine = build(device, &engine_specs)?;
    resume(engine.as_mut(), states, &starts);
    let setting_up = clock.share(states.len());
    run_epochs(engine.as_mut(), states, loss, &mut clock);
    let best: Vec<&Weights> = states.iter().zip(&starts).map(|(state, start)| state.best_weights(start)).collect();
    engine.load(&best);
    let [valid, test] = [SplitName::Valid, SplitName::Test].map(|split| engine.logits(split));
    judge(engine.as_mut(), states, &starts, loss);
    let seconds = setting_up + clock.share(states.len());
    states.iter_mut().for_each(|state| state.seconds += seconds);
    let finish = |((state, valid), test)| FitState::finish(state, loss, valid, test);
    Ok(states.drain(..).zip(valid).zip(test).map(finish).collect())
}

/// Fails the fits that have diverged. The untrained models are only computed where a loss is suspiciously high.
fn judge(engine: &mut dyn Engine, states: &mut [FitState<'_, '_>], starts: &[Weights], loss: Loss) {
    let untrained = states.iter().find(|state| state.is_suspect()).map(|suspect| {
        engine.load(&starts.iter().collect::<Vec<_>>());
        engine.logits(suspect.judged_by())
    });
    for (place, state) in states.iter_mut().enumerate() {
        state.judge(loss, untrained.as_ref().map(|logits| &logits[place]));
    }
}

fn engine_spec<'a>(
    spec: &'a FitSpec<'a>,
    architecture: &'a Architecture,
    loss: Loss,
    weights: &'a Weights,
) -> EngineSpec<'a> {
    let FitSpec { train, seed, features, targets, .. } = spec;
    let (optimizer, batch_size) = (&train.optimizer, train.batch_size as usize);
    let (seed, targets) = (*seed, &targets.train);
    EngineSpec { architecture, optimizer, loss, batch_size, seed, features, targets, weights }
}

/// The loss, for specs that can be trained together.
fn loss_of_all(specs: &[&FitSpec<'_>]) -> Result<Loss, Error> {
    let alike = |pair: &[&FitSpec<'_>]| pair[0].shape().is_some_and(|shape| pair[1].shape() == Some(shape));
    if specs.is_empty() || !specs.windows(2).all(alike) {
        return Err(Error::Unsupported("fits of different shapes can't be trained as one".into()));
    }
    specs[0].train.loss_for(specs[0].task).map_err(Error::Unsupported)
}

/// Divides measured time equally among the fits that it was spent on.
struct Clock(Instant);

impl Clock {
    /// An equal share of the time since the last call, in seconds.
    fn share(&mut self, among: usize) -> f64 {
        let share = self.0.elapsed().as_secs_f64() / among as f64;
        self.0 = Instant::now();
        share
    }
}

fn run_epochs(engine: &mut dyn Engine, states: &mut [FitState<'_, '_>], loss: Loss, clock: &mut Clock) {
    let mut number = states.iter().map(|state| state.history.len() as u32).max().unwrap_or(0);
    let mut running: Vec<&mut FitState<'_, '_>> = states.iter_mut().filter(|state| state.ended.is_none()).collect();
    while !running.is_empty() {
        number += 1;
        run_epoch(engine, &mut running, loss, number);
        let seconds = clock.share(running.len());
        running.iter_mut().for_each(|state| state.seconds += seconds);
        save_checkpoints(engine, &mut running);
        let stay: Vec<usize> = (0..running.len()).filter(|&place| running[place].ended.is_none()).collect();
        if !stay.is_empty() && stay.len() < running.len() {
            engine.keep(&stay);
        }
        running.retain(|state| state.ended.is_none());
    }
}

/// Resumes a fit that is trained alone from its checkpoint, if there is one. Fits that are trained together start over: they
/// would have to have been interrupted after the same epoch.
fn resume(engine: &mut dyn Engine, states: &mut [FitState<'_, '_>], starts: &[Weights]) {
    let ([state], [start]) = (states, starts) else { return };
    let saved = state.request.checkpointer.as_mut().and_then(|checkpointer| checkpointer.resume());
    if let Some(checkpoint) = saved.and_then(|checkpoint| checkpoint.in_order_of(start)) {
        engine.resume(&[&checkpoint.state]);
        state.replay(checkpoint);
    }
}

fn save_checkpoints(engine: &mut dyn Engine, running: &mut [&mut FitState<'_, '_>]) {
    let action = |(place, state): (usize, &mut &mut FitState<'_, '_>)| Some((place, state.checkpoint_action()?));
    let actions: Vec<(usize, CheckpointAction)> = running.iter_mut().enumerate().filter_map(action).collect();
    if actions.is_empty() {
        return;
    }
    let places: Vec<usize> = actions.iter().map(|(place, _)| *place).collect();
    let needed =
        places.iter().map(|&place| running[place].request.spec.checkpoint_memory()).fold(0, u64::saturating_add);
    if let Err(lack) = memory::look_for(needed) {
        actions.into_iter().for_each(|(place, action)| running[place].skip_checkpoint(&lack, action));
        return;
    }
    for ((place, action), state) in actions.into_iter().zip(engine.states(&places)) {
        running[place].save_checkpoint(state, action);
    }
}

fn run_epoch(engine: &mut dyn Engine, running: &mut [&mut FitState<'_, '_>], loss: Loss, number: u32) {
    let started = Instant::now();
    let input = |(spec, learning_rate): &(&FitSpec<'_>, f64)| EpochInput {
        order: spec.epoch_order(number),
        learning_rate: *learning_rate,
    };
    let specs = running.iter().map(|state| (state.request.spec, state.control.learning_rate));
    let inputs = on_all_cores(&specs.collect::<Vec<_>>(), input);
    let train = engine.train_epoch(number, &inputs);
    let valid = engine.logits(SplitName::Valid);
    let specs = running.iter().map(|state| state.request.spec).zip(inputs).zip(train).zip(valid);
    let score = |(((spec, input), train), valid): &(((&FitSpec<'_>, EpochInput), Matrix), Matrix)| {
        spec.scores(loss, &input.order, train, valid)
    };
    let scores = on_all_cores(&specs.collect::<Vec<_>>(), score);
    let seconds = started.elapsed().as_secs_f64() / running.len() as f64;
    let mut better = Vec::new();
    for ((place, state), (train, valid)) in running.iter_mut().enumerate().zip(scores) {
        let learning_rate = state.control.learning_rate;
        if state.note(Epoch { epoch: number, learning_rate, seconds, train, valid }) {
            better.push(place);
        }
    }
    if !better.is_empty() {
        let old = better.iter().map(|&place| std::mem::take(&mut running[place].best.weights)).collect();
        let weights = engine.weights(&better, old);
        better.into_iter().zip(weights).for_each(|(place, weights)| running[place].best.weights = weights);
    }
    running.iter_mut().for_each(|state| state.end_epoch());
}

/// Applies `f` to each item; several items on all cores, since a GPU trains models faster than one core scores them.
fn on_all_cores<T: Sync, U: Send>(items: &[T], f: impl Fn(&T) -> U + Sync) -> Vec<U> {
    match items {
        [one] => vec![f(one)],
        several => several.par_iter().map(&f).collect(),
    }
}

/// The value of a monitor in an epoch.
pub(crate) fn measured(epoch: &Epoch, monitor: Monitor) -> Result<f64, Error> {
    let unmeasured = |why| Error::Unmeasured { monitor, why };
    let scores = match (monitor.valid, &epoch.valid) {
        (false, _) => &epoch.train,
        (true, Some(valid)) => valid,
        (true, None) => return Err(unmeasured("there is no validation split")),
    };
    scores.get(&monitor.metric).copied().ok_or_else(|| unmeasured("the rows lack a class that it needs"))
}
