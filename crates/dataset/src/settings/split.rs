//! The settings of `[data.split]`: how many rows each split takes, and in which order.

use std::path::PathBuf;

use emberline_base::seed_of_repeat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Column;

/// The default fraction of validation rows.
const VALID: f64 = 0.2;

/// `[data.split]`: how the rows are split. The split of a row depends on the hash of its text under the seed, so that a row that
/// is added moves hardly any other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Training rows; when left out: all that validation and test leave. A smaller amount gives a subset of a larger one, and the
    /// other splits don't depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Amount>,
    /// Validation rows; 0.2 when no amount is given at all and validation has no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Amount>,
    /// Test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Amount>,
    /// The number of training rows per class, instead of `train`. A smaller number gives a subset of a larger one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_class: Option<u32>,
    /// Whether every split keeps the proportions of the classes: it does when left out, unless `order` or `rows` splits the
    /// rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
    /// A column of numbers or ISO 8601 dates to split by, instead of the hash: the oldest rows are for training, later ones for
    /// validation, and the newest for test. If `train` takes fewer rows, they are those closest to validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Column>,
    /// A file that lists the rows of each split: columns `draw`, `split` (train, valid or test) and `row` (the number of a row of
    /// `data.path`; 1 is the first below the header). Several draws are replicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<PathBuf>,
    /// The number of folds of a cross-validation. Each fold is the test split once, and validation is the block after it. Folds are
    /// replicates: they are averaged, never ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub folds: Option<u32>,
    /// The number of repeats, each with another split, another initialisation and other random tables. Repeats are replicates: they
    /// are averaged, never ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub repeats: Option<u32>,
    /// The only fold to take, 1 for the first; all of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fold: Option<u32>,
    /// The only repeat to take, 1 for the first; all of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub repeat: Option<u32>,
    /// The only draw of `rows` to take, by its name; all of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<String>,
    /// The seed of the split; the pipeline's own when left out (not the grid's, so that all cells share their rows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether all rows are training rows, those of the validation and test files too. It is not a key of the pipeline file: the
    /// refit of a chosen setting sets it.
    #[serde(skip)]
    pub trains_on_all: bool,
}

impl Split {
    /// Returns the same settings with the defaults that depend on other settings filled in: `valid`, when no amount is given and
    /// validation has no file of its own, and `stratify`.
    #[must_use]
    pub(crate) fn resolved(&self, has_valid_file: bool) -> Self {
        let mut resolved = self.clone();
        if !has_valid_file && self.rows.is_none() && self.gives_no_amount() {
            resolved.valid = Some(Amount::Fraction(VALID));
        }
        resolved.fill_in();
        resolved
    }

    /// Returns the settings under which all rows are training rows, in the order that the same seed gives.
    #[must_use]
    pub fn training_on_all(&self) -> Self {
        Self { trains_on_all: true, seed: self.seed, ..Self::default() }
    }

    /// Fills in the default of `stratify`.
    pub fn fill_in(&mut self) {
        if self.rows.is_none() {
            self.stratify = Some(self.stratifies());
        }
    }

    /// Whether no setting gives the number of rows of any split.
    pub fn gives_no_amount(&self) -> bool {
        self.train.is_none() && self.valid.is_none() && self.test.is_none() && self.per_class.is_none()
    }

    /// Whether every split keeps the proportions of the classes.
    pub(crate) fn stratifies(&self) -> bool {
        self.stratify.unwrap_or(self.order.is_none())
    }

    /// Returns the seed of the hash that orders the rows, which differs between repeats. `seed` is the pipeline's, used if the
    /// split has none.
    pub fn effective_seed(&self, seed: u64) -> u64 {
        seed_of_repeat(self.seed.unwrap_or(seed), self.repeat.unwrap_or(1))
    }
}

/// A number of rows: a count, or a fraction below 1 of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a count such as 1_000, or a fraction such as 0.1")]
pub enum Amount {
    /// A number of rows.
    Count(#[schemars(range(min = 1))] u64),
    /// A fraction of the rows, above 0 and below 1.
    Fraction(#[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))] f64),
}
