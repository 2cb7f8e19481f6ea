//! `train.optimizer`: the optimisers and their settings.

use emberline_base::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba, 2015), as Keras computes it.
    Adam(Adam),
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as Keras computes it.
    Adamw(Adamw),
    /// Stochastic gradient descent, optionally with momentum.
    Sgd(Sgd),
    /// L-BFGS until it converges: logistic regression on frozen vectors, as scikit-learn's. The head must have no layers.
    Lbfgs(Lbfgs),
}

/// `adam = { learning_rate = 1e-4 }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// The learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The decay of the first moment, the mean of the gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_1: f64,
    /// The decay of the second moment, the mean of the squared gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_2: f64,
    /// Added to the square root of the second moment; smaller numbers are 0 in 32 bits.
    #[schemars(range(min = 1e-37))]
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

/// `adamw = { learning_rate = 1e-4, weight_decay = 4e-3 }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adamw {
    /// The learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The decay of the first moment, the mean of the gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_1: f64,
    /// The decay of the second moment, the mean of the squared gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_2: f64,
    /// Added to the square root of the second moment; smaller numbers are 0 in 32 bits.
    #[schemars(range(min = 1e-37))]
    pub epsilon: f64,
    /// The weight decay: a step with learning rate 1 reduces every weight by this share.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
}

impl Default for Adamw {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 4e-3 }
    }
}

/// `sgd = { learning_rate = 0.01, momentum = 0.9 }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The momentum: the share of the previous step that is added to the next one.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub momentum: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 1e-2, momentum: 0.0 }
    }
}

/// `lbfgs = { l2 = 1.0 }`: minimises the sum of the losses of all training rows plus `l2 / 2` times the squared weights. The
/// bias has no penalty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lbfgs {
    /// The strength of the penalty: 1 / C of scikit-learn's `LogisticRegression`.
    #[schemars(range(min = 0.0))]
    pub l2: f64,
    /// The fit has converged when no number of the gradient of (objective / rows) is larger than this: scikit-learn's `tol`.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub tolerance: f64,
    /// The most iterations: scikit-learn's `max_iter`. A fit that needs more is kept, with a warning.
    #[schemars(range(min = 1))]
    pub max_iterations: u32,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { l2: 1.0, tolerance: 1e-6, max_iterations: 1000 }
    }
}

impl Optimizer {
    /// Returns the initial learning rate; that of L-BFGS, which has none, is 1, the length of its usual step.
    pub fn learning_rate(&self) -> f64 {
        self.stepwise().map_or(1.0, |optimizer| optimizer.learning_rate())
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check_range = |key: &str, value: f64, low: f64, high: f64, hint: &str| {
            if !(value >= low && value < high) {
                faults.push(Fault::new(key, format!("{value} is out of range"), hint));
            }
        };
        let positive = "use a number above 0, such as 1e-3";
        let share = "use a number from 0 to below 1, such as 0.9";
        check_range("learning_rate", self.learning_rate(), f64::MIN_POSITIVE, f64::INFINITY, positive);
        let name = match self {
            Self::Adam(Adam { beta_1, beta_2, epsilon, .. }) | Self::Adamw(Adamw { beta_1, beta_2, epsilon, .. }) => {
                check_range("beta_1", *beta_1, 0.0, 1.0, share);
                check_range("beta_2", *beta_2, 0.0, 1.0, share);
                check_range("epsilon", *epsilon, 1e-37, f64::INFINITY, "use 1e-37 or more, such as 1e-7");
                if let Self::Adamw(s) = self {
                    check_range("weight_decay", s.weight_decay, 0.0, f64::INFINITY, "use 0 or more, such as 4e-3");
                    "adamw"
                } else {
                    "adam"
                }
            }
            Self::Sgd(s) => {
                check_range("momentum", s.momentum, 0.0, 1.0, share);
                "sgd"
            }
            Self::Lbfgs(s) => {
                check_range("l2", s.l2, 0.0, f64::INFINITY, "use 0 or more, such as 1.0");
                check_range(
                    "tolerance",
                    s.tolerance,
                    f64::MIN_POSITIVE,
                    f64::INFINITY,
                    "use a number above 0, such as 1e-6",
                );
                check_range(
                    "max_iterations",
                    s.max_iterations.into(),
                    1.0,
                    f64::INFINITY,
                    "use 1 or more, such as 1000",
                );
                "lbfgs"
            }
        };
        faults.into_iter().map(|fault| fault.below(name)).collect()
    }
}
