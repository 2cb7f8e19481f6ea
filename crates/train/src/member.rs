//! One of the fits that are trained beside each other: its epochs, its best one, and how it ends.

use std::collections::BTreeMap;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Matrix, Metric, Scores, SplitName, Splits};

use crate::Error;
use crate::callback::Control;
use crate::checkpoint::{Checkpoint, Wish};
use crate::fit::{Fit, Watched, measured};
use crate::job::Job;
use crate::metric::{self, Threshold};
use crate::settings::Loss;
use crate::weights::{State, Weights};

/// A fit under way.
pub(crate) struct Member<'w, 'c> {
    pub(crate) watched: Watched<'w, 'c>,
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

impl<'w, 'c> Member<'w, 'c> {
    pub(crate) fn new(watched: Watched<'w, 'c>) -> Self {
        let job = watched.job;
        Self {
            control: Control::new(job.train.optimizer.learning_rate()),
            history: Vec::new(),
            best: Best { epoch: 0, value: job.monitor.worst(), weights: Weights::default() },
            seconds: 0.0,
            ended: None,
            watched,
        }
    }

    /// Takes an epoch in; whether it is the best so far.
    pub(crate) fn note(&mut self, epoch: Epoch) -> bool {
        let (number, monitor) = (epoch.epoch, self.watched.job.monitor);
        let value = measured(&epoch, monitor);
        self.history.push(epoch);
        match value {
            Ok(value) if monitor.improves(value, self.best.value, 0.0) || self.best.epoch == 0 => {
                (self.best.epoch, self.best.value) = (number, value);
                true
            }
            Ok(_) => false,
            Err(error) => {
                self.ended = Some(Err(error));
                false
            }
        }
    }

    /// Lives through the epochs of a checkpoint again, as callbacks must.
    pub(crate) fn replay(&mut self, checkpoint: Checkpoint) {
        for epoch in checkpoint.history {
            self.note(epoch);
            self.end_epoch();
        }
        self.best.weights = checkpoint.best;
        self.seconds = checkpoint.seconds;
    }

    /// What the keeper wishes to be done with a fit that hasn't ended, if anything.
    pub(crate) fn wish(&mut self) -> Option<Wish> {
        let keeper = self.watched.keeper.as_mut().filter(|_| self.ended.is_none())?;
        Some(keeper.wish()).filter(|wish| *wish != Wish::GoOn)
    }

    /// Hands a checkpoint to the keeper.
    pub(crate) fn keep(&mut self, state: State, wish: Wish) {
        let (history, best) = (self.history.clone(), self.best.weights.clone());
        let checkpoint = Checkpoint { history, seconds: self.seconds, state, best };
        // A score that is no number can't be written, and is mostly the last before a fit fails: the checkpoint before stays.
        let keeper = self.watched.keeper.as_mut().filter(|_| checkpoint.is_finite());
        let kept = keeper.map_or(Ok(()), |keeper| keeper.keep(&checkpoint));
        let left = if wish == Wish::Leave { Err(Error::Interrupted) } else { Ok(()) };
        self.ended = kept.and(left).err().map(Err);
    }

    /// Tells the callbacks, and ends the fit where it is time.
    pub(crate) fn end_epoch(&mut self) {
        if self.ended.is_none() {
            self.ended = self.verdict().transpose();
        }
    }

    /// Whether the fit ends with its latest epoch.
    fn verdict(&mut self) -> Result<Option<Stop>, Error> {
        let epoch = self.history.last().expect("an epoch has been noted");
        for callback in self.watched.callbacks.iter_mut() {
            callback.on_epoch_end(epoch, &mut self.control)?;
        }
        let value = epoch.train[&Metric::Loss];
        if !value.is_finite() {
            return Err(Error::Diverged { epoch: epoch.epoch, value });
        }
        Ok(self.control.stop.or((epoch.epoch >= self.watched.job.train.epochs).then_some(Stop::Epochs)))
    }

    /// The weights of the best epoch, or those of the start where there is none.
    pub(crate) fn best_weights<'b>(&'b self, start: &'b Weights) -> &'b Weights {
        if self.best.epoch == 0 { start } else { &self.best.weights }
    }

    /// The result, from the best epoch's logits.
    pub(crate) fn finish(mut self, loss: Loss, valid: Matrix, test: Matrix) -> Result<Fit, Error> {
        let fit = self.fit(loss, valid, test);
        if !matches!(fit, Ok(_) | Err(Error::Interrupted)) {
            self.fail();
        }
        fit
    }

    fn fit(&mut self, loss: Loss, valid: Matrix, test: Matrix) -> Result<Fit, Error> {
        let stopped = self.ended.take().expect("epochs are run until all fits have ended")?;
        let scores = self.best_scores(loss, &valid, &test);
        let metrics = metrics_by_name(&scores);
        for callback in self.watched.callbacks.iter_mut() {
            callback.on_train_end(self.best.epoch, &metrics)?;
        }
        let Job { targets, .. } = self.watched.job;
        Ok(Fit {
            history: std::mem::take(&mut self.history),
            best_epoch: self.best.epoch,
            stopped,
            weights: std::mem::take(&mut self.best.weights),
            metrics,
            logits: Splits {
                train: Matrix::zeros(0, targets.train.cols()),
                valid: targets.valid.is_some().then_some(valid),
                test: targets.test.is_some().then_some(test),
            },
            seconds: self.seconds,
        })
    }

    /// The scores of the best epoch; a binary threshold is validation's.
    fn best_scores(&self, loss: Loss, valid: &Matrix, test: &Matrix) -> Splits<Scores> {
        let Job { task, targets, .. } = self.watched.job;
        let mut threshold = Threshold::At(0.5);
        let valid = targets.valid.as_ref().map(|targets| {
            let scores = metric::all(*task, loss, valid, targets, Threshold::Best);
            threshold = scores.get(&Metric::Threshold).map_or(threshold, |&at| Threshold::At(at));
            scores
        });
        let test = targets.test.as_ref().map(|targets| metric::all(*task, loss, test, targets, threshold));
        Splits { train: self.history[self.best.epoch as usize - 1].train.clone(), valid, test }
    }

    pub(crate) fn fail(&mut self) {
        self.watched.callbacks.iter_mut().for_each(|callback| callback.on_failure());
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
