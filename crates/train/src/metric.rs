//! The metrics of a split, from logits and targets, on the host in 64 bits.
//!
//! Curves treat equal scores as one threshold (as scikit-learn's `average_precision_score` and
//! `roc_auc_score` do). A metric that isn't defined (no positive row, no negative row) is left out.

use emberline_base::{Matrix, Metric, Scores, Task};

use crate::settings::Loss;

/// Where a binary task's F1, precision and recall are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// At the probability with the best F1 on these very rows (validation).
    Best,
    /// At a probability that was chosen elsewhere (test, with validation's).
    At(f64),
}

/// Loss and accuracy alone: what is measured while training.
pub fn basic(task: Task, loss: Loss, logits: &Matrix, targets: &Matrix) -> Scores {
    let rows = logits.rows();
    let (mut total, mut right) = (0.0, 0.0);
    for row in 0..rows {
        let (z, y) = (logits.row(row), targets.row(row));
        total += loss.of_row(z, y);
        right += match task {
            Task::MultiClass => f64::from(u8::from(argmax(z) == argmax(y))),
            Task::Binary | Task::MultiLabel => share_right(z, y),
        };
    }
    Scores::from([(Metric::Loss, total / rows as f64), (Metric::Accuracy, right / rows as f64)])
}

/// Every metric that is defined for the rows.
pub fn all(task: Task, loss: Loss, logits: &Matrix, targets: &Matrix, threshold: Threshold) -> Scores {
    let mut scores = basic(task, loss, logits, targets);
    let curves: Vec<Curve> = (0..logits.cols()).map(|output| Curve::of(logits, targets, output)).collect();
    insert_mean(&mut scores, Metric::PrAuc, curves.iter().filter_map(Curve::average_precision));
    insert_mean(&mut scores, Metric::RocAuc, curves.iter().filter_map(Curve::roc_auc));
    match task {
        Task::Binary => binary_counts(&mut scores, &curves[0], threshold),
        Task::MultiClass | Task::MultiLabel => macro_counts(&mut scores, task, logits, targets),
    }
    scores
}

/// sigmoid(z), the probability of a binary or multi-label output.
pub fn probability(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

fn share_right(logits: &[f32], targets: &[f32]) -> f64 {
    let right = logits.iter().zip(targets).filter(|&(&z, &y)| (z > 0.0) == (y > 0.5)).count();
    right as f64 / logits.len() as f64
}

fn insert_mean(scores: &mut Scores, metric: Metric, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    if !values.is_empty() {
        scores.insert(metric, values.iter().sum::<f64>() / values.len() as f64);
    }
}

/// One output's rows by falling logit: true and false positives at every distinct threshold.
struct Curve {
    points: Vec<Point>,
    positives: f64,
    negatives: f64,
}

/// What counts as positive when rows with at least `logit` do.
struct Point {
    logit: f32,
    true_positives: f64,
    false_positives: f64,
}

impl Curve {
    fn of(logits: &Matrix, targets: &Matrix, output: usize) -> Self {
        let mut rows: Vec<(f32, bool)> =
            (0..logits.rows()).map(|row| (logits.row(row)[output], targets.row(row)[output] > 0.5)).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<Point> = Vec::new();
        let (mut true_positives, mut false_positives) = (0.0, 0.0);
        for (logit, positive) in rows {
            if positive {
                true_positives += 1.0
            } else {
                false_positives += 1.0
            }
            let point = Point { logit, true_positives, false_positives };
            match points.last_mut() {
                Some(last) if last.logit == logit => *last = point,
                _ => points.push(point),
            }
        }
        Self { points, positives: true_positives, negatives: false_positives }
    }

    /// sum over thresholds of (recall - last recall) * precision
    fn average_precision(&self) -> Option<f64> {
        let mut last = 0.0;
        let mut area = 0.0;
        for point in &self.points {
            area += (point.true_positives - last) * point.precision();
            last = point.true_positives;
        }
        (self.positives > 0.0).then(|| area / self.positives)
    }

    /// The area by trapezoids: ties count half.
    fn roc_auc(&self) -> Option<f64> {
        let (mut last_true, mut last_false, mut area) = (0.0, 0.0, 0.0);
        for point in &self.points {
            area += (point.false_positives - last_false) * (point.true_positives + last_true) / 2.0;
            (last_true, last_false) = (point.true_positives, point.false_positives);
        }
        let pairs = self.positives * self.negatives;
        (pairs > 0.0).then(|| area / pairs)
    }

    /// The point where F1 is best; of equal ones, the one with the highest threshold.
    fn best(&self) -> Option<&Point> {
        let f1 = |point: &Point| point.f1(self.positives);
        self.points.iter().reduce(|best, point| if f1(point) > f1(best) { point } else { best })
    }

    /// The last point whose probability is at least `threshold`.
    fn at(&self, threshold: f64) -> Option<&Point> {
        self.points.iter().take_while(|point| probability(point.logit) >= threshold).last()
    }
}

impl Point {
    fn precision(&self) -> f64 {
        self.true_positives / (self.true_positives + self.false_positives)
    }

    /// 2 tp / (2 tp + fp + fn)
    fn f1(&self, positives: f64) -> f64 {
        2.0 * self.true_positives / (self.true_positives + self.false_positives + positives)
    }
}

fn binary_counts(scores: &mut Scores, curve: &Curve, threshold: Threshold) {
    if curve.positives == 0.0 {
        return;
    }
    let point = match threshold {
        Threshold::Best => curve.best(),
        Threshold::At(probability) => curve.at(probability),
    };
    let at = match threshold {
        Threshold::Best => point.map(|p| probability(p.logit)),
        Threshold::At(probability) => Some(probability),
    };
    if let Some(at) = at {
        scores.insert(Metric::Threshold, at);
    }
    scores.insert(Metric::F1, point.map_or(0.0, |p| p.f1(curve.positives)));
    scores.insert(Metric::Recall, point.map_or(0.0, |p| p.true_positives / curve.positives));
    scores.insert(Metric::Precision, point.map_or(0.0, Point::precision));
}

/// F1, precision and recall a class at the natural decision (argmax, or 0.5), averaged over the
/// classes that occur among targets or answers.
fn macro_counts(scores: &mut Scores, task: Task, logits: &Matrix, targets: &Matrix) {
    let classes = logits.cols();
    // [classes] of (right answers, answers, targets)
    let mut counts = vec![(0.0f64, 0.0f64, 0.0f64); classes];
    for row in 0..logits.rows() {
        let z = logits.row(row);
        let top = argmax(z);
        for (class, count) in counts.iter_mut().enumerate() {
            let answered = if task == Task::MultiClass { class == top } else { z[class] > 0.0 };
            let wanted = targets.row(row)[class] > 0.5;
            count.0 += f64::from(u8::from(answered && wanted));
            count.1 += f64::from(u8::from(answered));
            count.2 += f64::from(u8::from(wanted));
        }
    }
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    let occurring: Vec<_> = counts.into_iter().filter(|c| c.1 + c.2 > 0.0).collect();
    insert_mean(scores, Metric::F1, occurring.iter().map(|c| ratio(2.0 * c.0, c.1 + c.2)));
    insert_mean(scores, Metric::Precision, occurring.iter().map(|c| ratio(c.0, c.1)));
    insert_mean(scores, Metric::Recall, occurring.iter().map(|c| ratio(c.0, c.2)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(logits: &[f32], targets: &[f32], threshold: Threshold) -> Scores {
        let column = |v: &[f32]| Matrix::new(v.len(), 1, v.to_vec());
        all(Task::Binary, Loss::BinaryCrossEntropy, &column(logits), &column(targets), threshold)
    }

    fn close(scores: &Scores, metric: Metric, expected: f64) {
        let value = scores.get(&metric).copied().unwrap_or(f64::NAN);
        assert!((value - expected).abs() < 1e-9, "{metric}: {value}, not {expected}");
    }

    /// Expected values: scikit-learn 1.5, average_precision_score and roc_auc_score on the same numbers.
    #[test]
    fn curves_are_those_of_scikit_learn() {
        let scores = binary(&[2.0, 1.0, 1.0, 0.5, -1.0, -2.0], &[1., 0., 1., 0., 1., 0.], Threshold::Best);
        close(&scores, Metric::PrAuc, (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0);
        close(&scores, Metric::RocAuc, 6.5 / 9.0);
        close(&scores, Metric::Accuracy, 0.5);
        // Positive from logit 1.0 on: 2 right of 3, 1 missed; from -1.0 on: 3 of 5.
        close(&scores, Metric::F1, 0.75);
        close(&scores, Metric::Threshold, probability(-1.0));
    }

    #[test]
    fn a_given_threshold_is_used_as_it_is() {
        let scores = binary(&[2.0, -1.0, 0.2], &[1., 1., 0.], Threshold::At(0.5));
        close(&scores, Metric::Precision, 0.5);
        close(&scores, Metric::Recall, 0.5);
        close(&binary(&[-2.0, -1.0], &[1., 0.], Threshold::At(0.5)), Metric::F1, 0.0);
    }

    #[test]
    fn what_is_not_defined_is_left_out() {
        let scores = binary(&[1.0, 2.0], &[0., 0.], Threshold::Best);
        assert_eq!(scores.keys().copied().collect::<Vec<_>>(), [Metric::Loss, Metric::Accuracy]);
    }

    #[test]
    fn classes_are_averaged() {
        let logits = Matrix::new(3, 3, vec![3., 0., 0., 0., 3., 0., 3., 0., 0.]);
        let targets = Matrix::new(3, 3, vec![1., 0., 0., 0., 1., 0., 0., 1., 0.]);
        let scores = all(Task::MultiClass, Loss::CategoricalCrossEntropy, &logits, &targets, Threshold::Best);
        close(&scores, Metric::Accuracy, 2.0 / 3.0);
        close(&scores, Metric::F1, (2.0 / 3.0 + 2.0 / 3.0) / 2.0);
    }

    #[test]
    fn nan_logits_show_in_the_loss() {
        assert!(binary(&[f32::NAN, 1.0], &[1., 0.], Threshold::Best)[&Metric::Loss].is_nan());
    }
}
