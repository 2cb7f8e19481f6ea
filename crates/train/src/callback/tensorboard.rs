//! `[callbacks.tensorboard]`: writes event files with the folders and tags of Keras's callback.

use std::collections::BTreeMap;

use emberline_base::record::Epoch;
use emberline_tensorboard::{RunLog, SessionStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, CallbackContext, Control};
use crate::Error;

/// `[callbacks.tensorboard]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorBoard {}

/// Writes the event files.
pub(super) struct TensorBoardWriter {
    /// None after the end of the training.
    log: Option<RunLog>,
    steps_per_epoch: u64,
}

impl TensorBoardWriter {
    /// Creates the event files. Every cell is a row of its own on the HParams page.
    pub(super) fn create(context: &CallbackContext<'_>) -> Result<Self, Error> {
        let log = RunLog::create(context.tensorboard, "", context.hparams)?;
        Ok(Self { log: Some(log), steps_per_epoch: context.steps_per_epoch })
    }
}

impl Callback for TensorBoardWriter {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        let steps = u64::from(epoch.epoch) * self.steps_per_epoch;
        Ok(self.log.as_mut().map_or(Ok(()), |log| log.epoch(epoch, steps))?)
    }

    fn on_train_end(&mut self, best_epoch: u32, metrics: &BTreeMap<String, f64>) -> Result<(), Error> {
        let finish = |log: RunLog| log.finish(SessionStatus::Success, best_epoch, metrics);
        Ok(self.log.take().map_or(Ok(()), finish)?)
    }

    fn on_failure(&mut self) {
        // The user must be told of the failure itself, not that the log couldn't record it.
        let _ = self.log.take().map(|log| log.finish(SessionStatus::Failure, 1, &BTreeMap::new()));
    }
}
