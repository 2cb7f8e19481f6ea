//! Evaluation metrics of classifiers, from logits and targets on the host with 64-bit numbers, equal to those of
//! scikit-learn; decision thresholds; and calibration.
//!
//! [`Predictions`] (logits beside targets, both `[rows, outputs]`) enter. Scores by name leave ([`epoch_scores`],
//! [`further_scores`]), or a metric as a function of how often each row counts ([`row_metric()`]), which a bootstrap
//! evaluates thousands of times. Nothing here knows of training, files or reports.
//!
//! | metric | equivalent in scikit-learn, for probabilities `p` `[rows, outputs]` and targets `y` |
//! |---|---|
//! | log loss | `log_loss`; multi-label: the mean over classes |
//! | accuracy | `accuracy_score`; multi-label: `1 - hamming_loss` |
//! | subset accuracy | multi-label: `accuracy_score` |
//! | balanced accuracy | `balanced_accuracy_score`; multi-label: the mean over classes |
//! | PR-AUC | `average_precision_score`, one class against the rest; the mean over the classes that have a positive row |
//! | ROC-AUC | `roc_auc_score`, one class against the rest; the mean over the classes that have a positive and a negative row |
//! | F1, precision, recall | binary: at the threshold; else `f1_score` and so on with `average="macro"`, `labels` = all classes, `zero_division=0` |
//! | micro and weighted F1 | `f1_score` with `average="micro"` or `"weighted"` |
//! | MCC | `matthews_corrcoef`; multi-label: of all pairs of a row and a class |
//! | Brier score | `brier_score_loss`; multi-label: the mean over classes |
//! | calibration error | the weighted mean distance of `calibration_curve` with 15 bins |
//! | precision at k | of the k most probable labels of a row |
//! | top-k accuracy | `top_k_accuracy_score` |
//!
//! The classes are those of the whole data: which of them are averaged over never depends on what a model predicts.
//! Ranking metrics rank probabilities, so that a constant added to all logits of a row of a softmax task changes no
//! metric. Metrics that aren't defined (a curve without a positive row) are left out, or NaN as functions of counts.
//! `tests/fixtures/make.py` creates the values that tests compare with.

pub mod calibration;
mod decision_metric;
mod decisions;
mod predictions;
mod probability;
mod proper;
mod ranked;
mod row_metric;
mod scores;
mod threshold;
mod top;

pub use decision_metric::{DecisionMetric, DecisionScore};
pub use decisions::{Average, ClassCounts, ClassScore, Decisions, Tally};
pub use predictions::{Predictions, PredictionsError, accuracy_of_row, is_unknown, log_loss_of_row};
pub use probability::{Probabilities, probabilities_of_row, probability};
pub use proper::{BINS, CalibrationError, ReliabilityBin, brier_of_rows};
pub use ranked::{Area, Counts, MeanArea, Point, RankedRows};
pub use row_metric::{MeanOfRows, RowMetric};
pub use scores::{
    Threshold, calibrated_scores, cross_fitted_row_metric, cross_fitted_scores, epoch_scores, further_scores,
    isotonic_scores, row_metric,
};
pub use threshold::{Costs, DEFAULT_THRESHOLD, Optimum, ThresholdRule, ThresholdScores, half_of, scores_at};
pub use top::{all_labels_right, precision_at, top_k_right};
