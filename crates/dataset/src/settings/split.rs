//! `[data.split]`: how many rows each split takes, and by which order.

use std::path::PathBuf;

use emberline_base::seed_of_repeat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Column;

/// The part of the rows that validates when nothing else is said.
const VALID: f64 = 0.2;

/// `[data.split]`: how the rows are divided. A row's place follows from the hash of its text under the seed, so that a row that
/// is added moves hardly any other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Training rows; when left out: all that validation and test leave. Fewer rows are always a
    /// subset of more, and the other splits don't depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Amount>,
    /// Validation rows; 0.2 when no amount is given at all and validation has no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Amount>,
    /// Test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Amount>,
    /// So many training rows of each class, instead of `train`: fewer are a subset of more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_class: Option<u32>,
    /// Whether every split gets the classes in the proportions of the whole: it does when left out, unless `order` or
    /// `rows` divides the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
    /// A column of numbers or ISO 8601 dates to divide by, instead of the hash: the oldest rows train, later ones validate, and
    /// the newest test. Of fewer training rows, those next to validation are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Column>,
    /// A file that lists the rows of each split: columns `draw`, `split` (train, valid or test) and `row` (the number of a row of
    /// `data.path`; 1 is the first below the header). Several draws are replicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<PathBuf>,
    /// The number of folds of a cross-validation. Each fold is once the test split, and validation is the next block behind it.
    /// Folds are replicates: they are averaged, never ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub folds: Option<u32>,
    /// How often everything is repeated with another split, another initialisation and other random tables. Repeats are
    /// replicates: they are averaged, never ranked.
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
    /// Whether all rows train, those of the files of validation and test as well. No key of the file: a model that is trained
    /// once more, after its setting was chosen, sets it.
    #[serde(skip)]
    pub all_train: bool,
}

impl Split {
    /// The same, with the defaults that follow from the other settings written out: the validation rows that are taken when no
    /// amount is given and validation has no file of its own, and whether classes are kept in proportion.
    #[must_use]
    pub(crate) fn resolved(&self, has_valid_file: bool) -> Self {
        let mut resolved = self.clone();
        if !has_valid_file && self.rows.is_none() && self.gives_no_amount() {
            resolved.valid = Some(Amount::Fraction(VALID));
        }
        resolved.fill_in();
        resolved
    }

    /// All rows train, in the order that the seed gives.
    #[must_use]
    pub fn all_train(&self) -> Self {
        Self { all_train: true, seed: self.seed, ..Self::default() }
    }

    /// Writes out whether classes are kept in proportion, where that isn't said.
    pub fn fill_in(&mut self) {
        if self.rows.is_none() {
            self.stratify = Some(self.stratifies());
        }
    }

    /// Whether nothing says how many rows any split takes.
    pub fn gives_no_amount(&self) -> bool {
        self.train.is_none() && self.valid.is_none() && self.test.is_none() && self.per_class.is_none()
    }

    /// Whether every split gets the classes in proportion.
    pub(crate) fn stratifies(&self) -> bool {
        self.stratify.unwrap_or(self.order.is_none())
    }

    /// The seed that rows are placed by: that of the repeat; `seed` is the pipeline's, used where the split has none.
    pub fn effective_seed(&self, seed: u64) -> u64 {
        seed_of_repeat(self.seed.unwrap_or(seed), self.repeat.unwrap_or(1))
    }
}

/// A number of rows: a count, or a fraction below 1 of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a count such as 1_000, or a fraction such as 0.1")]
pub enum Amount {
    /// So many rows.
    Count(#[schemars(range(min = 1))] u64),
    /// That part of the rows, above 0 and below 1.
    Fraction(#[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))] f64),
}
