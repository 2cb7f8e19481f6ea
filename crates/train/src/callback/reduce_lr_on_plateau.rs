//! `[callbacks.reduce_lr_on_plateau]`, as Keras's `ReduceLROnPlateau`.

use emberline_base::record::Epoch;
use emberline_base::{Fault, Monitor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;
use crate::fit::measured;

/// `[callbacks.reduce_lr_on_plateau]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReduceLrOnPlateau {
    /// The metric that should improve.
    pub monitor: Monitor,
    /// The step size is multiplied by it.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// Epochs without improvement after which it is.
    pub patience: u32,
    /// An improvement by less doesn't count.
    pub min_delta: f64,
    /// Epochs after a reduction during which no waiting counts.
    pub cooldown: u32,
    /// The step size never falls below it.
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
            let message = format!("a factor of {} doesn't reduce", self.factor);
            faults.push(Fault::new("factor", message, "give a number above 0 and below 1, such as 0.1"));
        }
        if !(self.min_lr >= 0.0 && self.min_lr.is_finite()) {
            let message = format!("a step size can't be {}", self.min_lr);
            faults.push(Fault::new("min_lr", message, "give 0 or more, such as 1e-6"));
        }
        faults
    }
}

/// Reduction at work.
pub(super) struct Plateau {
    settings: ReduceLrOnPlateau,
    best: f64,
    waited: u32,
    cooling: u32,
}

impl Plateau {
    pub(super) fn new(settings: &ReduceLrOnPlateau) -> Self {
        Self { settings: settings.clone(), best: settings.monitor.worst(), waited: 0, cooling: 0 }
    }
}

impl Callback for Plateau {
    fn on_epoch_end(&mut self, epoch: &Epoch, control: &mut Control) -> Result<(), Error> {
        let value = measured(epoch, self.settings.monitor)?;
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.settings.monitor.improves(value, self.best, self.settings.min_delta.abs()) {
            (self.best, self.waited) = (value, 0);
        } else if self.cooling == 0 {
            self.waited += 1;
            if self.waited >= self.settings.patience && control.learning_rate > self.settings.min_lr {
                control.learning_rate = (control.learning_rate * self.settings.factor).max(self.settings.min_lr);
                (self.cooling, self.waited) = (self.settings.cooldown, 0);
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
    fn the_step_size_falls_on_a_plateau_and_rests_while_cooling() {
        let settings =
            ReduceLrOnPlateau { patience: 2, factor: 0.5, cooldown: 1, min_lr: 0.2, ..ReduceLrOnPlateau::default() };
        let mut plateau = Plateau::new(&settings);
        let mut control = Control::new(1.0);
        let rates: Vec<f64> = (1..=10)
            .map(|number| {
                plateau.on_epoch_end(&epoch(number, 0.5), &mut control).expect("told");
                control.learning_rate
            })
            .collect();
        // As Keras 2: reduced after epochs 3, 5 (one epoch of cooling ends as it begins to count), 7.
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]);
    }
}
