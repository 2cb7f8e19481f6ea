//! Compares two runs setting by setting: the metric of each, the difference, and what else changed.
//!
//! A [`Side`] is a run or a lock. Cells are grouped into settings by the axes that vary on either side, and replicates (seeds
//! of training and of the split) are averaged. If one side lacks an axis, its value is taken from the cell's settings, so
//! that a grid can be compared with a smaller, earlier one. A difference that doesn't distinguish settings, such as a number
//! of epochs that was changed between two runs, is listed as a [`Change`].
//!
//! The results are means, standard deviations and paired differences; of two runs, each difference has a [`Test`] too, the one that
//! answers are made with, adjusted for the number of settings. The [`Verdict`] is by the means alone; a [`Gate`] says which of the two
//! makes a comparison fail.

mod losses;
mod pairing;
mod show;
mod side;

use emberline_base::Change;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

#[cfg(test)]
mod tests;

pub use self::pairing::compare;
pub use self::show::{heading, markdown, notes, rows};
pub use self::side::{Side, SideCell};
pub use crate::study::{RunOfSide, Test};

/// What makes a comparison fail: a setting of the first side that is worse on the second, or unmeasured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Its mean is worse by more than the margin.
    Worse,
    /// Its mean is worse, and so is the whole interval of the difference, by more than the margin. Without a test, which needs two
    /// runs, the mean decides.
    SignificantlyWorse,
}

/// Options of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The metric, by its name in the records, such as `val_f1`; `None` for the main metric of the task.
    pub metric: Option<String>,
    /// The tolerance: a setting that is worse by at most this much counts as equal.
    pub margin: f64,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name of the first side, the baseline.
    pub first: String,
    /// The name of the second side, which is compared with the baseline.
    pub second: String,
    /// The metric by which they are compared.
    pub metric: String,
    /// Whether smaller values of the metric are better.
    pub smaller_is_better: bool,
    /// The tolerance: a setting that is worse by at most this much counts as equal.
    pub margin: f64,
    /// Whether all settings that have run on both sides were scored on the same rows; `None` if there is no such setting.
    pub same_data: Option<bool>,
    /// The sentences of the first run's own answer, the verdict on each number of labels first; none of a lock.
    pub first_answer: Vec<String>,
    /// The sentences of the second run's own answer.
    pub second_answer: Vec<String>,
    /// How many of the sentences of either answer are verdicts: one, or one per number of labels.
    #[serde(skip)]
    pub verdicts: [usize; 2],
    /// The settings, in the order of the first side, or of the run if that is a lock; then those that only the other side has.
    pub settings: Vec<Pair>,
}

/// The comparison of one setting; either side may lack it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The values of the axes that distinguish the settings.
    pub setting: IndexMap<String, Value>,
    /// The label of the setting.
    pub label: String,
    /// The cells of the setting on the first side.
    pub first: Option<Replicates>,
    /// The cells of the setting on the second side.
    pub second: Option<Replicates>,
    /// The mean of the second side minus the mean of the first side.
    pub difference: Option<f64>,
    /// The differences of the replicates that both sides have.
    pub paired: Option<Paired>,
    /// The test of the difference; `None` unless both sides are runs with at least five splits in common, or with predictions.
    pub test: Option<Test>,
    /// The verdict on the difference.
    pub verdict: Verdict,
    /// Whether the cells were scored on the same rows; `None` unless the setting has run on both sides.
    pub same_data: Option<bool>,
    /// The changes between the cells: settings, digests of data and embedding, device.
    pub changes: Vec<Change>,
}

/// The cells of a setting on one side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replicates {
    /// The ids of the cells.
    pub cells: Vec<String>,
    /// The metric's values, of the cells that have it.
    pub values: Vec<f64>,
    /// The number of cells without the metric: they failed, haven't run yet, or don't measure it.
    pub unmeasured: usize,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// The standard deviation of the values (n - 1).
    pub standard_deviation: Option<f64>,
}

/// Paired differences: second minus first, per replicate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The differences.
    pub differences: Vec<f64>,
    /// The mean of the differences.
    pub mean: f64,
    /// The standard deviation of the differences (n - 1).
    pub standard_deviation: Option<f64>,
}

/// The verdict on a setting, by the difference of its means alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The second side is better.
    Better,
    /// The second side is equal, or worse by no more than the margin.
    Equal,
    /// The second side is worse by more than the margin.
    Worse,
    /// A cell of either side lacks the metric, or the second side lacks the setting.
    Unmeasured,
    /// Only the second side has the setting, so there is nothing to compare it with.
    New,
}

impl Comparison {
    /// Counts the settings with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.settings.iter().filter(|pair| pair.verdict == verdict).count()
    }

    /// Returns the settings that make the comparison fail by the rule of a gate: those that are worse or unmeasured.
    pub fn failing(&self, gate: Gate) -> Vec<&Pair> {
        let fails = |pair: &&Pair| match (gate, pair.verdict) {
            (_, Verdict::Unmeasured) | (Gate::Worse, Verdict::Worse) => true,
            (Gate::SignificantlyWorse, Verdict::Worse) => self.is_beyond_chance(pair),
            (_, Verdict::Better | Verdict::Equal | Verdict::New) => false,
        };
        self.settings.iter().filter(fails).collect()
    }

    /// Counts the settings that are worse by the rule of a gate.
    pub fn count_worse(&self, gate: Gate) -> usize {
        let is_worse = |pair: &&Pair| match gate {
            Gate::Worse => pair.verdict == Verdict::Worse,
            Gate::SignificantlyWorse => pair.verdict == Verdict::Worse && self.is_beyond_chance(pair),
        };
        self.settings.iter().filter(is_worse).count()
    }

    /// Returns whether the whole interval of a difference is worse than the margin; true without a test.
    fn is_beyond_chance(&self, pair: &Pair) -> bool {
        let least_loss = |test: &Test| if self.smaller_is_better { test.low } else { -test.high };
        pair.test.as_ref().is_none_or(|test| least_loss(test) > self.margin)
    }

    /// Returns whether the second side is not worse: every setting of the first side is measured on both sides, and none is
    /// worse by the rule of the gate.
    pub fn passes(&self, gate: Gate) -> bool {
        self.same_data.is_some() && self.count_worse(gate) + self.count(Verdict::Unmeasured) == 0
    }
}
