//! What the validation rows say about a fit besides its metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the validation rows say about the best epoch of a cell besides its metrics. From it and the history follows
/// whether the fit was too short, went on too long, or learned nothing but the shares of the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitEvidence {
    /// The standard error of `val_loss` over the validation rows.
    pub val_loss_error: f64,
    /// The loss, on the validation rows, of giving every row the shares of the classes among the training rows.
    pub prior_loss: f64,
    /// The standard error of the difference of `prior_loss` and `val_loss`, paired by row.
    pub prior_gain_error: f64,
    /// The class that is predicted for every validation row, at a probability of 0.5 or by the highest logit; absent if
    /// several classes are predicted, and for several labels per text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_class: Option<String>,
}
