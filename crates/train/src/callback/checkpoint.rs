//! `[callbacks.checkpoint]`: names the metric by which the best epoch is chosen. The best epoch is always kept, not the
//! last. Keras calls it `ModelCheckpoint`; an interrupted fit resumes from a
//! [`Checkpoint`](crate::Checkpoint), which is another thing.

use emberline_base::Monitor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[callbacks.checkpoint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Checkpoint")]
pub struct ModelCheckpoint {
    /// The metric whose best epoch is written to `model.safetensors` and scored.
    #[serde(default = "super::val_loss")]
    pub monitor: Monitor,
}
