//! Fits, one or several beside each other: epochs until the callbacks or the settings end them, then the scores of the best
//! epoch of each.

use std::collections::BTreeMap;
use std::time::Instant;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Matrix, Monitor, SplitName, Splits};
use emberline_device::{Device, memory};
use rayon::prelude::*;

use crate::Error;
use crate::callback::Callback;
use crate::checkpoint::{Keeper, Wish};
use crate::engine::{self, Blueprint, Build, Engine, Turn};
use crate::head::Architecture;
use crate::job::Job;
use crate::member::Member;
use crate::settings::Loss;
use crate::weights::Weights;

/// A finished fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Every epoch, in order.
    pub history: Vec<Epoch>,
    /// The epoch whose weights are kept; 1 for the first.
    pub best_epoch: u32,
    /// Why training ended.
    pub stopped: Stop,
    /// The weights of the best epoch.
    pub weights: Weights,
    /// The scores of the best epoch: `loss`, `accuracy` as measured while training, `val_loss`, ...,
    /// `test_loss`, ...
    pub metrics: BTreeMap<String, f64>,
    /// The logits of the best epoch, `[rows, outputs]`; none for the training rows.
    pub logits: Splits<Matrix>,
    /// Wall time, in seconds; of fits beside each other, an equal share of what they took together.
    pub seconds: f64,
}

/// A fit to be made, and what watches it.
pub struct Watched<'w, 'c> {
    /// What decides its numbers.
    pub job: &'w Job<'w>,
    /// What is told of its epochs.
    pub callbacks: &'w mut [Box<dyn Callback + 'c>],
    /// What keeps its checkpoints; none: it can't be cut short.
    pub keeper: Option<&'w mut dyn Keeper>,
}

/// Trains a head, and the table where features are tuned.
///
/// # Errors
/// When the loss stops being a number, a callback can't do its work, or settings and data don't fit.
pub fn fit(job: &Job<'_>, device: Device, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Fit, Error> {
    fit_one(engine::build, job, device, callbacks)
}

/// Trains as [`fit()`], but always on Burn's tensors: what the processor's own step is measured against.
///
/// # Errors
/// Those of [`fit()`].
pub fn fit_on_burn(job: &Job<'_>, device: Device, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Fit, Error> {
    fit_one(engine::build_burn, job, device, callbacks)
}

/// Trains fits of one [`Shape`](crate::Shape) beside each other, those that have ended no longer. On a GPU, every step of all
/// of them is one computation; on the CPU each takes its own steps. Each comes to the bytes that [`fit()`] would have come to;
/// on Burn's tensors, but for the rounding of sums in another order.
///
/// # Errors
/// When none can begin: their shapes differ, or settings and data don't fit. What ends a single fit early is its own.
pub fn fit_together(watched: Vec<Watched<'_, '_>>, device: Device) -> Result<Vec<Result<Fit, Error>>, Error> {
    fit_all(engine::build, watched, device)
}

/// As [`fit_together`], but always as one computation on Burn's tensors, on the CPU too.
///
/// # Errors
/// Those of [`fit_together`].
pub fn fit_together_on_burn(watched: Vec<Watched<'_, '_>>, device: Device) -> Result<Vec<Result<Fit, Error>>, Error> {
    fit_all(engine::build_burn, watched, device)
}

fn fit_one(
    build: Build,
    job: &Job<'_>,
    device: Device,
    callbacks: &mut [Box<dyn Callback + '_>],
) -> Result<Fit, Error> {
    fit_all(build, vec![Watched { job, callbacks, keeper: None }], device)?.pop().expect("a fit for each job")
}

fn fit_all(build: Build, watched: Vec<Watched<'_, '_>>, device: Device) -> Result<Vec<Result<Fit, Error>>, Error> {
    let mut members: Vec<Member<'_, '_>> = watched.into_iter().map(Member::new).collect();
    let fitted = fit_members(build, &mut members, device);
    members.iter_mut().for_each(Member::fail);
    fitted
}

/// Takes the members whose fits have ended, well or not.
fn fit_members(
    build: Build,
    members: &mut Vec<Member<'_, '_>>,
    device: Device,
) -> Result<Vec<Result<Fit, Error>>, Error> {
    let mut clock = Clock(Instant::now());
    let jobs: Vec<&Job<'_>> = members.iter().map(|member| member.watched.job).collect();
    let loss = loss_of_all(&jobs)?;
    let _reserved = memory::reserve(jobs.iter().map(|job| job.memory()).fold(0, u64::saturating_add))?;
    let architecture = jobs[0].architecture();
    let starts = jobs.iter().map(|job| job.starting_weights(&architecture)).collect::<Result<Vec<Weights>, Error>>()?;
    let blueprints: Vec<Blueprint<'_>> =
        jobs.iter().zip(&starts).map(|(job, start)| blueprint(job, &architecture, loss, start)).collect();
    let mut engine = build(device, &blueprints)?;
    resume(engine.as_mut(), members, &starts);
    let setting_up = clock.share(members.len());
    run_epochs(engine.as_mut(), members, loss, &mut clock);
    let best: Vec<&Weights> = members.iter().zip(&starts).map(|(member, start)| member.best_weights(start)).collect();
    engine.load(&best);
    let [valid, test] = [SplitName::Valid, SplitName::Test].map(|split| engine.logits(split));
    judge(engine.as_mut(), members, &starts, loss);
    let seconds = setting_up + clock.share(members.len());
    members.iter_mut().for_each(|member| member.seconds += seconds);
    let finish = |((member, valid), test)| Member::finish(member, loss, valid, test);
    Ok(members.drain(..).zip(valid).zip(test).map(finish).collect())
}

/// Fails the fits that have diverged. The untrained models are only computed where a loss is suspiciously high.
fn judge(engine: &mut dyn Engine, members: &mut [Member<'_, '_>], starts: &[Weights], loss: Loss) {
    let untrained = members.iter().find(|member| member.is_suspect()).map(|suspect| {
        engine.load(&starts.iter().collect::<Vec<_>>());
        engine.logits(suspect.judged_by())
    });
    for (place, member) in members.iter_mut().enumerate() {
        member.judge(loss, untrained.as_ref().map(|logits| &logits[place]));
    }
}

fn blueprint<'a>(job: &'a Job<'a>, architecture: &'a Architecture, loss: Loss, weights: &'a Weights) -> Blueprint<'a> {
    let Job { train, seed, features, targets, .. } = job;
    let (optimizer, batch_size) = (&train.optimizer, train.batch_size as usize);
    let (seed, targets) = (*seed, &targets.train);
    Blueprint { architecture, optimizer, loss, batch_size, seed, features, targets, weights }
}

/// The loss, for jobs that can be trained beside each other.
fn loss_of_all(jobs: &[&Job<'_>]) -> Result<Loss, Error> {
    let alike = |pair: &[&Job<'_>]| pair[0].shape().is_some_and(|shape| pair[1].shape() == Some(shape));
    if jobs.is_empty() || !jobs.windows(2).all(alike) {
        return Err(Error::Unsupported("fits of different shapes can't be trained as one".into()));
    }
    jobs[0].train.loss_for(jobs[0].task).map_err(Error::Unsupported)
}

/// Shares the time that things take among those that take it together.
struct Clock(Instant);

impl Clock {
    /// An equal share of the time since the last call, in seconds.
    fn share(&mut self, among: usize) -> f64 {
        let share = self.0.elapsed().as_secs_f64() / among as f64;
        self.0 = Instant::now();
        share
    }
}

fn run_epochs(engine: &mut dyn Engine, members: &mut [Member<'_, '_>], loss: Loss, clock: &mut Clock) {
    let mut number = members.iter().map(|member| member.history.len() as u32).max().unwrap_or(0);
    let mut running: Vec<&mut Member<'_, '_>> = members.iter_mut().filter(|member| member.ended.is_none()).collect();
    while !running.is_empty() {
        number += 1;
        run_epoch(engine, &mut running, loss, number);
        let seconds = clock.share(running.len());
        running.iter_mut().for_each(|member| member.seconds += seconds);
        keep_checkpoints(engine, &mut running);
        let stay: Vec<usize> = (0..running.len()).filter(|&place| running[place].ended.is_none()).collect();
        if !stay.is_empty() && stay.len() < running.len() {
            engine.keep(&stay);
        }
        running.retain(|member| member.ended.is_none());
    }
}

/// A fit that is trained alone goes on from its checkpoint, where there is one. Those beside each other begin anew: they would
/// have to have been cut short after the same epoch.
fn resume(engine: &mut dyn Engine, members: &mut [Member<'_, '_>], starts: &[Weights]) {
    let ([member], [start]) = (members, starts) else { return };
    let kept = member.watched.keeper.as_mut().and_then(|keeper| keeper.resume());
    if let Some(checkpoint) = kept.and_then(|checkpoint| checkpoint.in_order_of(start)) {
        engine.resume(&[&checkpoint.state]);
        member.replay(checkpoint);
    }
}

fn keep_checkpoints(engine: &mut dyn Engine, running: &mut [&mut Member<'_, '_>]) {
    let wish = |(place, member): (usize, &mut &mut Member<'_, '_>)| Some((place, member.wish()?));
    let wishes: Vec<(usize, Wish)> = running.iter_mut().enumerate().filter_map(wish).collect();
    if wishes.is_empty() {
        return;
    }
    let places: Vec<usize> = wishes.iter().map(|(place, _)| *place).collect();
    let needed =
        places.iter().map(|&place| running[place].watched.job.checkpoint_memory()).fold(0, u64::saturating_add);
    if let Err(lack) = memory::look_for(needed) {
        wishes.into_iter().for_each(|(place, wish)| running[place].skip(&lack, wish));
        return;
    }
    for ((place, wish), state) in wishes.into_iter().zip(engine.states(&places)) {
        running[place].keep(state, wish);
    }
}

fn run_epoch(engine: &mut dyn Engine, running: &mut [&mut Member<'_, '_>], loss: Loss, number: u32) {
    let started = Instant::now();
    let turn =
        |(job, learning_rate): &(&Job<'_>, f64)| Turn { order: job.epoch_order(number), learning_rate: *learning_rate };
    let jobs = running.iter().map(|member| (member.watched.job, member.control.learning_rate));
    let turns = on_all_cores(&jobs.collect::<Vec<_>>(), turn);
    let train = engine.train_epoch(number, &turns);
    let valid = engine.logits(SplitName::Valid);
    let jobs = running.iter().map(|member| member.watched.job).zip(turns).zip(train).zip(valid);
    let score = |(((job, turn), train), valid): &(((&Job<'_>, Turn), Matrix), Matrix)| {
        job.scores(loss, &turn.order, train, valid)
    };
    let scores = on_all_cores(&jobs.collect::<Vec<_>>(), score);
    let seconds = started.elapsed().as_secs_f64() / running.len() as f64;
    let mut better = Vec::new();
    for ((place, member), (train, valid)) in running.iter_mut().enumerate().zip(scores) {
        let learning_rate = member.control.learning_rate;
        if member.note(Epoch { epoch: number, learning_rate, seconds, train, valid }) {
            better.push(place);
        }
    }
    if !better.is_empty() {
        let old = better.iter().map(|&place| std::mem::take(&mut running[place].best.weights)).collect();
        let weights = engine.weights(&better, old);
        better.into_iter().zip(weights).for_each(|(place, weights)| running[place].best.weights = weights);
    }
    running.iter_mut().for_each(|member| member.end_epoch());
}

/// What `f` makes of each item; of several on all cores, since a card's models are trained faster than one core scores them.
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
