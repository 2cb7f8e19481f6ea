//! Evaluation metrics: their names and properties in one table, and the metrics that callbacks can monitor.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Task;

/// An evaluation metric of a model on one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The mean over the rows of the loss that is trained with.
    Loss,
    /// The share of correct predictions: of rows (binary at a threshold of 0.5, multi-class) or of row-class pairs
    /// (multi-label).
    Accuracy,
    /// Average precision, the area under the precision-recall curve. With several classes, one-vs-rest: the mean over the
    /// classes that have a positive row.
    PrAuc,
    /// The area under the ROC curve. With several classes, one-vs-rest: the mean over the classes that have a positive and a
    /// negative row.
    RocAuc,
    /// F1. Binary: at `threshold`, so that `val_f1` is the maximum on the rows that chose the threshold, and
    /// `val_cross_fitted_f1` what may be expected of new rows. Multi-class and multi-label: the mean over all classes of the data (macro-averaged), with
    /// 0 for a class that has no row and is never predicted.
    F1,
    /// Precision, at the same threshold or averaged in the same way as `f1`.
    Precision,
    /// Recall, at the same threshold or averaged in the same way as `f1`.
    Recall,
    /// The decision threshold of a binary task: a row with at least this probability is predicted positive. It is chosen on
    /// the validation rows by `decide.threshold` (by default, it maximises F1), halfway between the lowest score that is
    /// predicted positive and the next lower one.
    Threshold,
    /// The mean negative logarithm of the probability of the true class, without class weights, whatever loss is trained
    /// with; multi-label: the mean over the classes.
    LogLoss,
    /// The mean recall over the classes that have a row. Binary: at `threshold`. Multi-label: the mean over the classes of
    /// that of the class against the rest.
    BalancedAccuracy,
    /// The Matthews correlation coefficient. Binary: at `threshold`. Multi-label: of all pairs of a row and a class.
    Mcc,
    /// Multi-class and multi-label: F1 of all classes together, by the sums of their counts.
    MicroF1,
    /// Multi-class and multi-label: the mean F1 over all classes, weighted by their rows.
    WeightedF1,
    /// Multi-label: the share of rows whose labels are all predicted correctly.
    SubsetAccuracy,
    /// Multi-label: the share of rows that have their most probable label.
    #[serde(rename = "precision_at_1")]
    PrecisionAt1,
    /// Multi-label: the share of the three most probable labels of a row that it has.
    #[serde(rename = "precision_at_3")]
    PrecisionAt3,
    /// Multi-label: the share of the five most probable labels of a row that it has.
    #[serde(rename = "precision_at_5")]
    PrecisionAt5,
    /// Multi-class: the share of rows whose class is among their three most probable ones.
    #[serde(rename = "top_3_accuracy")]
    Top3Accuracy,
    /// Multi-class: the share of rows whose class is among their five most probable ones.
    #[serde(rename = "top_5_accuracy")]
    Top5Accuracy,
    /// The mean squared difference of probability and truth: summed over the classes (multi-class) or averaged over them
    /// (multi-label).
    Brier,
    /// The mean distance between a probability and how often it is right, over 15 bins of equal width: of the positive class
    /// (binary), of the predicted class (multi-class), or of every class (multi-label).
    CalibrationError,
    /// Multi-label: `f1` at a threshold per class, chosen on the validation rows, instead of 0.5.
    F1AtThresholds,
    /// Multi-label: `precision` at the same thresholds.
    PrecisionAtThresholds,
    /// Multi-label: `recall` at the same thresholds.
    RecallAtThresholds,
    /// F1 of the validation rows, each decided at the threshold that the other half of them chose: what F1 may be expected
    /// of rows that chose no threshold. Multi-label: a threshold per class.
    CrossFittedF1,
    /// Precision of the same decisions as `cross_fitted_f1`.
    CrossFittedPrecision,
    /// Recall of the same decisions as `cross_fitted_f1`.
    CrossFittedRecall,
    /// `log_loss` of the probabilities that `decide.calibration` makes, with which the cell's model predicts. The validation
    /// rows chose the calibration, so that only `test_calibrated_log_loss` may be expected of new rows.
    CalibratedLogLoss,
    /// `brier` of the same probabilities as `calibrated_log_loss`.
    CalibratedBrier,
    /// `calibration_error` of the same probabilities as `calibrated_log_loss`.
    CalibratedCalibrationError,
}

impl Metric {
    /// All metrics, in the order of reports.
    pub const ALL: [Self; 30] = [
        Self::Loss,
        Self::Accuracy,
        Self::PrAuc,
        Self::RocAuc,
        Self::F1,
        Self::Precision,
        Self::Recall,
        Self::Threshold,
        Self::CrossFittedF1,
        Self::CrossFittedPrecision,
        Self::CrossFittedRecall,
        Self::F1AtThresholds,
        Self::PrecisionAtThresholds,
        Self::RecallAtThresholds,
        Self::MicroF1,
        Self::WeightedF1,
        Self::BalancedAccuracy,
        Self::Mcc,
        Self::SubsetAccuracy,
        Self::PrecisionAt1,
        Self::PrecisionAt3,
        Self::PrecisionAt5,
        Self::Top3Accuracy,
        Self::Top5Accuracy,
        Self::LogLoss,
        Self::Brier,
        Self::CalibrationError,
        Self::CalibratedLogLoss,
        Self::CalibratedBrier,
        Self::CalibratedCalibrationError,
    ];

    /// Returns the row of the table of metrics: everything that the terminal, reports, TensorBoard and rankings know about
    /// a metric.
    fn properties(self) -> Properties {
        use Direction::{Higher, Lower, Neither};
        use Measured::{AtBestEpoch, EachEpoch, InTraining};
        let of = |name, direction, measured, headline| Properties { name, direction, measured, headline };
        match self {
            // Name, direction, when it is measured, headline.
            Self::Loss => of("loss", Lower, InTraining, true),
            Self::Accuracy => of("accuracy", Higher, InTraining, true),
            Self::PrAuc => of("pr_auc", Higher, EachEpoch, true),
            Self::RocAuc => of("roc_auc", Higher, EachEpoch, false),
            Self::F1 => of("f1", Higher, EachEpoch, true),
            Self::Precision => of("precision", Higher, EachEpoch, false),
            Self::Recall => of("recall", Higher, EachEpoch, false),
            Self::Threshold => of("threshold", Neither, EachEpoch, false),
            Self::CrossFittedF1 => of("cross_fitted_f1", Higher, AtBestEpoch, false),
            Self::CrossFittedPrecision => of("cross_fitted_precision", Higher, AtBestEpoch, false),
            Self::CrossFittedRecall => of("cross_fitted_recall", Higher, AtBestEpoch, false),
            Self::F1AtThresholds => of("f1_at_thresholds", Higher, AtBestEpoch, false),
            Self::PrecisionAtThresholds => of("precision_at_thresholds", Higher, AtBestEpoch, false),
            Self::RecallAtThresholds => of("recall_at_thresholds", Higher, AtBestEpoch, false),
            Self::MicroF1 => of("micro_f1", Higher, AtBestEpoch, false),
            Self::WeightedF1 => of("weighted_f1", Higher, AtBestEpoch, false),
            Self::BalancedAccuracy => of("balanced_accuracy", Higher, AtBestEpoch, false),
            Self::Mcc => of("mcc", Higher, AtBestEpoch, false),
            Self::SubsetAccuracy => of("subset_accuracy", Higher, AtBestEpoch, false),
            Self::PrecisionAt1 => of("precision_at_1", Higher, AtBestEpoch, false),
            Self::PrecisionAt3 => of("precision_at_3", Higher, AtBestEpoch, false),
            Self::PrecisionAt5 => of("precision_at_5", Higher, AtBestEpoch, false),
            Self::Top3Accuracy => of("top_3_accuracy", Higher, AtBestEpoch, false),
            Self::Top5Accuracy => of("top_5_accuracy", Higher, AtBestEpoch, false),
            Self::LogLoss => of("log_loss", Lower, AtBestEpoch, false),
            Self::Brier => of("brier", Lower, AtBestEpoch, false),
            Self::CalibrationError => of("calibration_error", Lower, AtBestEpoch, false),
            Self::CalibratedLogLoss => of("calibrated_log_loss", Lower, AtBestEpoch, false),
            Self::CalibratedBrier => of("calibrated_brier", Lower, AtBestEpoch, false),
            Self::CalibratedCalibrationError => of("calibrated_calibration_error", Lower, AtBestEpoch, false),
        }
    }

    /// Returns the metrics that settings are ranked by, in order of preference. The loss isn't among them, since losses are comparable
    /// neither across loss functions nor across weights of classes; the log loss is.
    pub fn ranking(task: Task) -> [Self; 3] {
        match task {
            Task::Binary => [Self::PrAuc, Self::Accuracy, Self::LogLoss],
            Task::MultiClass => [Self::Accuracy, Self::F1, Self::LogLoss],
            Task::MultiLabel => [Self::F1, Self::PrAuc, Self::LogLoss],
        }
    }

    /// Returns the metric with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Returns the name in files, for example `pr_auc`.
    pub fn name(self) -> &'static str {
        self.properties().name
    }

    /// Returns whether a smaller value is better.
    pub fn smaller_is_better(self) -> bool {
        matches!(self.properties().direction, Direction::Lower)
    }

    /// Returns whether one value can be better than another; a threshold is only reported.
    pub fn is_comparable(self) -> bool {
        !matches!(self.properties().direction, Direction::Neither)
    }

    /// Returns whether the metric is measured on the training rows during each epoch.
    pub fn is_measured_in_training(self) -> bool {
        matches!(self.properties().measured, Measured::InTraining)
    }

    /// Returns whether the metric is measured on the validation rows after each epoch, so that callbacks can monitor it; the
    /// others are measured at the best epoch alone.
    pub fn is_measured_each_epoch(self) -> bool {
        !matches!(self.properties().measured, Measured::AtBestEpoch)
    }

    /// Returns whether the metric is shown in short tables, progress lines and TensorBoard's HParams page; the others are
    /// details.
    pub fn is_headline(self) -> bool {
        self.properties().headline
    }
}

/// A row of the table of metrics.
struct Properties {
    name: &'static str,
    direction: Direction,
    measured: Measured,
    headline: bool,
}

/// Which values of a metric are better.
enum Direction {
    Lower,
    Higher,
    Neither,
}

/// When a metric is measured.
enum Measured {
    /// On the training rows during each epoch, and whenever rows are scored.
    InTraining,
    /// On the validation rows after each epoch, and at the best epoch.
    EachEpoch,
    /// When the best epoch is scored.
    AtBestEpoch,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values of the metrics of one split.
pub type Scores = BTreeMap<Metric, f64>;

/// A metric that callbacks monitor: `loss` or `accuracy` of the training rows, or any comparable metric that is measured on
/// the validation rows after each epoch (`val_loss`, `val_pr_auc`, ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Monitor {
    /// Whether the metric of the validation rows is monitored (`val_`), or that of the training rows.
    pub valid: bool,
    /// The monitored metric.
    pub metric: Metric,
}

impl Monitor {
    /// Returns all monitors that a pipeline file may name: every comparable metric that is measured after each epoch on
    /// the validation rows, then the metrics that are measured in training.
    pub fn all() -> impl Iterator<Item = Self> {
        let each_epoch = Metric::ALL.into_iter().filter(|metric| metric.is_measured_each_epoch());
        let valid = each_epoch.filter(|metric| metric.is_comparable());
        let train = Metric::ALL.into_iter().filter(|metric| metric.is_measured_in_training());
        let of = |valid| move |metric| Self { valid, metric };
        valid.map(of(true)).chain(train.map(of(false)))
    }

    /// `val_loss`.
    pub const VAL_LOSS: Self = Self { valid: true, metric: Metric::Loss };

    /// Returns whether `candidate` is better than `best` by more than `min_delta`.
    pub fn improves(self, candidate: f64, best: f64, min_delta: f64) -> bool {
        if self.metric.smaller_is_better() { candidate < best - min_delta } else { candidate > best + min_delta }
    }

    /// Returns the worst possible value, which every other value improves on.
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
            "description": "A metric that callbacks monitor; `val_` stands for a metric of the validation rows.",
            "enum": Self::all().map(String::from).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric that is missing in `Metric::ALL` would be missing in every table.
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
            let ranking = Metric::ranking(task);
            assert!(ranking.into_iter().all(|metric| metric.is_comparable() && metric != Metric::Loss));
        }
    }

    #[test]
    fn better_means_lower_for_losses_and_higher_for_the_rest() {
        let f1: Monitor = "val_f1".parse().expect("a monitor");
        assert!(Monitor::VAL_LOSS.improves(0.1, 0.2, 0.0) && !Monitor::VAL_LOSS.improves(0.15, 0.2, 0.1));
        assert!(f1.improves(0.2, 0.1, 0.0) && !f1.improves(f64::NAN, 0.1, 0.0));
    }
}
