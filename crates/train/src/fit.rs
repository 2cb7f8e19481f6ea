//! One fit: epochs until the callbacks or the settings end it, then the scores of the best epoch.

use std::collections::BTreeMap;
use std::time::Instant;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Features, Matrix, Metric, Monitor, Scores, SplitName, Splits, Substream, Task};
use emberline_device::Device;

use crate::Error;
use crate::callback::{Callback, Control};
use crate::engine::{self, Blueprint, Build, Engine};
use crate::head::Architecture;
use crate::metric::{self, Threshold};
use crate::settings::{Head, Loss, Train};
use crate::weights::{Tensor, Weights};

/// Everything that decides a fit's numbers.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The hidden layers.
    pub head: &'a Head,
    /// Epochs, batches, optimiser, loss.
    pub train: &'a Train,
    /// The seed of initialisation, order and dropout.
    pub seed: u64,
    /// What the labels ask.
    pub task: Task,
    /// The texts' vectors, or bags over a table to be tuned.
    pub features: &'a Splits<Features>,
    /// The labels as numbers, `[rows, outputs]` a split.
    pub targets: &'a Splits<Matrix>,
    /// What the best epoch is chosen by.
    pub monitor: Monitor,
    /// Starts the head from these arrays instead of random ones.
    pub initial: Option<&'a Weights>,
}

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
    /// Wall time, in seconds.
    pub seconds: f64,
}

/// Trains a head, and the table where features are tuned.
///
/// # Errors
/// When the loss stops being a number, a callback can't do its work, or settings and data don't fit.
pub fn fit(job: &Job<'_>, device: Device, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Fit, Error> {
    fit_by(engine::build, job, device, callbacks)
}

/// Trains as [`fit()`], but always on Burn's tensors: what the processor's own step is measured against.
///
/// # Errors
/// Those of [`fit()`].
pub fn fit_on_burn(job: &Job<'_>, device: Device, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Fit, Error> {
    fit_by(engine::build_burn, job, device, callbacks)
}

/// Tells the callbacks when the fit fails.
fn fit_by(build: Build, job: &Job<'_>, device: Device, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Fit, Error> {
    let fitted = fit_and_tell(build, job, device, callbacks);
    if fitted.is_err() {
        callbacks.iter_mut().for_each(|callback| callback.on_failure());
    }
    fitted
}

fn fit_and_tell(
    build: Build,
    job: &Job<'_>,
    device: Device,
    callbacks: &mut [Box<dyn Callback + '_>],
) -> Result<Fit, Error> {
    let started = Instant::now();
    let loss = job.train.loss_for(job.task).map_err(Error::Unsupported)?;
    let weights = starting_weights(job)?;
    let architecture = job.architecture();
    let blueprint = Blueprint {
        architecture: &architecture,
        optimizer: &job.train.optimizer,
        loss,
        seed: job.seed,
        features: job.features,
        targets: &job.targets.train,
        weights: &weights,
    };
    let mut engine = build(device, blueprint)?;
    let (history, best, stopped) = run_epochs(job, loss, engine.as_mut(), callbacks)?;
    engine.load(&best.weights);
    let (scores, logits) = score_best(job, loss, engine.as_mut(), &history[best.epoch as usize - 1]);
    let metrics = metrics_by_name(&scores);
    for callback in callbacks.iter_mut() {
        callback.on_train_end(best.epoch, &metrics)?;
    }
    Ok(Fit {
        history,
        best_epoch: best.epoch,
        stopped,
        weights: best.weights,
        metrics,
        logits,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// `loss`, `val_loss`, `test_loss`, ...; what isn't a number is left out.
fn metrics_by_name(scores: &Splits<Scores>) -> BTreeMap<String, f64> {
    let prefix = |split| match split {
        SplitName::Train => "",
        SplitName::Valid => "val_",
        SplitName::Test => "test_",
    };
    let named = |(split, scores): (SplitName, &Scores)| {
        let name = |(metric, value): (&Metric, &f64)| (format!("{}{metric}", prefix(split)), *value);
        scores.iter().map(name).collect::<Vec<_>>()
    };
    scores.iter().flat_map(named).filter(|(_, value)| value.is_finite()).collect()
}

impl Job<'_> {
    /// The head for these features and labels.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.head, self.features.train.dim(), self.targets.train.cols())
    }
}

/// What is tuned of the embedding first, then the head's arrays.
fn starting_weights(job: &Job<'_>) -> Result<Weights, Error> {
    let fresh = job.architecture().initial_weights(job.seed);
    let head = match job.initial {
        None => fresh,
        Some(given) => {
            let shapes = |w: &Weights| w.0.iter().map(|t| t.shape.clone()).collect::<Vec<_>>();
            if shapes(given) != shapes(&fresh) {
                return Err(Error::Weights("the shapes given don't fit the head".into()));
            }
            given.clone()
        }
    };
    let mut weights = Weights(embedding_weights(&job.features.train)?);
    weights.0.extend(head.0);
    Ok(weights)
}

/// What of the embedding is trained along.
fn embedding_weights(features: &Features) -> Result<Vec<Tensor>, Error> {
    let tensor = |name: &str, shape, values| Tensor { name: name.into(), shape, values };
    match features {
        Features::Frozen(_) => Ok(Vec::new()),
        Features::Tuned(bags) if bags.table.rows() == 0 => {
            Err(Error::Unsupported("no word of the texts is in the embedding's table; nothing can be tuned".into()))
        }
        Features::Tuned(bags) => {
            let shape = vec![bags.table.rows(), bags.table.cols()];
            Ok(vec![tensor("embedding.table", shape, bags.table.values().to_vec())])
        }
        Features::Mixed(layered) => Ok(vec![
            tensor("embedding.mix", vec![layered.layers], vec![0.0; layered.layers]),
            tensor("embedding.gamma", vec![1], vec![1.0]),
        ]),
    }
}

/// The best epoch so far.
struct Best {
    epoch: u32,
    value: f64,
    weights: Weights,
}

fn run_epochs(
    job: &Job<'_>,
    loss: Loss,
    engine: &mut dyn Engine,
    callbacks: &mut [Box<dyn Callback + '_>],
) -> Result<(Vec<Epoch>, Best, Stop), Error> {
    let mut control = Control::new(job.train.optimizer.learning_rate());
    let mut best = Best { epoch: 0, value: job.monitor.worst(), weights: Weights::default() };
    let mut history = Vec::new();
    for number in 1..=job.train.epochs {
        let epoch = run_epoch(job, loss, engine, number, control.learning_rate);
        let value = measured(&epoch, job.monitor)?;
        if job.monitor.improves(value, best.value, 0.0) || best.epoch == 0 {
            best = Best { epoch: number, value, weights: engine.weights() };
        }
        for callback in callbacks.iter_mut() {
            callback.on_epoch_end(&epoch, &mut control)?;
        }
        let diverged = epoch.train[&Metric::Loss];
        history.push(epoch);
        if !diverged.is_finite() {
            return Err(Error::Diverged { epoch: number, value: diverged });
        }
        if let Some(stop) = control.stop {
            return Ok((history, best, stop));
        }
    }
    Ok((history, best, Stop::Epochs))
}

fn run_epoch(job: &Job<'_>, loss: Loss, engine: &mut dyn Engine, number: u32, learning_rate: f64) -> Epoch {
    let started = Instant::now();
    let order = epoch_order(job, number);
    let logits = engine.train_epoch(number, &order, job.train.batch_size as usize, learning_rate);
    let train = metric::basic(job.task, loss, &logits, &job.targets.train.select(&order));
    let valid = job.targets.valid.as_ref().map(|targets| {
        let logits = engine.logits(SplitName::Valid);
        metric::all(job.task, loss, &logits, targets, Threshold::Best)
    });
    Epoch { epoch: number, learning_rate, seconds: started.elapsed().as_secs_f64(), train, valid }
}

fn epoch_order(job: &Job<'_>, number: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..job.targets.train.rows()).collect();
    if job.train.shuffle {
        Substream::new(job.seed, &format!("shuffle/epoch/{number}")).shuffle(&mut order);
    }
    order
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

/// The scores and logits of the weights that are loaded; a binary threshold is validation's.
fn score_best(job: &Job<'_>, loss: Loss, engine: &mut dyn Engine, best: &Epoch) -> (Splits<Scores>, Splits<Matrix>) {
    let mut scores = Splits { train: best.train.clone(), valid: None, test: None };
    let mut logits = Splits { train: Matrix::zeros(0, job.targets.train.cols()), valid: None, test: None };
    let mut threshold = Threshold::Best;
    if let Some(targets) = &job.targets.valid {
        let of_valid = engine.logits(SplitName::Valid);
        let valid = metric::all(job.task, loss, &of_valid, targets, threshold);
        threshold = valid.get(&Metric::Threshold).map_or(Threshold::At(0.5), |&at| Threshold::At(at));
        (scores.valid, logits.valid) = (Some(valid), Some(of_valid));
    }
    if let Some(targets) = &job.targets.test {
        let of_test = engine.logits(SplitName::Test);
        let at = if threshold == Threshold::Best { Threshold::At(0.5) } else { threshold };
        scores.test = Some(metric::all(job.task, loss, &of_test, targets, at));
        logits.test = Some(of_test);
    }
    (scores, logits)
}
