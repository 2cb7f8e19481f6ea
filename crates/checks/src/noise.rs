//! Estimates which share of labels is wrong, from how well a model's scores agree with them.
//!
//! The model has a score for every class of a row, a logarithm of a probability, and hasn't seen the row. If it is overconfident by
//! the factor `T`, the own label of the row has the probability `p = softmax(scores / T)` at its class. If a share `e` of labels was
//! replaced by another of the `C` classes, each as likely as any other, the probability of the labels as they are is
//!
//! ```text
//! (1 - e) p + e (1 - p) / (C - 1)
//! ```
//!
//! `T` and `e` are those of the greatest likelihood: `T` from a grid, `e` by expectation maximisation. Difficult texts have
//! scores that are close together, which a larger `T` explains, and their own class is one of the likely ones; wrong labels have
//! scores as different as right ones, but for another class, which no `T` explains, unless all rows are equally sure; a `T` far
//! from 1 is therefore taken to be unlikely (its logarithm is expected to be normal around 0, with a standard deviation of .7). The
//! evidence is twice the logarithm of the ratio of likelihoods, with `e` and without. The interval of `e` holds the shares that the
//! labels contradict by less than 3.84, the quantile of chi-squared with one degree of freedom that belongs to 95 %, in the same
//! units (Wilks 1938), at the best `T`.

use rayon::prelude::*;

/// The number of factors of overconfidence that are tried: 1/4 to 32.
const FACTORS: usize = 29;
/// The logarithm of a probability beside the largest one below which it doesn't matter.
const NEGLIGIBLE: f64 = -30.0;
/// The standard deviation of the logarithm of overconfidence that is expected.
const SPREAD: f64 = 0.7;
/// The share of wrong labels to begin with, and the number of steps of expectation maximisation.
const BEGIN: f64 = 0.05;
const STEPS: usize = 30;
/// Largest share of wrong labels: beyond, right and wrong can't be told apart.
const MOST: f64 = 0.4;
/// The evidence against the ends of the interval, and the number of halvings by which they are found.
const CONTRADICTED: f64 = 3.841_458_820_694_124;
const HALVINGS: usize = 30;

/// The estimated noise of labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The share of labels that are wrong.
    pub share: f64,
    /// The lowest and the highest share that the margins don't contradict, at a level of 95 %.
    pub interval: [f64; 2],
    /// The factor by which scores are overconfident.
    pub overconfidence: f64,
    /// Twice the difference between the log-likelihoods with wrong labels and without.
    pub evidence: f64,
    /// The place of the factor among those that are tried.
    step: usize,
    /// The number of classes that a wrong label may replace.
    others: f64,
}

/// The log-odds of a row's own label against all others together, for each factor of overconfidence, `[FACTORS]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogOdds([f32; FACTORS]);

impl LogOdds {
    /// Compares the score of a row's own class with those of all classes, `[classes]`.
    pub(crate) fn of(scores: &[f64], own: usize) -> Self {
        let others = || scores.iter().enumerate().filter(|(class, _)| *class != own).map(|(_, score)| *score);
        let best = others().fold(f64::NEG_INFINITY, f64::max);
        Self(std::array::from_fn(|step| {
            let by = 1.0 / factor(step);
            let terms = others().map(|score| (score - best) * by).filter(|term| *term >= NEGLIGIBLE);
            ((scores[own] - best) * by - terms.map(f64::exp).sum::<f64>().ln()) as f32
        }))
    }

    /// Returns the probability of the own label at a factor, if labels are right.
    fn probability(&self, step: usize) -> f64 {
        1.0 / (1.0 + (-f64::from(self.0[step])).exp())
    }
}

impl Noise {
    /// Estimates the noise from all rows by each of several models; returns the index of the model that explains them best too.
    /// `classes`: the number of classes that labels may be of.
    pub(crate) fn estimate(models: &[Vec<LogOdds>], classes: usize) -> (usize, Self) {
        let others = (classes - 1) as f64;
        let candidates: Vec<(usize, usize)> =
            (0..models.len()).flat_map(|model| (0..FACTORS).map(move |step| (model, step))).collect();
        let fits: Vec<(f64, f64, f64)> = candidates
            .par_iter()
            .map(|&(model, step)| {
                let right = probabilities(&models[model], step);
                let share = share(&right, others);
                let penalty = 0.5 * (factor(step).ln() / SPREAD).powi(2);
                (log_likelihood(&right, others, share) - penalty, share, log_likelihood(&right, others, 0.0) - penalty)
            })
            .collect();
        let without = fits.iter().map(|fit| fit.2).fold(f64::NEG_INFINITY, f64::max);
        let best = (0..fits.len()).max_by(|&a, &b| fits[a].0.total_cmp(&fits[b].0)).unwrap_or(0);
        let ((model, step), (with, share, _)) = (candidates[best], fits[best]);
        let interval = interval(&probabilities(&models[model], step), others, share);
        let evidence = 2.0 * (with - without);
        (model, Self { share, interval, overconfidence: factor(step), evidence, step, others })
    }

    /// Returns the probability that a label with these odds is wrong.
    pub(crate) fn wrong(&self, odds: &LogOdds) -> f64 {
        // The odds of `e (1 - p) / (C - 1)` against `(1 - e) p`, where (1 - p) / p = exp(-log-odds).
        let odds = self.share / (1.0 - self.share) * (-f64::from(odds.0[self.step])).exp() / self.others;
        if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
    }
}

/// The factors of overconfidence, each a quarter of a power of two above the last.
fn factor(step: usize) -> f64 {
    2_f64.powf(step as f64 / 4.0 - 2.0)
}

/// The probability of each row's own label, if labels are right.
fn probabilities(odds: &[LogOdds], step: usize) -> Vec<f64> {
    odds.iter().map(|odds| odds.probability(step)).collect()
}

/// The share of wrong labels with the greatest likelihood.
fn share(right: &[f64], others: f64) -> f64 {
    (0..STEPS).fold(BEGIN, |share, _| {
        let wrong = |p: &f64| {
            let (wrong, right) = (share * (1.0 - p) / others, (1.0 - share) * p);
            wrong / (wrong + right).max(f64::MIN_POSITIVE)
        };
        (right.iter().map(wrong).sum::<f64>() / right.len().max(1) as f64).min(MOST)
    })
}

/// The shares around the likeliest one that aren't contradicted. The likelihood is concave, so it falls on both sides.
fn interval(right: &[f64], others: f64, share: f64) -> [f64; 2] {
    let least = log_likelihood(right, others, share) - CONTRADICTED / 2.0;
    [0.0, MOST].map(|end| {
        if log_likelihood(right, others, end) >= least {
            return end;
        }
        let (mut inside, mut outside) = (share, end);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            *(if log_likelihood(right, others, middle) >= least { &mut inside } else { &mut outside }) = middle;
        }
        inside
    })
}

fn log_likelihood(right: &[f64], others: f64, share: f64) -> f64 {
    let of_row = |p: &f64| ((1.0 - share) * p + share * (1.0 - p) / others).max(f64::MIN_POSITIVE).ln();
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
        let mut odds = |_| {
            let odds = spread * (2.0 * unit() - 1.0);
            let is_right = unit() < 1.0 / (1.0 + (-odds).exp());
            let is_kept = unit() >= wrong;
            LogOdds::of(&[overconfidence * odds, 0.0], usize::from(is_right != is_kept))
        };
        Noise::estimate(&[(0..4_000).map(&mut odds).collect()], 2).1
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
            let [low, high] = noise.interval;
            assert!(
                low < share && share < high && high - low < 0.04 && low < noise.share && noise.share < high,
                "{noise:?}"
            );
            assert!((noise.overconfidence / overconfidence).log2().abs() < 0.5, "{noise:?}");
        }
    }

    /// Of 40 classes, a text whose own class is the second likeliest is a difficult one: a random label would seldom be.
    #[test]
    fn a_likely_class_among_many_is_no_wrong_label() {
        let mut stream = Substream::new(2, "noise");
        let mut odds = |_| {
            let mut scores = vec![-12.0; 40];
            let right = stream.below(40);
            scores[right] = 0.0;
            scores[(right + 1) % 40] = -1.5;
            let own = match f64::from(stream.unit()) {
                unit if unit < 0.05 => (right + 2 + stream.below(38)) % 40,
                unit if unit < 0.22 => (right + 1) % 40,
                _ => right,
            };
            (LogOdds::of(&scores, own), (own + 40 - right) % 40)
        };
        let drawn: Vec<(LogOdds, usize)> = (0..4_000).map(&mut odds).collect();
        let (_, noise) = Noise::estimate(&[drawn.iter().map(|drawn| drawn.0).collect()], 40);
        assert!((noise.share - 0.05).abs() < 0.01, "{noise:?}");
        for (odds, away) in &drawn {
            assert_eq!(noise.wrong(odds) >= 0.5, *away > 1, "{away}: {}", noise.wrong(odds));
        }
    }

    /// By hand: three classes with probabilities of 0.2, 0.5 and 0.3 at T = 2.
    #[test]
    fn the_probability_of_a_wrong_label_is_that_of_bayes() {
        let scores = [0.2_f64, 0.5, 0.3].map(|p| 2.0 * p.ln());
        let odds = LogOdds::of(&scores, 0);
        let step = 12;
        assert!((factor(step) - 2.0).abs() < 1e-12 && (odds.probability(step) - 0.2).abs() < 1e-6);
        let noise = Noise { share: 0.3, interval: [0.1, 0.4], overconfidence: 2.0, evidence: 0.0, step, others: 2.0 };
        let (wrong, right) = (0.3 * 0.8 / 2.0, 0.7 * 0.2);
        assert!((noise.wrong(&odds) - wrong / (wrong + right)).abs() < 1e-6);
        let certain = |own| noise.wrong(&LogOdds::of(&[0.0, -1e9, -1e9], own));
        assert!(certain(1) == 1.0 && certain(0) == 0.0);
    }
}
