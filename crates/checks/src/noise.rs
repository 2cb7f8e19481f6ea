//! Estimates which share of labels is wrong, from how well a model's scores agree with them.
//!
//! The margin `m` of a row is the log-odds of its own label against the best other one, by a model that hasn't seen it. If the
//! model is overconfident by the factor `T`, the own label is the better one of the two with the probability
//! `p = 1 / (1 + exp(-m / T))`. If a share `e` of labels was replaced by wrong ones, the probability of the labels as they are is
//!
//! ```text
//! (1 - e) p + e (1 - p)
//! ```
//!
//! `T` and `e` are those of the greatest likelihood: `T` from a grid, `e` by expectation maximisation. Difficult texts have
//! margins near 0 on both sides, which a larger `T` explains; wrong labels have margins as large as right ones, but negative,
//! which no `T` explains, unless all margins are equally large; a `T` far from 1 is therefore taken to be unlikely (its logarithm
//! is expected to be normal around 0, with a standard deviation of .7). The evidence is twice the logarithm of the ratio of likelihoods, with `e` and without.

use rayon::prelude::*;

/// The number of factors of overconfidence that are tried: 1/4 to 32.
const FACTORS: i32 = 29;
/// The standard deviation of the logarithm of overconfidence that is expected.
const SPREAD: f64 = 0.7;
/// The share of wrong labels to begin with, and the number of steps of expectation maximisation.
const BEGIN: f64 = 0.05;
const STEPS: usize = 20;
/// Largest share of wrong labels: beyond, right and wrong can't be told apart.
const MOST: f64 = 0.4;

/// The estimated noise of labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The share of labels that are wrong.
    pub share: f64,
    /// The factor by which scores are overconfident.
    pub overconfidence: f64,
    /// Twice the difference between the log-likelihoods with wrong labels and without.
    pub evidence: f64,
}

impl Noise {
    /// Estimates the noise from the margins of all rows by each of several models; returns the index of the model that
    /// explains them best too.
    pub(crate) fn estimate(margins: &[Vec<f64>]) -> (usize, Self) {
        let candidates: Vec<(usize, f64)> =
            (0..margins.len()).flat_map(|model| factors().map(move |factor| (model, factor))).collect();
        let fits: Vec<(f64, f64, f64)> = candidates
            .par_iter()
            .map(|&(model, factor)| {
                let right = probabilities(&margins[model], factor);
                let share = share(&right);
                let penalty = 0.5 * (factor.ln() / SPREAD).powi(2);
                (log_likelihood(&right, share) - penalty, share, log_likelihood(&right, 0.0) - penalty)
            })
            .collect();
        let without = fits.iter().map(|fit| fit.2).fold(f64::NEG_INFINITY, f64::max);
        let best = (0..fits.len()).max_by(|&a, &b| fits[a].0.total_cmp(&fits[b].0)).unwrap_or(0);
        let ((model, overconfidence), (with, share, _)) = (candidates[best], fits[best]);
        (model, Self { share, overconfidence, evidence: 2.0 * (with - without) })
    }

    /// Returns the probability that a label with this margin is wrong.
    pub(crate) fn wrong(&self, margin: f64) -> f64 {
        // The odds of `e (1 - p)` against `(1 - e) p`, where (1 - p) / p = exp(-m / T).
        let odds = self.share / (1.0 - self.share) * (-margin / self.overconfidence).exp();
        if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
    }
}

/// The factors of overconfidence, each a quarter of a power of two above the last.
fn factors() -> impl Iterator<Item = f64> {
    (0..FACTORS).map(|step| 2_f64.powf(f64::from(step) / 4.0 - 2.0))
}

/// The probability of each row's own label, if labels are right.
fn probabilities(margins: &[f64], factor: f64) -> Vec<f64> {
    margins.iter().map(|margin| 1.0 / (1.0 + (-margin / factor).exp())).collect()
}

/// The share of wrong labels with the greatest likelihood.
fn share(right: &[f64]) -> f64 {
    (0..STEPS).fold(BEGIN, |share, _| {
        let wrong = |p: &f64| {
            let (wrong, right) = (share * (1.0 - p), (1.0 - share) * p);
            wrong / (wrong + right).max(f64::MIN_POSITIVE)
        };
        (right.iter().map(wrong).sum::<f64>() / right.len().max(1) as f64).min(MOST)
    })
}

fn log_likelihood(right: &[f64], share: f64) -> f64 {
    let of_row = |p: &f64| ((1.0 - share) * p + share * (1.0 - p)).max(f64::MIN_POSITIVE).ln();
    right.iter().map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    /// Draws margins: texts of which each has a log-odds between -`spread` and `spread`, labels by these odds, and a share of
    /// them replaced.
    fn drawn(spread: f64, wrong: f64, overconfidence: f64) -> Noise {
        let mut stream = Substream::new(1, "noise");
        let mut unit = || f64::from(stream.unit());
        let mut margin = |_| {
            let odds = spread * (2.0 * unit() - 1.0);
            let is_right = unit() < 1.0 / (1.0 + (-odds).exp());
            let is_kept = unit() >= wrong;
            overconfidence * if is_right == is_kept { odds } else { -odds }
        };
        Noise::estimate(&[(0..4_000).map(&mut margin).collect()]).1
    }

    #[test]
    fn wrong_labels_are_told_from_difficult_texts() {
        for (spread, overconfidence) in [(20.0, 1.0), (20.0, 4.0), (3.0, 1.0), (1.0, 2.0)] {
            let noise = drawn(spread, 0.0, overconfidence);
            assert!(noise.evidence < 8.0, "{noise:?}");
            assert!((noise.overconfidence / overconfidence).log2().abs() < 0.5, "{noise:?}");
        }
        for (share, overconfidence) in [(0.02, 1.0), (0.1, 1.0), (0.1, 4.0)] {
            let noise = drawn(20.0, share, overconfidence);
            assert!(noise.evidence > 100.0 && (noise.share - share).abs() < 0.01, "{noise:?}");
            assert!((noise.overconfidence / overconfidence).log2().abs() < 0.5, "{noise:?}");
        }
    }

    #[test]
    fn the_probability_of_a_wrong_label_is_that_of_bayes() {
        let noise = Noise { share: 0.2, overconfidence: 2.0, evidence: 0.0 };
        let p = 1.0 / (1.0 + 1.5_f64.exp());
        let expected = 0.2 * (1.0 - p) / (0.2 * (1.0 - p) + 0.8 * p);
        assert!((noise.wrong(-3.0) - expected).abs() < 1e-12);
        assert!(noise.wrong(f64::NEG_INFINITY) == 1.0 && noise.wrong(f64::INFINITY) == 0.0);
    }
}
