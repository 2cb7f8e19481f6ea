//! `[callbacks.terminate_on_nan]`: fails the cell at once if the validation loss is NaN or infinite. (A training loss
//! that is NaN or infinite always does: the weights are lost.)

use emberline_base::SplitName;
use emberline_base::record::Epoch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;
use crate::divergence::require_finite_loss;

/// `[callbacks.terminate_on_nan]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminateOnNan {}

/// Checks the losses.
pub(super) struct NanGuard;

impl Callback for NanGuard {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        require_finite_loss(epoch, SplitName::Train, &epoch.train)?;
        if let Some(valid) = &epoch.valid {
            require_finite_loss(epoch, SplitName::Valid, valid)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    #[test]
    fn a_loss_that_is_no_number_ends_the_fit() {
        let mut control = Control::new(1.0);
        assert!(NanGuard.on_epoch_end(&epoch(1, 0.5), &mut control).is_ok());
        let error = NanGuard.on_epoch_end(&epoch(2, f64::NAN), &mut control).expect_err("not a number");
        assert!(error.to_string().contains("NaN in epoch 2"), "{error}");
    }
}
