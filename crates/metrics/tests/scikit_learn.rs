//! Tests every metric against scikit-learn's, for each task; `fixtures/make.py` creates the expected values.

use std::collections::BTreeMap;

use emberline_base::{Matrix, Metric, Scores, Substream, Task};
use emberline_metrics::calibration::{Isotonic, calibrated_row, isotonic, temperature};
use emberline_metrics::{
    Predictions, Probabilities, Threshold, ThresholdRule, calibrated_scores, cross_fitted_row_metric,
    cross_fitted_scores, epoch_scores, further_scores, isotonic_scores, probabilities_of_row, probability, row_metric,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    task: Task,
    /// None: the threshold with the best F1.
    threshold: Option<f64>,
    outputs: usize,
    /// The logits, row by row.
    logits: Vec<f32>,
    /// The indices at which the targets, row by row, are 1.
    positive: Vec<usize>,
    /// The threshold of every output.
    thresholds: Vec<f64>,
    /// In which half of the rows each row is.
    halves: Vec<u8>,
    /// How often each row counts in `counted`.
    counts: Vec<u32>,
    expected: BTreeMap<Metric, f64>,
    counted: BTreeMap<Metric, f64>,
    /// The threshold that every rule chooses, by the rule in JSON.
    rules: BTreeMap<String, f64>,
}

/// Predictions whose matrices are owned.
struct Owned {
    task: Task,
    logits: Matrix,
    targets: Matrix,
}

impl Owned {
    fn new(task: Task, outputs: usize, logits: &[f32], positive: &[usize]) -> Self {
        let mut targets = vec![0.0; logits.len()];
        positive.iter().for_each(|&place| targets[place] = 1.0);
        let matrix = |values: Vec<f32>| Matrix::new(values.len() / outputs, outputs, values);
        Self { task, logits: matrix(logits.to_vec()), targets: matrix(targets) }
    }

    fn predictions(&self) -> Predictions<'_> {
        Predictions::new(self.task, &self.logits, &self.targets).expect("shapes that fit")
    }
}

impl Case {
    fn owned(&self) -> Owned {
        Owned::new(self.task, self.outputs, &self.logits, &self.positive)
    }

    fn halves(&self) -> Vec<bool> {
        self.halves.iter().map(|&half| half == 1).collect()
    }
}

fn scores(predictions: &Predictions<'_>, threshold: Option<f64>) -> Scores {
    epoch_scores(predictions, threshold.map_or(Threshold::ChosenBy(ThresholdRule::default()), Threshold::At))
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/metrics.json")).expect("the fixture")
}

fn is_close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12
}

#[test]
fn every_metric_is_that_of_scikit_learn() {
    let cases = cases();
    assert!(cases.len() > 30);
    for case in &cases {
        let owned = case.owned();
        let predictions = owned.predictions();
        let mut found = scores(&predictions, case.threshold);
        found.extend(further_scores(&predictions, &case.thresholds));
        found.extend(cross_fitted_scores(&predictions, ThresholdRule::default(), &case.halves()));
        let names = |scores: &BTreeMap<Metric, f64>| scores.keys().copied().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&case.expected), "{}", case.name);
        for (metric, &expected) in &case.expected {
            assert!(is_close(found[metric], expected), "{}: {metric} is {}, not {expected}", case.name, found[metric]);
        }
    }
}

/// A metric of counted rows is the metric of rows that are repeated, and equal to the scores if each row counts once.
#[test]
fn every_metric_of_counted_rows_is_that_of_repeated_rows() {
    for case in &cases() {
        let owned = case.owned();
        let predictions = owned.predictions();
        let once = vec![1; case.counts.len()];
        for metric in Metric::ALL {
            let Some(of_rows) = row_metric(metric, &predictions, &case.thresholds) else {
                assert!(!case.counted.contains_key(&metric) || metric == Metric::Threshold, "{}: {metric}", case.name);
                continue;
            };
            let (found, whole) = (of_rows.of(&case.counts), of_rows.of(&once));
            match case.counted.get(&metric) {
                _ if metric == Metric::Loss => {}
                Some(&expected) => assert!(is_close(found, expected), "{}: {metric} {found} {expected}", case.name),
                None => assert!(found.is_nan(), "{}: {metric} isn't defined, and is {found}", case.name),
            }
            let expected = case.expected.get(&metric).copied().unwrap_or(f64::NAN);
            let same = is_close(whole, expected) || (whole.is_nan() && expected.is_nan()) || metric == Metric::Loss;
            assert!(same, "{}: {metric} {whole} {expected}", case.name);
        }
    }
}

#[test]
fn cross_fitted_metrics_are_functions_of_counts_too() {
    for case in &cases() {
        let owned = case.owned();
        let once = vec![1; case.counts.len()];
        let of = |metric| {
            cross_fitted_row_metric(metric, &owned.predictions(), ThresholdRule::default(), &case.halves())
                .map(|of_rows| of_rows.of(&once))
        };
        let (found, expected) = (of(Metric::CrossFittedF1), case.expected.get(&Metric::CrossFittedF1).copied());
        assert_eq!(found.is_some(), expected.is_some(), "{}", case.name);
        assert!(found.zip(expected).is_none_or(|(found, expected)| is_close(found, expected)), "{}", case.name);
        assert_eq!(of(Metric::F1), None);
    }
}

#[test]
fn every_rule_chooses_the_threshold_that_trying_all_finds() {
    let mut tried = 0;
    for case in &cases() {
        let owned = case.owned();
        for (rule, &expected) in &case.rules {
            let parsed: ThresholdRule = serde_json::from_str(rule).expect("a rule");
            assert_eq!(parsed.choose_all(&owned.predictions()), [expected], "{}: {rule}", case.name);
            tried += 1;
        }
    }
    assert!(tried >= 40, "{tried}");
}

/// Softmax probabilities don't change when a constant is added to all logits of a row, so no metric may change. Logits
/// are multiples of 1/64 below 16 and constants are whole numbers below 4096, so that every sum is exact in 32 bits.
#[test]
fn a_constant_added_to_the_logits_of_a_row_changes_no_metric_of_a_softmax_task() {
    let mut random = Substream::new(16, "logits");
    for (rows, classes) in [(1, 3), (40, 3), (60, 10), (50, 77)] {
        let mut number = |below: usize| random.below(2 * below) as f32 - below as f32;
        let logits: Vec<f32> = (0..rows * classes).map(|_| number(1024) / 64.0).collect();
        let shifts: Vec<f32> = (0..rows).map(|_| number(4096)).collect();
        let shifted: Vec<f32> = logits.iter().enumerate().map(|(place, z)| z + shifts[place / classes]).collect();
        let positive: Vec<usize> = (0..rows).map(|row| row * classes + random.below(classes)).collect();
        let of = |logits: &[f32]| {
            let owned = Owned::new(Task::MultiClass, classes, logits, &positive);
            let mut found = scores(&owned.predictions(), None);
            found.extend(further_scores(&owned.predictions(), &[]));
            found
        };
        let (plain, shifted) = (of(&logits), of(&shifted));
        assert!(plain.contains_key(&Metric::LogLoss) && plain.contains_key(&Metric::RocAuc) || rows == 1);
        assert_eq!(plain, shifted, "{rows} rows, {classes} classes");
    }
}

/// The threshold decides every validation row like the row's own score, even after the scores are rounded to 32 bits.
#[test]
fn another_rounding_of_the_scores_changes_no_decision() {
    let binary = |case: &&Case| case.task == Task::Binary && case.threshold.is_none();
    for case in cases().iter().filter(binary) {
        let owned = case.owned();
        let chosen = scores(&owned.predictions(), None);
        let Some(&threshold) = chosen.get(&Metric::Threshold) else { continue };
        assert_eq!(scores(&owned.predictions(), Some(threshold)), chosen, "{}", case.name);
        for &logit in owned.logits.values() {
            let exact = probability(logit);
            assert_eq!(f64::from(exact as f32) >= threshold, exact >= threshold, "{}: {exact}", case.name);
        }
    }
}

/// The classes that are averaged over don't depend on what the model predicts: a class that is newly predicted,
/// wrongly, can't raise an average.
#[test]
fn averages_are_over_all_classes_whatever_is_predicted() {
    for (task, wrong) in [(Task::MultiLabel, [1., -1., 1.]), (Task::MultiClass, [1., -1., 2.])] {
        let of = |second: [f32; 3]| {
            scores(&Owned::new(task, 3, &[[1., -1., -1.], second].concat(), &[0, 3]).predictions(), None)
        };
        let (none, one) = (of([1., -1., -1.]), of(wrong));
        assert!((none[&Metric::F1] - 1.0 / 3.0).abs() < 1e-12, "{task:?}");
        for metric in [Metric::F1, Metric::Precision, Metric::Recall] {
            assert!(one[&metric] <= none[&metric], "{task:?} {metric}");
        }
    }
}

/// Compares rows of an unknown class with the same rows without it, and with the same row as a negative.
#[test]
fn a_row_of_an_unknown_class_counts_as_wrong() {
    let column = |values: &[f32]| Matrix::new(values.len(), 1, values.to_vec());
    let of = |logits: &[f32], targets: &[f32]| {
        let (logits, targets) = (column(logits), column(targets));
        let predictions = Predictions::new(Task::Binary, &logits, &targets).expect("shapes");
        let mut found = scores(&predictions, None);
        found.extend(further_scores(&predictions, &[0.5]));
        found
    };
    let logits = [2.0, 1.0, 0.5, -1.0, 3.0];
    let with = |unknown: f32| of(&logits, &[1., 0., 1., 0., unknown]);
    let (found, as_negative) = (with(f32::NAN), with(0.0));
    let without = of(&logits[..4], &[1., 0., 1., 0.]);
    assert!(is_close(found[&Metric::Accuracy], without[&Metric::Accuracy] * 4.0 / 5.0));
    for metric in [Metric::PrAuc, Metric::RocAuc, Metric::F1, Metric::Precision, Metric::Recall] {
        assert!(is_close(found[&metric], as_negative[&metric]), "{metric}");
    }
    for metric in [Metric::LogLoss, Metric::Brier, Metric::CalibrationError, Metric::BalancedAccuracy] {
        assert!(is_close(found[&metric], without[&metric]), "{metric}");
    }
    assert!(found[&Metric::Mcc] < without[&Metric::Mcc]);
}

#[test]
fn metrics_that_are_not_defined_are_left_out() {
    let owned = Owned::new(Task::Binary, 1, &[1.0, 2.0], &[]);
    assert_eq!(scores(&owned.predictions(), None).keys().copied().collect::<Vec<_>>(), [Metric::Accuracy]);
}

#[derive(Deserialize)]
struct CalibrationCase {
    task: Task,
    outputs: usize,
    logits: Vec<f32>,
    positive: Vec<usize>,
    temperature: f64,
    /// What 41 probabilities between 0 and 1 become, by output.
    isotonic: Vec<Vec<f64>>,
    /// The calibrated probabilities of the first rows, those of `CalibratedClassifierCV`.
    calibrated: Vec<Vec<f64>>,
    /// The scores of all rows after isotonic calibration.
    scores: Scores,
}

#[test]
fn calibrations_are_those_of_scipy_and_scikit_learn() {
    let cases: Vec<CalibrationCase> =
        serde_json::from_str(include_str!("fixtures/calibration.json")).expect("the fixture");
    assert!(cases.len() >= 9);
    for case in &cases {
        let owned = Owned::new(case.task, case.outputs, &case.logits, &case.positive);
        let found = temperature(&owned.predictions());
        assert!((found / case.temperature - 1.0).abs() < 1e-9, "{:?} {found} {}", case.task, case.temperature);
        let loss = |metric, scores: Scores| scores[&metric];
        let plain = loss(Metric::LogLoss, further_scores(&owned.predictions(), &[]));
        let calibrated =
            |temperature| loss(Metric::CalibratedLogLoss, calibrated_scores(&owned.predictions(), temperature));
        assert_eq!(calibrated(1.0), plain);
        assert!(calibrated(found) < plain, "{:?}", case.task);
        let functions = isotonic(&owned.predictions()).expect("rows");
        for (function, expected) in functions.iter().zip(&case.isotonic) {
            assert!(function.is_valid());
            for (step, &expected) in expected.iter().enumerate() {
                let found = function.apply(step as f64 / 40.0);
                assert!(is_close(found, expected), "{:?} at {step}: {found} {expected}", case.task);
            }
        }
        for (row, expected) in case.calibrated.iter().enumerate() {
            let plain: Vec<f64> = owned.logits.row(row).iter().map(|&logit| f64::from(logit)).collect();
            let found = calibrated_row(case.task, &functions, &probabilities_of_row(case.task, &plain));
            let is_same = found.iter().zip(expected).all(|(&found, &expected)| is_close(found, expected));
            assert!(is_same && found.len() == expected.len(), "{:?}, row {row}: {found:?} {expected:?}", case.task);
        }
        let found = isotonic_scores(&owned.predictions(), &functions);
        assert_eq!(found.keys().collect::<Vec<_>>(), case.scores.keys().collect::<Vec<_>>());
        for (metric, &expected) in &case.scores {
            assert!(is_close(found[metric], expected), "{:?} {metric}: {} {expected}", case.task, found[metric]);
        }
    }
}

/// Isotonic regression never raises the squared error on the rows that it was fitted on, and leaves their mean.
#[test]
fn an_isotonic_function_is_no_worse_on_its_own_rows() {
    for case in cases().iter().filter(|case| case.task == Task::Binary && case.logits.len() > 50) {
        let owned = case.owned();
        let probabilities = Probabilities::of(Task::Binary, &owned.logits);
        let rows: Vec<(f64, bool)> =
            (0..owned.logits.rows()).map(|row| (probabilities.get(row, 0), owned.targets.row(row)[0] > 0.5)).collect();
        let function = Isotonic::fit(rows.iter().copied()).expect("rows");
        let error = |of: &dyn Fn(f64) -> f64| -> f64 {
            rows.iter().map(|&(p, positive)| (of(p) - f64::from(u8::from(positive))).powi(2)).sum()
        };
        assert!(error(&|p| function.apply(p)) <= error(&|p| p), "{}", case.name);
        let mean: f64 = rows.iter().map(|&(p, _)| function.apply(p)).sum();
        let positives = rows.iter().filter(|(_, positive)| *positive).count();
        assert!((mean - positives as f64).abs() < 1e-9, "{}", case.name);
    }
}
