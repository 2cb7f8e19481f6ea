//! Calibration: how logits or probabilities are changed so that a probability of 0.8 comes true in 8 of 10 cases.
//!
//! Both methods are fitted on validation rows. Temperature scaling (C. Guo et al., On Calibration of Modern Neural
//! Networks, 2017) divides all logits by one number and changes no decision at the most probable class. Isotonic
//! regression (B. Zadrozny and C. Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates,
//! 2002) replaces the probability of each output by a step-wise growing function of it, and needs many rows.

use emberline_base::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::predictions::Predictions;
use crate::probability::{Probabilities, sigmoid};

/// How the probabilities that a model predicts are calibrated on the validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// All logits are divided by the one number that gives the lowest log loss. No decision changes.
    Temperature,
    /// The probability of each output becomes the value of a growing function of it, fitted by isotonic regression: for one of
    /// several classes, of the class against the rest, divided by their sum. It needs many validation rows, about 1,000 and
    /// more. No decision changes: decisions are those of the probabilities before.
    Isotonic,
}

/// The temperatures that are searched: beyond, nothing is learned about probabilities.
const TEMPERATURES: [f64; 2] = [0.01, 100.0];

/// Returns the temperature by which all logits are divided for the lowest log loss on these rows, between 0.01 and 100;
/// 1 if there are no rows.
///
/// The log loss is convex in 1 / temperature, so its minimum is where the slope is zero, found by Newton's method between
/// bounds. If every row is decided correctly there is no minimum, and the lowest temperature is returned.
pub fn temperature(predictions: &Predictions<'_>) -> f64 {
    if (0..predictions.rows()).all(|row| predictions.is_unknown(row)) {
        return 1.0;
    }
    let [mut low, mut high] = [1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]];
    let mut scale: f64 = 1.0;
    for _ in 0..200 {
        let (slope, curvature) = slopes(predictions, scale);
        *(if slope > 0.0 { &mut high } else { &mut low }) = scale;
        let step = scale - slope / curvature;
        let next = if step > low && step < high { step } else { (low * high).sqrt() };
        let is_found = (next - scale).abs() <= 1e-15 * scale || slope == 0.0;
        scale = next;
        if is_found {
            break;
        }
    }
    1.0 / scale
}

/// Returns the first and second derivative of the total log loss with respect to the factor of all logits.
fn slopes(predictions: &Predictions<'_>, scale: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for row in (0..predictions.rows()).filter(|&row| !predictions.is_unknown(row)) {
        let pairs = predictions.of_row(row).iter().zip(predictions.target(row));
        let pairs = pairs.map(|(&z, &y)| (f64::from(z), f64::from(y)));
        match predictions.task() {
            Task::MultiClass => {
                let largest = pairs.clone().fold(f64::NEG_INFINITY, |largest, (z, _)| largest.max(z));
                let (mut sum, mut first, mut second, mut truth) = (0.0, 0.0, 0.0, 0.0);
                for (z, y) in pairs {
                    let (z, weight) = (z - largest, ((z - largest) * scale).exp());
                    sum += weight;
                    first += weight * z;
                    second += weight * z * z;
                    truth += y * z;
                }
                slope += first / sum - truth;
                curvature += second / sum - (first / sum).powi(2);
            }
            Task::Binary | Task::MultiLabel => {
                for (z, y) in pairs {
                    let p = sigmoid(scale * z);
                    slope += (p - y) * z;
                    curvature += p * (1.0 - p) * z * z;
                }
            }
        }
    }
    (slope, curvature)
}

/// A growing function from probabilities to probabilities: linear between its points, constant beyond them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// Probabilities, strictly ascending.
    from: Vec<f64>,
    /// What each becomes, ascending.
    to: Vec<f64>,
}

impl Isotonic {
    /// Fits the function with the least squares by pooling adjacent violators, as scikit-learn's `IsotonicRegression`
    /// with `out_of_bounds="clip"`. `rows`: the probability of each row, and whether it is positive. None if there are
    /// no rows or a probability is NaN.
    pub fn fit(rows: impl Iterator<Item = (f64, bool)>) -> Option<Self> {
        let mut rows: Vec<(f64, bool)> = rows.collect();
        if rows.is_empty() || rows.iter().any(|(probability, _)| probability.is_nan()) {
            return None;
        }
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut blocks: Vec<Block> = Vec::new();
        for (probability, positive) in rows {
            let positives = f64::from(u8::from(positive));
            match blocks.last_mut() {
                Some(block) if probability - block.first < EQUAL => {
                    block.positives += positives;
                    block.rows += 1.0;
                }
                _ => blocks.push(Block { first: probability, last: probability, positives, rows: 1.0 }),
            }
        }
        let pooled = pool(blocks);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for block in &pooled {
            from.push(block.first);
            to.push(block.mean());
            if block.last > block.first {
                from.push(block.last);
                to.push(block.mean());
            }
        }
        Some(Self { from, to })
    }

    /// Returns what a probability becomes.
    pub fn apply(&self, probability: f64) -> f64 {
        if probability.is_nan() {
            return probability;
        }
        let above = self.from.partition_point(|&from| from < probability);
        let (Some(&high), Some(&to)) = (self.from.get(above), self.to.get(above)) else {
            return self.to.last().copied().unwrap_or(probability);
        };
        match above.checked_sub(1) {
            Some(below) if high > probability => {
                let share = (probability - self.from[below]) / (high - self.from[below]);
                self.to[below] + share * (to - self.to[below])
            }
            _ => to,
        }
    }

    /// Returns whether the points are such as [`fit`](Self::fit) makes: for functions that were read from a file.
    pub fn is_valid(&self) -> bool {
        let share = |value: &f64| (0.0..=1.0).contains(value);
        let points = self.from.len();
        points > 0
            && points == self.to.len()
            && self.from.iter().chain(&self.to).all(share)
            && self.from.is_sorted_by(|a, b| a < b)
            && self.to.is_sorted()
    }
}

/// Probabilities that are less than this apart are equal but for rounding.
const EQUAL: f64 = 1e-15;

/// Adjacent probabilities that become the same one.
struct Block {
    first: f64,
    last: f64,
    positives: f64,
    rows: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.positives / self.rows
    }
}

/// Pools neighbours until their means ascend strictly.
fn pool(blocks: Vec<Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(before) = pooled.pop_if(|before| before.mean() >= block.mean()) {
            block = Block {
                first: before.first,
                last: block.last,
                positives: before.positives + block.positives,
                rows: before.rows + block.rows,
            };
        }
        pooled.push(block);
    }
    pooled
}

/// Fits one function per output, `[outputs]`. With several classes, each is fitted against the rest, and the calibrated
/// probabilities are divided by their sum ([`calibrated_row`]). None if there are no rows or a logit is NaN.
pub fn isotonic(predictions: &Predictions<'_>) -> Option<Vec<Isotonic>> {
    let probabilities = Probabilities::of(predictions.task(), predictions.logits());
    let known: Vec<usize> = (0..predictions.rows()).filter(|&row| !predictions.is_unknown(row)).collect();
    let of_output = |output| {
        let row = |&row: &usize| (probabilities.get(row, output), predictions.is_positive(row, output));
        Isotonic::fit(known.iter().map(row))
    };
    (0..predictions.outputs()).map(of_output).collect()
}

/// Applies a function to each probability of a row, `[outputs]`, as scikit-learn's `CalibratedClassifierCV` does. Those of a multi-class task are divided by their sum;
/// if all are 0, every class has the same probability.
pub fn calibrated_row(task: Task, functions: &[Isotonic], probabilities: &[f64]) -> Vec<f64> {
    let each: Vec<f64> = functions.iter().zip(probabilities).map(|(function, &p)| function.apply(p)).collect();
    if task != Task::MultiClass {
        return each;
    }
    let sum: f64 = each.iter().sum();
    let even = 1.0 / each.len() as f64;
    each.into_iter().map(|p| if sum == 0.0 { even } else { p / sum }).collect()
}

#[cfg(test)]
mod tests {
    use emberline_base::Matrix;

    use super::*;

    #[test]
    fn a_temperature_that_nothing_bounds_ends_at_the_border() {
        let logits = Matrix::new(2, 1, vec![1.0, -1.0]);
        let of = |targets: [f32; 2]| {
            let targets = Matrix::new(2, 1, targets.to_vec());
            temperature(&Predictions::new(Task::Binary, &logits, &targets).expect("shapes"))
        };
        assert!((of([1.0, 0.0]) - 0.01).abs() < 1e-6 && (of([0.0, 1.0]) - 100.0).abs() < 1e-2);
        assert_eq!(of([f32::NAN, f32::NAN]), 1.0);
    }

    #[test]
    fn neighbours_in_the_wrong_order_are_pooled() {
        let rows = [(0.1, false), (0.2, true), (0.4, false), (0.4, true), (0.8, true)];
        let function = Isotonic::fit(rows.into_iter()).expect("rows");
        assert_eq!((function.apply(0.0), function.apply(0.1), function.apply(0.9)), (0.0, 0.0, 1.0));
        assert!((function.apply(0.3) - 2.0 / 3.0).abs() < 1e-15);
        assert!((function.apply(0.15) - 1.0 / 3.0).abs() < 1e-15);
        assert!(function.is_valid() && function.apply(f64::NAN).is_nan());
        assert_eq!(Isotonic::fit([].into_iter()), None);
    }

    #[test]
    fn probabilities_of_several_classes_sum_to_one() {
        let steep = Isotonic { from: vec![0.4, 0.5], to: vec![0.0, 1.0] };
        let functions = vec![steep.clone(), steep.clone(), steep];
        let row = calibrated_row(Task::MultiClass, &functions, &[0.6, 0.45, 0.0]);
        assert!(
            row.iter().zip([2.0 / 3.0, 1.0 / 3.0, 0.0]).all(|(p, expected)| (p - expected).abs() < 1e-12),
            "{row:?}"
        );
        assert_eq!(calibrated_row(Task::MultiClass, &functions, &[0.1, 0.2, 0.3]), [1.0 / 3.0; 3]);
        assert_eq!(calibrated_row(Task::MultiLabel, &functions, &[0.6, 0.1, 0.3]), [1.0, 0.0, 0.0]);
    }
}
