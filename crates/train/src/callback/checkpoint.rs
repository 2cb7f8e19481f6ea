//! `[callbacks.checkpoint]`: names the metric by which the best epoch is chosen. The best epoch is always kept, not the
//! last.

use emberline_base::Monitor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[callbacks.checkpoint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The metric whose best epoch is written to `model.safetensors` and scored.
    #[serde(default = "super::val_loss")]
    pub monitor: Monitor,
}
