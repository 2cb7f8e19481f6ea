//! The precision-recall, ROC and calibration curves of predictions.
//!
//! Each output is judged as its class against the rest. A curve of many rows is thinned to points that are apart on paper; the areas
//! are always those of all points, computed by the crate `metrics`.

use emberline_base::{Matrix, Task};
use emberline_metrics::{Area, BINS, CalibrationError, Counts, Predictions, Probabilities, RankedRows, ReliabilityBin};

use super::Evaluation;

/// The least distance of two drawn points, as a share of the axes: half a pixel of a chart of 500.
const LEAST_DISTANCE: f64 = 0.001;

/// The quantile of the normal distribution for 95 % intervals.
const QUANTILE: f64 = 1.96;

/// The curves of one output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputCurves {
    /// The output.
    pub(crate) output: usize,
    /// The number of positive rows.
    pub(crate) positives: usize,
    /// The points (recall, precision), from the highest threshold to the lowest.
    pub(crate) precision_recall: Vec<(f64, f64)>,
    /// The points (false positive rate, true positive rate).
    pub(crate) roc: Vec<(f64, f64)>,
    /// The average precision; `None` without a positive row.
    pub(crate) average_precision: Option<f64>,
    /// The area under the ROC curve; `None` unless there are positive and negative rows.
    pub(crate) roc_auc: Option<f64>,
}

/// Returns the curves of the outputs with the most positive rows, at most `limit`, in the order of the classes.
pub(crate) fn of_outputs(evaluation: &Evaluation, limit: usize) -> Vec<OutputCurves> {
    let mut outputs: Vec<(usize, usize)> = (0..evaluation.logits.cols())
        .map(|output| (positives(&evaluation.targets, output), output))
        .filter(|(positives, _)| *positives > 0)
        .collect();
    outputs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    outputs.truncate(limit);
    let mut outputs: Vec<usize> = outputs.into_iter().map(|(_, output)| output).collect();
    outputs.sort_unstable();
    let curve = |output| of_output(evaluation.task, &evaluation.logits, &evaluation.targets, output);
    outputs.into_iter().map(curve).collect()
}

/// Returns the curves of one output.
pub(crate) fn of_output(task: Task, logits: &Matrix, targets: &Matrix, output: usize) -> OutputCurves {
    let probabilities = Probabilities::of(task, logits);
    let row = |row: usize| (probabilities.get(row, output), targets.row(row)[output] > 0.5);
    let ranked = RankedRows::new((0..logits.rows()).map(row));
    let positives = positives(targets, output);
    let negatives = logits.rows() - positives;
    let points: Vec<(f64, f64)> =
        ranked.points(Counts::Once).map(|point| (point.true_positives, point.false_positives)).collect();
    let (all, rest) = (positives.max(1) as f64, negatives.max(1) as f64);
    let precision_recall = points.iter().map(|(tp, fp)| (tp / all, tp / (tp + fp)));
    let roc = std::iter::once((0.0, 0.0)).chain(points.iter().map(|(tp, fp)| (fp / rest, tp / all)));
    OutputCurves {
        output,
        positives,
        precision_recall: thinned(precision_recall),
        roc: thinned(roc),
        average_precision: ranked.area(Area::PrecisionRecall, Counts::Once),
        roc_auc: ranked.area(Area::Roc, Counts::Once),
    }
}

fn positives(targets: &Matrix, output: usize) -> usize {
    (0..targets.rows()).filter(|&row| targets.row(row)[output] > 0.5).count()
}

/// Leaves out points that can't be told from the one before; the first and the last stay.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut skipped = None;
    for point in points {
        let is_near = |last: &(f64, f64)| (point.0 - last.0).abs() + (point.1 - last.1).abs() < LEAST_DISTANCE;
        if kept.last().is_some_and(is_near) {
            skipped = Some(point);
        } else {
            kept.push(point);
            skipped = None;
        }
    }
    kept.extend(skipped);
    kept
}

/// One bin of the calibration curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CalibrationPoint {
    /// The mean probability of the bin.
    pub(crate) probability: f64,
    /// How often it came true.
    pub(crate) frequency: f64,
    /// The 95 % interval of the frequency (E. B. Wilson, 1927).
    pub(crate) interval: (f64, f64),
    /// The number of probabilities in the bin.
    pub(crate) count: f64,
}

/// Returns the bins that have probabilities, and the expected calibration error.
pub(crate) fn calibration(predictions: &Predictions<'_>) -> (Vec<CalibrationPoint>, f64) {
    let error = CalibrationError::new(predictions);
    let bins: [ReliabilityBin; BINS] = error.bins(Counts::Once);
    let total: f64 = bins.iter().map(|bin| bin.count).sum();
    let gap: f64 = bins.iter().map(|bin| (bin.probability - bin.came_true).abs()).sum();
    let point = |bin: &ReliabilityBin| CalibrationPoint {
        probability: bin.probability / bin.count,
        frequency: bin.came_true / bin.count,
        interval: wilson(bin.came_true, bin.count),
        count: bin.count,
    };
    (bins.iter().filter(|bin| bin.count > 0.0).map(point).collect(), gap / total)
}

/// Returns the 95 % interval of a share.
pub(crate) fn wilson(successes: f64, trials: f64) -> (f64, f64) {
    let (share, square) = (successes / trials, QUANTILE * QUANTILE);
    let middle = share + square / (2.0 * trials);
    let half = QUANTILE * (share * (1.0 - share) / trials + square / (4.0 * trials * trials)).sqrt();
    let of = |end: f64| (end / (1.0 + square / trials)).clamp(0.0, 1.0);
    (of(middle - half), of(middle + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(logits: &[f32], targets: &[f32]) -> (Matrix, Matrix) {
        (Matrix::new(logits.len(), 1, logits.to_vec()), Matrix::new(targets.len(), 1, targets.to_vec()))
    }

    #[test]
    fn curves_go_through_every_threshold() {
        let (logits, targets) = binary(&[2.0, 1.0, -1.0], &[1.0, 0.0, 1.0]);
        let curves = of_output(Task::Binary, &logits, &targets, 0);
        assert_eq!(curves.precision_recall, [(0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0)]);
        assert_eq!(curves.roc, [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]);
        assert_eq!((curves.roc_auc, curves.positives), (Some(0.5), 2));
        assert!(curves.average_precision.is_some_and(|area| (area - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15));
    }

    #[test]
    fn thinning_keeps_the_ends() {
        let points = (0..=100_000).map(|index| (f64::from(index) / 1e5, 1.0));
        let kept = thinned(points);
        assert!(kept.len() <= 1_001, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (Some(&(0.0, 1.0)), Some(&(1.0, 1.0))));
    }

    /// `statsmodels.stats.proportion.proportion_confint(3, 10, method="wilson")` with the quantile 1.96.
    #[test]
    fn shares_have_the_interval_of_wilson() {
        let (low, high) = wilson(3.0, 10.0);
        assert!((low - 0.107_789).abs() < 1e-5 && (high - 0.603_222).abs() < 1e-5, "{low} {high}");
        assert_eq!(wilson(0.0, 5.0).0, 0.0);
    }

    #[test]
    fn bins_without_probabilities_have_no_point() {
        let (logits, targets) = binary(&[4.0, 4.0, -4.0], &[1.0, 0.0, 0.0]);
        let (points, error) = calibration(&Predictions::new(Task::Binary, &logits, &targets).expect("shapes"));
        assert_eq!(
            points.iter().map(|point| (point.count, point.frequency)).collect::<Vec<_>>(),
            [(1.0, 0.0), (2.0, 0.5)]
        );
        assert!(error > 0.3 && error < 0.4, "{error}");
    }
}
