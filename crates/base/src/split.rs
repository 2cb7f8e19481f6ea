//! The three parts of a dataset.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// The rows that weights are fitted to.
    Train,
    /// The rows that choose the epoch, the threshold and the cell.
    Valid,
    /// The rows that nothing is chosen by.
    Test,
}

impl SplitName {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}

/// One value a split; validation and test may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Splits<T> {
    /// Of the training rows.
    pub train: T,
    /// Of the validation rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<T>,
    /// Of the test rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<T>,
}

impl<A, B> Splits<(A, B)> {
    /// The first and the second values of every split.
    pub fn unzip(self) -> (Splits<A>, Splits<B>) {
        let (train, valid, test) = (self.train, self.valid.unzip(), self.test.unzip());
        (
            Splits { train: train.0, valid: valid.0, test: test.0 },
            Splits { train: train.1, valid: valid.1, test: test.1 },
        )
    }
}

impl<T> Splits<T> {
    /// The value of one split, where there is one.
    pub fn get(&self, name: SplitName) -> Option<&T> {
        match name {
            SplitName::Train => Some(&self.train),
            SplitName::Valid => self.valid.as_ref(),
            SplitName::Test => self.test.as_ref(),
        }
    }

    /// The splits there are, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SplitName, &T)> {
        SplitName::ALL.into_iter().filter_map(|name| self.get(name).map(|value| (name, value)))
    }

    /// The same splits with every value replaced.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(&self, mut f: impl FnMut(SplitName, &T) -> Result<U, E>) -> Result<Splits<U>, E> {
        Ok(Splits {
            train: f(SplitName::Train, &self.train)?,
            valid: self.valid.as_ref().map(|v| f(SplitName::Valid, v)).transpose()?,
            test: self.test.as_ref().map(|v| f(SplitName::Test, v)).transpose()?,
        })
    }

    /// The same splits with every value taken and replaced.
    pub fn into_map<U>(self, mut f: impl FnMut(T) -> U) -> Splits<U> {
        Splits { train: f(self.train), valid: self.valid.map(&mut f), test: self.test.map(f) }
    }

    /// The same splits with every value replaced.
    pub fn map<'s, U>(&'s self, mut f: impl FnMut(SplitName, &'s T) -> U) -> Splits<U> {
        Splits {
            train: f(SplitName::Train, &self.train),
            valid: self.valid.as_ref().map(|v| f(SplitName::Valid, v)),
            test: self.test.as_ref().map(|v| f(SplitName::Test, v)),
        }
    }
}
