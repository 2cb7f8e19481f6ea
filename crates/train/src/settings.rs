//! `[head]` and `[train]`: the layers, the optimiser, the loss and the epochs.

use emberline_base::{Fault, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[head]`: the hidden layers between the embedding and the output.
///
/// The output layer follows from the labels: one sigmoid unit for a binary task, a softmax over
/// the classes for a multi-class one, a sigmoid a class for a multi-label one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The hidden layers, first to last; none makes a linear classifier.
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
        /// What is applied to the layer's output.
        activation: Activation,
    },
    /// Training zeroes inputs at random and scales the rest up.
    Dropout {
        /// The share of inputs that is zeroed.
        rate: f32,
    },
}

/// A layer as written. One flat table, so that a fault points at its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["dense"] }, { "required": ["dropout"] }],
    "dependentRequired" = { "activation": ["dense"] },
))]
struct LayerKeys {
    /// A fully connected layer of so many units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    dense: Option<u32>,
    /// What is applied to a dense layer's output; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activation: Option<Activation>,
    /// A layer that zeroes this share of its inputs while training, from 0 to below 1.
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

/// What is applied to a layer's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    #[default]
    Linear,
    /// max(x, 0)
    Relu,
    /// x Phi(x), with the error function.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
}

/// `[train]`: how the head is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// At most so many passes over the training rows.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// Rows a step.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// How weights follow gradients.
    pub optimizer: Optimizer,
    /// What is minimised; follows from the labels when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Whether the training rows are put in a new order before every epoch.
    pub shuffle: bool,
}

impl Default for Train {
    fn default() -> Self {
        Self { epochs: 100, batch_size: 32, optimizer: Optimizer::Adam(Adam::default()), loss: None, shuffle: true }
    }
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// For binary and multi-label tasks; computed from the logits.
    BinaryCrossEntropy,
    /// For multi-class tasks; computed from the logits.
    CategoricalCrossEntropy,
}

/// How weights follow gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba, 2015), as Keras computes it.
    Adam(Adam),
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as Keras computes it.
    Adamw(Adamw),
    /// Stochastic gradient descent, with momentum if wanted.
    Sgd(Sgd),
}

/// `adam = { learning_rate = 1e-4 }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// The step size.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The decay of the mean of the gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_1: f64,
    /// The decay of the mean of their squares.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_2: f64,
    /// Added to the root of the mean square; smaller numbers are 0 in 32 bits.
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
    /// The step size.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The decay of the mean of the gradients.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_1: f64,
    /// The decay of the mean of their squares.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta_2: f64,
    /// Added to the root of the mean square; smaller numbers are 0 in 32 bits.
    #[schemars(range(min = 1e-37))]
    pub epsilon: f64,
    /// The part of every weight that a step of size 1 takes away.
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
    /// The step size.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// The part of the last step that is taken again.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub momentum: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 1e-2, momentum: 0.0 }
    }
}

impl Optimizer {
    /// The step size that training starts with.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(s) => s.learning_rate,
            Self::Adamw(s) => s.learning_rate,
            Self::Sgd(s) => s.learning_rate,
        }
    }

    /// The same, with another step size.
    pub(crate) fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        match &mut self {
            Self::Adam(s) => s.learning_rate = learning_rate,
            Self::Adamw(s) => s.learning_rate = learning_rate,
            Self::Sgd(s) => s.learning_rate = learning_rate,
        }
        self
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut between = |key: &str, value: f64, low: f64, high: f64, hint: &str| {
            if !(value >= low && value < high) {
                faults.push(Fault::new(key, format!("{value} is out of range"), hint));
            }
        };
        let positive = "give a number above 0, such as 1e-3";
        let share = "give a number from 0 to below 1, such as 0.9";
        between("learning_rate", self.learning_rate(), f64::MIN_POSITIVE, f64::INFINITY, positive);
        let name = match self {
            Self::Adam(Adam { beta_1, beta_2, epsilon, .. }) | Self::Adamw(Adamw { beta_1, beta_2, epsilon, .. }) => {
                between("beta_1", *beta_1, 0.0, 1.0, share);
                between("beta_2", *beta_2, 0.0, 1.0, share);
                between("epsilon", *epsilon, 1e-37, f64::INFINITY, "give 1e-37 or more, such as 1e-7");
                if let Self::Adamw(s) = self {
                    between("weight_decay", s.weight_decay, 0.0, f64::INFINITY, "give 0 or more, such as 4e-3");
                    "adamw"
                } else {
                    "adam"
                }
            }
            Self::Sgd(s) => {
                between("momentum", s.momentum, 0.0, 1.0, share);
                "sgd"
            }
        };
        faults.into_iter().map(|fault| fault.below(name)).collect()
    }
}

impl Head {
    /// Whether cards have kernels of their own for it, where no embedding is tuned below it. Else they are slower than a
    /// processor.
    pub fn suits_cards(&self) -> bool {
        !matches!(self.layers.first(), Some(Layer::Dropout { .. }))
    }

    /// What is wrong with the layers, whatever the data.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Dense { units, .. } if !(1..=65_536).contains(units) => faults.push(Fault::new(
                    format!("layers.{index}.dense"),
                    format!("a layer can't have {units} units"),
                    "give 1 to 65_536",
                )),
                Layer::Dropout { rate } if !(0.0..1.0).contains(rate) => faults.push(Fault::new(
                    format!("layers.{index}.dropout"),
                    format!("{rate} is no rate of dropout"),
                    "give a number from 0 to below 1, such as 0.2",
                )),
                Layer::Dense { .. } | Layer::Dropout { .. } => {}
            }
        }
        faults
    }
}

impl Train {
    /// What is wrong with the numbers, whatever the data.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                faults.push(Fault::new(key, format!("`{key}` is 0"), "give 1 or more"));
            }
        }
        faults.extend(self.optimizer.faults().into_iter().map(|fault| fault.below("optimizer")));
        faults
    }

    /// The loss that is asked for, or the one that goes with the labels.
    ///
    /// # Errors
    /// When the loss that is asked for doesn't go with the labels: what to write instead.
    pub fn loss_for(&self, task: Task) -> Result<Loss, String> {
        let natural = match task {
            Task::Binary | Task::MultiLabel => Loss::BinaryCrossEntropy,
            Task::MultiClass => Loss::CategoricalCrossEntropy,
        };
        match self.loss {
            Some(loss) if loss != natural => Err(format!(
                "`{}` doesn't go with {} labels; write `{}`, or leave `loss` out",
                loss.name(),
                match task {
                    Task::Binary => "binary",
                    Task::MultiClass => "multi-class",
                    Task::MultiLabel => "multi-label",
                },
                natural.name()
            )),
            Some(_) | None => Ok(natural),
        }
    }
}

impl Loss {
    /// The name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinaryCrossEntropy => "binary_cross_entropy",
            Self::CategoricalCrossEntropy => "categorical_cross_entropy",
        }
    }
}
