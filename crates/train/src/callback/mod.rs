//! The callbacks: what watches the epochs. To add one: a file here, a key of [`Callbacks`], and its
//! line in [`Callbacks::start`].
//!
//! A callback sees the epoch that has ended and may change the next step size or end the training,
//! through [`Control`]; it never sees the model. Which epoch is kept is not a callback's affair: the
//! best one by [`Callbacks::monitor`] always is.

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
use emberline_tensorboard::HParam;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checkpoint::Checkpoint;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use epoch_dots::EpochDots;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;

use crate::Error;

/// `[callbacks]`: what is notified of the epochs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Callbacks {
    /// Ends the training when a metric no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Chooses the epoch that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// Takes smaller steps when a metric no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduce_lr_on_plateau: Option<ReduceLrOnPlateau>,
    /// Fails the cell when the loss is no longer a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate_on_nan: Option<TerminateOnNan>,
    /// Writes TensorBoard logs in Keras's layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<TensorBoard>,
    /// Writes a CSV line an epoch while training, as Keras's `CSVLogger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv_logger: Option<CsvLogger>,
    /// Prints a dot an epoch, and the metrics now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_dots: Option<EpochDots>,
}

/// Notified at the end of each epoch, and of the training.
pub trait Callback {
    /// After an epoch's training and validation.
    ///
    /// # Errors
    /// When the callback can't do its work; the fit fails with it.
    fn on_epoch_end(&mut self, epoch: &Epoch, control: &mut Control) -> Result<(), Error>;

    /// After the last epoch: the epoch that is kept, and its metrics by name (`val_loss`, ...).
    ///
    /// # Errors
    /// When the callback can't finish its work.
    fn on_train_end(&mut self, _best_epoch: u32, _metrics: &BTreeMap<String, f64>) -> Result<(), Error> {
        Ok(())
    }

    /// In place of [`on_train_end`](Self::on_train_end), when the fit fails.
    fn on_failure(&mut self) {}
}

/// What a callback may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// The step size of the next epoch.
    pub learning_rate: f64,
    /// Set to end the training after this epoch.
    pub stop: Option<Stop>,
}

impl Control {
    pub(crate) fn new(learning_rate: f64) -> Self {
        Self { learning_rate, stop: None }
    }
}

/// What the callbacks of one cell are started with: where they write, and what they say of the cell.
pub struct CallbackContext<'a> {
    /// The cell's folder.
    pub cell: &'a Path,
    /// The cell's folder of TensorBoard logs.
    pub tensorboard: &'a Path,
    /// The settings that TensorBoard's HParams page compares the cell by.
    pub hparams: &'a [(String, HParam)],
    /// Batches an epoch, the last, smaller one included.
    pub steps_per_epoch: u64,
    /// The terminal.
    pub progress: Box<dyn Write + 'a>,
}

impl Callbacks {
    /// What the best epoch is chosen by: the checkpoint's monitor, else early stopping's, else `val_loss`
    /// (`loss` where there is no validation split).
    pub fn monitor(&self, has_valid: bool) -> Monitor {
        let asked = self.checkpoint.as_ref().map(|c| c.monitor);
        let asked = asked.or(self.early_stopping.as_ref().map(|e| e.monitor));
        asked.unwrap_or(Monitor { valid: has_valid, ..Monitor::VAL_LOSS })
    }

    /// The keys that name a metric to monitor, with the metric.
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

    /// What is wrong with the numbers, whatever the data.
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
    /// When a file can't be begun.
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
            started.push(Box::new(terminate_on_nan::Watch));
        }
        if let Some(settings) = csv_logger {
            started.push(Box::new(csv_logger::Log::create(settings, context.cell)));
        }
        if tensorboard.is_some() {
            started.push(Box::new(tensorboard::Log::create(&context)?));
        }
        if let Some(settings) = epoch_dots {
            started.push(Box::new(epoch_dots::Dots::new(settings, context.progress)));
        }
        if let Some(settings) = reduce_lr_on_plateau {
            started.push(Box::new(reduce_lr_on_plateau::Plateau::new(settings)));
        }
        if let Some(settings) = early_stopping {
            started.push(Box::new(early_stopping::Patience::new(settings)));
        }
        Ok(started)
    }
}

/// What is wrong with the key `min_delta`; its sign doesn't matter, as in Keras.
fn min_delta_fault(min_delta: f64) -> Option<Fault> {
    let message = format!("`min_delta` is {min_delta}, and nothing improves by that");
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

    /// How many epochs a callback lets run.
    pub(super) fn epochs_run(callback: &mut dyn Callback, val_losses: &[f64]) -> usize {
        let mut control = Control::new(1.0);
        for (index, &loss) in val_losses.iter().enumerate() {
            callback.on_epoch_end(&epoch(index as u32 + 1, loss), &mut control).expect("told");
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
        callbacks.checkpoint = Some(Checkpoint { monitor: Monitor::VAL_LOSS });
        assert_eq!(callbacks.monitor(true), Monitor::VAL_LOSS);
    }
}
