//! What is wrong with a study.

use thiserror::Error;

/// Why a study can't be answered: each is a fault of the caller's, not of the scores.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StudyError {
    /// Two settings can't be told from each other.
    #[error("two settings are called `{label}`; give every setting a label and axes of its own")]
    DuplicateSetting {
        /// The label of both.
        label: String,
    },
    /// The level isn't a probability that makes sense.
    #[error("alpha is {alpha}; it must lie between 0 and 1, both excluded")]
    Alpha {
        /// What was given.
        alpha: f64,
    },
    /// The margin isn't a positive number.
    #[error("the margin is {margin}; it must be a number above 0")]
    Margin {
        /// What was given.
        margin: f64,
    },
    /// The splits leave no row to train on.
    #[error("{evaluated} of {rows} rows are evaluated on; a split must leave rows to train on")]
    Pool {
        /// The rows of the pool.
        rows: usize,
        /// Those evaluated on.
        evaluated: usize,
    },
    /// There are fewer than two folds.
    #[error("there are {folds} folds; cross-validation needs at least 2")]
    Folds {
        /// Their number.
        folds: usize,
    },
    /// A run names a split whose evaluated rows aren't known.
    #[error("a run of `{label}` has predictions of split {split}, but the rows of {known} splits are known")]
    UnknownSplit {
        /// The setting.
        label: String,
        /// The split, from 0.
        split: usize,
        /// How many are known.
        known: usize,
    },
}
