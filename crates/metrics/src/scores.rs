//! Every metric by its name: the scores of a split, and metrics as functions of how often each row counts.

use emberline_base::{Matrix, Metric, Scores, Task};

use crate::calibration::{Isotonic, calibrated_row};
use crate::decision_metric::{DecisionMetric, DecisionScore};
use crate::decisions::{Average, ClassScore, Decisions};
use crate::predictions::{Predictions, accuracy_of_row, log_loss_of_row};
use crate::probability::Probabilities;
use crate::proper::{CalibrationError, brier_of_rows};
use crate::ranked::{Area, Counts, MeanArea, RankedRows, mean};
use crate::row_metric::{MeanOfRows, RowMetric};
use crate::threshold::{ThresholdRule, ThresholdScores, scores_at};
use crate::top::{all_labels_right, precision_at, top_k_right};

/// The metrics of decisions at thresholds that the other half of the rows chose.
const CROSS_FITTED: [Metric; 3] = [Metric::CrossFittedF1, Metric::CrossFittedPrecision, Metric::CrossFittedRecall];

/// The metrics of calibrated probabilities, each with the metric that it is of other probabilities.
const CALIBRATED: [(Metric, Metric); 3] = [
    (Metric::CalibratedLogLoss, Metric::LogLoss),
    (Metric::CalibratedBrier, Metric::Brier),
    (Metric::CalibratedCalibrationError, Metric::CalibrationError),
];

/// The threshold at which F1, precision and recall of a binary task are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The threshold that a rule chooses on these rows (for validation).
    ChosenBy(ThresholdRule),
    /// A given probability (for the test split: the threshold chosen on validation).
    At(f64),
}

/// Computes accuracy, the areas under curves, F1, precision and recall: the metrics that are measured after every epoch,
/// but for the loss. Metrics that aren't defined for the rows (a curve without a positive row) are left out.
pub fn epoch_scores(predictions: &Predictions<'_>, threshold: Threshold) -> Scores {
    let rows = 0..predictions.rows();
    let correct: f64 =
        rows.map(|row| accuracy_of_row(predictions.task(), predictions.of_row(row), predictions.target(row))).sum();
    let mut scores = Scores::from([(Metric::Accuracy, correct / predictions.rows() as f64)]);
    let probabilities = Probabilities::of(predictions.task(), predictions.logits());
    let mut areas = Vec::with_capacity(predictions.outputs());
    for output in 0..predictions.outputs() {
        let ranked = ranked(predictions, &probabilities, output);
        areas.push([Area::PrecisionRecall, Area::Roc].map(|area| ranked.area(area, Counts::Once)));
        if predictions.task() == Task::Binary {
            insert_binary_decision(&mut scores, &ranked, threshold);
        }
    }
    let mean_area = |place: usize| mean(areas.iter().filter_map(|area| area[place]));
    for (metric, value) in [(Metric::PrAuc, mean_area(0)), (Metric::RocAuc, mean_area(1))] {
        value.map(|value| scores.insert(metric, value));
    }
    if predictions.task() != Task::Binary {
        let tally = Decisions::new(predictions, &[]).tally(Counts::Once);
        let of = |metric| Some((metric, tally.average(class_score(metric)?, Average::Macro)));
        scores.extend([Metric::F1, Metric::Precision, Metric::Recall].into_iter().filter_map(of));
    }
    scores
}

/// Computes the metrics that are only measured at the best epoch, beside those of every epoch. `thresholds`: the
/// probability from which each output counts as positive; none for the most probable class, or 0.5. Metrics that aren't
/// defined for the task or the rows are left out.
pub fn further_scores(predictions: &Predictions<'_>, thresholds: &[f64]) -> Scores {
    let counts = vec![1; predictions.rows()];
    let further = Metric::ALL.into_iter().filter(|metric| !metric.is_measured_each_epoch());
    let of = |metric| Some((metric, row_metric(metric, predictions, thresholds)?.of(&counts)));
    further.filter_map(of).filter(|(_, value)| !value.is_nan()).collect()
}

/// Computes F1, precision and recall of decisions that were [cross-fitted](ThresholdRule::cross_fit): at thresholds that
/// no row took part in choosing. `halves` says in which half each row is, `[rows]`.
pub fn cross_fitted_scores(predictions: &Predictions<'_>, rule: ThresholdRule, halves: &[bool]) -> Scores {
    let Some(decisions) = rule.cross_fit(predictions, halves) else { return Scores::new() };
    let tally = decisions.tally(Counts::Once);
    let of = |metric| Some((metric, tally.average(class_score(metric)?, decided_average(predictions.task()))));
    CROSS_FITTED.into_iter().filter_map(of).collect()
}

/// Computes log loss, Brier score and calibration error of logits that are divided by a
/// [temperature](crate::calibration::temperature). Metrics that aren't defined for the rows are left out.
pub fn calibrated_scores(predictions: &Predictions<'_>, temperature: f64) -> Scores {
    let logits = predictions.logits();
    let divided = logits.values().iter().map(|&logit| (f64::from(logit) / temperature) as f32).collect();
    let divided = Matrix::new(logits.rows(), logits.cols(), divided);
    let calibrated = predictions.with_logits(&divided);
    let counts = vec![1; predictions.rows()];
    let of = |(metric, plain)| Some((metric, row_metric(plain, &calibrated, &[])?.of(&counts)));
    CALIBRATED.into_iter().filter_map(of).filter(|(_, value)| !value.is_nan()).collect()
}

/// Computes log loss, Brier score and calibration error of probabilities that [isotonic
/// functions](crate::calibration::isotonic) make, `[outputs]`. In the log loss, probabilities of 0 and 1 are moved by 2^-52, as
/// scikit-learn's `log_loss` does. Metrics that aren't defined for the rows are left out.
pub fn isotonic_scores(predictions: &Predictions<'_>, functions: &[Isotonic]) -> Scores {
    let (task, outputs) = (predictions.task(), predictions.outputs());
    let probabilities = Probabilities::of(task, predictions.logits());
    let calibrated = |row| calibrated_row(task, functions, &probabilities.row(row).collect::<Vec<f64>>());
    let rows: Vec<Vec<f64>> = (0..predictions.rows()).map(calibrated).collect();
    let known: Vec<usize> = (0..predictions.rows()).filter(|&row| !predictions.is_unknown(row)).collect();
    let divisor = if task == Task::MultiLabel { outputs as f64 } else { 1.0 };
    let pairs = |row: usize| rows[row].iter().copied().zip(predictions.target(row).iter().map(|&y| f64::from(y)));
    let clipped = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    let log_loss = |&row: &usize| -> f64 {
        let of_pair = |(p, y): (f64, f64)| match task {
            Task::MultiClass => -y * clipped(p).ln(),
            Task::Binary | Task::MultiLabel => -y * clipped(p).ln() - (1.0 - y) * clipped(1.0 - p).ln(),
        };
        pairs(row).map(of_pair).sum::<f64>() / divisor
    };
    let brier = |&row: &usize| pairs(row).map(|(p, y)| (p - y).powi(2)).sum::<f64>() / divisor;
    let error = CalibrationError::of(predictions, |row, output| rows[row][output]);
    let scores = [
        (Metric::CalibratedLogLoss, mean(known.iter().map(log_loss))),
        (Metric::CalibratedBrier, mean(known.iter().map(brier))),
        (Metric::CalibratedCalibrationError, Some(error.of(&vec![1; predictions.rows()]))),
    ];
    let defined = |(metric, value): (Metric, Option<f64>)| Some((metric, value.filter(|value| !value.is_nan())?));
    scores.into_iter().filter_map(defined).collect()
}

/// Returns a cross-fitted metric as a function of how often each row counts; none if `metric` isn't one, or if the rows
/// can't choose thresholds.
pub fn cross_fitted_row_metric(
    metric: Metric,
    predictions: &Predictions<'_>,
    rule: ThresholdRule,
    halves: &[bool],
) -> Option<Box<dyn RowMetric>> {
    let score = CROSS_FITTED.contains(&metric).then(|| class_score(metric)).flatten()?;
    let score = DecisionScore::OfClasses(score, decided_average(predictions.task()));
    Some(Box::new(DecisionMetric::new(rule.cross_fit(predictions, halves)?, score)))
}

/// Returns a metric of stored predictions as a function of how often each row counts, as a bootstrap of rows needs it;
/// none if the metric isn't defined for the task, is no score, is [cross-fitted](cross_fitted_row_metric), or is of
/// calibrated probabilities.
///
/// `thresholds`: the probability from which each output counts as positive, as it was chosen on validation rows;
/// binary: one, without which 0.5 decides; multi-label: one per class or none; multi-class: none. With every count 1 the
/// values are those of [`epoch_scores`] and [`further_scores`]; `loss` is the unweighted log loss.
pub fn row_metric(metric: Metric, predictions: &Predictions<'_>, thresholds: &[f64]) -> Option<Box<dyn RowMetric>> {
    let task = predictions.task();
    let boxed = |metric: MeanOfRows| -> Option<Box<dyn RowMetric>> { Some(Box::new(metric)) };
    let top = |k: usize| {
        let is_defined = task == Task::MultiLabel && predictions.outputs() > k;
        is_defined.then(|| MeanOfRows::new(precision_at(predictions, k)))
    };
    let top_k = |k: usize| {
        let is_defined = task == Task::MultiClass && predictions.outputs() > k;
        is_defined.then(|| MeanOfRows::accuracy(&top_k_right(predictions, k)))
    };
    match metric {
        Metric::Loss | Metric::LogLoss => boxed(log_loss(predictions)),
        Metric::Accuracy => boxed(MeanOfRows::new(accuracy_of_rows(predictions))),
        Metric::SubsetAccuracy if task == Task::MultiLabel => {
            boxed(MeanOfRows::accuracy(&all_labels_right(predictions)))
        }
        Metric::PrecisionAt1 => boxed(top(1)?),
        Metric::PrecisionAt3 => boxed(top(3)?),
        Metric::PrecisionAt5 => boxed(top(5)?),
        Metric::Top3Accuracy => boxed(top_k(3)?),
        Metric::Top5Accuracy => boxed(top_k(5)?),
        Metric::PrAuc => Some(Box::new(mean_area(predictions, Area::PrecisionRecall))),
        Metric::RocAuc => Some(Box::new(mean_area(predictions, Area::Roc))),
        Metric::Brier => boxed(MeanOfRows::of_some(brier_of_rows(predictions))),
        Metric::CalibrationError => Some(Box::new(CalibrationError::new(predictions))),
        _ => {
            let (score, thresholds) = decision_score(metric, task, thresholds)?;
            Some(Box::new(DecisionMetric::new(Decisions::new(predictions, thresholds), score)))
        }
    }
}

/// Returns the score of decisions that a metric is, with the thresholds of the decisions; none if it is no such score.
fn decision_score(metric: Metric, task: Task, thresholds: &[f64]) -> Option<(DecisionScore, &[f64])> {
    let (is_binary, is_multi_label) = (task == Task::Binary, task == Task::MultiLabel);
    // A multi-label task is decided at 0.5, but for the metrics that name the thresholds.
    let of_binary = if is_binary { thresholds } else { &[] };
    let of_classes = |average| Some(DecisionScore::OfClasses(class_score(metric)?, average));
    match metric {
        Metric::F1 | Metric::Precision | Metric::Recall => Some((of_classes(decided_average(task))?, of_binary)),
        Metric::F1AtThresholds | Metric::PrecisionAtThresholds | Metric::RecallAtThresholds => {
            let score = of_classes(Average::Macro)?;
            (is_multi_label && !thresholds.is_empty()).then_some((score, thresholds))
        }
        Metric::MicroF1 | Metric::WeightedF1 => {
            let average = if metric == Metric::MicroF1 { Average::Micro } else { Average::Weighted };
            (!is_binary).then_some((of_classes(average)?, &[]))
        }
        Metric::BalancedAccuracy => Some((DecisionScore::BalancedAccuracy, of_binary)),
        Metric::Mcc => Some((DecisionScore::MatthewsCorrelation, of_binary)),
        Metric::CrossFittedF1
        | Metric::CrossFittedPrecision
        | Metric::CrossFittedRecall
        | Metric::CalibratedLogLoss
        | Metric::CalibratedBrier
        | Metric::CalibratedCalibrationError
        | Metric::Threshold
        | Metric::SubsetAccuracy
        | Metric::Loss
        | Metric::LogLoss
        | Metric::Accuracy
        | Metric::PrecisionAt1
        | Metric::PrecisionAt3
        | Metric::PrecisionAt5
        | Metric::Top3Accuracy
        | Metric::Top5Accuracy
        | Metric::PrAuc
        | Metric::RocAuc
        | Metric::Brier
        | Metric::CalibrationError => None,
    }
}

/// Returns the score of each class of which a metric is an average.
fn class_score(metric: Metric) -> Option<ClassScore> {
    match metric {
        Metric::F1 | Metric::MicroF1 | Metric::WeightedF1 | Metric::F1AtThresholds | Metric::CrossFittedF1 => {
            Some(ClassScore::F1)
        }
        Metric::Precision | Metric::PrecisionAtThresholds | Metric::CrossFittedPrecision => Some(ClassScore::Precision),
        Metric::Recall | Metric::RecallAtThresholds | Metric::CrossFittedRecall => Some(ClassScore::Recall),
        _ => None,
    }
}

/// Returns the classes that F1, precision and recall are of.
fn decided_average(task: Task) -> Average {
    if task == Task::Binary { Average::Class(1) } else { Average::Macro }
}

fn log_loss(predictions: &Predictions<'_>) -> MeanOfRows {
    let of_row = |row: usize| {
        let (logits, targets) = (predictions.of_row(row), predictions.target(row));
        (!predictions.is_unknown(row)).then(|| log_loss_of_row(predictions.task(), logits, targets))
    };
    MeanOfRows::of_some((0..predictions.rows()).map(of_row))
}

fn accuracy_of_rows(predictions: &Predictions<'_>) -> Vec<f64> {
    let of_row = |row: usize| accuracy_of_row(predictions.task(), predictions.of_row(row), predictions.target(row));
    (0..predictions.rows()).map(of_row).collect()
}

/// Ranks the rows by the probability of one output.
fn ranked(predictions: &Predictions<'_>, probabilities: &Probabilities<'_>, output: usize) -> RankedRows {
    let row = |row: usize| (probabilities.get(row, output), predictions.is_positive(row, output));
    RankedRows::new((0..predictions.rows()).map(row))
}

fn mean_area(predictions: &Predictions<'_>, area: Area) -> MeanArea {
    let probabilities = Probabilities::of(predictions.task(), predictions.logits());
    let of_output = |output| ranked(predictions, &probabilities, output);
    MeanArea::new(area, (0..predictions.outputs()).map(of_output).collect())
}

fn insert_binary_decision(scores: &mut Scores, rows: &RankedRows, threshold: Threshold) {
    let decision = match threshold {
        Threshold::ChosenBy(rule) => rule.choose(rows),
        Threshold::At(threshold) => scores_at(rows, threshold),
    };
    if let Some(ThresholdScores { threshold, f1, precision, recall }) = decision {
        scores.extend([
            (Metric::Threshold, threshold),
            (Metric::F1, f1),
            (Metric::Precision, precision),
            (Metric::Recall, recall),
        ]);
    }
}
