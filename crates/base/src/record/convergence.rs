//! How the fit of a converged linear head ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a fit by L-BFGS ended. A multi-label task is one problem per class: the numbers are the largest of all classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Convergence {
    /// Whether the gradient fell to the tolerance.
    pub converged: bool,
    /// The number of iterations.
    pub iterations: u32,
    /// The number of times that the objective and its gradient were computed.
    pub evaluations: u32,
    /// The largest magnitude of the gradient of (objective / rows) at the end.
    pub gradient: f64,
}
