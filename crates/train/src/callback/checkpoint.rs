//! `[callbacks.checkpoint]`: the best epoch, not the last, is kept; this says by which metric.

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
