//! Multinomial naive Bayes with additive smoothing, as scikit-learn's `MultinomialNB(alpha=1)`.
//!
//! Its logits are linear in the counts: the weight of a term for a class is the logarithm of the term's smoothed share of the
//! class's counts, and the intercept that of the class's share of the training texts. A task with one output per decision
//! (binary, multi-label) takes the difference between the positive and the negative class.

use emberline_base::{Matrix, Task};
use emberline_kernels::double::ln;
use emberline_linear::LinearModel;

use crate::counts::Counts;

/// Added to the count of every term in every class.
const ALPHA: f64 = 1.0;

/// Counts a class without texts as half a text, so that its logarithm is finite.
const AT_LEAST: f64 = 0.5;

/// The counts of terms in the texts of each output and in all texts.
pub(crate) struct ClassCounts {
    outputs: usize,
    texts: f64,
    /// The number of texts with each output, `[outputs]`.
    texts_with: Vec<f64>,
    /// The sum of each term over all texts, `[terms]`.
    all: Vec<f64>,
    /// The sum of each term over the texts with each output, `[terms, outputs]`.
    with: Vec<f64>,
}

impl ClassCounts {
    /// Sums the counts of training texts; `targets` are 0 or 1, `[texts, outputs]`.
    pub(crate) fn of(counts: &Counts, targets: &Matrix) -> Self {
        let (outputs, terms) = (targets.cols(), counts.cols());
        let (mut texts_with, mut all, mut with) = (vec![0.0; outputs], vec![0.0; terms], vec![0.0; terms * outputs]);
        for row in 0..counts.rows() {
            let (ids, values) = counts.row(row);
            ids.iter().zip(values).for_each(|(&id, &count)| all[id as usize] += f64::from(count));
            for (output, _) in targets.row(row).iter().enumerate().filter(|(_, target)| **target > 0.5) {
                texts_with[output] += 1.0;
                ids.iter()
                    .zip(values)
                    .for_each(|(&id, &count)| with[id as usize * outputs + output] += f64::from(count));
            }
        }
        Self { outputs, texts: counts.rows() as f64, texts_with, all, with }
    }

    fn terms(&self) -> usize {
        self.all.len()
    }

    /// Returns the smoothed logarithm of each term's share of the counts of an output, `[terms]`.
    fn log_shares(&self, output: usize) -> Vec<f64> {
        let counts = self.with.iter().skip(output).step_by(self.outputs);
        log_shares(counts.copied().collect())
    }

    /// Returns the log-count ratio of each term, `[terms]`: the logarithm of (its smoothed share of the counts with an output /
    /// its smoothed share of the counts without it).
    pub(crate) fn log_ratios(&self, output: usize) -> Vec<f64> {
        let with = self.with.iter().skip(output).step_by(self.outputs);
        let without = log_shares(self.all.iter().zip(with).map(|(all, with)| all - with).collect());
        self.log_shares(output).iter().zip(without).map(|(with, without)| with - without).collect()
    }

    /// Returns the classifier.
    pub(crate) fn naive_bayes(&self, task: Task) -> LinearModel {
        let mut weights = vec![0.0; self.terms() * self.outputs];
        let mut intercepts = Vec::with_capacity(self.outputs);
        for output in 0..self.outputs {
            let with = self.texts_with[output].max(AT_LEAST);
            let (of_output, intercept) = match task {
                Task::MultiClass => (self.log_shares(output), ln(with / self.texts)),
                Task::Binary | Task::MultiLabel => {
                    let without = (self.texts - self.texts_with[output]).max(AT_LEAST);
                    (self.log_ratios(output), ln(with / without))
                }
            };
            of_output.iter().enumerate().for_each(|(term, &weight)| weights[term * self.outputs + output] = weight);
            intercepts.push(intercept);
        }
        LinearModel { weights, intercepts }
    }
}

fn log_shares(counts: Vec<f64>) -> Vec<f64> {
    let total = counts.iter().sum::<f64>() + ALPHA * counts.len() as f64;
    counts.into_iter().map(|count| ln((count + ALPHA) / total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::{Terms, Vocabulary};

    /// By hand: the positive text has "good" twice and "film" once, the negative ones have "bad" and "film" once each.
    #[test]
    fn weights_are_logarithms_of_smoothed_shares() {
        let texts = ["good good film", "bad", "film"];
        let (_, counts) = Vocabulary::fit(&texts, Terms::default());
        let sums = ClassCounts::of(&counts, &Matrix::new(3, 1, vec![1.0, 0.0, 0.0]));
        let model = sums.naive_bayes(Task::Binary);
        // Columns: bad, film, good. Positive shares: 1/6, 2/6, 3/6; negative shares: 2/5, 2/5, 1/5.
        let expected = [(1.0_f64 / 6.0) / 0.4, (2.0 / 6.0) / 0.4, 0.5 / 0.2].map(f64::ln);
        assert!(model.weights.iter().zip(expected).all(|(ours, expected)| (ours - expected).abs() < 1e-15));
        assert!((model.intercepts[0] - 0.5_f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_class_without_texts_has_finite_weights() {
        let (_, counts) = Vocabulary::fit(&["one two", "two"], Terms::default());
        let sums = ClassCounts::of(&counts, &Matrix::new(2, 3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        for task in [Task::MultiClass, Task::MultiLabel] {
            let model = sums.naive_bayes(task);
            assert!(model.weights.iter().chain(&model.intercepts).all(|weight| weight.is_finite()));
        }
    }
}
