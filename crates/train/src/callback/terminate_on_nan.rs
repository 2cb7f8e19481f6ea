//! `[callbacks.terminate_on_nan]`: a validation loss that is no number fails the cell at once. (A
//! training loss that is none always does: the weights are lost.)

use emberline_base::SplitName;
use emberline_base::record::Epoch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;
use crate::divergence::refuse_not_finite;

/// `[callbacks.terminate_on_nan]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminateOnNan {}

/// Watching at work.
pub(super) struct Watch;

impl Callback for Watch {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        refuse_not_finite(epoch, SplitName::Train, &epoch.train)?;
        if let Some(valid) = &epoch.valid {
            refuse_not_finite(epoch, SplitName::Valid, valid)?;
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
        assert!(Watch.on_epoch_end(&epoch(1, 0.5), &mut control).is_ok());
        let error = Watch.on_epoch_end(&epoch(2, f64::NAN), &mut control).expect_err("not a number");
        assert!(error.to_string().contains("NaN in epoch 2"), "{error}");
    }
}
