//! Fits a linear head on frozen vectors by L-BFGS until it converges: the linear probe, which equals scikit-learn's
//! `LogisticRegression`.
//!
//! A [`FitState`] enters, and a [`FittedModel`] leaves whose history has one epoch: the converged head. Callbacks are notified of
//! it as of any other epoch. The logits in the records are those that the saved model gives, from weights in 32 bits.

use std::time::Instant;

use emberline_base::record::{Convergence, Epoch, Stop};
use emberline_base::{Features, Matrix, SplitName};
use emberline_device::memory;
use emberline_linear::{Labels, Rows, Settings};

use crate::Error;
use crate::engine::{Network, Vectors};
use crate::fit_state::FitState;
use crate::objective::Objective;
use crate::request::FittedModel;
use crate::settings::Lbfgs;
use crate::spec::FitSpec;
use crate::weights::{Tensor, Weights};

/// A fitted head.
struct Probe {
    weights: Weights,
    convergence: Convergence,
    /// The logits of the training, validation and test rows; no rows if there is no such split.
    logits: [Matrix; 3],
}

/// Fits the head of a state.
///
/// # Errors
/// If the features are fine-tuned, the head has hidden layers, the loss doesn't suit the labels, a feature isn't finite, there
/// is not enough memory, or the fit was interrupted.
pub(crate) fn fit(mut state: FitState<'_, '_>, settings: &Lbfgs) -> Result<FittedModel, Error> {
    let started = Instant::now();
    let spec = state.request.spec;
    let interrupt = state.request.checkpointer.as_ref().and_then(|checkpointer| checkpointer.interrupt());
    let goes_on = || interrupt.as_ref().is_none_or(|interrupt| !interrupt.is_cancelled());
    let fitted = spec.objective().map_err(Error::Unsupported);
    let fitted = fitted.and_then(|objective| {
        let probe = fit_head(spec, &objective, settings, &goes_on)?;
        Ok((objective, probe))
    });
    let (objective, Probe { weights, convergence, logits: [train, valid, test] }) = match fitted {
        Ok(fitted) => fitted,
        Err(error) => {
            if !matches!(error, Error::Interrupted) {
                state.fail();
            }
            return Err(error);
        }
    };
    state.record_epoch(epoch(spec, &objective, [&train, &valid], started.elapsed().as_secs_f64()));
    state.best.weights = weights;
    state.convergence = Some(convergence);
    state.end_epoch();
    if !matches!(state.ended, Some(Err(_))) {
        state.ended = Some(Ok(if convergence.converged { Stop::Converged } else { Stop::NotConverged }));
    }
    state.seconds = started.elapsed().as_secs_f64();
    state.finish(&objective, valid, test)
}

/// Returns the only epoch, with the scores of the converged head.
fn epoch(spec: &FitSpec<'_>, objective: &Objective, [train, valid]: [&Matrix; 2], seconds: f64) -> Epoch {
    let order: Vec<usize> = (0..spec.targets.train.rows()).collect();
    let (train, valid) = spec.scores(objective, &order, train, valid);
    Epoch { epoch: 1, learning_rate: spec.train.optimizer.learning_rate(), seconds, train, valid }
}

fn fit_head(
    spec: &FitSpec<'_>,
    objective: &Objective,
    settings: &Lbfgs,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Probe, Error> {
    refuse_settings(spec)?;
    let vectors = frozen(&spec.features.train)?;
    let targets = &spec.targets.train;
    let bytes = emberline_linear::memory(Rows::Dense(vectors), targets.cols());
    let _reserved = memory::reserve(spec.memory().saturating_add(bytes))?;
    let Lbfgs { l2, tolerance, max_iterations } = *settings;
    let settings = Settings { l2, tolerance, max_iterations };
    let labels = Labels { task: spec.task, targets, class_weights: objective.class_weights() };
    let fit = emberline_linear::fit_weighted(Rows::Dense(vectors), labels, &settings, goes_on).map_err(error)?;
    let weights = head_weights(&fit.model, vectors.cols());
    let network = Network::new(&spec.architecture(), &weights)?;
    let logits = |split| -> Result<Matrix, Error> {
        match spec.features.get(split) {
            Some(features) => Ok(network.logits(&Vectors::Fixed(frozen(features)?))?),
            None => Ok(Matrix::zeros(0, targets.cols())),
        }
    };
    let logits = [logits(SplitName::Train)?, logits(SplitName::Valid)?, logits(SplitName::Test)?];
    Ok(Probe { weights, convergence: worst(&fit), logits })
}

/// Refuses hidden layers, and settings of steps.
fn refuse_settings(spec: &FitSpec<'_>) -> Result<(), Error> {
    if !spec.head.layers.is_empty() {
        let message =
            "`lbfgs` fits a linear classifier, and the head has layers; use `layers = []`, or another optimizer";
        return Err(Error::Unsupported(message.into()));
    }
    match spec.train.unknown_to_lbfgs().first() {
        Some(key) => Err(Error::Unsupported(format!(
            "`lbfgs` minimises the cross-entropy of all rows at once and doesn't know `{key}`; leave it out, or use another \
             optimizer"
        ))),
        None => Ok(()),
    }
}

/// Returns the vectors of frozen features.
fn frozen(features: &Features) -> Result<&Matrix, Error> {
    match features {
        Features::Frozen(vectors) => Ok(vectors),
        Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => Err(Error::Unsupported(
            "`lbfgs` fits a linear classifier on frozen vectors; use `trainable = false`, or another optimizer".into(),
        )),
    }
}

/// Returns the arrays of the output layer.
fn head_weights(model: &emberline_linear::LinearModel, inputs: usize) -> Weights {
    let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
    let units = model.intercepts.len();
    let tensor = |name: &str, shape, values| Tensor { name: format!("head.output.{name}"), shape, values };
    Weights(vec![
        tensor("kernel", vec![inputs, units], narrow(&model.weights)),
        tensor("bias", vec![units], narrow(&model.intercepts)),
    ])
}

/// Returns the largest numbers of all problems of a fit.
fn worst(fit: &emberline_linear::Fit) -> Convergence {
    let most = |of: fn(&emberline_linear::Convergence) -> u32| fit.convergence.iter().map(of).max().unwrap_or(0);
    Convergence {
        converged: fit.has_converged(),
        iterations: most(|end| end.iterations),
        evaluations: most(|end| end.evaluations),
        gradient: fit.convergence.iter().map(|end| end.gradient).fold(0.0, f64::max),
    }
}

fn error(error: emberline_linear::Error) -> Error {
    match error {
        emberline_linear::Error::OutOfMemory(lack) => Error::OutOfMemory(lack),
        emberline_linear::Error::Interrupted => Error::Interrupted,
        other @ (emberline_linear::Error::NotFinite { .. }
        | emberline_linear::Error::NoRows
        | emberline_linear::Error::NoClass(_)) => Error::Unsupported(other.to_string()),
    }
}
