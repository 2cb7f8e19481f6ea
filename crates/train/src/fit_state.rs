//! The state of a fit under way: its epochs, the best one, and how it ends.

use std::collections::BTreeMap;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Matrix, Metric, Monitor, Scores, SplitName, Splits, Task};
use emberline_device::memory::Lack;

use crate::Error;
use crate::callback::Control;
use crate::checkpoint::{Checkpoint, CheckpointAction};
use crate::divergence::{Divergence, FLOOR, has_grown, refuse_not_finite, untrained_loss};
use crate::fit::{FitRequest, FittedModel, measured};
use crate::metric::{self, Threshold};
use crate::settings::Loss;
use crate::spec::FitSpec;
use crate::weights::{State, Weights};

/// A fit under way.
pub(crate) struct FitState<'w, 'c> {
    pub(crate) request: FitRequest<'w, 'c>,
    pub(crate) control: Control,
    pub(crate) history: Vec<Epoch>,
    pub(crate) best: Best,
    pub(crate) seconds: f64,
    /// Why it is no longer trained.
    pub(crate) ended: Option<Result<Stop, Error>>,
}

/// The best epoch so far.
pub(crate) struct Best {
    /// 0 before the first.
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
            ended: None,
            request,
        }
    }

    /// Takes an epoch in; whether it is the best so far.
    pub(crate) fn note(&mut self, epoch: Epoch) -> bool {
        let (number, monitor) = (epoch.epoch, self.request.spec.monitor);
        let value = monitor.map(|monitor| measured(&epoch, monitor)).transpose();
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

    /// Whether an epoch with this value of the monitor is the best so far. Any number is better than none; without a monitor,
    /// a later epoch is better.
    fn is_best(&self, measured: Option<(Monitor, f64)>) -> bool {
        let Best { epoch, value: best, .. } = self.best;
        let Some((monitor, value)) = measured else { return true };
        epoch == 0 || monitor.improves(value, best, 0.0) || (best.is_nan() && !value.is_nan())
    }

    /// Replays the epochs of a checkpoint, which the callbacks must be notified of again.
    pub(crate) fn replay(&mut self, checkpoint: Checkpoint) {
        for epoch in checkpoint.history {
            self.note(epoch);
            self.end_epoch();
        }
        self.best.weights = checkpoint.best;
        self.seconds = checkpoint.seconds;
    }

    /// What the checkpointer asks for, if the fit hasn't ended and there is something to do.
    pub(crate) fn checkpoint_action(&mut self) -> Option<CheckpointAction> {
        let checkpointer = self.request.checkpointer.as_mut().filter(|_| self.ended.is_none())?;
        Some(checkpointer.next_action()).filter(|action| *action != CheckpointAction::Continue)
    }

    /// Hands a checkpoint to the checkpointer.
    pub(crate) fn save_checkpoint(&mut self, state: State, action: CheckpointAction) {
        let best = std::mem::take(&mut self.best.weights);
        let checkpoint = Checkpoint { history: self.history.clone(), seconds: self.seconds, state, best };
        // A score that is no number can't be written, and is mostly the last before a fit fails: the checkpoint before stays.
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
        self.stop_if_asked(action);
    }

    /// Goes on, or stops if that was asked for, without a checkpoint, since there is no memory for it.
    pub(crate) fn skip_checkpoint(&mut self, lack: &Lack, action: CheckpointAction) {
        self.request.checkpointer.iter_mut().for_each(|checkpointer| checkpointer.on_skip(lack));
        self.stop_if_asked(action);
    }

    fn stop_if_asked(&mut self, action: CheckpointAction) {
        if action == CheckpointAction::SaveAndStop && self.ended.is_none() {
            self.ended = Some(Err(Error::Interrupted));
        }
    }

    /// Notifies the callbacks, and ends the fit if they or the settings say so.
    pub(crate) fn end_epoch(&mut self) {
        if self.ended.is_none() {
            self.ended = self.verdict().transpose();
        }
    }

    /// Whether the fit ends with its latest epoch.
    fn verdict(&mut self) -> Result<Option<Stop>, Error> {
        let epoch = self.history.last().expect("an epoch has been noted");
        for callback in self.request.callbacks.iter_mut() {
            callback.on_epoch_end(epoch, &mut self.control)?;
        }
        refuse_not_finite(epoch, SplitName::Train, &epoch.train)?;
        Ok(self.control.stop.or((epoch.epoch >= self.request.spec.train.epochs).then_some(Stop::Epochs)))
    }

    /// The weights of the best epoch, or those of the start where there is none.
    pub(crate) fn best_weights<'b>(&'b self, start: &'b Weights) -> &'b Weights {
        if self.best.epoch == 0 { start } else { &self.best.weights }
    }

    /// Whether the loss of the best epoch is so high that only the untrained model's tells if the fit has diverged.
    pub(crate) fn is_suspect(&self) -> bool {
        matches!(self.ended, Some(Ok(_))) && self.best_loss().is_some_and(|(_, loss)| loss > FLOOR)
    }

    /// Fails a fit that has diverged. `untrained`: the logits that the initial weights give on the split that
    /// [`judged_by`](Self::judged_by) names; asked for a suspect only.
    pub(crate) fn judge(&mut self, loss: Loss, untrained: Option<&Matrix>) {
        if matches!(self.ended, Some(Ok(_)))
            && let Err(divergence) = self.refuse_diverged(loss, untrained)
        {
            self.ended = Some(Err(divergence.into()));
        }
    }

    /// The split whose loss tells whether the fit has diverged.
    pub(crate) fn judged_by(&self) -> SplitName {
        if self.request.spec.targets.valid.is_some() { SplitName::Valid } else { SplitName::Train }
    }

    /// The best epoch, with its loss on the split that judges.
    fn best_loss(&self) -> Option<(&Epoch, f64)> {
        let epoch = self.history.get((self.best.epoch as usize).checked_sub(1)?)?;
        let scores = if self.judged_by() == SplitName::Valid { epoch.valid.as_ref()? } else { &epoch.train };
        Some((epoch, *scores.get(&Metric::Loss)?))
    }

    fn refuse_diverged(&self, loss: Loss, untrained: Option<&Matrix>) -> Result<(), Divergence> {
        let split = self.judged_by();
        let Some((&Epoch { epoch, learning_rate, .. }, value)) = self.best_loss() else { return Ok(()) };
        if !value.is_finite() {
            return Err(Divergence::NotFinite { epoch, split, loss: value, learning_rate });
        }
        if !self.best.weights.is_finite() {
            return Err(Divergence::Weights { epoch, learning_rate });
        }
        let FitSpec { task, targets, .. } = self.request.spec;
        if let (Some(logits), Some(targets)) = (untrained, targets.get(split)) {
            let untrained = untrained_loss(*task, loss, logits, targets);
            if has_grown(value, untrained) {
                return Err(Divergence::Grown { epoch, split, loss: value, untrained, learning_rate });
            }
        }
        Ok(())
    }

    /// The result, from the best epoch's logits.
    pub(crate) fn finish(mut self, loss: Loss, valid: Matrix, test: Matrix) -> Result<FittedModel, Error> {
        let fit = self.fit(loss, valid, test);
        if !matches!(fit, Ok(_) | Err(Error::Interrupted)) {
            self.fail();
        }
        fit
    }

    fn fit(&mut self, loss: Loss, valid: Matrix, test: Matrix) -> Result<FittedModel, Error> {
        let stopped = self.ended.take().expect("epochs are run until all fits have ended")?;
        let (scores, thresholds) = self.best_scores(loss, &valid, &test);
        let metrics = metrics_by_name(&scores);
        for callback in self.request.callbacks.iter_mut() {
            callback.on_train_end(self.best.epoch, &metrics)?;
        }
        let spec = self.request.spec;
        Ok(FittedModel {
            history: std::mem::take(&mut self.history),
            best_epoch: self.best.epoch,
            stopped,
            architecture: spec.architecture(),
            weights: std::mem::take(&mut self.best.weights),
            thresholds,
            metrics,
            logits: Splits {
                train: Matrix::zeros(0, spec.targets.train.cols()),
                valid: spec.targets.valid.is_some().then_some(valid),
                test: spec.targets.test.is_some().then_some(test),
            },
            seconds: self.seconds,
        })
    }

    /// The scores of the best epoch, and the thresholds of its decisions: a binary one is chosen on validation.
    fn best_scores(&self, loss: Loss, valid: &Matrix, test: &Matrix) -> (Splits<Scores>, Vec<f64>) {
        let FitSpec { task, targets, .. } = self.request.spec;
        let mut threshold = 0.5;
        let valid = targets.valid.as_ref().map(|targets| {
            let scores = metric::all(*task, loss, valid, targets, Threshold::Best);
            threshold = scores.get(&Metric::Threshold).copied().unwrap_or(threshold);
            scores
        });
        let test =
            targets.test.as_ref().map(|targets| metric::all(*task, loss, test, targets, Threshold::At(threshold)));
        let decides_at = if threshold.is_finite() { threshold } else { 0.5 };
        let thresholds = if *task == Task::Binary { vec![decides_at] } else { Vec::new() };
        (Splits { train: self.history[self.best.epoch as usize - 1].train.clone(), valid, test }, thresholds)
    }

    pub(crate) fn fail(&mut self) {
        self.request.callbacks.iter_mut().for_each(|callback| callback.on_failure());
    }
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
