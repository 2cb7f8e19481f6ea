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

/// Differences of so many settings from one are computed side by side: a sum waits for its own last addition, not for the others'.
const LANES: usize = 8;

/// So many draws are made before their scores are put in their places.
const DRAWS_AT_ONCE: usize = 256;

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
    /// The scores on draws: `[arms / LANES][draws][LANES]`, so that those of one setting lie near each other. What is beyond the last
    /// setting is 0.
    draws: Vec<Vec<[f64; LANES]>>,
}

impl Bootstrap {
    /// Draws rows `draws` times, at least [`LEAST_DRAWS`], for `arms` settings.
    pub fn new(rows: &EvaluatedRows, evaluations: &[Evaluation<'_>], arms: usize, draws: usize, seed: u64) -> Self {
        let models = by_arm_and_split(evaluations, arms);
        let score = |drawn: &[u32]| scores(&rows.counts(drawn), &models);
        let observed = score(&vec![1; rows.groups]);
        let one = |draw: usize| {
            let mut stream = Substream::new(seed, &format!("bootstrap/draw/{draw}"));
            let mut drawn = vec![0u32; rows.groups];
            for _ in 0..rows.groups {
                drawn[stream.below(rows.groups)] += 1;
            }
            score(&drawn)
        };
        let count = draws.max(LEAST_DRAWS);
        let mut draws = vec![vec![[0.0; LANES]; count]; arms.div_ceil(LANES)];
        for first in (0..count).step_by(DRAWS_AT_ONCE) {
            let last = count.min(first + DRAWS_AT_ONCE);
            let found: Vec<Vec<f64>> = (first..last).into_par_iter().map(one).collect();
            for (draw, scores) in (first..last).zip(found) {
                for (lanes, scores) in draws.iter_mut().zip(scores.chunks(LANES)) {
                    lanes[draw][..scores.len()].copy_from_slice(scores);
                }
            }
        }
        Self { observed, support: support(rows, evaluations), draws }
    }

    /// Returns a setting's score with its standard error over draws of rows; none if too many draws have no score, or the metric
    /// rests on fewer than two groups.
    pub fn score(&self, arm: usize) -> Option<Estimate> {
        self.estimate(self.observed[arm], self.of_arm(arm))
    }

    /// Returns the score of `a` minus that of `b`, with its standard error over draws of rows; none if too many draws have none.
    pub fn difference(&self, a: usize, b: usize) -> Option<Estimate> {
        let draws = self.of_arm(a).zip(self.of_arm(b)).map(|(a, b)| a - b);
        self.estimate(self.observed[a] - self.observed[b], draws)
    }

    /// Returns the differences of all pairs of settings (a, b) with a before b, in that order, as [`difference`](Self::difference)
    /// does; none if one of them is none.
    pub fn all_differences(&self) -> Option<Vec<Estimate>> {
        let from = |a: usize| self.differences_from(a);
        let found: Option<Vec<Vec<Estimate>>> = (0..self.observed.len()).into_par_iter().map(from).collect();
        Some(found?.concat())
    }

    /// Returns the differences of `a` from all settings after it.
    fn differences_from(&self, a: usize) -> Option<Vec<Estimate>> {
        let own: Vec<f64> = self.of_arm(a).collect();
        let mut found = Vec::with_capacity(self.observed.len() - a - 1);
        for (block, others) in self.draws.iter().enumerate().skip((a + 1) / LANES) {
            let variances = variances_of_differences(&own, others);
            for (b, variance) in (block * LANES..self.observed.len()).zip(variances).filter(|(b, _)| *b > a) {
                let value = self.observed[a] - self.observed[b];
                // It is finite if all draws have a score.
                let is_whole = value.is_finite() && variance.is_finite() && self.support >= 2;
                found.push(if is_whole { self.with_error(value, variance) } else { self.difference(a, b)? });
            }
        }
        Some(found)
    }

    /// Iterates over the scores of a setting on the draws.
    fn of_arm(&self, arm: usize) -> impl Iterator<Item = f64> {
        self.draws[arm / LANES].iter().map(move |lanes| lanes[arm % LANES])
    }

    fn estimate(&self, value: f64, draws: impl Iterator<Item = f64>) -> Option<Estimate> {
        let all: Vec<f64> = draws.collect();
        let defined: Vec<f64> = all.iter().copied().filter(|draw| draw.is_finite()).collect();
        let is_defined = (defined.len() as f64) >= (1.0 - UNDEFINED) * all.len() as f64;
        if !value.is_finite() || !is_defined || self.support < 2 {
            return None;
        }
        Some(self.with_error(value, variance(&defined)?))
    }

    /// Makes an estimate of a value and the variance of its draws.
    fn with_error(&self, value: f64, variance: f64) -> Estimate {
        let (groups, freedom) = (self.support as f64, (self.support - 1) as f64);
        Estimate { value, error: (variance * groups / freedom).sqrt(), freedom }
    }
}

/// Returns the variance of each of the differences `own` minus `others`, `[draws][LANES]`, in the additions of [`variance()`] and their
/// order.
fn variances_of_differences(own: &[f64], others: &[[f64; LANES]]) -> [f64; LANES] {
    let count = own.len() as f64;
    let first = sums(own, others, |_, difference| difference).map(|sum| sum / count);
    let rounding = sums(own, others, |lane, difference| difference - first[lane]);
    let centre: [f64; LANES] = std::array::from_fn(|lane| first[lane] + rounding[lane] / count);
    let squares = sums(own, others, |lane, difference| (difference - centre[lane]).powi(2));
    squares.map(|sum| sum / (count - 1.0))
}

/// Returns the sums over draws of what `of` makes of a lane and its difference.
#[inline(always)]
fn sums(own: &[f64], others: &[[f64; LANES]], of: impl Fn(usize, f64) -> f64) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (own, others) in own.iter().zip(others) {
        for ((lane, sum), other) in sums.iter_mut().enumerate().zip(others) {
            *sum += of(lane, own - other);
        }
    }
    sums
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

/// The models by arm and split, those of a split in the order of the evaluations.
type Models<'e, 'a> = Vec<Vec<Vec<&'e Evaluation<'a>>>>;

fn by_arm_and_split<'e, 'a>(evaluations: &'e [Evaluation<'a>], arms: usize) -> Models<'e, 'a> {
    let mut of_arms: Vec<BTreeMap<usize, Vec<&Evaluation<'_>>>> = vec![BTreeMap::new(); arms];
    for evaluation in evaluations {
        of_arms[evaluation.arm].entry(evaluation.split).or_default().push(evaluation);
    }
    of_arms.into_iter().map(|splits| splits.into_values().collect()).collect()
}

/// Returns the score of each arm for counts per split and row.
fn scores(counts: &[Vec<u32>], models: &Models<'_, '_>) -> Vec<f64> {
    let (mut of_split, mut of_arm) = (Vec::new(), Vec::new());
    let mut score = |splits: &Vec<Vec<&Evaluation<'_>>>| {
        of_arm.clear();
        for models in splits {
            of_split.clear();
            of_split.extend(models.iter().map(|model| model.metric.of(&counts[model.split])));
            of_arm.push(mean(&of_split));
        }
        mean(&of_arm)
    };
    models.iter().map(&mut score).collect()
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
        let drawn: Vec<f64> = bootstrap.of_arm(0).filter(|score| score.is_finite()).collect();
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

    /// To the bit, whether or not a draw has no score, and on both sides of the border between two blocks of lanes.
    #[test]
    fn all_differences_are_those_of_each_pair() {
        let metrics: Vec<MeanOfRows> = (2..2 + LANES as u32 + 3).map(|period| alternating(60, period)).collect();
        let undefined = |counts: &[u32]| if counts[..4].iter().sum::<u32>() > 0 { 0.3 } else { f64::NAN };
        for at in [None, Some(0), Some(LANES), Some(metrics.len() - 1)] {
            let evaluation = |(arm, metric)| match at == Some(arm) {
                true => Evaluation { arm, split: 0, metric: &undefined },
                false => of(arm, 0, metric),
            };
            let evaluations: Vec<Evaluation<'_>> = metrics.iter().enumerate().map(evaluation).collect();
            let bootstrap = Bootstrap::new(&rows(60), &evaluations, metrics.len(), 0, 3);
            let one_by_one: Option<Vec<Estimate>> = (0..metrics.len())
                .flat_map(|a| (a + 1..metrics.len()).map(move |b| (a, b)))
                .map(|(a, b)| bootstrap.difference(a, b))
                .collect();
            assert_eq!(bootstrap.all_differences(), one_by_one, "{at:?}");
            assert!(one_by_one.is_some_and(|all| all.iter().all(|found| found.error > 0.0)));
        }
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
        let metric = alternating(20, 3);
        let evaluations = [of(0, 0, &metric), Evaluation { arm: 1, split: 0, metric: &single }];
        assert_eq!(Bootstrap::new(&rows(20), &evaluations, 2, 0, 1).all_differences(), None);
    }
}
