//! What the validation rows say about a fit besides its metrics: how exact the validation loss is, how it compares with
//! that of a model that knows the shares of the classes alone, and whether one class is predicted for every row.

use emberline_base::record::FitEvidence;
use emberline_base::{Matrix, Splits, Task};

use crate::settings::Loss;

/// Returns the evidence for the logits of the validation rows, `[rows, outputs]`; `targets` are those of every split.
/// `None` without validation rows, with fewer than two whose loss is defined, and if a loss isn't finite.
///
/// The prior gives every row the shares of the classes among the training rows (each with half a row more, so that no
/// class is impossible). Its loss is computed like the model's, so that their difference is one per row.
pub fn fit_evidence(
    task: Task,
    loss: Loss,
    classes: &[String],
    logits: &Splits<Matrix>,
    targets: &Splits<Matrix>,
) -> Option<FitEvidence> {
    let (logits, rows) = (logits.valid.as_ref()?, targets.valid.as_ref()?);
    let prior = prior_logits(task, &targets.train);
    // A row of a class that no training row has has no loss.
    let known = (0..rows.rows()).filter(|&row| !rows.row(row)[0].is_nan());
    let losses: Vec<[f64; 2]> =
        known.map(|row| [loss.of_row(logits.row(row), rows.row(row)), loss.of_row(&prior, rows.row(row))]).collect();
    let [_, val_loss_error] = mean_and_error(losses.iter().map(|[model, _]| *model))?;
    let [prior_loss, _] = mean_and_error(losses.iter().map(|[_, prior]| *prior))?;
    let [_, prior_gain_error] = mean_and_error(losses.iter().map(|[model, prior]| prior - model))?;
    let only_class = only_class(task, logits).and_then(|class| classes.get(class)).cloned();
    Some(FitEvidence { val_loss_error, prior_loss, prior_gain_error, only_class })
}

/// Returns the logits of a model that knows the shares of the classes alone, `[outputs]`.
fn prior_logits(task: Task, targets: &Matrix) -> Vec<f32> {
    let mut counts = vec![0_usize; targets.cols()];
    for row in 0..targets.rows() {
        counts.iter_mut().zip(targets.row(row)).for_each(|(count, &target)| *count += usize::from(target > 0.5));
    }
    let logit = |count: usize| {
        let share = (count as f64 + 0.5) / (targets.rows() as f64 + 1.0);
        match task {
            Task::Binary | Task::MultiLabel => (share / (1.0 - share)).ln(),
            Task::MultiClass => share.ln(),
        }
    };
    counts.into_iter().map(|count| logit(count) as f32).collect()
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

    fn evidence(task: Task, outputs: usize, logits: &[f32], targets: &[f32], train: &[f32]) -> Option<FitEvidence> {
        let matrix = |values: &[f32]| Matrix::new(values.len() / outputs, outputs, values.to_vec());
        let logits = Splits { train: Matrix::zeros(0, outputs), valid: Some(matrix(logits)), test: None };
        let targets = Splits { train: matrix(train), valid: Some(matrix(targets)), test: None };
        let loss = if task == Task::MultiClass { Loss::CategoricalCrossEntropy } else { Loss::BinaryCrossEntropy };
        let classes = ["no", "yes", "maybe"].map(str::to_owned);
        fit_evidence(task, loss, &classes, &logits, &targets)
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
