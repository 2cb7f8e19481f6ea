//! `[head]` and `[train]`: the settings of layers, optimiser, loss and epochs.

use emberline_base::{Fault, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[head]`: the hidden layers between the embedding and the output.
///
/// The output layer follows from the labels: one sigmoid unit for a binary task, a softmax over the classes for a
/// multi-class task, one sigmoid per class for a multi-label task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The hidden layers, first to last; without any, the head is a linear classifier.
    #[serde(default)]
    pub layers: Vec<Layer>,
}

/// One hidden layer: `{ dense = 256, activation = "relu" }` or `{ dropout = 0.2 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LayerKeys", into = "LayerKeys")]
pub enum Layer {
    /// A fully connected layer.
    Dense {
        /// The number of units.
        units: u32,
        /// The activation function.
        activation: Activation,
    },
    /// A dropout layer: training sets inputs to zero at random and scales up the others.
    Dropout {
        /// The share of inputs that is set to zero.
        rate: f32,
    },
}

/// A layer as it is written: one flat table, so that a fault points at its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["dense"] }, { "required": ["dropout"] }],
    "dependentRequired" = { "activation": ["dense"] },
))]
struct LayerKeys {
    /// A fully connected layer with this number of units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    dense: Option<u32>,
    /// The activation function of a dense layer; none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activation: Option<Activation>,
    /// A dropout layer, which sets this share of its inputs to zero during training, from 0 to below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    dropout: Option<f32>,
}

impl TryFrom<LayerKeys> for Layer {
    type Error = String;

    fn try_from(keys: LayerKeys) -> Result<Self, String> {
        match (keys.dense, keys.dropout) {
            (Some(units), None) => Ok(Self::Dense { units, activation: keys.activation.unwrap_or_default() }),
            (None, Some(rate)) if keys.activation.is_none() => Ok(Self::Dropout { rate }),
            (None, Some(_)) => Err("a dropout layer has no activation; give it to a dense layer".into()),
            (None, None) => Err("a layer needs `dense` (its units) or `dropout` (its rate)".into()),
            (Some(_), Some(_)) => {
                Err("`dense` and `dropout` are two layers; write { dense = ... }, { dropout = ... }".into())
            }
        }
    }
}

impl From<Layer> for LayerKeys {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Dense { units, activation } => {
                Self { dense: Some(units), activation: Some(activation), dropout: None }
            }
            Layer::Dropout { rate } => Self { dense: None, activation: None, dropout: Some(rate) },
        }
    }
}

impl JsonSchema for Layer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Layer".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        LayerKeys::json_schema(generator)
    }
}

/// The activation function of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The identity: no activation.
    #[default]
    Linear,
    /// max(x, 0)
    Relu,
    /// x Phi(x), computed with the error function.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
}

/// `[train]`: how the head is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// The maximum number of passes over the training rows.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// The number of rows per step.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// The optimiser, which updates the weights from the gradients.
    pub optimizer: Optimizer,
    /// The loss, which training minimises; follows from the labels when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Whether the training rows are shuffled before every epoch.
    pub shuffle: bool,
}

impl Default for Train {
    fn default() -> Self {
        Self { epochs: 100, batch_size: 32, optimizer: Optimizer::Adam(Adam::default()), loss: None, shuffle: true }
    }
}

/// The loss function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// For binary and multi-label tasks; computed from the logits.
    BinaryCrossEntropy,
    /// For multi-class tasks; computed from the logits.
    CategoricalCrossEntropy,
}

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

    fn faults(&self) -> Vec<Fault> {
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

impl Head {
    /// Returns whether GPUs have their own kernels for the head, if no embedding is fine-tuned below it. If not, GPUs
    /// are slower than a CPU.
    pub fn has_gpu_kernels(&self) -> bool {
        !matches!(self.layers.first(), Some(Layer::Dropout { .. }))
    }

    /// Returns the faults of the layers that are independent of the data.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Dense { units, .. } if !(1..=65_536).contains(units) => faults.push(Fault::new(
                    format!("layers.{index}.dense"),
                    format!("a layer can't have {units} units"),
                    "use 1 to 65_536",
                )),
                Layer::Dropout { rate } if !(0.0..1.0).contains(rate) => faults.push(Fault::new(
                    format!("layers.{index}.dropout"),
                    format!("{rate} isn't a valid dropout rate"),
                    "use a number from 0 to below 1, such as 0.2",
                )),
                Layer::Dense { .. } | Layer::Dropout { .. } => {}
            }
        }
        faults
    }
}

impl Train {
    /// Returns the faults of the numbers that are independent of the data.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                faults.push(Fault::new(key, format!("`{key}` is 0"), "use 1 or more"));
            }
        }
        faults.extend(self.optimizer.faults().into_iter().map(|fault| fault.below("optimizer")));
        faults
    }

    /// Returns the loss that is set, or the one that suits the labels.
    ///
    /// # Errors
    /// When the loss that is set doesn't suit the labels; the error says what to write instead.
    pub fn loss_for(&self, task: Task) -> Result<Loss, String> {
        let suitable = match task {
            Task::Binary | Task::MultiLabel => Loss::BinaryCrossEntropy,
            Task::MultiClass => Loss::CategoricalCrossEntropy,
        };
        match self.loss {
            Some(loss) if loss != suitable => Err(format!(
                "the loss `{}` doesn't suit {} labels; use `{}`, or leave `loss` out",
                loss.name(),
                match task {
                    Task::Binary => "binary",
                    Task::MultiClass => "multi-class",
                    Task::MultiLabel => "multi-label",
                },
                suitable.name()
            )),
            Some(_) | None => Ok(suitable),
        }
    }
}

impl Loss {
    /// Returns the name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinaryCrossEntropy => "binary_cross_entropy",
            Self::CategoricalCrossEntropy => "categorical_cross_entropy",
        }
    }
}
