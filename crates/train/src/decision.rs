//! How probabilities become decisions: thresholds and calibration, chosen on the validation rows of the best epoch, and
//! the scores of that epoch with them.

use emberline_base::{Matrix, Scores, Splits, Task};
use emberline_metrics::calibration::{CalibrationMethod, isotonic, temperature};
use emberline_metrics::{
    DEFAULT_THRESHOLD, Predictions, Threshold, ThresholdRule, calibrated_scores, cross_fitted_scores, further_scores,
    isotonic_scores,
};

use crate::metric;
use crate::model::{Calibration, LogitCalibration, ProbabilityCalibration};
use crate::objective::Objective;
use crate::spec::FitSpec;

/// How probabilities become decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DecisionSpec<'a> {
    /// How a threshold is chosen on the validation rows; none: the one with the best F1 for a binary task, and 0.5 for
    /// each class of a multi-label task.
    pub threshold: Option<ThresholdRule>,
    /// How probabilities are calibrated on the validation rows; none: they aren't.
    pub calibration: Option<CalibrationMethod>,
    /// In which of two halves each validation row is, `[rows]`, for scores at thresholds that the other half chose;
    /// none: there are no such scores.
    pub halves: Option<&'a [bool]>,
}

/// The decisions that were chosen on held-out rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    /// The probability from which each output counts as positive: one for a binary task; for a multi-label task one per
    /// class, or none for the default decision; none for a multi-class task. It is one after calibration if logits are
    /// calibrated, and one before it if probabilities are.
    pub thresholds: Vec<f64>,
    /// How probabilities are calibrated; none if they are used unchanged.
    pub calibration: Option<Calibration>,
}

impl Decisions {
    /// Chooses decisions on held-out rows. Returns the thresholds of uncalibrated probabilities, `[outputs]` (none for a
    /// multi-class task), beside them.
    pub fn choose(predictions: &Predictions<'_>, spec: &DecisionSpec<'_>) -> (Vec<f64>, Self) {
        let thresholds = spec.threshold.unwrap_or_default().choose_all(predictions);
        let calibration = spec.calibration.and_then(|method| match method {
            CalibrationMethod::Temperature => {
                Some(Calibration::Logits(LogitCalibration { scale: 1.0 / temperature(predictions), offset: 0.0 }))
            }
            // None if a logit isn't a number, as after a fit that diverged.
            CalibrationMethod::Isotonic => {
                isotonic(predictions).map(|isotonic| Calibration::Probabilities(ProbabilityCalibration { isotonic }))
            }
        });
        let of_model = Self::of_model(predictions.task(), &thresholds, calibration, spec);
        (thresholds, of_model)
    }

    fn of_model(task: Task, thresholds: &[f64], calibration: Option<Calibration>, spec: &DecisionSpec<'_>) -> Self {
        let is_asked_for = task == Task::Binary || spec.threshold.is_some();
        let thresholds = match &calibration {
            _ if !is_asked_for => Vec::new(),
            None | Some(Calibration::Probabilities(_)) => thresholds.to_vec(),
            Some(Calibration::Logits(calibration)) => {
                thresholds.iter().map(|&threshold| calibration.of_probability(threshold)).collect()
            }
        };
        Self { thresholds, calibration }
    }
}

/// The scores of the best epoch, and the decisions that were chosen with them.
pub(crate) struct BestEpoch {
    pub(crate) scores: Splits<Scores>,
    pub(crate) decisions: Decisions,
}

impl BestEpoch {
    /// Chooses thresholds and calibration on the validation rows, and scores both splits with them. `train`: the scores
    /// of the training rows. `valid` and `test`: the logits, `[rows, outputs]`; ignored for a split without targets.
    pub(crate) fn score(
        spec: &FitSpec<'_>,
        objective: &Objective,
        train: Scores,
        valid: &Matrix,
        test: &Matrix,
    ) -> Self {
        let FitSpec { task, targets, decision, .. } = *spec;
        let rule = decision.threshold.unwrap_or_default();
        let default = if task == Task::Binary { vec![DEFAULT_THRESHOLD] } else { Vec::new() };
        let mut chosen = (default.clone(), Decisions { thresholds: default, calibration: None });
        let valid = targets.valid.as_ref().map(|targets| {
            let predictions = metric::predictions(task, valid, targets);
            chosen = Decisions::choose(&predictions, &decision);
            let mut scores = metric::all(objective, &predictions, targets, Threshold::ChosenBy(rule));
            scores.extend(best_epoch_scores(&predictions, &chosen));
            scores
                .extend(decision.halves.into_iter().flat_map(|halves| cross_fitted_scores(&predictions, rule, halves)));
            scores
        });
        let test = targets.test.as_ref().map(|targets| {
            let predictions = metric::predictions(task, test, targets);
            let threshold = chosen.0.first().copied().unwrap_or(DEFAULT_THRESHOLD);
            let mut scores = metric::all(objective, &predictions, targets, Threshold::At(threshold));
            scores.extend(best_epoch_scores(&predictions, &chosen));
            scores
        });
        Self { scores: Splits { train, valid, test }, decisions: chosen.1 }
    }
}

/// Computes the scores that are only measured at the best epoch.
fn best_epoch_scores(predictions: &Predictions<'_>, (thresholds, decisions): &(Vec<f64>, Decisions)) -> Scores {
    let mut scores = further_scores(predictions, thresholds);
    scores.extend(match &decisions.calibration {
        Some(Calibration::Logits(calibration)) => calibrated_scores(predictions, 1.0 / calibration.scale),
        Some(Calibration::Probabilities(calibration)) => isotonic_scores(predictions, &calibration.isotonic),
        None => Scores::new(),
    });
    scores
}

#[cfg(test)]
mod tests {
    use emberline_base::Metric;
    use emberline_metrics::{Optimum, probability};

    use super::*;

    const LOGITS: [f32; 8] = [3.0, 2.0, 1.5, 0.5, -0.5, -1.0, -2.0, -4.0];
    const TARGETS: [f32; 8] = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0];

    fn choose(task: Task, outputs: usize, spec: &DecisionSpec<'_>) -> (Vec<f64>, Decisions) {
        let matrix = |values: [f32; 8]| Matrix::new(8 / outputs, outputs, values.to_vec());
        let (logits, targets) = (matrix(LOGITS), matrix(TARGETS));
        Decisions::choose(&metric::predictions(task, &logits, &targets), spec)
    }

    /// A threshold of calibrated probabilities decides each row as that of uncalibrated ones does.
    #[test]
    fn calibration_changes_no_decision() {
        for rule in
            [ThresholdRule::F1(Optimum::Max), ThresholdRule::Recall(0.5), ThresholdRule::Cost(vec![9.0, 1.0].into())]
        {
            let spec =
                DecisionSpec { threshold: Some(rule), calibration: Some(CalibrationMethod::Temperature), halves: None };
            let (thresholds, decisions) = choose(Task::Binary, 1, &spec);
            let Some(Calibration::Logits(calibration)) = decisions.calibration else { panic!("asked for") };
            assert!(calibration.scale != 1.0 && decisions.thresholds != thresholds, "{decisions:?}");
            for logit in LOGITS {
                let plain = probability(logit) >= thresholds[0];
                let calibrated = calibration.of_probability(probability(logit)) >= decisions.thresholds[0];
                assert_eq!(plain, calibrated, "{rule:?} {logit}");
            }
        }
    }

    /// Functions may make probabilities equal, so thresholds stay those of probabilities before them.
    #[test]
    fn an_isotonic_calibration_leaves_thresholds_and_lowers_the_error_on_its_own_rows() {
        for (task, outputs) in [(Task::Binary, 1), (Task::MultiClass, 2), (Task::MultiLabel, 2)] {
            let of = |calibration| DecisionSpec { calibration, ..DecisionSpec::default() };
            let (thresholds, decisions) = choose(task, outputs, &of(Some(CalibrationMethod::Isotonic)));
            let (plain, without) = choose(task, outputs, &of(None));
            assert_eq!((&thresholds, &decisions.thresholds), (&plain, &without.thresholds));
            let Some(Calibration::Probabilities(functions)) = &decisions.calibration else { panic!("asked for") };
            assert_eq!(functions.isotonic.len(), outputs);
            let matrix = |values: [f32; 8]| Matrix::new(8 / outputs, outputs, values.to_vec());
            let (logits, targets) = (matrix(LOGITS), matrix(TARGETS));
            let scores = best_epoch_scores(&metric::predictions(task, &logits, &targets), &(thresholds, decisions));
            if task != Task::MultiClass {
                assert!(scores[&Metric::CalibratedBrier] < scores[&Metric::Brier], "{scores:?}");
            }
            assert!(scores[&Metric::CalibratedLogLoss].is_finite(), "{scores:?}");
        }
    }

    #[test]
    fn labels_have_thresholds_if_they_are_asked_for() {
        let (thresholds, default) = choose(Task::MultiLabel, 2, &DecisionSpec::default());
        assert_eq!((thresholds.len(), default), (2, Decisions::default()));
        let spec = DecisionSpec { threshold: Some(ThresholdRule::Recall(1.0)), ..DecisionSpec::default() };
        let (thresholds, decisions) = choose(Task::MultiLabel, 2, &spec);
        assert_eq!(decisions, Decisions { thresholds, calibration: None });
    }

    #[test]
    fn the_most_probable_class_has_no_threshold() {
        let spec = DecisionSpec { calibration: Some(CalibrationMethod::Temperature), ..DecisionSpec::default() };
        let (thresholds, decisions) = choose(Task::MultiClass, 2, &spec);
        assert!(thresholds.is_empty() && decisions.thresholds.is_empty() && decisions.calibration.is_some());
    }
}
