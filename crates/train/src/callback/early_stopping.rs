//! `[callbacks.early_stopping]`: ends the training when a metric no longer improves, like Keras's `EarlyStopping`.

use emberline_base::record::{Epoch, Stop};
use emberline_base::{Fault, Monitor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;
use crate::monitor::monitored_value;

/// `[callbacks.early_stopping]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The metric that should improve.
    #[serde(default = "super::val_loss")]
    pub monitor: Monitor,
    /// The number of epochs without improvement after which the training ends.
    #[serde(default)]
    pub patience: u32,
    /// The minimum change that counts as an improvement.
    #[serde(default)]
    pub min_delta: f64,
}

impl EarlyStopping {
    pub(super) fn faults(&self) -> Vec<Fault> {
        super::min_delta_fault(self.min_delta).into_iter().collect()
    }
}

/// The state of early stopping.
pub(super) struct EarlyStopper {
    settings: EarlyStopping,
    best: f64,
    epochs_without_improvement: u32,
}

impl EarlyStopper {
    pub(super) fn new(settings: &EarlyStopping) -> Self {
        Self { settings: settings.clone(), best: settings.monitor.worst(), epochs_without_improvement: 0 }
    }
}

impl Callback for EarlyStopper {
    fn on_epoch_end(&mut self, epoch: &Epoch, control: &mut Control) -> Result<(), Error> {
        let value = monitored_value(epoch, self.settings.monitor)?;
        self.epochs_without_improvement += 1;
        if self.settings.monitor.improves(value, self.best, self.settings.min_delta.abs()) {
            (self.best, self.epochs_without_improvement) = (value, 0);
        } else if self.epochs_without_improvement >= self.settings.patience && epoch.epoch > 1 {
            control.stop = Some(Stop::EarlyStopping);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epochs_run;
    use super::*;

    fn stops_after(patience: u32, min_delta: f64, losses: &[f64]) -> usize {
        let settings = EarlyStopping { monitor: Monitor::VAL_LOSS, patience, min_delta };
        epochs_run(&mut EarlyStopper::new(&settings), losses)
    }

    #[test]
    fn training_ends_after_patience_epochs_without_improvement() {
        assert_eq!(stops_after(2, 0.0, &[0.5, 0.4, 0.41, 0.39, 0.4, 0.395, 0.1]), 6);
        assert_eq!(stops_after(0, 0.0, &[0.5, 0.6, 0.1]), 2);
        assert_eq!(stops_after(2, 0.0, &[0.5, 0.4, 0.3]), 3);
    }

    #[test]
    fn small_improvements_do_not_count() {
        assert_eq!(stops_after(2, 0.05, &[0.5, 0.48, 0.46, 0.1]), 3);
    }

    #[test]
    fn nan_is_no_improvement() {
        assert_eq!(stops_after(2, 0.0, &[0.5, f64::NAN, f64::NAN, 0.1]), 3);
    }
}
