//! Trains heads: runs epochs until the callbacks or the settings end a fit, then scores its best epoch. [`FitRequest`]
//! -> [`FitState`] -> [`FittedModel`].

use std::time::Instant;

use emberline_base::record::Epoch;
use emberline_base::{Matrix, SplitName, Task};
use emberline_device::{Device, memory};
use rayon::prelude::*;

use crate::Error;
use crate::checkpoint::CheckpointAction;
use crate::contrastive;
use crate::converged;
use crate::engine::{self, BuildEngine, Engine, EngineSpec, EpochInput};
use crate::fit_state::FitState;
use crate::head::Architecture;
use crate::objective::Objective;
use crate::optimizer::StepOptimizer;
use crate::request::{FitRequest, FittedModel};
use crate::settings::Optimizer;
use crate::spec::FitSpec;
use crate::weights::Weights;

/// The implementation that computes the steps of a fit.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The fastest engine that the device has for the head.
    Fastest,
    /// Burn's tensors and automatic differentiation: the reference with which tests and benchmarks compare the other
    /// engines.
    Burn,
}

/// Trains heads, and the tables of fine-tuned features. Several fits must share a [`Shape`](crate::Shape): on a GPU,
/// each step of all of them is one computation; on the CPU, each takes its own steps. A fit that has ended is no longer
/// trained. Each fit gives the same bytes as if it were trained alone, except on Burn's tensors, where sums are rounded
/// in another order.
///
/// # Errors
/// When no fit can start: their shapes differ, the settings don't fit the data, or there is not enough memory. The
/// inner errors are those that end a single fit.
///
/// A fit by L-BFGS must be the only one; it is computed on the CPU, whatever the device is.
pub fn fit(requests: Vec<FitRequest<'_, '_>>, device: Device) -> Result<Vec<Result<FittedModel, Error>>, Error> {
    fit_with(EngineChoice::Fastest, requests, device)
}

/// Trains like [`fit()`], on a given engine.
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
    let is_contrastive = |request: &FitRequest<'_, '_>| request.spec.contrastive().is_some();
    let requests = match <[FitRequest<'_, '_>; 1]>::try_from(requests) {
        Ok([request]) if is_contrastive(&request) => return Ok(vec![contrastive::fit(engine, request, device)]),
        Ok([request]) => vec![request],
        Err(several) => several,
    };
    let mut states: Vec<FitState<'_, '_>> = requests.into_iter().map(FitState::new).collect();
    if let [state] = states.as_slice()
        && let Optimizer::Lbfgs(settings) = &state.request.spec.train.optimizer
    {
        return Ok(states.into_iter().map(|state| converged::fit(state, settings)).collect());
    }
    let fitted = fit_states(build, &mut states, device);
    states.iter_mut().for_each(FitState::fail);
    fitted
}

/// Trains all states, and drains those whose fits have ended, successfully or not.
fn fit_states(
    build: BuildEngine,
    states: &mut Vec<FitState<'_, '_>>,
    device: Device,
) -> Result<Vec<Result<FittedModel, Error>>, Error> {
    let mut clock = Clock(Instant::now());
    let specs: Vec<&FitSpec<'_>> = states.iter().map(|state| state.request.spec).collect();
    let objective = objective_of_all(&specs)?;
    let needed = specs.iter().map(|spec| spec.memory()).fold(0, u64::saturating_add);
    let _reserved = memory::reserve(needed).map_err(|lack| match specs[0].encoder {
        Some(_) => Error::EncoderMemory(lack),
        None => lack.into(),
    })?;
    let architecture = specs[0].architecture();
    let starts =
        specs.iter().map(|spec| spec.starting_weights(&architecture)).collect::<Result<Vec<Weights>, Error>>()?;
    let optimizers: Vec<StepOptimizer> = specs.iter().filter_map(|spec| spec.train.optimizer.stepwise()).collect();
    let each = specs.iter().zip(&optimizers).zip(&starts);
    let engine_specs: Vec<EngineSpec<'_>> = each
        .map(|((spec, optimizer), start)| engine_spec(spec, &architecture, (&objective, optimizer), start))
        .collect();
    let mut engine = build(device, &engine_specs)?;
    resume(engine.as_mut(), states, &starts);
    let setup_seconds = clock.share(states.len());
    run_epochs(engine.as_mut(), states, &objective, &mut clock);
    let best: Vec<&Weights> = states.iter().zip(&starts).map(|(state, start)| state.best_weights(start)).collect();
    engine.load(&best);
    let [valid, test] = [SplitName::Valid, SplitName::Test].map(|split| engine.logits(split));
    fail_diverged(engine.as_mut(), states, &starts, &objective);
    let seconds = setup_seconds + clock.share(states.len());
    states.iter_mut().for_each(|state| state.seconds += seconds);
    let finish = |((state, valid), test)| FitState::finish(state, &objective, valid, test);
    Ok(states.drain(..).zip(valid).zip(test).map(finish).collect())
}

/// Fails the fits that have diverged. The logits of the untrained models are only computed if a loss is suspiciously
/// high.
fn fail_diverged(engine: &mut dyn Engine, states: &mut [FitState<'_, '_>], starts: &[Weights], objective: &Objective) {
    let untrained = states.iter().find(|state| state.is_suspect()).map(|suspect| {
        engine.load(&starts.iter().collect::<Vec<_>>());
        engine.logits(suspect.divergence_split())
    });
    for (place, state) in states.iter_mut().enumerate() {
        state.fail_if_diverged(objective, untrained.as_ref().map(|logits| &logits[place]));
    }
}

fn engine_spec<'a>(
    spec: &'a FitSpec<'a>,
    architecture: &'a Architecture,
    (objective, optimizer): (&'a Objective, &'a StepOptimizer),
    weights: &'a Weights,
) -> EngineSpec<'a> {
    let FitSpec { train, seed, features, targets, .. } = spec;
    let (seed, batch_size, targets) = (*seed, train.batch_size as usize, &targets.train);
    let (clip, l2) = (train.clip, train.l2.unwrap_or(0.0));
    let encoder = spec.encoder.map(|host| (host, train.encoder_training(host.scope())));
    EngineSpec { architecture, optimizer, objective, clip, l2, batch_size, seed, features, targets, weights, encoder }
}

/// Returns the objective of specs that can be trained together.
fn objective_of_all(specs: &[&FitSpec<'_>]) -> Result<Objective, Error> {
    let have_equal_shapes = |pair: &[&FitSpec<'_>]| pair[0].shape().is_some_and(|shape| pair[1].shape() == Some(shape));
    if let Some(Err(why)) = specs.first().map(|spec| spec.objective()) {
        return Err(Error::Unsupported(why));
    }
    if specs.is_empty() || !specs.windows(2).all(have_equal_shapes) {
        return Err(Error::Unsupported("fits of different shapes can't be trained as one".into()));
    }
    if specs.iter().any(|spec| spec.task == Task::MultiClass && spec.decision.threshold.is_some()) {
        let why =
            "a text has one of several classes here, and the most probable one is predicted; remove `decide.threshold`";
        return Err(Error::Unsupported(why.into()));
    }
    specs[0].objective().map_err(Error::Unsupported)
}

/// A clock that divides elapsed time equally among fits.
struct Clock(Instant);

impl Clock {
    /// Returns an equal share of the time since the last call, in seconds.
    fn share(&mut self, among: usize) -> f64 {
        let share = self.0.elapsed().as_secs_f64() / among as f64;
        self.0 = Instant::now();
        share
    }
}

fn run_epochs(engine: &mut dyn Engine, states: &mut [FitState<'_, '_>], objective: &Objective, clock: &mut Clock) {
    let mut number = states.iter().map(|state| state.history.len() as u32).max().unwrap_or(0);
    let mut running: Vec<&mut FitState<'_, '_>> = states.iter_mut().filter(|state| state.ended.is_none()).collect();
    while !running.is_empty() {
        number += 1;
        run_epoch(engine, &mut running, objective, number);
        let seconds = clock.share(running.len());
        running.iter_mut().for_each(|state| state.seconds += seconds);
        save_checkpoints(engine, &mut running);
        let stay: Vec<usize> = (0..running.len()).filter(|&place| running[place].ended.is_none()).collect();
        if !stay.is_empty() && stay.len() < running.len() {
            engine.retain(&stay);
        }
        running.retain(|state| state.ended.is_none());
    }
}

/// Resumes a fit that is trained alone from its checkpoint, if there is one. Fits that are trained together start over,
/// since they would have to be interrupted after the same epoch.
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
    if let Err(lack) = memory::check_available(needed) {
        actions.into_iter().for_each(|(place, action)| running[place].skip_checkpoint(&lack, action));
        return;
    }
    for ((place, action), state) in actions.into_iter().zip(engine.states(&places)) {
        running[place].save_checkpoint(state, action);
    }
}

fn run_epoch(engine: &mut dyn Engine, running: &mut [&mut FitState<'_, '_>], objective: &Objective, number: u32) {
    let started = Instant::now();
    let input = |(spec, learning_rate): &(&FitSpec<'_>, f64)| EpochInput {
        order: spec.epoch_order(number),
        learning_rates: spec.learning_rates(number, *learning_rate),
    };
    let specs = running.iter().map(|state| (state.request.spec, state.control.learning_rate));
    let inputs = on_all_cores(&specs.collect::<Vec<_>>(), input);
    // An epoch's record has the learning rate of its last step.
    let last_rates: Vec<Option<f64>> = inputs.iter().map(|input| input.learning_rates.last().copied()).collect();
    let train = engine.train_epoch(number, &inputs);
    let valid = engine.logits(SplitName::Valid);
    let specs = running.iter().map(|state| state.request.spec).zip(inputs).zip(train).zip(valid);
    let score = |(((spec, input), train), valid): &(((&FitSpec<'_>, EpochInput), Matrix), Matrix)| {
        spec.scores(objective, &input.order, train, valid)
    };
    let scores = on_all_cores(&specs.collect::<Vec<_>>(), score);
    let seconds = started.elapsed().as_secs_f64() / running.len() as f64;
    let mut improved = Vec::new();
    for (((place, state), (train, valid)), rate) in running.iter_mut().enumerate().zip(scores).zip(last_rates) {
        let learning_rate = rate.unwrap_or(state.control.learning_rate);
        if state.record_epoch(Epoch { epoch: number, learning_rate, seconds, train, valid }) {
            improved.push(place);
        }
    }
    if !improved.is_empty() {
        let old = improved.iter().map(|&place| std::mem::take(&mut running[place].best.weights)).collect();
        let weights = engine.weights(&improved, old);
        improved.into_iter().zip(weights).for_each(|(place, weights)| running[place].best.weights = weights);
    }
    running.iter_mut().for_each(|state| state.end_epoch());
}

/// Applies `f` to each item. Several items are processed on all cores, since a GPU trains models faster than one core
/// scores them.
fn on_all_cores<T: Sync, U: Send>(items: &[T], f: impl Fn(&T) -> U + Sync) -> Vec<U> {
    match items {
        [one] => vec![f(one)],
        several => several.par_iter().map(&f).collect(),
    }
}
