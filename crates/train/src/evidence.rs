//! What the validation rows say about a fit besides its metrics: how exact the validation loss is, how it compares with
//! that of a model that knows the shares of the classes alone, and whether one class is predicted for every row.

use emberline_base::record::FitEvidence;
use emberline_base::{Matrix, SplitName, Splits, Task};

use crate::loss::LossFunction;
use crate::objective::Objective;
use crate::settings::class_of_row;

/// Returns the evidence for the logits of the validation rows, `[rows, outputs]`; `targets` are those of every split.
/// `None` without validation rows, with fewer than two whose loss is defined, if a loss isn't finite, and for a focal loss:
/// the shares of the classes don't minimise it, so that it can be below that of the shares though nothing was learned.
///
/// The prior gives every row the shares of the classes among the training rows (each with half a row more, so that no
/// class is impossible), weighted and smoothed as the loss is. Its loss is computed like the model's, so that their
/// difference is one per row.
pub fn fit_evidence(
    task: Task,
    objective: &Objective,
    classes: &[String],
    logits: &Splits<Matrix>,
    targets: &Splits<Matrix>,
) -> Option<FitEvidence> {
    let (logits, rows) = (logits.valid.as_ref()?, targets.valid.as_ref()?);
    let smoothing = match objective.loss() {
        LossFunction::BinaryCrossEntropy { smoothing } | LossFunction::CategoricalCrossEntropy { smoothing } => {
            smoothing
        }
        LossFunction::BinaryFocal(_) | LossFunction::CategoricalFocal(_) => return None,
    };
    let prior = prior_logits(task, objective.held_out_weights(), smoothing, &targets.train);
    let of_row = |logits: &[f32], targets: &[f32]| objective.of_row(SplitName::Valid, logits, targets);
    // A row of a class that no training row has has no loss.
    let known = (0..rows.rows()).filter(|&row| !rows.row(row)[0].is_nan());
    let losses: Vec<[f64; 2]> =
        known.map(|row| [of_row(logits.row(row), rows.row(row)), of_row(&prior, rows.row(row))]).collect();
    let [_, val_loss_error] = mean_and_error(losses.iter().map(|[model, _]| *model))?;
    let [prior_loss, _] = mean_and_error(losses.iter().map(|[_, prior]| *prior))?;
    let [_, prior_gain_error] = mean_and_error(losses.iter().map(|[model, prior]| prior - model))?;
    let only_class = only_class(task, logits).and_then(|class| classes.get(class)).cloned();
    Some(FitEvidence { val_loss_error, prior_loss, prior_gain_error, only_class })
}

/// Returns the logits of a model that knows the weighted and smoothed shares of the classes alone, `[outputs]`.
fn prior_logits(task: Task, weights: Option<&[f64]>, smoothing: f64, targets: &Matrix) -> Vec<f32> {
    let weight_of = |targets: &[f32]| {
        weights.zip(class_of_row(targets)).and_then(|(weights, class)| weights.get(class)).copied().unwrap_or(1.0)
    };
    let (mut sums, mut total) = (vec![0.0; targets.cols()], 0.0);
    for row in 0..targets.rows() {
        let weight = weight_of(targets.row(row));
        sums.iter_mut().zip(targets.row(row)).filter(|(_, target)| **target > 0.5).for_each(|(sum, _)| *sum += weight);
        total += weight;
    }
    let classes = match task {
        Task::Binary | Task::MultiLabel => 2,
        Task::MultiClass => targets.cols(),
    };
    let logit = |sum: f64| {
        let share = (sum + 0.5) / (total + 1.0) * (1.0 - smoothing) + smoothing / classes as f64;
        match task {
            Task::Binary | Task::MultiLabel => (share / (1.0 - share)).ln(),
            Task::MultiClass => share.ln(),
        }
    };
    sums.into_iter().map(|sum| logit(sum) as f32).collect()
}

/// Returns the class that is predicted for every row, at a probability of 0.5 or by the highest logit. `None` if there
/// are several, or if a row may have several labels.
fn only_class(task: Task, logits: &Matrix) -> Option<usize> {
    let class = |row: &[f32]| match task {
        Task::Binary => Some(usize::from(row[0] > 0.0)),
        Task::MultiClass => (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))),
        Task::MultiLabel => None,
    };
    let mut predicted = (0..logits.rows()).map(|row| class(logits.row(row)));
    let first = predicted.next()??;
    predicted.all(|class| class == Some(first)).then_some(first)
}

/// Returns the mean of values, and its standard error. `None` for fewer than two values, and if they aren't finite.
fn mean_and_error(values: impl Iterator<Item = f64> + Clone) -> Option<[f64; 2]> {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    (count > 1.0 && mean.is_finite() && error.is_finite()).then_some([mean, error])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Train;

    fn evidence(task: Task, outputs: usize, logits: &[f32], targets: &[f32], train: &[f32]) -> Option<FitEvidence> {
        let matrix = |values: &[f32]| Matrix::new(values.len() / outputs, outputs, values.to_vec());
        let logits = Splits { train: Matrix::zeros(0, outputs), valid: Some(matrix(logits)), test: None };
        let targets = Splits { train: matrix(train), valid: Some(matrix(targets)), test: None };
        let classes = ["no", "yes", "maybe"].map(str::to_owned);
        let objective = Objective::new(&Train::default(), task, &classes, &targets.train).expect("an objective");
        fit_evidence(task, &objective, &classes, &logits, &targets)
    }

    /// Under balanced weights the prior gives both classes the same share, and its loss is ln 2 whatever the shares are.
    #[test]
    fn the_prior_is_weighted_as_the_loss_is() {
        let column = |values: &[f32]| Matrix::new(values.len(), 1, values.to_vec());
        let train: Vec<f32> = (0..400).map(|row| f32::from(u8::from(row % 4 == 0))).collect();
        let targets = Splits { train: column(&train), valid: Some(column(&train)), test: None };
        let logits = Splits { train: Matrix::zeros(0, 1), valid: Some(column(&[0.1; 400])), test: None };
        let classes = ["no", "yes"].map(str::to_owned);
        let of = |train: serde_json::Value| {
            let train: Train = serde_json::from_value(train).expect("settings");
            let objective = Objective::new(&train, Task::Binary, &classes, &targets.train).expect("an objective");
            fit_evidence(Task::Binary, &objective, &classes, &logits, &targets)
        };
        for train in [serde_json::json!({"class_weight": "balanced"}), serde_json::json!({"sampling": "balanced"})] {
            let prior_loss = of(train).expect("evidence").prior_loss;
            assert!((prior_loss - std::f64::consts::LN_2).abs() < 1e-9, "{prior_loss}");
        }
        // The best share of smoothed targets: 1/4 (1 - s) + s/2, with the cross-entropy of that share with itself.
        let smooth =
            of(serde_json::json!({"loss": {"binary_cross_entropy": {"label_smoothing": 0.2}}})).expect("evidence");
        let share = 0.25 * 0.8 + 0.1;
        let entropy = -(share * f64::ln(share) + (1.0 - share) * f64::ln(1.0 - share));
        assert!((smooth.prior_loss - entropy).abs() < 1e-3, "{}", smooth.prior_loss);
        assert_eq!(of(serde_json::json!({"loss": "focal"})), None);
    }

    /// NumPy: `l = -log(p)` with p = 1/2, 1/4, 3/4 of the right class; `l.std(ddof=1) / sqrt(3)` = 0.32075. The prior of
    /// one positive row in three is (1 + 1/2) / (3 + 1) = 0.375.
    #[test]
    fn errors_and_the_prior_are_those_of_a_calculation_by_hand() {
        let third = 3f32.ln();
        let found = evidence(Task::Binary, 1, &[0.0, third, third], &[1.0, 0.0, 1.0], &[0.0, 1.0, 0.0]).expect("rows");
        let losses = [2f64.ln(), 4f64.ln(), (4f64 / 3.0).ln()];
        let priors = [-0.375f64.ln(), -0.625f64.ln(), -0.375f64.ln()];
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 3.0;
        let error = |values: &[f64]| {
            let squares: f64 = values.iter().map(|value| (value - mean(values)).powi(2)).sum();
            (squares / 6.0).sqrt()
        };
        let gains: Vec<f64> = priors.iter().zip(losses).map(|(prior, loss)| prior - loss).collect();
        assert!((found.val_loss_error - error(&losses)).abs() < 1e-7, "{found:?}");
        assert!((found.val_loss_error - 0.320_75).abs() < 1e-5, "{found:?}");
        assert!((found.prior_loss - mean(&priors)).abs() < 1e-7, "{found:?}");
        assert!((found.prior_gain_error - error(&gains)).abs() < 1e-7, "{found:?}");
        assert_eq!(found.only_class, None, "a probability of 0.5 is a no");
    }

    #[test]
    fn one_class_for_every_row_is_seen() {
        let binary = |logits: &[f32]| evidence(Task::Binary, 1, logits, &[1.0, 0.0], &[0.0, 1.0]).expect("rows");
        assert_eq!(binary(&[-3.0, -0.1]).only_class.as_deref(), Some("no"));
        assert_eq!(binary(&[3.0, 0.1]).only_class.as_deref(), Some("yes"));
        assert_eq!(binary(&[-3.0, 0.1]).only_class, None);
        let (targets, train) = ([1., 0., 0., 0., 1., 0.], [1., 0., 0., 0., 1., 0., 0., 0., 1.]);
        let of = |task, logits: &[f32]| evidence(task, 3, logits, &targets, &train).expect("rows").only_class;
        assert_eq!(of(Task::MultiClass, &[0., 1., 2., -5., -4., -3.]).as_deref(), Some("maybe"));
        assert_eq!(of(Task::MultiClass, &[1., 1., 0., 7., 7., 7.]).as_deref(), Some("no"), "the first of equals");
        assert_eq!(of(Task::MultiClass, &[0., 1., 2., 0., 3., 2.]), None);
        assert_eq!(of(Task::MultiLabel, &[-1.; 6]), None, "rows may have no label at all");
    }

    #[test]
    fn there_is_none_without_losses() {
        assert_eq!(evidence(Task::Binary, 1, &[0.0], &[1.0], &[1.0, 0.0]), None, "one row has no spread");
        assert_eq!(evidence(Task::Binary, 1, &[0.0, 1.0], &[1.0, f32::NAN], &[1.0, 0.0]), None, "one row is known");
        assert_eq!(evidence(Task::Binary, 1, &[0.0, f32::NAN], &[1.0, 0.0], &[1.0, 0.0]), None);
        let one_class = evidence(Task::Binary, 1, &[-9.0, -9.0], &[0.0, 0.0], &[0.0, 0.0]).expect("a finite prior");
        assert!(one_class.prior_loss.is_finite());
    }
}
