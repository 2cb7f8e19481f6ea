//! The answer of a run: which setting is best, and what may be claimed of it. The crate `statistics` makes it, and makes sentences of
//! it.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Warning};

/// A setting as its axes: dotted key to value, without those that only replicate it.
pub type Setting = IndexMap<String, Value>;

/// The answer: which setting is best, and what may be claimed of it.
///
/// Only settings with equal numbers of labels are compared, since a number of labels is a cost, not a candidate. If an axis changes
/// it, the fields are about the settings with the most labels, and `fewer_labels` has the answers about the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The number of training rows of all compared settings; absent unless settings differ in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<usize>,
    /// The metric, with the rows that it is of: `test_pr_auc`.
    pub metric: String,
    /// Which value of it is better.
    pub better: Better,
    /// Which rows it is of.
    pub scored: ScoredRows,
    /// What the settings differ by.
    pub noun: Noun,
    /// What the claims are about.
    pub level: Level,
    /// Why there are no claims, if `level` is `none`.
    pub reason: Option<Reason>,
    /// What the claims rest on.
    pub replicates: Replicates,
    /// The setting that the others are compared with: the best mean, or, of claims about heads, the best validation score.
    pub leader: Option<Setting>,
    /// The settings among which the best one is, the best mean first: those that the first is not told apart from.
    pub best_group: Vec<Setting>,
    /// The smallest setting that is good enough by `decide.margin`; none if there is none or no margin.
    pub chosen_smallest: Option<Setting>,
    /// How the smallest one was looked for, the largest setting first; empty without sizes to prefer.
    pub good_enough: Vec<GoodEnough>,
    /// The margin that was asked for, in units of the metric.
    pub margin: Option<f64>,
    /// All compared settings, the best mean first.
    pub settings: Vec<SettingAnswer>,
    /// The leader (`a`) against every other setting (`b`).
    pub pairs: Vec<Pair>,
    /// The number of comparisons that p-values and intervals of pairs are adjusted for: all pairs of these settings.
    pub comparisons: usize,
    /// The probability of a wrong claim in all comparisons together.
    pub alpha: f64,
    /// The smallest difference from the leader that these replicates find with a probability of 0.8, in units of the metric.
    pub smallest_detectable: Option<f64>,
    /// What would decide that isn't decided.
    pub outlook: Option<Outlook>,
    /// Where the variance of the scores comes from.
    pub variance: Option<VarianceParts>,
    /// What should be known before the answer is trusted.
    pub warnings: Vec<Warning>,
    /// The digest of everything that the answer was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Digest>,
    /// The answers about the settings with fewer labels, the most labels first; each is made like this one, and has none of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fewer_labels: Vec<Answer>,
}

impl Answer {
    /// Iterates over the answers about each number of labels, the most labels first: this one and those in `fewer_labels`.
    pub fn of_each_number(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.fewer_labels)
    }

    /// Returns the settings of all numbers of labels, to be found by their axes.
    pub fn index(&self) -> AnswerIndex<'_> {
        let mut found: HashMap<String, ComparedSetting<'_>> = HashMap::new();
        for answer in self.of_each_number() {
            let mut pairs: HashMap<String, &Pair> = HashMap::new();
            for pair in &answer.pairs {
                pairs.entry(axes_key(&pair.b)).or_insert(pair);
            }
            let best: HashSet<String> = answer.best_group.iter().map(axes_key).collect();
            for setting in &answer.settings {
                let (place, key) = (found.len(), axes_key(&setting.setting));
                let (pair, is_best) = (pairs.get(&key).copied(), best.contains(&key));
                found.entry(key).or_insert(ComparedSetting { place, answer, setting, pair, is_best });
            }
        }
        AnswerIndex(found)
    }
}

/// The settings of an answer, by their axes. A grid may have as many settings as cells, so that no list is searched for each.
#[derive(Clone, Debug, Default)]
pub struct AnswerIndex<'a>(HashMap<String, ComparedSetting<'a>>);

/// A setting that an answer compares with others.
#[derive(Clone, Copy, Debug)]
pub struct ComparedSetting<'a> {
    /// Its place among the settings of all numbers of labels, from 0.
    pub place: usize,
    /// The answer about its number of labels.
    pub answer: &'a Answer,
    /// The setting in that answer.
    pub setting: &'a SettingAnswer,
    /// The pair that compares another setting, the leader if it isn't the leader itself, with this one.
    pub pair: Option<&'a Pair>,
    /// Whether it is in the group of the best.
    pub is_best: bool,
}

impl<'a> AnswerIndex<'a> {
    /// Finds a setting.
    pub fn find(&self, setting: &Setting) -> Option<ComparedSetting<'a>> {
        self.0.get(&axes_key(setting)).copied()
    }
}

/// Returns a text that is equal for equal axes, in whatever order.
fn axes_key(setting: &Setting) -> String {
    let sorted: BTreeMap<&String, &Value> = setting.iter().collect();
    serde_json::to_string(&sorted).expect("axes are plain JSON")
}

/// What a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The embeddings (or settings), whatever rows are drawn for training: at least five splits.
    Embeddings,
    /// The heads that were trained here, on new texts.
    Heads,
    /// Nothing is claimed.
    None,
}

/// Why nothing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No setting has a score.
    NoScores,
    /// One setting has scores.
    OneSetting,
    /// The settings were scored on different rows of the same split, so their scores can't be compared.
    DifferentRows,
    /// There are fewer than five splits, and no predictions to compare the trained heads by.
    NoPredictions,
    /// The metric isn't defined on too many draws of the evaluated rows.
    Undefined,
}

/// How often the settings were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replicates {
    /// The splits that all compared settings have.
    pub splits: usize,
    /// The most seeds of a setting on one split; they are averaged.
    pub seeds: usize,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettingAnswer {
    /// Its axes.
    pub setting: Setting,
    /// What it is called.
    pub label: String,
    /// Its mean score.
    pub mean: f64,
    /// The lower bound of its own interval, not adjusted for the number of settings; none if there is no evidence.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// Its best possible rank.
    pub rank_low: usize,
    /// Its worst possible rank.
    pub rank_high: usize,
    /// Its mean score on test rows, if there are any.
    pub test_mean: Option<f64>,
    /// Its mean score on validation rows, if they are known.
    pub validation_mean: Option<f64>,
    /// The ids of its cells.
    pub cells: Vec<String>,
}

/// Two settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// The one.
    pub a: Setting,
    /// The other.
    pub b: Setting,
    /// The score of `a` minus that of `b`, in units of the metric.
    pub difference: f64,
    /// The lower bound of the difference, at level 1 - `interval_alpha`.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The two-sided p-value of this pair alone.
    pub p: f64,
    /// The p-value adjusted for all comparisons (Holm).
    pub p_holm: f64,
    /// Whether the two are told apart: `p_holm` is below `alpha`, and the interval excludes zero.
    pub told_apart: bool,
    /// One minus the level of the interval: the part of `alpha` that Holm's procedure left for this pair.
    pub interval_alpha: f64,
    /// McNemar's exact p-value, if the metric is accuracy and both have one model: beside the verdict, not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcnemar_p: Option<f64>,
}

/// A step of the search for the smallest good enough setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GoodEnough {
    /// The setting.
    pub setting: Setting,
    /// The margin above which it is good enough itself; none if it can't be compared.
    pub needed_margin: Option<f64>,
    /// The smallest margin with which the search comes to it and accepts it.
    pub supported_margin: Option<f64>,
    /// Whether it was accepted with the margin asked for.
    pub accepted: bool,
}

/// How much more would decide between the leader and the setting that is hardest to tell from it, if the true difference is the
/// observed one. Each is in place of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outlook {
    /// Whether the best setting is told apart from all others at this level.
    pub decided: bool,
    /// The setting that is hardest to tell from the leader; none if it is decided.
    pub rival: Option<Setting>,
    /// The number of splits in all that would tell them apart; none if no number does, or for claims about heads.
    pub splits: Option<usize>,
    /// The number of seeds per split that would; none if no number does, or if there is one seed now.
    pub seeds: Option<usize>,
    /// The number of labelled rows that would, with as many splits as now; none if rows alone never do.
    pub rows: Option<u64>,
    /// The smallest difference that infinitely many splits of these rows would find.
    pub floor: Option<f64>,
}

/// Which value of a metric is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The higher one.
    Higher,
    /// The lower one: a loss.
    Lower,
}

impl Better {
    /// Returns `difference`, or its opposite, such that a positive one is an advantage.
    pub fn oriented(self, difference: f64) -> f64 {
        match self {
            Self::Higher => difference,
            Self::Lower => -difference,
        }
    }
}

/// Which rows the scores are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoredRows {
    /// Test rows, which nothing was chosen by.
    Test,
    /// Validation rows, which also chose the epoch.
    Validation,
}

/// What the settings differ by, for sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// By the embedding alone.
    Embedding,
    /// By something else too.
    Setting,
}

/// Standard deviations of a score by cause, in the units of the metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VarianceParts {
    /// Between settings; none with fewer than two.
    pub setting: Option<f64>,
    /// Between splits, the same for all settings; none with fewer than two.
    pub split: Option<f64>,
    /// By which a split moves one setting more than another: what a comparison over splits has to overcome. Without several seeds
    /// it includes what a seed does.
    pub setting_by_split: Option<f64>,
    /// Between seeds on the same rows; none with one seed per split.
    pub seed: Option<f64>,
    /// Between draws of evaluation rows, the trained model unchanged, by the bootstrap: a part of `split` if splits have other
    /// rows. None without predictions.
    pub rows: Option<f64>,
}
