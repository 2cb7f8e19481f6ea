//! The state of a fit in progress: its epochs, the best one, and how it ends.

use std::collections::BTreeMap;

use emberline_base::record::{Convergence, Epoch, Stop};
use emberline_base::{Matrix, Metric, Monitor, Scores, SplitName, Splits};
use emberline_device::memory::InsufficientMemory;

use crate::Error;
use crate::callback::Control;
use crate::checkpoint::{Checkpoint, CheckpointAction};
use crate::decision::{BestEpoch, Decisions};
use crate::divergence::{Divergence, FLOOR, has_grown, require_finite_loss, untrained_loss};
use crate::monitor::monitored_value;
use crate::objective::Objective;
use crate::request::{FitRequest, FittedModel};
use crate::spec::FitSpec;
use crate::weights::{TrainingState, Weights};

/// A fit in progress.
pub(crate) struct FitState<'w, 'c> {
    pub(crate) request: FitRequest<'w, 'c>,
    pub(crate) control: Control,
    pub(crate) history: Vec<Epoch>,
    pub(crate) best: Best,
    pub(crate) seconds: f64,
    /// How a fit by L-BFGS ended; none for other optimisers.
    pub(crate) convergence: Option<Convergence>,
    /// How the fit ended; none while it is trained.
    pub(crate) ended: Option<Result<Stop, Error>>,
}

/// The best epoch so far.
pub(crate) struct Best {
    /// The number of the epoch; 0 before the first.
    epoch: u32,
    value: f64,
    pub(crate) weights: Weights,
}

impl<'w, 'c> FitState<'w, 'c> {
    pub(crate) fn new(request: FitRequest<'w, 'c>) -> Self {
        let spec = request.spec;
        Self {
            control: Control::new(spec.train.optimizer.learning_rate()),
            history: Vec::new(),
            best: Best {
                epoch: 0,
                value: spec.monitor.map_or(f64::INFINITY, Monitor::worst),
                weights: Weights::default(),
            },
            seconds: 0.0,
            convergence: None,
            ended: None,
            request,
        }
    }

    /// Appends an epoch to the history. Returns whether it is the best so far.
    pub(crate) fn record_epoch(&mut self, epoch: Epoch) -> bool {
        let (number, monitor) = (epoch.epoch, self.request.spec.monitor);
        let value = monitor.map(|monitor| monitored_value(&epoch, monitor)).transpose();
        self.history.push(epoch);
        match value {
            Ok(value) if self.is_best(monitor.zip(value)) => {
                (self.best.epoch, self.best.value) = (number, value.unwrap_or(self.best.value));
                true
            }
            Ok(_) => false,
            Err(error) => {
                self.ended = Some(Err(error));
                false
            }
        }
    }

    /// Returns whether an epoch with this value of the monitor is the best so far. Any number is better than NaN;
    /// without a monitor, a later epoch is better.
    fn is_best(&self, measured: Option<(Monitor, f64)>) -> bool {
        let Best { epoch, value: best, .. } = self.best;
        let Some((monitor, value)) = measured else { return true };
        epoch == 0 || monitor.improves(value, best, 0.0) || (best.is_nan() && !value.is_nan())
    }

    /// Replays the epochs of a checkpoint: the callbacks are notified of them again.
    pub(crate) fn replay(&mut self, checkpoint: Checkpoint) {
        for epoch in checkpoint.history {
            self.record_epoch(epoch);
            self.end_epoch();
        }
        self.best.weights = checkpoint.best;
        self.seconds = checkpoint.seconds;
    }

    /// Returns what the checkpointer asks for, if the fit is still trained and there is something to do.
    pub(crate) fn checkpoint_action(&mut self) -> Option<CheckpointAction> {
        let checkpointer = self.request.checkpointer.as_mut().filter(|_| self.ended.is_none())?;
        Some(checkpointer.next_action()).filter(|action| *action != CheckpointAction::Continue)
    }

    /// Hands a checkpoint to the checkpointer.
    pub(crate) fn save_checkpoint(&mut self, state: TrainingState, action: CheckpointAction) {
        let best = std::mem::take(&mut self.best.weights);
        let checkpoint = Checkpoint { history: self.history.clone(), seconds: self.seconds, state, best };
        // A score that isn't finite can't be written, and mostly precedes the failure of the fit: the previous
        // checkpoint stays.
        let checkpointer = self.request.checkpointer.as_mut().filter(|_| checkpoint.is_finite());
        let saved = checkpointer.map_or(Ok(()), |checkpointer| match checkpointer.save(&checkpoint) {
            Err(Error::OutOfMemory(lack)) => {
                checkpointer.on_skip(&lack);
                Ok(())
            }
            saved => saved,
        });
        self.best.weights = checkpoint.best;
        self.ended = saved.err().map(Err);
        self.stop_if_requested(action);
    }

    /// Continues without a checkpoint, since there is no memory for one; stops if that was requested.
    pub(crate) fn skip_checkpoint(&mut self, lack: &InsufficientMemory, action: CheckpointAction) {
        self.request.checkpointer.iter_mut().for_each(|checkpointer| checkpointer.on_skip(lack));
        self.stop_if_requested(action);
    }

    fn stop_if_requested(&mut self, action: CheckpointAction) {
        if action == CheckpointAction::SaveAndStop && self.ended.is_none() {
            self.ended = Some(Err(Error::Interrupted));
        }
    }

    /// Notifies the callbacks, and ends the fit if they or the settings say so.
    pub(crate) fn end_epoch(&mut self) {
        if self.ended.is_none() {
            self.ended = self.notify_callbacks().transpose();
        }
    }

    /// Returns why the fit ends with its latest epoch; none if it continues.
    fn notify_callbacks(&mut self) -> Result<Option<Stop>, Error> {
        let epoch = self.history.last().expect("an epoch has been recorded");
        for callback in self.request.callbacks.iter_mut() {
            callback.on_epoch_end(epoch, &mut self.control)?;
        }
        require_finite_loss(epoch, SplitName::Train, &epoch.train)?;
        Ok(self.control.stop.or((epoch.epoch >= self.request.spec.train.epochs).then_some(Stop::Epochs)))
    }

    /// Returns the weights of the best epoch, or the starting weights if there is none.
    pub(crate) fn best_weights<'b>(&'b self, start: &'b Weights) -> &'b Weights {
        if self.best.epoch == 0 { start } else { &self.best.weights }
    }

    /// Returns whether the loss of the best epoch is so high that it has to be compared with that of the untrained
    /// model.
    pub(crate) fn is_suspect(&self) -> bool {
        matches!(self.ended, Some(Ok(_))) && self.best_loss().is_some_and(|(_, loss)| loss > FLOOR)
    }

    /// Fails the fit if it has diverged. `untrained` holds the logits of the initial weights on the split that
    /// [`divergence_split`](Self::divergence_split) names; only needed if the fit [`is_suspect`](Self::is_suspect).
    pub(crate) fn fail_if_diverged(&mut self, objective: &Objective, untrained: Option<&Matrix>) {
        if matches!(self.ended, Some(Ok(_)))
            && let Err(divergence) = self.check_divergence(objective, untrained)
        {
            self.ended = Some(Err(divergence.into()));
        }
    }

    /// Returns the split whose loss decides whether the fit has diverged.
    pub(crate) fn divergence_split(&self) -> SplitName {
        if self.request.spec.targets.valid.is_some() { SplitName::Valid } else { SplitName::Train }
    }

    /// Returns the best epoch, with its loss on the split that decides.
    fn best_loss(&self) -> Option<(&Epoch, f64)> {
        let epoch = self.history.get((self.best.epoch as usize).checked_sub(1)?)?;
        let scores = if self.divergence_split() == SplitName::Valid { epoch.valid.as_ref()? } else { &epoch.train };
        Some((epoch, *scores.get(&Metric::Loss)?))
    }

    fn check_divergence(&self, objective: &Objective, untrained: Option<&Matrix>) -> Result<(), Divergence> {
        let split = self.divergence_split();
        let Some((&Epoch { epoch, learning_rate, .. }, value)) = self.best_loss() else { return Ok(()) };
        if !value.is_finite() {
            return Err(Divergence::NotFinite { epoch, split, loss: value, learning_rate });
        }
        if !self.best.weights.is_finite() {
            return Err(Divergence::Weights { epoch, learning_rate });
        }
        let FitSpec { task, targets, .. } = self.request.spec;
        if let (Some(logits), Some(targets)) = (untrained, targets.get(split)) {
            let untrained = untrained_loss(*task, (objective, split), logits, targets);
            if has_grown(value, untrained) {
                return Err(Divergence::Grown { epoch, split, loss: value, untrained, learning_rate });
            }
        }
        Ok(())
    }

    /// Returns the result, given the logits of the best epoch.
    pub(crate) fn finish(mut self, objective: &Objective, valid: Matrix, test: Matrix) -> Result<FittedModel, Error> {
        let fitted = self.finish_model(objective, valid, test);
        if !matches!(fitted, Ok(_) | Err(Error::Interrupted)) {
            self.fail();
        }
        fitted
    }

    fn finish_model(&mut self, objective: &Objective, valid: Matrix, test: Matrix) -> Result<FittedModel, Error> {
        let stopped = self.ended.take().expect("epochs are run until all fits have ended")?;
        let spec = self.request.spec;
        let train = self.history[self.best.epoch as usize - 1].train.clone();
        let BestEpoch { scores, decisions: Decisions { thresholds, calibration } } =
            BestEpoch::score(spec, objective, train, &valid, &test);
        let metrics = metrics_by_name(&scores);
        for callback in self.request.callbacks.iter_mut() {
            callback.on_train_end(self.best.epoch, &metrics)?;
        }
        Ok(FittedModel {
            history: std::mem::take(&mut self.history),
            best_epoch: self.best.epoch,
            stopped,
            convergence: self.convergence,
            contrastive: None,
            architecture: spec.architecture(),
            weights: std::mem::take(&mut self.best.weights),
            thresholds,
            calibration,
            metrics,
            logits: Splits {
                train: Matrix::zeros(0, spec.targets.train.cols()),
                valid: spec.targets.valid.is_some().then_some(valid),
                test: spec.targets.test.is_some().then_some(test),
            },
            seconds: self.seconds,
        })
    }

    pub(crate) fn fail(&mut self) {
        self.request.callbacks.iter_mut().for_each(|callback| callback.on_failure());
    }
}

/// Returns the scores by name: `loss`, `val_loss`, `test_loss`, ... Scores that aren't finite are left out.
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
