//! The metrics there are, and where they are read from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measure of a model on one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The mean of the loss over the rows.
    Loss,
    /// The share of right answers: of rows (binary at 0.5, multi-class), of row-class pairs (multi-label).
    Accuracy,
    /// Average precision, the area under the precision-recall curve of probabilities. Of several classes, one against the
    /// rest: the mean over the classes that have a positive row.
    PrAuc,
    /// The area under the ROC curve of probabilities. Of several classes, one against the rest: the mean over the classes
    /// that have a positive and a negative row.
    RocAuc,
    /// Binary: F1 at `threshold`. Multi-class and multi-label: F1 averaged over all classes of the data (macro), 0 for one
    /// that has no row and is never predicted.
    F1,
    /// Precision where `f1` is taken.
    Precision,
    /// Recall where `f1` is taken.
    Recall,
    /// Binary: the probability from which on a row counts as positive. It is chosen for the best F1 on validation, halfway
    /// between the lowest score that counts as positive and the next lower one.
    Threshold,
}

impl Metric {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Loss,
        Self::Accuracy,
        Self::PrAuc,
        Self::RocAuc,
        Self::F1,
        Self::Precision,
        Self::Recall,
        Self::Threshold,
    ];

    /// The name in files, for example `pr_auc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::PrAuc => "pr_auc",
            Self::RocAuc => "roc_auc",
            Self::F1 => "f1",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Threshold => "threshold",
        }
    }

    /// Whether a smaller value is the better one.
    pub fn smaller_is_better(self) -> bool {
        self == Self::Loss
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The metrics of one split.
pub type Scores = BTreeMap<Metric, f64>;

/// A metric that callbacks watch: `loss`, `accuracy`, or any metric of the validation rows
/// (`val_loss`, `val_pr_auc`, ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Monitor {
    /// Whether it is read on the validation rows (`val_`), or while training.
    pub valid: bool,
    /// What is read.
    pub metric: Metric,
}

impl Monitor {
    /// The names a pipeline file may give.
    pub const NAMES: [&'static str; 9] = [
        "val_loss",
        "val_accuracy",
        "val_pr_auc",
        "val_roc_auc",
        "val_f1",
        "val_precision",
        "val_recall",
        "loss",
        "accuracy",
    ];

    /// `val_loss`.
    pub const VAL_LOSS: Self = Self { valid: true, metric: Metric::Loss };

    /// Whether `candidate` is better than `best` by more than `min_delta`.
    pub fn improves(self, candidate: f64, best: f64, min_delta: f64) -> bool {
        if self.metric.smaller_is_better() { candidate < best - min_delta } else { candidate > best + min_delta }
    }

    /// A value that everything improves on.
    pub fn worst(self) -> f64 {
        if self.metric.smaller_is_better() { f64::INFINITY } else { f64::NEG_INFINITY }
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.valid { "val_" } else { "" }, self.metric)
    }
}

impl FromStr for Monitor {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if !Self::NAMES.contains(&name) {
            let names = Self::NAMES.map(|n| format!("`{n}`")).join(", ");
            return Err(format!("unknown variant `{name}`, expected one of {names}"));
        }
        let (valid, bare) = match name.strip_prefix("val_") {
            Some(bare) => (true, bare),
            None => (false, name),
        };
        let metric = Metric::ALL.into_iter().find(|m| m.name() == bare).ok_or("no such metric")?;
        Ok(Self { valid, metric })
    }
}

impl TryFrom<String> for Monitor {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Monitor> for String {
    fn from(monitor: Monitor) -> Self {
        monitor.to_string()
    }
}

impl JsonSchema for Monitor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Monitor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A metric that callbacks watch; `val_` is read on the validation rows.",
            "enum": Self::NAMES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for name in Monitor::NAMES {
            assert_eq!(name.parse::<Monitor>().map(|m| m.to_string()), Ok(name.to_owned()));
        }
        assert!("val_threshold".parse::<Monitor>().is_err());
    }

    #[test]
    fn better_means_lower_for_losses_and_higher_for_the_rest() {
        let f1: Monitor = "val_f1".parse().expect("a monitor");
        assert!(Monitor::VAL_LOSS.improves(0.1, 0.2, 0.0) && !Monitor::VAL_LOSS.improves(0.15, 0.2, 0.1));
        assert!(f1.improves(0.2, 0.1, 0.0) && !f1.improves(f64::NAN, 0.1, 0.0));
    }
}
