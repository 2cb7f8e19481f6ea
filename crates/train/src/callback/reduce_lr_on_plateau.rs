//! `[callbacks.reduce_lr_on_plateau]`: reduces the learning rate when a metric no longer improves, like Keras's
//! `ReduceLROnPlateau`.

use emberline_base::record::Epoch;
use emberline_base::{Fault, Monitor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;
use crate::monitor::monitored_value;

/// `[callbacks.reduce_lr_on_plateau]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReduceLrOnPlateau {
    /// The metric that should improve.
    pub monitor: Monitor,
    /// The factor by which the learning rate is multiplied.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// The number of epochs without improvement after which the learning rate is reduced.
    pub patience: u32,
    /// The minimum change that counts as an improvement.
    pub min_delta: f64,
    /// The number of epochs after a reduction that don't count as epochs without improvement.
    pub cooldown: u32,
    /// The minimum learning rate.
    #[schemars(range(min = 0.0))]
    pub min_lr: f64,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self { monitor: Monitor::VAL_LOSS, factor: 0.1, patience: 10, min_delta: 1e-4, cooldown: 0, min_lr: 0.0 }
    }
}

impl ReduceLrOnPlateau {
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = super::min_delta_fault(self.min_delta).into_iter().collect();
        if !(self.factor > 0.0 && self.factor < 1.0) {
            let message = format!("a factor of {} doesn't reduce the learning rate", self.factor);
            faults.push(Fault::new("factor", message, "use a number above 0 and below 1, such as 0.1"));
        }
        if !(self.min_lr >= 0.0 && self.min_lr.is_finite()) {
            let message = format!("{} isn't a valid learning rate", self.min_lr);
            faults.push(Fault::new("min_lr", message, "use 0 or more, such as 1e-6"));
        }
        faults
    }
}

/// The state of the reduction.
pub(super) struct PlateauReducer {
    settings: ReduceLrOnPlateau,
    best: f64,
    epochs_without_improvement: u32,
    remaining_cooldown: u32,
}

impl PlateauReducer {
    pub(super) fn new(settings: &ReduceLrOnPlateau) -> Self {
        Self {
            settings: settings.clone(),
            best: settings.monitor.worst(),
            epochs_without_improvement: 0,
            remaining_cooldown: 0,
        }
    }
}

impl Callback for PlateauReducer {
    fn on_epoch_end(&mut self, epoch: &Epoch, control: &mut Control) -> Result<(), Error> {
        let value = monitored_value(epoch, self.settings.monitor)?;
        if self.remaining_cooldown > 0 {
            self.remaining_cooldown -= 1;
            self.epochs_without_improvement = 0;
        }
        if self.settings.monitor.improves(value, self.best, self.settings.min_delta.abs()) {
            (self.best, self.epochs_without_improvement) = (value, 0);
        } else if self.remaining_cooldown == 0 {
            self.epochs_without_improvement += 1;
            if self.epochs_without_improvement >= self.settings.patience && control.learning_rate > self.settings.min_lr
            {
                control.learning_rate = (control.learning_rate * self.settings.factor).max(self.settings.min_lr);
                (self.remaining_cooldown, self.epochs_without_improvement) = (self.settings.cooldown, 0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    #[test]
    fn the_learning_rate_falls_on_a_plateau_and_stays_during_the_cooldown() {
        let settings =
            ReduceLrOnPlateau { patience: 2, factor: 0.5, cooldown: 1, min_lr: 0.2, ..ReduceLrOnPlateau::default() };
        let mut plateau = PlateauReducer::new(&settings);
        let mut control = Control::new(1.0);
        let rates: Vec<f64> = (1..=10)
            .map(|number| {
                plateau.on_epoch_end(&epoch(number, 0.5), &mut control).expect("no error");
                control.learning_rate
            })
            .collect();
        // As Keras 2: reduced after epochs 3, 5 (one epoch of cooling ends as it begins to count), 7.
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]);
    }
}
