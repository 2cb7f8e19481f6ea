//! Callbacks, which are notified after every epoch. To add one: a file here, a key of [`Callbacks`], and its line in
//! [`Callbacks::start`].
//!
//! A callback receives the scores of the epoch that has ended, and may change the next learning rate or end the
//! training, through [`Control`]; it never sees the model. Callbacks don't choose the epoch that is kept: it is always
//! the best one by [`Callbacks::monitor`].

mod checkpoint;
mod csv_logger;
mod early_stopping;
mod epoch_dots;
mod reduce_lr_on_plateau;
mod tensorboard;
mod terminate_on_nan;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Fault, Monitor};
use emberline_tensorboard::{HParam, LogFolders};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checkpoint::ModelCheckpoint;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use epoch_dots::EpochDots;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;

use crate::Error;

/// `[callbacks]`: what is notified after every epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Callbacks {
    /// Ends the training when a metric no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Chooses the epoch that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<ModelCheckpoint>,
    /// Reduces the learning rate when a metric no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduce_lr_on_plateau: Option<ReduceLrOnPlateau>,
    /// Fails the cell when the loss is NaN or infinite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate_on_nan: Option<TerminateOnNan>,
    /// Writes TensorBoard logs in Keras's layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<TensorBoard>,
    /// Writes one CSV line per epoch during training, like Keras's `CSVLogger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv_logger: Option<CsvLogger>,
    /// Prints one dot per epoch, and the metrics every few epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_dots: Option<EpochDots>,
}

/// Is notified after every epoch, and at the end of the training.
pub trait Callback {
    /// Called after the training and validation of an epoch.
    ///
    /// # Errors
    /// When the callback can't do its work; the fit then fails.
    fn on_epoch_end(&mut self, epoch: &Epoch, control: &mut Control) -> Result<(), Error>;

    /// Called every few steps while an encoder is trained on pairs of texts, before the first epoch.
    fn on_pairs(&mut self, _: &PairProgress) {}

    /// Called after the last epoch, with the number of the epoch that is kept and its metrics by name (`val_loss`,
    /// ...).
    ///
    /// # Errors
    /// When the callback can't finish its work.
    fn on_train_end(&mut self, _best_epoch: u32, _metrics: &BTreeMap<String, f64>) -> Result<(), Error> {
        Ok(())
    }

    /// Called instead of [`on_train_end`](Self::on_train_end) if the fit fails.
    fn on_failure(&mut self) {}
}

/// How far the training of an encoder on pairs is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairProgress {
    /// The steps that were taken.
    pub step: u32,
    /// The number of all steps.
    pub steps: u32,
    /// The mean loss of the last step.
    pub loss: f64,
}

/// What a callback may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// The learning rate of the next epoch.
    pub learning_rate: f64,
    /// Set to end the training after this epoch, with the reason.
    pub stop: Option<Stop>,
}

impl Control {
    pub(crate) fn new(learning_rate: f64) -> Self {
        Self { learning_rate, stop: None }
    }
}

/// The context of the callbacks of one cell: where they write, and how they describe the cell.
pub struct CallbackContext<'a> {
    /// The cell's folder.
    pub cell: &'a Path,
    /// The folders of the TensorBoard log.
    pub tensorboard: &'a LogFolders,
    /// The settings by which TensorBoard's HParams page compares the cell.
    pub hparams: &'a [(String, HParam)],
    /// Batches per epoch, including the last, smaller one.
    pub steps_per_epoch: u64,
    /// The terminal to which progress is printed.
    pub progress: Box<dyn Write + 'a>,
}

impl Callbacks {
    /// Returns the monitor by which the best epoch is chosen: the checkpoint's, else early stopping's, else `val_loss`
    /// (`loss` if there is no validation split).
    pub fn monitor(&self, has_valid: bool) -> Monitor {
        let requested = self.checkpoint.as_ref().map(|c| c.monitor);
        let requested = requested.or(self.early_stopping.as_ref().map(|e| e.monitor));
        requested.unwrap_or(Monitor { valid: has_valid, ..Monitor::VAL_LOSS })
    }

    /// Returns the keys that name a monitored metric, with the metric.
    pub fn monitors(&self) -> Vec<(&'static str, Monitor)> {
        let Self {
            early_stopping,
            checkpoint,
            reduce_lr_on_plateau,
            terminate_on_nan: _,
            tensorboard: _,
            csv_logger: _,
            epoch_dots: _,
        } = self;
        let checkpoint = checkpoint.as_ref().map(|c| ("checkpoint.monitor", c.monitor));
        let early = early_stopping.as_ref().map(|e| ("early_stopping.monitor", e.monitor));
        let reduce = reduce_lr_on_plateau.as_ref().map(|r| ("reduce_lr_on_plateau.monitor", r.monitor));
        [checkpoint, early, reduce].into_iter().flatten().collect()
    }

    /// Returns the faults of the settings that are independent of the data.
    pub fn faults(&self) -> Vec<Fault> {
        let Self {
            early_stopping,
            checkpoint: _,
            reduce_lr_on_plateau,
            terminate_on_nan: _,
            tensorboard: _,
            csv_logger,
            epoch_dots: _,
        } = self;
        let early = early_stopping.iter().flat_map(EarlyStopping::faults);
        let reduce = reduce_lr_on_plateau.iter().flat_map(ReduceLrOnPlateau::faults);
        let logger = csv_logger.iter().flat_map(CsvLogger::faults);
        let early = early.map(|fault| fault.below("early_stopping"));
        let reduce = reduce.map(|fault| fault.below("reduce_lr_on_plateau"));
        early.chain(reduce).chain(logger.map(|fault| fault.below("csv_logger"))).collect()
    }

    /// Starts the callbacks of one cell, in the order in which they are notified.
    ///
    /// # Errors
    /// When a file can't be created.
    pub fn start<'a>(&self, context: CallbackContext<'a>) -> Result<Vec<Box<dyn Callback + 'a>>, Error> {
        let Self {
            early_stopping,
            checkpoint: _, // The best epoch is always kept; this only names the metric.
            reduce_lr_on_plateau,
            terminate_on_nan,
            tensorboard,
            csv_logger,
            epoch_dots,
        } = self;
        let mut started: Vec<Box<dyn Callback + 'a>> = Vec::new();
        if terminate_on_nan.is_some() {
            started.push(Box::new(terminate_on_nan::NanGuard));
        }
        if let Some(settings) = csv_logger {
            started.push(Box::new(csv_logger::CsvWriter::create(settings, context.cell)));
        }
        if tensorboard.is_some() {
            started.push(Box::new(tensorboard::TensorBoardWriter::create(&context)?));
        }
        if let Some(settings) = epoch_dots {
            started.push(Box::new(epoch_dots::DotPrinter::new(settings, context.progress)));
        }
        if let Some(settings) = reduce_lr_on_plateau {
            started.push(Box::new(reduce_lr_on_plateau::PlateauReducer::new(settings)));
        }
        if let Some(settings) = early_stopping {
            started.push(Box::new(early_stopping::EarlyStopper::new(settings)));
        }
        Ok(started)
    }
}

/// Returns the fault of the key `min_delta`, if any. Its sign doesn't matter, as in Keras.
fn min_delta_fault(min_delta: f64) -> Option<Fault> {
    let message = format!("`min_delta` is {min_delta}, which isn't a finite number");
    (!min_delta.is_finite()).then(|| Fault::new("min_delta", message, "give a number such as 1e-4, or leave it out"))
}

fn val_loss() -> Monitor {
    Monitor::VAL_LOSS
}

#[cfg(test)]
mod tests {
    use emberline_base::Metric;

    use super::*;

    /// An epoch with a training loss of 0.5, an accuracy of 0.75 and this validation loss.
    pub(super) fn epoch(number: u32, val_loss: f64) -> Epoch {
        Epoch {
            epoch: number,
            learning_rate: 1e-3,
            seconds: 0.1,
            train: BTreeMap::from([(Metric::Loss, 0.5), (Metric::Accuracy, 0.75)]),
            valid: Some(BTreeMap::from([(Metric::Loss, val_loss)])),
        }
    }

    /// Returns the number of epochs until a callback ends the training.
    pub(super) fn epochs_run(callback: &mut dyn Callback, val_losses: &[f64]) -> usize {
        let mut control = Control::new(1.0);
        for (index, &loss) in val_losses.iter().enumerate() {
            callback.on_epoch_end(&epoch(index as u32 + 1, loss), &mut control).expect("no error");
            if control.stop.is_some() {
                return index + 1;
            }
        }
        val_losses.len()
    }

    #[test]
    fn the_checkpoints_monitor_outranks_early_stoppings() {
        let mut callbacks = Callbacks::default();
        assert_eq!(callbacks.monitor(false).to_string(), "loss");
        let monitor = "val_f1".parse().expect("a monitor");
        callbacks.early_stopping = Some(EarlyStopping { monitor, patience: 1, min_delta: 0.0 });
        assert_eq!(callbacks.monitor(true), monitor);
        callbacks.checkpoint = Some(ModelCheckpoint { monitor: Monitor::VAL_LOSS });
        assert_eq!(callbacks.monitor(true), Monitor::VAL_LOSS);
    }
}
