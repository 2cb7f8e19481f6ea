//! `[decide]`: what settings are judged by, how probabilities become decisions, and how the model that classifies is made.

use emberline_base::{Fault, Metric, Monitor};
use emberline_metrics::ThresholdRule;
use emberline_metrics::calibration::CalibrationMethod;
use emberline_report::Question;
use emberline_statistics::Size;
use emberline_train::settings::Train;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::has_valid;

/// `[decide]`: what settings are judged by, and how the model that classifies is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decide {
    /// The metric that settings are judged by, such as `val_pr_auc`; when left out, the main metric of the task. Settings are chosen
    /// by its values on the validation rows, and compared by those on the test rows if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Monitor>,
    /// The difference that doesn't matter, in units of the metric: the smallest setting that is not worse than any other by this much
    /// is named, and takes the place of the best one in `predict`, `export` and the refit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub margin: Option<f64>,
    /// What "small" means; the first size that differs decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Vec<Size>>,
    /// Whether the best setting is trained once more on all rows when the run is finished: for the median of its replicates'
    /// best epochs and, in a binary task, with the threshold of their pooled scores. `predict` then takes this model.
    pub refit: bool,
    /// Whose weights of fine-tuned encoders are kept when the run is finished; until then every cell's are.
    pub keep_encoders: KeepEncoders,
    /// How the decision threshold is chosen on the validation rows; it is then kept for the test rows and for `predict`. A
    /// binary task has one, by default that with the best F1; a multi-label task has one per class, by default 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdRule>,
    /// How probabilities are calibrated on the validation rows, for `predict` and bundles; when left out: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationMethod>,
}

/// Which fine-tuned encoders are kept. Without its encoder, a cell has its scores and its head, but can't classify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepEncoders {
    /// That of the cell that `predict` takes when none is named, and that of the refit.
    #[default]
    Chosen,
    /// Those of all cells.
    All,
    /// None.
    None,
}

impl Decide {
    /// The keys that no cell depends on.
    pub(crate) const KEYS_OF_NO_CELL: &[&str] = &["metric", "margin", "prefer", "refit", "keep_encoders"];

    /// Returns the part that the cells depend on.
    pub(crate) fn of_cell(&self) -> Self {
        Self { threshold: self.threshold, calibration: self.calibration, ..Self::default() }
    }

    /// Returns what the settings of a run are judged by.
    pub(crate) fn question(self) -> Question {
        let prefer = self.prefer.unwrap_or_else(|| vec![Size::Dim, Size::Bytes]);
        let decide = emberline_statistics::Decide { margin: self.margin, prefer };
        Question { metric: self.metric.map(|metric| metric.metric), decide, sequential: false }
    }

    /// Returns the faults of the values that are independent of the data, by key.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(metric) = self.metric.filter(|metric| !metric.valid) {
            let message =
                format!("`{metric}` is a metric of the training rows, which can't tell which setting is best");
            faults.push(Fault::new("metric", message, format!("use `val_{}`", metric.metric)));
        }
        if let Some(margin) = self.margin.filter(|margin| !(margin.is_finite() && *margin > 0.0)) {
            let message = format!("a margin of {margin} is no difference that doesn't matter");
            faults.push(Fault::new("margin", message, "use a number above 0, such as 0.005, or leave it out"));
        }
        let threshold = self.threshold.and_then(ThresholdRule::fault);
        faults.extend(threshold.map(|(message, hint)| Fault::new("threshold", message, hint)));
        faults
    }
}

/// Reports a loss that is to rank settings although it isn't the log loss of the rows: losses are comparable neither across
/// loss functions nor across weights of classes.
pub(crate) fn loss_faults(decide: &Decide, train: &Train) -> Vec<Fault> {
    let is_loss = decide.metric.is_some_and(|metric| metric.metric == Metric::Loss);
    if !is_loss || train.has_log_loss() {
        return Vec::new();
    }
    let message = "`loss` can't rank settings that weigh classes or train with another loss than the cross-entropy";
    let hint = "leave it out, or use a metric that counts every row alike, such as `val_accuracy`";
    let keys = ["train.loss", "train.class_weight", "train.sampling"];
    let fault = Fault::new("decide.metric", message, hint);
    vec![keys.into_iter().fold(fault, Fault::related_to)]
}

/// Reports what is to be chosen on validation rows although there is no validation split.
pub(crate) fn decide_faults(decide: &Decide, data: &emberline_dataset::Settings) -> Vec<Fault> {
    if has_valid(data) {
        return Vec::new();
    }
    let keys = [("threshold", decide.threshold.is_some()), ("calibration", decide.calibration.is_some())];
    let fault = |key: &str| {
        let message = format!("the {key} is chosen on validation rows, and there are none");
        let fault = Fault::new(format!("decide.{key}"), message, "set `valid` in [data.split]");
        ["data.split", "data.valid"].into_iter().fold(fault, Fault::related_to)
    };
    keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| fault(key)).collect()
}
