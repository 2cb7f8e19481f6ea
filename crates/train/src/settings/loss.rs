//! `train.loss`: the loss functions and their settings.
//!
//! A loss without settings of its own is written by its name, `loss = "binary_cross_entropy"`; with settings it is a table,
//! `loss = { binary_cross_entropy = { label_smoothing = 0.1 } }`. The names and the settings are Keras's.

use emberline_base::{Fault, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Train;

/// The loss function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "LossForm", into = "LossForm")]
pub enum Loss {
    /// For binary and multi-label tasks; computed from the logits.
    BinaryCrossEntropy(CrossEntropy),
    /// For multi-class tasks; computed from the logits.
    CategoricalCrossEntropy(CrossEntropy),
    /// The focal loss (Lin et al., 2017), for every task; computed from the logits.
    Focal(Focal),
}

/// A loss as it is written: a name, or a table whose only key is the name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a loss, or a table such as { focal = { gamma = 2.0 } }")]
enum LossForm {
    /// A loss with its default settings.
    Name(LossName),
    /// A loss with settings.
    Settings(LossSettings),
}

/// The name of a loss.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LossName {
    /// For binary and multi-label tasks; computed from the logits.
    BinaryCrossEntropy,
    /// For multi-class tasks; computed from the logits.
    CategoricalCrossEntropy,
    /// The focal loss (Lin et al., 2017), for every task.
    Focal,
}

/// A loss with settings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LossSettings {
    /// For binary and multi-label tasks; computed from the logits.
    BinaryCrossEntropy(CrossEntropy),
    /// For multi-class tasks; computed from the logits.
    CategoricalCrossEntropy(CrossEntropy),
    /// The focal loss (Lin et al., 2017), for every task.
    Focal(Focal),
}

/// `{ label_smoothing = 0.1 }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// The share of every target that is spread evenly over the classes: 1 becomes 1 - s + s / classes, and 0 becomes
    /// s / classes (for a binary or multi-label task, classes is 2).
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub label_smoothing: f64,
}

/// `{ gamma = 2.0 }`: multiplies the cross-entropy of an output by (1 - p)^gamma, with the probability p of the right class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Focal {
    /// The exponent; with 0 the loss is the cross-entropy.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub gamma: f64,
    /// The weight of a positive target; that of a negative one is 1 - alpha. Without it, both weights are 1. Not for a
    /// multi-class task.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub alpha: Option<f64>,
}

impl Default for Focal {
    fn default() -> Self {
        Self { gamma: 2.0, alpha: None }
    }
}

impl From<LossForm> for Loss {
    fn from(form: LossForm) -> Self {
        match form {
            LossForm::Name(LossName::BinaryCrossEntropy) => Self::BinaryCrossEntropy(CrossEntropy::default()),
            LossForm::Name(LossName::CategoricalCrossEntropy) => Self::CategoricalCrossEntropy(CrossEntropy::default()),
            LossForm::Name(LossName::Focal) => Self::Focal(Focal::default()),
            LossForm::Settings(LossSettings::BinaryCrossEntropy(settings)) => Self::BinaryCrossEntropy(settings),
            LossForm::Settings(LossSettings::CategoricalCrossEntropy(settings)) => {
                Self::CategoricalCrossEntropy(settings)
            }
            LossForm::Settings(LossSettings::Focal(settings)) => Self::Focal(settings),
        }
    }
}

impl From<Loss> for LossForm {
    /// A loss with default settings is written by its name, so that cells keep the identity that the name gave them.
    fn from(loss: Loss) -> Self {
        let default = CrossEntropy::default();
        match loss {
            Loss::BinaryCrossEntropy(settings) if settings == default => Self::Name(LossName::BinaryCrossEntropy),
            Loss::CategoricalCrossEntropy(settings) if settings == default => {
                Self::Name(LossName::CategoricalCrossEntropy)
            }
            Loss::Focal(settings) if settings == Focal::default() => Self::Name(LossName::Focal),
            Loss::BinaryCrossEntropy(settings) => Self::Settings(LossSettings::BinaryCrossEntropy(settings)),
            Loss::CategoricalCrossEntropy(settings) => Self::Settings(LossSettings::CategoricalCrossEntropy(settings)),
            Loss::Focal(settings) => Self::Settings(LossSettings::Focal(settings)),
        }
    }
}

impl Loss {
    /// Returns the name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinaryCrossEntropy(_) => "binary_cross_entropy",
            Self::CategoricalCrossEntropy(_) => "categorical_cross_entropy",
            Self::Focal(_) => "focal",
        }
    }

    /// Returns whether the loss is the cross-entropy of the labels as they are: the log loss.
    pub fn is_log_loss(self) -> bool {
        match self {
            Self::BinaryCrossEntropy(settings) | Self::CategoricalCrossEntropy(settings) => {
                settings.label_smoothing == 0.0
            }
            Self::Focal(_) => false,
        }
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        let fault = |key: &str, value: f64, hint: &str| {
            Fault::new(format!("{}.{key}", self.name()), format!("{value} is out of range"), hint)
        };
        match self {
            Self::BinaryCrossEntropy(settings) | Self::CategoricalCrossEntropy(settings) => {
                let smoothing = settings.label_smoothing;
                let is_valid = (0.0..1.0).contains(&smoothing);
                let faulty = (!is_valid).then_some(smoothing);
                let hint = "use a number from 0 to below 1, such as 0.1";
                faulty.into_iter().map(|smoothing| fault("label_smoothing", smoothing, hint)).collect()
            }
            Self::Focal(Focal { gamma, alpha }) => {
                let gamma = (!(0.0..=100.0).contains(&gamma)).then_some(gamma);
                let alpha = alpha.filter(|&alpha| !(alpha > 0.0 && alpha < 1.0));
                let gamma = gamma.map(|gamma| fault("gamma", gamma, "use a number from 0 to 100, such as 2.0"));
                let hint = "use a number above 0 and below 1, such as 0.25";
                gamma.into_iter().chain(alpha.map(|alpha| fault("alpha", alpha, hint))).collect()
            }
        }
    }
}

impl Train {
    /// Returns the loss that is set, or the one that suits the labels.
    ///
    /// # Errors
    /// When the loss that is set doesn't suit the labels; the error says what to write instead.
    pub fn loss_for(&self, task: Task) -> Result<Loss, String> {
        let plain = CrossEntropy::default();
        let suitable = match task {
            Task::Binary | Task::MultiLabel => Loss::BinaryCrossEntropy(plain),
            Task::MultiClass => Loss::CategoricalCrossEntropy(plain),
        };
        match self.loss {
            Some(Loss::Focal(Focal { alpha: Some(_), .. })) if task == Task::MultiClass => Err(
                "`alpha` of the focal loss weighs positive targets against negative ones, and multi-class labels have \
                 neither; leave it out, and weigh the classes by `class_weight`"
                    .to_owned(),
            ),
            Some(loss @ Loss::Focal(_)) => Ok(loss),
            Some(loss) if loss.name() != suitable.name() => Err(format!(
                "the loss `{}` doesn't suit {} labels; use `{}`, or leave `loss` out",
                loss.name(),
                super::words(task),
                suitable.name()
            )),
            Some(loss) => Ok(loss),
            None => Ok(suitable),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Loss {
        serde_json::from_value(value).expect("a loss")
    }

    #[test]
    fn a_loss_without_settings_is_its_name() {
        let smooth = Loss::BinaryCrossEntropy(CrossEntropy { label_smoothing: 0.1 });
        for (written, loss, shortest) in [
            (json!("binary_cross_entropy"), Loss::BinaryCrossEntropy(CrossEntropy::default()), None),
            (json!({"focal": {}}), Loss::Focal(Focal::default()), Some(json!("focal"))),
            (json!({"focal": {"gamma": 2}}), Loss::Focal(Focal::default()), Some(json!("focal"))),
            (json!({"binary_cross_entropy": {"label_smoothing": 0.1}}), smooth, None),
        ] {
            assert_eq!(read(written.clone()), loss);
            assert_eq!(serde_json::to_value(loss).expect("JSON"), shortest.unwrap_or(written));
        }
        assert!(serde_json::from_value::<Loss>(json!({"focal": {"beta": 1.0}})).is_err());
    }

    #[test]
    fn a_loss_that_does_not_suit_the_labels_is_refused() {
        let of = |loss: serde_json::Value, task| Train { loss: Some(read(loss)), ..Train::default() }.loss_for(task);
        let error = of(json!("binary_cross_entropy"), Task::MultiClass).expect_err("refused");
        assert!(error.contains("use `categorical_cross_entropy`"), "{error}");
        assert!(of(json!({"categorical_cross_entropy": {"label_smoothing": 0.2}}), Task::MultiClass).is_ok());
        assert!(of(json!({"focal": {"alpha": 0.25}}), Task::Binary).is_ok());
        let error = of(json!({"focal": {"alpha": 0.25}}), Task::MultiClass).expect_err("refused");
        assert!(error.contains("class_weight"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_are_faults() {
        let faults = |value| read(value).faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        assert_eq!(faults(json!({"focal": {"gamma": -1.0, "alpha": 1.0}})), ["focal.gamma", "focal.alpha"]);
        let smoothing = json!({"categorical_cross_entropy": {"label_smoothing": 1.0}});
        assert_eq!(faults(smoothing), ["categorical_cross_entropy.label_smoothing"]);
        assert!(faults(json!("focal")).is_empty());
    }
}
