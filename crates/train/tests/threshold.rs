//! Tests that the decision threshold of a binary task is chosen on the validation rows, and that the test rows are
//! scored at it.

use emberline_base::{Features, Matrix, Monitor, Splits, Substream, Task};
use emberline_device::Device;
use emberline_metrics::calibration::CalibrationMethod;
use emberline_metrics::{ThresholdRule, probability};
use emberline_train::settings::{Adam, Head, Optimizer, Train};
use emberline_train::{Calibration, DecisionSpec, EngineChoice, FitSpec, FittedModel};

use crate::support::fit_alone;

const DIM: usize = 4;

/// Returns noisy rows, of which `positive` in ten are positive: their share moves the best threshold.
fn rows(stream: &str, rows: usize, positive: usize) -> (Matrix, Matrix) {
    let mut random = Substream::new(9, stream);
    let (mut vectors, mut targets) = (Matrix::zeros(rows, DIM), Matrix::zeros(rows, 1));
    for row in 0..rows {
        let class = f32::from(u8::from(random.below(10) < positive));
        targets.row_mut(row)[0] = class;
        vectors.row_mut(row).fill_with(|| random.symmetric(1.0) + 0.4 * class);
    }
    (vectors, targets)
}

fn trained(splits: Splits<(Matrix, Matrix)>) -> (FittedModel, Splits<Matrix>) {
    trained_with(splits, DecisionSpec::default())
}

fn trained_with(splits: Splits<(Matrix, Matrix)>, decision: DecisionSpec<'_>) -> (FittedModel, Splits<Matrix>) {
    let features = splits.map(|_, (vectors, _)| Features::Frozen(vectors.clone()));
    let targets = splits.into_map(|(_, targets)| targets);
    let optimizer = Optimizer::Adam(Adam { learning_rate: 0.05, ..Adam::default() });
    let spec = FitSpec {
        head: &Head { layers: Vec::new() },
        train: &Train { epochs: 8, optimizer, ..Train::default() },
        seed: 1,
        task: Task::Binary,
        classes: &[],
        features: &features,
        targets: &targets,
        order: None,
        monitor: Some(Monitor { valid: features.valid.is_some(), ..Monitor::VAL_LOSS }),
        encoder: None,
        initial: None,
        decision,
    };
    (fit_alone(EngineChoice::Fastest, &spec, Device::Cpu, &mut []).expect("a fit"), targets)
}

/// The validation rows have inverted labels, so that their loss is lowest after the first epoch.
#[test]
fn without_a_monitor_the_last_epoch_is_kept() {
    let (vectors, targets) = rows("monitor", 60, 5);
    let turned = Matrix::new(60, 1, targets.values().iter().map(|target| 1.0 - target).collect());
    let features = Splits { train: vectors.clone(), valid: Some(vectors), test: None }.into_map(Features::Frozen);
    let targets = Splits { train: targets, valid: Some(turned), test: None };
    let optimizer = Optimizer::Adam(Adam { learning_rate: 0.05, ..Adam::default() });
    let fitted = |monitor| {
        let spec = FitSpec {
            head: &Head { layers: Vec::new() },
            train: &Train { epochs: 4, optimizer: optimizer.clone(), ..Train::default() },
            seed: 1,
            task: Task::Binary,
            classes: &[],
            features: &features,
            targets: &targets,
            order: None,
            monitor,
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
        };
        fit_alone(EngineChoice::Fastest, &spec, Device::Cpu, &mut []).expect("a fit")
    };
    let (best, last) = (fitted(Some(Monitor::VAL_LOSS)), fitted(None));
    assert!(best.best_epoch < 4 && last.best_epoch == 4, "{} {}", best.best_epoch, last.best_epoch);
    assert!(last.weights != best.weights && last.history.len() == 4);
}

/// Counts F1, precision and recall row by row.
fn scores(logits: &Matrix, targets: &Matrix, threshold: f64) -> [f64; 3] {
    let (mut right, mut answers, mut wanted) = (0.0, 0.0, 0.0);
    for row in 0..logits.rows() {
        let answer = probability(logits.row(row)[0]) >= threshold;
        let target = targets.row(row)[0] > 0.5;
        right += f64::from(u8::from(answer && target));
        answers += f64::from(u8::from(answer));
        wanted += f64::from(u8::from(target));
    }
    [2.0 * right / (answers + wanted), right / answers, right / wanted]
}

/// Returns the midpoint between the highest score whose decision has the best F1 and the next lower score.
fn best_threshold(logits: &Matrix, targets: &Matrix) -> f64 {
    let mut probabilities: Vec<f64> = logits.values().iter().map(|&logit| probability(logit)).collect();
    probabilities.sort_by(|a, b| b.total_cmp(a));
    probabilities.dedup();
    let f1 = |threshold: f64| scores(logits, targets, threshold)[0];
    let best = |best, next| if f1(next) > f1(best) { next } else { best };
    let best = probabilities.iter().copied().reduce(best).expect("rows");
    let lower = probabilities.iter().copied().find(|&probability| probability < best);
    f64::midpoint(best, lower.unwrap_or(0.0))
}

#[test]
fn test_rows_are_scored_at_the_threshold_that_validation_chose() {
    let splits =
        Splits { train: rows("train", 300, 4), valid: Some(rows("valid", 120, 2)), test: Some(rows("test", 120, 7)) };
    let (fit, targets) = trained(splits);
    let of = |part: &Option<Matrix>| part.clone().expect("a split");
    let (valid, test) = ((of(&fit.logits.valid), of(&targets.valid)), (of(&fit.logits.test), of(&targets.test)));
    let threshold = best_threshold(&valid.0, &valid.1);
    for (name, (logits, targets)) in [("val", &valid), ("test", &test)] {
        assert_eq!(fit.metrics[&format!("{name}_threshold")], threshold);
        let by_hand = scores(logits, targets, threshold);
        for (metric, value) in ["f1", "precision", "recall"].into_iter().zip(by_hand) {
            let found = fit.metrics[&format!("{name}_{metric}")];
            assert!((found - value).abs() < 1e-12, "{name}_{metric}: {found}, not {value}");
        }
    }
    // The test rows would have chosen another threshold, with a better F1.
    let own = best_threshold(&test.0, &test.1);
    assert_ne!(own, threshold);
    assert!(scores(&test.0, &test.1, own)[0] > fit.metrics["test_f1"]);
}

#[test]
fn other_test_rows_or_none_change_neither_threshold_nor_anything_else_of_validation() {
    let with = |test: Option<(Matrix, Matrix)>| {
        trained(Splits { train: rows("train", 300, 4), valid: Some(rows("valid", 120, 2)), test }).0
    };
    let none = with(None);
    for other in [rows("test", 120, 7), rows("test", 40, 1)] {
        let fit = with(Some(other));
        assert_eq!((fit.best_epoch, &fit.weights), (none.best_epoch, &none.weights));
        assert_eq!(fit.logits.valid, none.logits.valid);
        assert_eq!(fit.metrics["test_threshold"], none.metrics["val_threshold"]);
        let metrics = fit.metrics.into_iter().filter(|(name, _)| !name.starts_with("test_"));
        assert_eq!(metrics.collect::<Vec<_>>(), none.metrics.clone().into_iter().collect::<Vec<_>>());
    }
}

/// Without validation rows the threshold is the default one.
#[test]
fn without_validation_test_rows_are_scored_at_one_half() {
    let (fit, _) = trained(Splits { train: rows("train", 300, 4), valid: None, test: Some(rows("test", 120, 7)) });
    assert_eq!(fit.metrics["test_threshold"], 0.5);
}

#[test]
fn the_threshold_follows_the_rule_and_halves_are_decided_by_each_other() {
    let splits = || Splits {
        train: rows("train", 300, 4),
        valid: Some(rows("valid", 120, 2)),
        test: Some(rows("test", 120, 7)),
    };
    let halves: Vec<bool> = (0..120).map(|row| row % 2 == 0).collect();
    let decision = DecisionSpec {
        threshold: Some(ThresholdRule::Recall(0.9)),
        calibration: Some(CalibrationMethod::Temperature),
        halves: Some(&halves),
    };
    let (fit, targets) = trained_with(splits(), decision);
    let (plain, _) = trained(splits());
    assert_eq!(
        (fit.best_epoch, &fit.weights, &fit.logits.test),
        (plain.best_epoch, &plain.weights, &plain.logits.test)
    );
    assert!(fit.metrics["val_recall"] >= 0.9 && fit.metrics["val_threshold"] < plain.metrics["val_threshold"]);
    assert_eq!(fit.metrics["val_brier"], plain.metrics["val_brier"], "measured without calibration");
    assert!(fit.metrics["val_calibrated_log_loss"] < fit.metrics["val_log_loss"]);
    assert!(fit.metrics.contains_key("val_cross_fitted_f1") && !fit.metrics.contains_key("test_cross_fitted_f1"));
    assert!(!plain.metrics.contains_key("val_cross_fitted_f1"), "there are no halves");
    let test = (fit.logits.test.expect("a split"), targets.test.expect("a split"));
    let [_, _, recall] = scores(&test.0, &test.1, fit.metrics["val_threshold"]);
    assert!((fit.metrics["test_recall"] - recall).abs() < 1e-12);
    let Some(Calibration::Logits(calibration)) = fit.calibration else { panic!("asked for") };
    for &logit in test.0.values() {
        let calibrated = probability((f64::from(logit) * calibration.scale) as f32);
        assert_eq!(calibrated >= fit.thresholds[0], probability(logit) >= fit.metrics["val_threshold"], "{logit}");
    }
}
