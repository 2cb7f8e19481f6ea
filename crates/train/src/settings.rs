//! `[head]` and `[train]`: the settings of layers, optimiser, loss and epochs.

mod classes;
mod contrastive;
mod encoder;
mod loss;
mod optimizer;
mod steps;

use emberline_base::{Fault, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::classes::{ClassWeight, Sampling, WeightRule};
pub(crate) use self::classes::{balanced, class_counts, class_of_row};
pub use self::contrastive::Contrastive;
pub use self::encoder::EncoderTraining;
pub use self::loss::{CrossEntropy, Focal, Loss};
pub use self::optimizer::{Adam, Adamw, Lbfgs, Optimizer, Sgd};
pub use self::steps::{Clip, Cosine, Exponential, Schedule};

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

/// One hidden layer: `{ dense = 256, activation = "relu" }`, `{ layer_norm = {} }` or `{ dropout = 0.2 }`.
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
    /// Layer normalisation.
    LayerNorm(LayerNorm),
}

/// `{ layer_norm = {} }`: layer normalisation (Ba et al., 2016), as Keras computes it. Each text's numbers are shifted and
/// scaled to the mean 0 and the variance 1, then multiplied by a trained gamma and shifted by a trained beta.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerNorm {
    /// Added to the variance before its root is taken; Keras's default, 1e-3. PyTorch's is 1e-5.
    #[schemars(range(min = 1e-30, max = 1.0))]
    pub epsilon: f64,
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self { epsilon: 1e-3 }
    }
}

/// A layer as it is written: one flat table, so that a fault points at its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["dense"] }, { "required": ["dropout"] }, { "required": ["layer_norm"] }],
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
    /// A layer that normalises each text's numbers to the mean 0 and the variance 1, and then scales and shifts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer_norm: Option<LayerNorm>,
}

impl TryFrom<LayerKeys> for Layer {
    type Error = String;

    fn try_from(keys: LayerKeys) -> Result<Self, String> {
        let LayerKeys { dense, activation, dropout, layer_norm } = keys;
        match (dense, dropout, layer_norm) {
            (Some(units), None, None) => Ok(Self::Dense { units, activation: activation.unwrap_or_default() }),
            (None, Some(_), None) if activation.is_some() => {
                Err("a dropout layer has no activation; give it to a dense layer".into())
            }
            (None, None, Some(_)) if activation.is_some() => {
                Err("a layer normalisation has no activation; give it to a dense layer".into())
            }
            (None, Some(rate), None) => Ok(Self::Dropout { rate }),
            (None, None, Some(norm)) => Ok(Self::LayerNorm(norm)),
            (None, None, None) => {
                Err("a layer needs `dense` (its units), `dropout` (its rate) or `layer_norm = {}`".into())
            }
            (Some(_), Some(_), None) => {
                Err("`dense` and `dropout` are two layers; write { dense = ... }, { dropout = ... }".into())
            }
            (_, _, Some(_)) => {
                Err("`layer_norm` is a layer of its own; write { dense = ... }, { layer_norm = {} }".into())
            }
        }
    }
}

impl From<Layer> for LayerKeys {
    fn from(layer: Layer) -> Self {
        let none = Self { dense: None, activation: None, dropout: None, layer_norm: None };
        match layer {
            Layer::Dense { units, activation } => Self { dense: Some(units), activation: Some(activation), ..none },
            Layer::Dropout { rate } => Self { dropout: Some(rate), ..none },
            Layer::LayerNorm(norm) => Self { layer_norm: Some(norm), ..none },
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
    /// x / (1 + exp(-x)), also called swish.
    Silu,
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
    /// How much each class counts in the loss: "balanced", or the weights of classes by name; all equally when left out. Not
    /// for multi-label tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// How the rows of an epoch are chosen; when left out, each training row once. Not for multi-label tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// How the learning rate changes from step to step; when left out, it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How gradients are bounded; when left out, they aren't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// A penalty of this number times the squared weights of all kernels of the head, as Keras's `kernel_regularizer`; the
    /// reported losses don't include it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub l2: Option<f64>,
    /// Whether the training rows are shuffled before every epoch.
    pub shuffle: bool,
    /// The learning rate of a fine-tuned encoder's weights, which the schedule and callbacks change along with the optimiser's;
    /// when left out: 2e-5, or 2e-4 for LoRA. The optimiser's own is that of the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub encoder_learning_rate: Option<f64>,
    /// The decoupled weight decay of a fine-tuned encoder's matrices: a step with learning rate 1 reduces every weight by this
    /// share; when left out, 0.01. Biases and normalisations have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub encoder_weight_decay: Option<f64>,
    /// The share of a fine-tuned encoder's hidden numbers that is set to zero during training; when left out, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub encoder_dropout: Option<f32>,
    /// The number of batches whose gradients make a step of a fine-tuned encoder and its head; when left out, 1. A step takes
    /// the memory of a batch, and has `accumulate` times its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub accumulate: Option<u32>,
    /// Trains the encoder on pairs of texts, so that those of one label get similar vectors, and then the head on the vectors,
    /// as SetFit does; for few labels. When left out, the encoder is trained together with the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrastive: Option<Contrastive>,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 32,
            optimizer: Optimizer::Adam(Adam::default()),
            loss: None,
            class_weight: None,
            sampling: None,
            schedule: None,
            clip: None,
            l2: None,
            shuffle: true,
            encoder_learning_rate: None,
            encoder_weight_decay: None,
            encoder_dropout: None,
            accumulate: None,
            contrastive: None,
        }
    }
}

impl Activation {
    /// Returns whether the kernels of GPUs know the activation.
    fn has_gpu_kernel(self) -> bool {
        match self {
            Self::Linear | Self::Relu | Self::Gelu | Self::Tanh | Self::Sigmoid => true,
            Self::Silu => false,
        }
    }
}

impl Head {
    /// Returns whether GPUs have their own kernels for the head, if no embedding is fine-tuned below it. If not, GPUs
    /// are slower than a CPU.
    pub fn has_gpu_kernels(&self) -> bool {
        let has_kernel = |(at, layer): (usize, &Layer)| match layer {
            Layer::Dense { activation, .. } => activation.has_gpu_kernel(),
            Layer::Dropout { .. } => at > 0,
            Layer::LayerNorm(_) => false,
        };
        self.layers.iter().enumerate().all(has_kernel)
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
                Layer::LayerNorm(LayerNorm { epsilon }) if !(1e-30..=1.0).contains(epsilon) => faults.push(Fault::new(
                    format!("layers.{index}.layer_norm.epsilon"),
                    format!("{epsilon} is out of range"),
                    "use a number from 1e-30 to 1, such as 1e-3",
                )),
                Layer::Dense { .. } | Layer::Dropout { .. } | Layer::LayerNorm(_) => {}
            }
        }
        faults
    }
}

impl Train {
    /// Returns whether GPUs have their own kernels for these settings; if not, GPUs are slower than a CPU.
    pub fn has_gpu_kernels(&self) -> bool {
        let Self {
            epochs: _,
            batch_size: _,
            optimizer: _,
            loss,
            class_weight,
            sampling: _,
            schedule: _,
            clip,
            l2,
            shuffle: _,
            encoder_learning_rate: _,
            encoder_weight_decay: _,
            encoder_dropout: _,
            accumulate: _,
            contrastive: _,
        } = self;
        loss.is_none_or(Loss::is_log_loss) && class_weight.is_none() && clip.is_none() && l2.is_none_or(|l2| l2 == 0.0)
    }

    /// Returns the settings, by their keys, that are set and that `lbfgs` doesn't know.
    pub fn unknown_to_lbfgs(&self) -> Vec<&'static str> {
        let Self {
            epochs: _,
            batch_size: _,
            optimizer: _,
            loss,
            class_weight: _,
            sampling,
            schedule,
            clip,
            l2,
            shuffle: _,
            encoder_learning_rate: _,
            encoder_weight_decay: _,
            encoder_dropout: _,
            accumulate: _,
            contrastive: _,
        } = self;
        let set = [
            ("loss", !loss.is_none_or(Loss::is_log_loss)),
            ("sampling", sampling.is_some()),
            ("schedule", schedule.is_some()),
            ("clip", clip.is_some()),
            ("l2", l2.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
    }

    /// Returns the faults of the numbers that are independent of the data.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                faults.push(Fault::new(key, format!("`{key}` is 0"), "use 1 or more"));
            }
        }
        let below = |faults: Vec<Fault>, table: &'static str| faults.into_iter().map(move |fault| fault.below(table));
        faults.extend(below(self.optimizer.faults(), "optimizer"));
        faults.extend(below(self.loss.map_or(Vec::new(), Loss::faults), "loss"));
        faults.extend(self.class_weight.iter().flat_map(ClassWeight::faults));
        faults.extend(below(self.schedule.map_or(Vec::new(), Schedule::faults), "schedule"));
        faults.extend(below(self.clip.map_or(Vec::new(), Clip::faults), "clip"));
        let l2 = self.l2.filter(|l2| !(l2.is_finite() && *l2 >= 0.0));
        faults.extend(l2.map(|l2| Fault::new("l2", format!("{l2} is out of range"), "use 0 or more, such as 1e-4")));
        faults.extend(below(self.contrastive.map_or(Vec::new(), Contrastive::faults), "contrastive"));
        faults.extend(self.sampling_faults());
        faults.extend(self.encoder_faults());
        faults
    }

    fn sampling_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.sampling.is_some() && self.class_weight.is_some() {
            let message = "`sampling` and `class_weight` weigh the classes twice";
            faults.push(Fault::new("sampling", message, "leave one of them out").related_to("class_weight"));
        }
        if self.sampling.is_some() && !self.shuffle {
            let message = "`sampling` draws rows at random, so `shuffle = false` has no effect";
            faults.push(Fault::new("sampling", message, "leave one of them out").related_to("shuffle"));
        }
        faults
    }
}

/// Returns the kind of a task's labels in words.
fn words(task: Task) -> &'static str {
    match task {
        Task::Binary => "binary",
        Task::MultiClass => "multi-class",
        Task::MultiLabel => "multi-label",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layers_keep_the_form_in_which_they_are_written() {
        for (written, layer) in [
            (json!({"dense": 8, "activation": "silu"}), Layer::Dense { units: 8, activation: Activation::Silu }),
            (json!({"layer_norm": {"epsilon": 0.5}}), Layer::LayerNorm(LayerNorm { epsilon: 0.5 })),
        ] {
            assert_eq!(serde_json::from_value::<Layer>(written.clone()).expect("a layer"), layer);
            assert_eq!(serde_json::to_value(layer).expect("JSON"), written);
        }
        let norm: Layer = serde_json::from_value(json!({"layer_norm": {}})).expect("a layer");
        assert_eq!(norm, Layer::LayerNorm(LayerNorm::default()));
        for wrong in [json!({"layer_norm": {}, "dense": 8}), json!({"layer_norm": {}, "activation": "relu"}), json!({})]
        {
            assert!(serde_json::from_value::<Layer>(wrong).is_err());
        }
    }

    #[test]
    fn settings_that_weigh_classes_twice_are_faults() {
        let keys = |value| {
            let train: Train = serde_json::from_value(value).expect("settings");
            train.faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(json!({"sampling": "balanced", "class_weight": "balanced"})), ["sampling"]);
        assert_eq!(keys(json!({"sampling": "balanced", "shuffle": false})), ["sampling"]);
        assert_eq!(keys(json!({"l2": -1.0, "clip": {"norm": 0.0}})), ["clip.norm", "l2"]);
        assert_eq!(keys(json!({"loss": {"focal": {"gamma": -1.0}}})), ["loss.focal.gamma"]);
    }
}
