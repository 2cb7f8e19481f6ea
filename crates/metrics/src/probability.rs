//! Probabilities from logits, computed with 64-bit numbers.

use emberline_base::{Matrix, Task};

/// Returns sigmoid(z), the probability of a binary or multi-label output.
pub fn probability(logit: f32) -> f64 {
    sigmoid(f64::from(logit))
}

/// Returns the probabilities of one row's logits, `[outputs]`, equal to those of [`Probabilities`].
pub fn probabilities_of_row(task: Task, logits: &[f64]) -> Vec<f64> {
    match task {
        Task::Binary | Task::MultiLabel => logits.iter().map(|&logit| sigmoid(logit)).collect(),
        Task::MultiClass => {
            let (largest, sum) = softmax_terms(logits.iter().copied());
            logits.iter().map(|&logit| (logit - largest).exp() / sum).collect()
        }
    }
}

pub(crate) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Returns log(1 + exp(z)) without overflow; NaN stays NaN.
pub(crate) fn softplus(z: f64) -> f64 {
    if z > 0.0 { z + (-z).exp().ln_1p() } else { z.exp().ln_1p() }
}

/// The probabilities of logits `[rows, outputs]`: a sigmoid per output, or a softmax over the row of a multi-class
/// task.
///
/// They are computed as `exp(z - max(z)) / sum(exp(z - max(z)))` with 64-bit numbers, in NumPy's order of summation, so
/// that scores tie exactly where those of `scipy.special.softmax` do. Only two numbers per row are stored, not one per
/// class.
pub struct Probabilities<'a> {
    logits: &'a Matrix,
    /// The largest logit and the divisor of each row; none if each output is a sigmoid.
    softmax: Option<Vec<(f64, f64)>>,
}

impl<'a> Probabilities<'a> {
    /// Prepares the probabilities of logits, `[rows, outputs]`.
    pub fn of(task: Task, logits: &'a Matrix) -> Self {
        let rows =
            || (0..logits.rows()).map(|row| softmax_terms(logits.row(row).iter().map(|&z| f64::from(z)))).collect();
        let softmax = match task {
            Task::MultiClass => Some(rows()),
            Task::Binary | Task::MultiLabel => None,
        };
        Self { logits, softmax }
    }

    /// Returns the probability of one output in one row.
    pub fn get(&self, row: usize, output: usize) -> f64 {
        let logit = self.logits.row(row)[output];
        match &self.softmax {
            None => probability(logit),
            Some(rows) => (f64::from(logit) - rows[row].0).exp() / rows[row].1,
        }
    }

    /// Returns the probabilities of one row, `[outputs]`.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        (0..self.logits.cols()).map(move |output| self.get(row, output))
    }
}

/// Returns the largest logit, and the sum of exp(z - largest).
pub(crate) fn softmax_terms(logits: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.map(|z| (z - largest).exp()).collect();
    (largest, pairwise_sum(&exponentials))
}

/// Returns the sum in NumPy's order: fewer than 8 numbers one after another, up to 128 in eight interleaved sums, more
/// in halves.
fn pairwise_sum(values: &[f64]) -> f64 {
    match values.len() {
        0..8 => values.iter().sum(),
        8..=128 => {
            let (blocks, rest) = values.as_chunks::<8>();
            let mut sums = blocks[0];
            for block in &blocks[1..] {
                sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
            }
            let [a, b, c, d, e, f, g, h] = sums;
            rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
        }
        length => {
            let half = length / 2 - length / 2 % 8;
            pairwise_sum(&values[..half]) + pairwise_sum(&values[half..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_a_softmax_sum_to_one() {
        for classes in [2, 3, 7, 8, 9, 77, 300] {
            let logits = Matrix::new(1, classes, (0..classes).map(|class| class as f32 % 5.0 - 2.0).collect());
            let probabilities = Probabilities::of(Task::MultiClass, &logits);
            let sum: f64 = (0..classes).map(|class| probabilities.get(0, class)).sum();
            assert!((sum - 1.0).abs() < 1e-14, "{classes}: {sum}");
        }
    }

    #[test]
    fn logits_of_any_size_have_probabilities() {
        let logits = Matrix::new(1, 3, vec![3e38, -3e38, 0.0]);
        let probabilities = Probabilities::of(Task::MultiClass, &logits);
        assert_eq!([0, 1, 2].map(|class| probabilities.get(0, class)), [1.0, 0.0, 0.0]);
        assert_eq!([f32::MAX, 0.0, f32::MIN].map(probability), [1.0, 0.5, 0.0]);
    }
}
