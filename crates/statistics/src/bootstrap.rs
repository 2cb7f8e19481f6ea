//! The paired bootstrap of rows: how much a difference of two scores depends on which texts were evaluated.
//!
//! The metric of each model on its evaluation rows enters, with the groups of the rows (rows of equal texts, or of one author);
//! the scores of all settings on every draw leave. A draw takes as many groups as there are, with replacement, the same for all
//! models, so that differences are paired. The models stay as they were trained: what a bootstrap of rows says is said of these
//! models on new texts, not of what they were trained from. B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993.
//!
//! A bootstrap of n groups has a variance that is too small by (n - 1) / n, and the normal quantile takes no account of how little n
//! groups say of that variance. Both are made good, by n / (n - 1) and by Student's t with n - 1 degrees of freedom, as T. Hesterberg
//! advises for few rows (What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015). n counts the groups that
//! the metric rests on ([`RowMetric::scarce_rows`]): for average precision with 30 positives among 500 rows it is 30.
//!
//! Every draw has a random substream of its own: the result is the same for any number of threads.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::Substream;
use rayon::prelude::*;

use crate::{Estimate, RowMetric, mean, variance};

/// The fewest draws that a bootstrap makes.
pub const LEAST_DRAWS: usize = 2_000;

/// The share of draws that may have no score (no positive row was drawn, for instance) before nothing is concluded.
const UNDEFINED: f64 = 0.05;

/// The groups of the evaluated rows of each split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedRows {
    /// By split and row: the group, as a position among all groups.
    splits: Vec<Vec<u32>>,
    /// The number of groups.
    groups: usize,
}

impl EvaluatedRows {
    /// From a key per row, by split: rows of one key are drawn together, in whichever split they are.
    pub fn from_keys<K: Ord + Clone>(splits: &[Vec<K>]) -> Self {
        let mut known: BTreeMap<K, u32> = BTreeMap::new();
        let mut group_of = |key: &K| {
            let next = known.len() as u32;
            *known.entry(key.clone()).or_insert(next)
        };
        let splits = splits.iter().map(|rows| rows.iter().map(&mut group_of).collect()).collect();
        Self { splits, groups: known.len() }
    }

    /// The number of groups in all splits together.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The number of splits.
    pub fn splits(&self) -> usize {
        self.splits.len()
    }

    /// Returns how often each row of every split counts, for a draw of groups.
    fn counts(&self, drawn: &[u32]) -> Vec<Vec<u32>> {
        self.splits.iter().map(|rows| rows.iter().map(|&group| drawn[group as usize]).collect()).collect()
    }
}

/// One trained model on the evaluation rows of one split.
pub struct Evaluation<'a> {
    /// The setting, as a position among all settings.
    pub arm: usize,
    /// The split, as a position among [`EvaluatedRows`]'s.
    pub split: usize,
    /// Its metric.
    pub metric: &'a dyn RowMetric,
}

/// The scores of all settings: as observed, and on every draw of rows. A setting's score is the mean over its splits of the mean
/// over the models (the seeds) of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    observed: Vec<f64>,
    /// The number of groups that the metric rests on.
    support: usize,
    /// `[draws][arms]`.
    draws: Vec<Vec<f64>>,
}

impl Bootstrap {
    /// Draws rows `draws` times, at least [`LEAST_DRAWS`], for `arms` settings.
    pub fn new(rows: &EvaluatedRows, evaluations: &[Evaluation<'_>], arms: usize, draws: usize, seed: u64) -> Self {
        let score = |drawn: &[u32]| scores(&rows.counts(drawn), evaluations, arms);
        let observed = score(&vec![1; rows.groups]);
        let one = |draw: usize| {
            let mut stream = Substream::new(seed, &format!("bootstrap/draw/{draw}"));
            let mut drawn = vec![0u32; rows.groups];
            for _ in 0..rows.groups {
                drawn[stream.below(rows.groups)] += 1;
            }
            score(&drawn)
        };
        let draws = (0..draws.max(LEAST_DRAWS)).into_par_iter().map(one).collect();
        Self { observed, support: support(rows, evaluations), draws }
    }

    /// Returns a setting's score with its standard error over draws of rows; none if too many draws have no score, or the metric
    /// rests on fewer than two groups.
    pub fn score(&self, arm: usize) -> Option<Estimate> {
        self.estimate(self.observed[arm], self.draws.iter().map(|draw| draw[arm]))
    }

    /// Returns the score of `a` minus that of `b`, with its standard error over draws of rows; none if too many draws have none.
    pub fn difference(&self, a: usize, b: usize) -> Option<Estimate> {
        self.estimate(self.observed[a] - self.observed[b], self.draws.iter().map(|draw| draw[a] - draw[b]))
    }

    fn estimate(&self, value: f64, draws: impl Iterator<Item = f64>) -> Option<Estimate> {
        let draws: Vec<f64> = draws.filter(|draw| draw.is_finite()).collect();
        let is_defined = (draws.len() as f64) >= (1.0 - UNDEFINED) * self.draws.len() as f64;
        if !value.is_finite() || !is_defined || self.support < 2 {
            return None;
        }
        let (groups, freedom) = (self.support as f64, (self.support - 1) as f64);
        Some(Estimate { value, error: (variance(&draws)? * groups / freedom).sqrt(), freedom })
    }
}

/// Counts the groups that the metrics rest on.
fn support(rows: &EvaluatedRows, evaluations: &[Evaluation<'_>]) -> usize {
    let mut groups = BTreeSet::new();
    for Evaluation { split, metric, .. } in evaluations {
        let of_split = &rows.splits[*split];
        match metric.scarce_rows() {
            Some(scarce) => groups.extend(scarce.into_iter().map(|row| of_split[row as usize])),
            None => groups.extend(of_split),
        }
    }
    groups.len()
}

/// Returns the score of each arm for counts per split and row.
fn scores(counts: &[Vec<u32>], evaluations: &[Evaluation<'_>], arms: usize) -> Vec<f64> {
    // By arm and split: the models' scores.
    let mut of_splits: Vec<BTreeMap<usize, Vec<f64>>> = vec![BTreeMap::new(); arms];
    for evaluation in evaluations {
        let score = evaluation.metric.of(&counts[evaluation.split]);
        of_splits[evaluation.arm].entry(evaluation.split).or_default().push(score);
    }
    let of_arm = |splits: BTreeMap<usize, Vec<f64>>| {
        let means: Vec<f64> = splits.values().map(|seeds| mean(seeds)).collect();
        mean(&means)
    };
    of_splits.into_iter().map(of_arm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Area, MeanArea, MeanOfRows};

    fn rows(count: u32) -> EvaluatedRows {
        EvaluatedRows::from_keys(&[(0..count).collect::<Vec<_>>()])
    }

    fn alternating(count: u32, period: u32) -> MeanOfRows {
        MeanOfRows::new((0..count).map(|row| f64::from(u8::from(row % period == 0))).collect())
    }

    fn of(arm: usize, split: usize, metric: &MeanOfRows) -> Evaluation<'_> {
        Evaluation { arm, split, metric }
    }

    /// The bootstrap's standard error of a mean is the population's deviation over the root of n.
    #[test]
    fn the_standard_error_of_a_mean_is_the_known_one() {
        let metric = alternating(400, 4);
        let bootstrap = Bootstrap::new(&rows(400), &[of(0, 0, &metric)], 1, 4_000, 1);
        let score = bootstrap.score(0).expect("defined");
        let known = (0.25f64 * 0.75 / 400.0).sqrt();
        assert!(score.value == 0.25 && (score.error / known - 1.0).abs() < 0.05, "{score:?} {known}");
    }

    /// Six positives of 300 rows: t has five degrees of freedom, not 299 and not infinitely many.
    #[test]
    fn few_positives_widen_the_interval() {
        let positive: Vec<bool> = (0..300).map(|row| row % 50 == 0).collect();
        let scores: Vec<f64> = (0..300).map(|row| f64::from(row * 7 % 300)).collect();
        let metric = MeanArea::of_scores(Area::Roc, &scores, &positive);
        let evaluation = Evaluation { arm: 0, split: 0, metric: &metric };
        let bootstrap = Bootstrap::new(&rows(300), &[evaluation], 1, 0, 1);
        let drawn: Vec<f64> = bootstrap.draws.iter().map(|draw| draw[0]).filter(|score| score.is_finite()).collect();
        let estimate = bootstrap.score(0).expect("few draws lack a positive");
        assert_eq!(estimate.freedom, 5.0);
        assert!((estimate.error.powi(2) - variance(&drawn).expect("draws") * 6.0 / 5.0).abs() < 1e-12);
    }

    #[test]
    fn one_group_says_nothing() {
        let metric = MeanOfRows::new(vec![0.5; 3]);
        let keys = EvaluatedRows::from_keys(&[vec!["the same"; 3]]);
        assert_eq!(Bootstrap::new(&keys, &[of(0, 0, &metric)], 1, 0, 1).score(0), None);
    }

    #[test]
    fn differences_are_paired() {
        let (a, b) = (alternating(300, 3), alternating(300, 3));
        let other = alternating(300, 2);
        let evaluations = [of(0, 0, &a), of(1, 0, &b), of(2, 0, &other)];
        let bootstrap = Bootstrap::new(&rows(300), &evaluations, 3, 0, 1);
        let equal = bootstrap.difference(0, 1).expect("defined");
        assert_eq!((equal.value, equal.error, equal.p()), (0.0, 0.0, 1.0));
        assert!(bootstrap.difference(0, 2).expect("defined").error > 0.0);
    }

    /// Two copies of each row say no more than one.
    #[test]
    fn rows_of_one_group_are_drawn_together() {
        let once = MeanOfRows::new((0..100).map(|row| f64::from(row % 2)).collect());
        let twice = MeanOfRows::new((0..200).map(|row| f64::from(row / 2 % 2)).collect());
        let groups = EvaluatedRows::from_keys(&[(0..200).map(|row| row / 2).collect::<Vec<_>>()]);
        assert_eq!(groups.groups(), 100);
        let of_once = Bootstrap::new(&rows(100), &[of(0, 0, &once)], 1, 0, 1);
        let of_twice = Bootstrap::new(&groups, &[of(0, 0, &twice)], 1, 0, 1);
        assert_eq!(of_once.score(0), of_twice.score(0));
    }

    #[test]
    fn seeds_are_averaged_within_a_split_and_splits_after() {
        let value = |value: f64| MeanOfRows::new(vec![value; 10]);
        let metrics = [value(0.0), value(1.0), value(0.8)];
        let keys = EvaluatedRows::from_keys(&[(0..10).collect::<Vec<_>>(), (5..15).collect()]);
        assert_eq!((keys.groups(), keys.splits()), (15, 2));
        let evaluations = [of(0, 0, &metrics[0]), of(0, 0, &metrics[1]), of(0, 1, &metrics[2])];
        let bootstrap = Bootstrap::new(&keys, &evaluations, 1, 0, 1);
        assert!((bootstrap.observed[0] - 0.65).abs() < 1e-15);
    }

    #[test]
    fn threads_change_nothing() {
        let metric = alternating(50, 3);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| Bootstrap::new(&rows(50), &[of(0, 0, &metric)], 1, 0, 9))
        };
        assert_eq!(run(1), run(3));
        assert_ne!(run(1), Bootstrap::new(&rows(50), &[of(0, 0, &metric)], 1, 0, 10));
    }

    #[test]
    fn draws_without_a_score_end_it_if_they_are_many() {
        let single = |counts: &[u32]| if counts[0] > 0 { 1.0 } else { f64::NAN };
        let evaluation = Evaluation { arm: 0, split: 0, metric: &single };
        let bootstrap = Bootstrap::new(&rows(20), &[evaluation], 1, 0, 1);
        assert_eq!(bootstrap.score(0), None, "a row is missing from 36 % of draws");
    }
}
