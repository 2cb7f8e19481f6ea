//! The metrics there are, what is known of each (one table), and where they are read from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Task;

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

    /// The table of metrics: everything that terminal, reports, TensorBoard and ranking know of one.
    fn properties(self) -> Properties {
        use Better::{Higher, Lower, Neither};
        let of =
            |name, better, measured_in_training, headline| Properties { name, better, measured_in_training, headline };
        match self {
            // The name, which value is better, whether it is measured in training, whether it is a headline.
            Self::Loss => of("loss", Lower, true, true),
            Self::Accuracy => of("accuracy", Higher, true, true),
            Self::PrAuc => of("pr_auc", Higher, false, true),
            Self::RocAuc => of("roc_auc", Higher, false, false),
            Self::F1 => of("f1", Higher, false, true),
            Self::Precision => of("precision", Higher, false, false),
            Self::Recall => of("recall", Higher, false, false),
            Self::Threshold => of("threshold", Neither, false, false),
        }
    }

    /// The metrics that settings are ranked by, first choice first.
    pub fn ranking(task: Task) -> [Self; 3] {
        match task {
            Task::Binary => [Self::PrAuc, Self::Accuracy, Self::Loss],
            Task::MultiClass => [Self::Accuracy, Self::F1, Self::Loss],
            Task::MultiLabel => [Self::F1, Self::PrAuc, Self::Loss],
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// The name in files, for example `pr_auc`.
    pub fn name(self) -> &'static str {
        self.properties().name
    }

    /// Whether a smaller value is the better one.
    pub fn smaller_is_better(self) -> bool {
        matches!(self.properties().better, Better::Lower)
    }

    /// Whether one value is better than another at all: a threshold is only reported.
    pub fn is_comparable(self) -> bool {
        !matches!(self.properties().better, Better::Neither)
    }

    /// Whether it is measured on the training rows while they are trained on.
    pub fn is_measured_in_training(self) -> bool {
        self.properties().measured_in_training
    }

    /// Whether it stands in short tables, progress lines and TensorBoard's HParams page; the others are details.
    pub fn is_headline(self) -> bool {
        self.properties().headline
    }
}

/// A line of the table of metrics.
struct Properties {
    name: &'static str,
    better: Better,
    measured_in_training: bool,
    headline: bool,
}

/// Which value of a metric is the better one.
enum Better {
    Lower,
    Higher,
    Neither,
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
    /// All that a pipeline file may name: every comparable metric of the validation rows, then those of training.
    pub fn all() -> impl Iterator<Item = Self> {
        let valid = Metric::ALL.into_iter().filter(|metric| metric.is_comparable());
        let train = Metric::ALL.into_iter().filter(|metric| metric.is_measured_in_training());
        let of = |valid| move |metric| Self { valid, metric };
        valid.map(of(true)).chain(train.map(of(false)))
    }

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
        Self::all().find(|monitor| monitor.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = Self::all().map(|monitor| format!("`{monitor}`")).collect();
            format!("unknown variant `{name}`, expected one of {}", names.join(", "))
        })
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
            "enum": Self::all().map(String::from).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric that is missing in the list would be missing in every table.
    #[test]
    fn the_list_holds_every_metric() {
        let schema = schemars::schema_for!(Metric).to_value();
        assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(Metric::ALL.len()), "{schema}");
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).ok(), Some(metric.name().into()));
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
    }

    #[test]
    fn every_name_reads_back() {
        for monitor in Monitor::all() {
            assert_eq!(monitor.to_string().parse(), Ok(monitor));
        }
        let names: Vec<String> = Monitor::all().map(String::from).collect();
        assert_eq!((names.len(), names[0].as_str(), names[8].as_str()), (9, "val_loss", "accuracy"));
        assert!("val_threshold".parse::<Monitor>().is_err() && "f1".parse::<Monitor>().is_err());
    }

    #[test]
    fn settings_are_ranked_by_metrics_that_compare() {
        for task in [Task::Binary, Task::MultiClass, Task::MultiLabel] {
            assert!(Metric::ranking(task).into_iter().all(|metric| metric.is_comparable() && metric.is_headline()));
        }
    }

    #[test]
    fn better_means_lower_for_losses_and_higher_for_the_rest() {
        let f1: Monitor = "val_f1".parse().expect("a monitor");
        assert!(Monitor::VAL_LOSS.improves(0.1, 0.2, 0.0) && !Monitor::VAL_LOSS.improves(0.15, 0.2, 0.1));
        assert!(f1.improves(0.2, 0.1, 0.0) && !f1.improves(f64::NAN, 0.1, 0.0));
    }
}
