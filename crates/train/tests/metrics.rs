//! Tests every metric against scikit-learn's, for each task; `fixtures/metrics/make.py` creates the expected values.

use std::collections::BTreeMap;

use emberline_base::{Matrix, Metric, Scores, Substream, Task};
use emberline_train::metric::{self, Threshold, probability};
use emberline_train::settings::Loss;
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
    expected: BTreeMap<Metric, f64>,
}

impl Case {
    fn logits(&self) -> Matrix {
        Matrix::new(self.logits.len() / self.outputs, self.outputs, self.logits.clone())
    }

    fn targets(&self) -> Matrix {
        let mut targets = vec![0.0; self.logits.len()];
        self.positive.iter().for_each(|&place| targets[place] = 1.0);
        Matrix::new(targets.len() / self.outputs, self.outputs, targets)
    }

    fn scores(&self, logits: &Matrix) -> Scores {
        scores(self.task, logits, &self.targets(), self.threshold.map_or(Threshold::Best, Threshold::At))
    }
}

fn scores(task: Task, logits: &Matrix, targets: &Matrix, threshold: Threshold) -> Scores {
    let loss = if task == Task::MultiClass { Loss::CategoricalCrossEntropy } else { Loss::BinaryCrossEntropy };
    metric::all(task, loss, logits, targets, threshold)
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/metrics/metrics.json")).expect("the fixture")
}

#[test]
fn every_metric_is_that_of_scikit_learn() {
    let cases = cases();
    assert!(cases.len() > 30);
    for case in &cases {
        let scores = case.scores(&case.logits());
        let names = |scores: &BTreeMap<Metric, f64>| scores.keys().copied().collect::<Vec<_>>();
        assert_eq!(names(&scores), names(&case.expected), "{}", case.name);
        for (metric, expected) in &case.expected {
            let found = scores[metric];
            assert!((found - expected).abs() <= 1e-12, "{}: {metric} is {found}, not {expected}", case.name);
        }
    }
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
        let shifted = logits.iter().enumerate().map(|(place, logit)| logit + shifts[place / classes]).collect();
        let mut targets = Matrix::zeros(rows, classes);
        (0..rows).for_each(|row| targets.row_mut(row)[random.below(classes)] = 1.0);
        let of = |logits| scores(Task::MultiClass, &Matrix::new(rows, classes, logits), &targets, Threshold::Best);
        let (plain, shifted) = (of(logits), of(shifted));
        for (metric, value) in &plain {
            // The loss is a sum of numbers as large as the logits; every other metric depends on their order only.
            let tolerance = if *metric == Metric::Loss { 1e-11 } else { 0.0 };
            assert!((shifted[metric] - value).abs() <= tolerance, "{metric}: {value} became {}", shifted[metric]);
        }
    }
}

/// The threshold decides every validation row like the row's own score, even after the scores are rounded to 32 bits.
#[test]
fn another_rounding_of_the_scores_changes_no_decision() {
    let binary = |case: &&Case| case.task == Task::Binary && case.threshold.is_none();
    for case in cases().iter().filter(binary) {
        let (logits, targets) = (case.logits(), case.targets());
        let scores = case.scores(&logits);
        let Some(&threshold) = scores.get(&Metric::Threshold) else { continue };
        let at = self::scores(Task::Binary, &logits, &targets, Threshold::At(threshold));
        assert_eq!(at, scores, "{}", case.name);
        for &logit in logits.values() {
            let exact = probability(logit);
            assert_eq!(f64::from(exact as f32) >= threshold, exact >= threshold, "{}: {exact}", case.name);
        }
    }
}

/// The classes that are averaged over don't depend on what the model predicts: a class that is newly predicted,
/// wrongly, can't raise an average.
#[test]
fn averages_are_over_all_classes_whatever_is_predicted() {
    let targets = Matrix::new(2, 3, vec![1., 0., 0., 1., 0., 0.]);
    for (task, wrong) in [(Task::MultiLabel, [1., -1., 1.]), (Task::MultiClass, [1., -1., 2.])] {
        let of = |second: [f32; 3]| {
            let logits = Matrix::new(2, 3, [[1., -1., -1.], second].concat());
            scores(task, &logits, &targets, Threshold::Best)
        };
        let (none, one) = (of([1., -1., -1.]), of(wrong));
        assert!((none[&Metric::F1] - 1.0 / 3.0).abs() < 1e-12, "{task:?}");
        for metric in [Metric::F1, Metric::Precision, Metric::Recall] {
            assert!(one[&metric] <= none[&metric], "{task:?} {metric}");
        }
    }
}
