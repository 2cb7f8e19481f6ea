//! The evidence for scores and differences, by level of claim: splits for embeddings, rows for trained heads.

use crate::answer::LEAST_SPLITS;
use crate::bootstrap::{Bootstrap, EvaluatedRows, Evaluation};
use crate::comparable::Comparable;
use crate::corrected::{Protocol, corrected};
use crate::power::{Spread, detectable_factor};
use crate::study::{Run, Study};
use crate::{Estimate, mean, variance};

/// What differences are judged by.
pub(crate) enum Evidence {
    /// Splits: differences per split, with their correction.
    Splits {
        /// The mean score over seeds: `[setting][split]`.
        means: Vec<Vec<f64>>,
        /// The standard deviation over splits that values have at least, unless they are zero: see [`resolution`].
        resolution: f64,
        /// How the splits were made.
        protocol: Protocol,
        /// Draws of the shared evaluation rows; only for [`Protocol::SharedRows`].
        rows: Option<Bootstrap>,
    },
    /// Draws of the evaluated rows, the trained heads unchanged.
    Rows(Bootstrap),
}

impl Evidence {
    /// Finds the strongest evidence that a study has; none if it has neither enough splits nor predictions.
    pub(crate) fn of(study: &Study, comparable: &Comparable<'_>) -> Option<Self> {
        let enough = comparable.splits.len() >= LEAST_SPLITS;
        if enough && study.protocol != Protocol::SharedRows {
            return Some(Self::of_splits(study, comparable, None));
        }
        let rows = bootstrap(study, comparable, comparable.splits.len())?;
        Some(if enough { Self::of_splits(study, comparable, Some(rows)) } else { Self::Rows(rows) })
    }

    fn of_splits(study: &Study, comparable: &Comparable<'_>, rows: Option<Bootstrap>) -> Self {
        let means = comparable.means(|run| Some(run.score)).into_iter().flatten().collect();
        Self::Splits { means, resolution: resolution(study), protocol: study.protocol, rows }
    }

    /// Returns the difference of two settings, none if it can't be had.
    pub(crate) fn difference(&self, a: usize, b: usize) -> Option<Estimate> {
        match self {
            Self::Splits { .. } => self.over_splits(&self.differences(a, b)?, self.row_variance(a, b)?),
            Self::Rows(bootstrap) => bootstrap.difference(a, b),
        }
    }

    /// Returns the differences of all pairs of settings (a, b) with a before b, in that order; none if one can't be had.
    pub(crate) fn all_differences(&self) -> Option<Vec<Estimate>> {
        let (means, rows) = match self {
            Self::Splits { means, rows, .. } => (means, rows),
            Self::Rows(bootstrap) => return bootstrap.all_differences(),
        };
        let row_variances: Option<Vec<f64>> = match rows {
            Some(rows) => Some(rows.all_differences()?.iter().map(|estimate| estimate.error.powi(2)).collect()),
            None => None,
        };
        let pairs = (0..means.len()).flat_map(|a| (a + 1..means.len()).map(move |b| (a, b)));
        let difference = |(place, (a, b)): (usize, (usize, usize))| {
            let row_variance = row_variances.as_ref().map_or(0.0, |of_pairs| of_pairs[place]);
            self.over_splits(&self.differences(a, b)?, row_variance)
        };
        pairs.enumerate().map(difference).collect()
    }

    /// Returns the score of a setting.
    pub(crate) fn score(&self, arm: usize) -> Option<Estimate> {
        match self {
            Self::Splits { means, rows, .. } => {
                let row_variance = match rows {
                    Some(rows) => rows.score(arm)?.error.powi(2),
                    None => 0.0,
                };
                self.over_splits(&means[arm], row_variance)
            }
            Self::Rows(bootstrap) => bootstrap.score(arm),
        }
    }

    /// Returns how the difference of two settings varies over splits; none if the evidence is rows.
    pub(crate) fn spread(&self, a: usize, b: usize, alpha: f64) -> Option<Spread> {
        let Self::Splits { protocol, .. } = self else { return None };
        let variance = variance(&self.differences(a, b)?)?;
        Some(Spread { variance, protocol: *protocol, row_variance: self.row_variance(a, b)?, alpha })
    }

    /// Returns the smallest difference of two settings that this evidence finds at `alpha`.
    pub(crate) fn smallest_detectable(&self, a: usize, b: usize, alpha: f64) -> Option<f64> {
        match self {
            Self::Splits { means, .. } => Some(self.spread(a, b, alpha)?.smallest_detectable(means[a].len())),
            Self::Rows(rows) => {
                let difference = rows.difference(a, b)?;
                Some(detectable_factor(alpha, difference.freedom) * difference.error)
            }
        }
    }

    /// Returns the mean of values per split; it is certain only if it is zero.
    fn over_splits(&self, values: &[f64], row_variance: f64) -> Option<Estimate> {
        let Self::Splits { protocol, resolution, .. } = self else { return None };
        let estimate = corrected(values, *protocol, row_variance)?;
        if estimate.error > 0.0 || estimate.value == 0.0 {
            return Some(estimate);
        }
        let squared = protocol.squared_error(resolution.powi(2), values.len() as f64, row_variance);
        Some(Estimate { error: squared.sqrt(), ..estimate })
    }

    fn differences(&self, a: usize, b: usize) -> Option<Vec<f64>> {
        let Self::Splits { means, .. } = self else { return None };
        Some(means[a].iter().zip(&means[b]).map(|(a, b)| a - b).collect())
    }

    /// The variance of the mean difference over draws of shared rows; zero if rows aren't shared.
    fn row_variance(&self, a: usize, b: usize) -> Option<f64> {
        match self {
            Self::Splits { rows: Some(rows), .. } => Some(rows.difference(a, b)?.error.powi(2)),
            Self::Splits { rows: None, .. } | Self::Rows(_) => Some(0.0),
        }
    }
}

/// Returns what a score can differ by at least: one evaluated row. A score that is the same in all of a few splits isn't certain for
/// that, since a score that counts rows can't vary by less.
fn resolution(study: &Study) -> f64 {
    let evaluated = match study.protocol {
        Protocol::Pool { evaluated, .. } => evaluated as f64,
        Protocol::Folds { folds } => study.labelled_rows as f64 / folds as f64,
        Protocol::SharedRows => study.labelled_rows as f64,
    };
    1.0 / evaluated.max(1.0)
}

/// Returns the mean standard deviation of a setting's score over draws of rows: those that the evidence has drawn, or else those of
/// one split; none without predictions.
pub(crate) fn row_deviation(study: &Study, comparable: &Comparable<'_>, evidence: Option<&Evidence>) -> Option<f64> {
    let of_one_split;
    let bootstrap = match evidence {
        Some(Evidence::Rows(drawn) | Evidence::Splits { rows: Some(drawn), .. }) => drawn,
        Some(Evidence::Splits { rows: None, .. }) | None => {
            of_one_split = bootstrap(study, comparable, 1)?;
            &of_one_split
        }
    };
    let variances: Option<Vec<f64>> =
        (0..comparable.arms.len()).map(|arm| Some(bootstrap.score(arm)?.error.powi(2))).collect();
    Some(mean(&variances?).sqrt())
}

/// Returns draws of the rows of the first `splits` splits; none if predictions are missing.
fn bootstrap(study: &Study, comparable: &Comparable<'_>, splits: usize) -> Option<Bootstrap> {
    let rows: &EvaluatedRows = study.evaluated.as_ref().filter(|_| splits > 0 && comparable.has_rows(splits))?;
    let mut evaluations = Vec::new();
    for (arm, of_splits) in comparable.runs.iter().enumerate() {
        for run in of_splits.iter().take(splits).flatten().copied() {
            evaluations.extend(evaluation(arm, run));
        }
    }
    Some(Bootstrap::new(rows, &evaluations, comparable.arms.len(), study.draws, study.seed))
}

fn evaluation(arm: usize, run: &Run) -> Option<Evaluation<'_>> {
    Some(Evaluation { arm, split: run.split, metric: run.rows.as_deref()? })
}
