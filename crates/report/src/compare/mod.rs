//! Two runs side by side, setting by setting: the metric of each, the difference, and what else differs.
//!
//! A [`Side`] is a run or a lock. Cells are gathered into settings by the axes that vary on either side, and replicates (seeds
//! of training and of the split) are averaged. An axis that one side lacks counts there with the value of the cell's settings,
//! so that a grid that has grown still compares with the smaller one. What differs without telling settings apart, such as a
//! number of epochs that was changed between two runs, is named as a [`Change`].
//!
//! The figures are means, standard deviations and paired differences; none of them says whether a difference is more than
//! chance. [`Paired`] holds the differences that a test needs.

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

/// What two runs are compared by.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The metric, as the records name it; the main one of the task when left out.
    pub metric: Option<String>,
    /// By how much a setting may be worse without being called so.
    pub margin: f64,
}

/// Two runs, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What the first one is called: the older one, that the second is held against.
    pub first: String,
    /// What the second one is called.
    pub second: String,
    /// What they are compared by.
    pub metric: String,
    /// Whether a smaller value of it is the better one.
    pub smaller_is_better: bool,
    /// By how much a setting may be worse without being called so.
    pub margin: f64,
    /// Whether all settings that have run on both sides were scored on the same rows; none: no setting has.
    pub same_data: Option<bool>,
    /// The settings, in the order of the first, then those of the second alone.
    pub settings: Vec<Pair>,
}

/// A setting on both sides, or on one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The values of the axes that tell it from the others.
    pub setting: IndexMap<String, Value>,
    /// The same for people.
    pub label: String,
    /// Its cells on the first side.
    pub first: Option<Replicates>,
    /// Its cells on the second side.
    pub second: Option<Replicates>,
    /// The second's mean minus the first's.
    pub difference: Option<f64>,
    /// The differences of the replicates that both have.
    pub paired: Option<Paired>,
    /// What the difference means.
    pub verdict: Verdict,
    /// Whether its cells were scored on the same rows; none: none has run on both sides.
    pub same_data: Option<bool>,
    /// What differs between its cells: settings, digests of data and embedding, device.
    pub changes: Vec<Change>,
}

/// The cells of a setting on one side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replicates {
    /// Their ids.
    pub cells: Vec<String>,
    /// The metric of the cells that have it.
    pub values: Vec<f64>,
    /// How many cells lack it: they failed, are left to run, or weren't scored by it.
    pub unmeasured: usize,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// Their standard deviation (n - 1).
    pub standard_deviation: Option<f64>,
}

/// Second minus first, replicate by replicate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The differences.
    pub differences: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n - 1).
    pub standard_deviation: Option<f64>,
}

/// What became of a setting, by its means alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The second is better.
    Better,
    /// The second is as good, or worse by no more than the margin.
    Equal,
    /// The second is worse by more than the margin.
    Worse,
    /// A cell of either side lacks the metric, or the second side lacks the setting.
    Unmeasured,
    /// The second side alone has the setting: there is nothing to hold it against.
    New,
}

impl Comparison {
    /// How many settings have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.settings.iter().filter(|pair| pair.verdict == verdict).count()
    }

    /// Returns whether nothing is worse: every setting of the first side is measured on both, and none is worse by more than
    /// the margin.
    pub fn passes(&self) -> bool {
        self.same_data.is_some() && self.count(Verdict::Worse) + self.count(Verdict::Unmeasured) == 0
    }
}
