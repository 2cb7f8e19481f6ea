//! The record of a dataset: its task, its classes, and its rows per split.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SplitName, Splits, Task, Warning};

/// The row counts of one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitRows {
    /// The number of rows.
    pub rows: usize,
    /// The number of rows per class, in the order of the classes.
    pub classes: IndexMap<String, usize>,
}

/// How the positive class of a binary task was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// By `data.positive` in the pipeline file.
    Setting,
    /// By its name: it means yes (`1`, `true`, `yes`, ...) and the other one doesn't.
    Name,
    /// By its frequency: it is the class with fewer rows in all files together.
    Minority,
    /// By its order: both classes have equally many rows, and it is the last one.
    Order,
}

impl std::fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Setting => "set by data.positive",
            Self::Name => "its name says yes",
            Self::Minority => "it has fewer rows than the other; data.positive would name it",
            Self::Order => "the last in order of two with equally many rows; data.positive would name it",
        })
    }
}

/// The dataset of a run: its task, its classes, its splits and the rows that were left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// The classification task.
    pub task: Task,
    /// The names of the classes; for a binary task, the negative and then the positive class.
    pub classes: Vec<String>,
    /// The positive class, which F1, precision, recall, PR-AUC and the threshold refer to; only a binary task has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// How the positive class was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_by: Option<ChosenBy>,
    /// The number of rows per split and class.
    pub splits: Splits<SplitRows>,
    /// The accuracy, per split, of always predicting the most frequent class of the training rows (for a multi-label task,
    /// of predicting each class by its majority).
    pub majority_accuracy: Splits<f64>,
    /// The number of rows read from the files, before any was left out.
    pub rows_read: usize,
    /// The number of rows left out because their text was empty.
    pub empty_texts: usize,
    /// The number of rows left out because their label was missing.
    pub missing_labels: usize,
    /// The number of rows whose normalised text had occurred before; they are left out unless `duplicates_kept`.
    pub duplicate_texts: usize,
    /// Whether duplicate texts were kept, as `data.duplicates = "keep"` says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub duplicates_kept: bool,
    /// The number of rows left out because their text is also in the file of a more protected split: test before validation
    /// before training.
    #[serde(default)]
    pub shared_texts: usize,
    /// The number of rows left out because their group (`data.group`) is also in the file of a more protected split, although
    /// their text isn't.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub shared_groups: usize,
    /// The number of validation and test rows whose label no training row has; they are left out or counted as wrong, as
    /// `data.unknown_labels` says.
    #[serde(default)]
    pub unknown_labels: usize,
    /// The number of normalised texts that have different labels in different rows.
    pub conflicting_labels: usize,
    /// The warnings about the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Data {
    /// Describes the positive class and how it was chosen; `None` unless the task is binary.
    pub fn describe_positive(&self) -> Option<String> {
        let (class, by) = (self.positive.as_ref()?, self.positive_by?);
        Some(format!("{class} ({by})"))
    }

    /// Returns the prevalence of the positive class in a split, from 0 to 1, which is the PR-AUC of random scores. With
    /// several classes, returns the mean of their prevalences, over the classes that the split has rows of.
    pub fn prevalence(&self, split: SplitName) -> Option<f64> {
        let rows = self.splits.get(split)?;
        let share = |count: &usize| *count as f64 / rows.rows.max(1) as f64;
        if self.task == Task::Binary {
            return self.classes.get(1).and_then(|class| rows.classes.get(class)).map(share);
        }
        let shares: Vec<f64> = rows.classes.values().filter(|count| **count > 0).map(share).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

fn is_false(value: &bool) -> bool {
    !value
}
