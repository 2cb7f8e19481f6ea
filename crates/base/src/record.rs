//! The records of a run: the epochs and the result of each cell, and the summary of the whole run.
//!
//! These types define `summary.json` and `cells/<cell>/result.json` (`schemas/summary.schema.json` is generated from
//! them). Reports are rendered from these records alone.

mod refit;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::refit::{Refit, RefitCell, RefitThreshold, ThresholdOrigin};
use crate::{Digest, Scores, SplitName, Splits, Task, Warning};

/// The format version of a run folder (`run.json`, `summary.json`, `result.json` and the files that `SHA256SUMS` lists). It is
/// increased if an older reader would misread the new files.
pub const VERSION: u32 = 3;

/// One epoch of one cell: a line of `record.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Epoch {
    /// The number of the epoch, counted from 1.
    pub epoch: u32,
    /// The learning rate of the epoch.
    pub learning_rate: f64,
    /// Wall time of training and validation, in seconds.
    pub seconds: f64,
    /// Loss and accuracy, measured while training.
    pub train: Scores,
    /// All metrics of the validation rows, measured after the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Scores>,
}

/// The status of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Trained and recorded.
    Done,
    /// Failed; `error` says what went wrong.
    Failed,
    /// Not run yet.
    Pending,
}

/// The reason why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// All epochs were run.
    Epochs,
    /// Early stopping: the monitored metric didn't improve any more.
    EarlyStopping,
}

/// The number of parameters of a model, as Keras's `model.summary()` counts them: those of the whole embedding table and of
/// the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    /// All parameters.
    pub total: u64,
    /// The parameters that training changes.
    pub trainable: u64,
}

/// The record of one cell: `cells/<id>/result.json`, and an entry of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The cell's id, readable and stable, for example `swivel-20-frozen-s1-3f9a1c2b`; also the name of its folder.
    pub id: String,
    /// The digest of the cell's settings, 32 hex digits: two cells are the same only if their identities are equal.
    pub identity: String,
    /// The status of the cell.
    pub status: Status,
    /// The value of each axis of the grid, by dotted key.
    pub settings: IndexMap<String, serde_json::Value>,
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// The embedding's kind, for example `tfhub`.
    pub source: String,
    /// Whether the embedding was fine-tuned, that is, its table was trained with the head.
    pub trainable: bool,
    /// The seed of initialisation, order and dropout.
    pub seed: u64,
    /// The results of a finished cell; absent for any other.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The error message of a failed cell; absent for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause of a failed cell's error, which decides whether it is tried again; absent for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// The cause of a failure, which decides whether the cell is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The cell itself: with the same inputs it fails again, for example because its loss becomes NaN. It is not tried again
    /// until an input changes.
    Cell(MadeFrom),
    /// The environment: a missing file, a full disk, too little memory, an error of the program. The next run tries the cell
    /// again.
    Surroundings,
}

/// The inputs of a result besides the cell's settings: if all of them are equal, the result is equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeFrom {
    /// The texts and labels of every split, in order.
    pub data: Digest,
    /// The embedding's content and preprocessing.
    pub embedding: Digest,
    /// The version of the computation of training.
    pub computation: u32,
    /// The device: `cpu`, `cuda`, `wgpu`.
    pub device: String,
    /// The hardware that the rounding of results may depend on.
    pub arithmetic: String,
}

/// The results of a finished cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The dimension of a text's vector.
    pub dim: usize,
    /// The number of epochs that were trained.
    pub epochs: u32,
    /// The epoch whose weights are kept and evaluated, counted from 1.
    pub best_epoch: u32,
    /// The reason why training ended.
    pub stopped: Stop,
    /// Wall time of training in seconds, without the time for embedding the texts.
    pub seconds: f64,
    /// The number of parameters of the model.
    pub parameters: Parameters,
    /// The number of rows of each split, and the seed of the split.
    #[serde(flatten, default)]
    pub split: SplitSize,
    /// The metrics of the best epoch by name: `loss` and `accuracy` (measured while training), `val_loss`, `val_pr_auc`,
    /// ..., and `test_*` if there is a test split.
    pub metrics: BTreeMap<String, f64>,
    /// The digests of the cell's inputs and outputs.
    pub digests: Digests,
    /// The device that trained the cell: `cpu`, `cuda`, `wgpu`.
    pub device: String,
    /// The hardware that the rounding of results may depend on: a CPU's widest registers, such as `x86_64 avx2`, or the name
    /// of a GPU.
    #[serde(default)]
    pub arithmetic: String,
    /// The version of the training computation: results of another version are computed again.
    pub computation: u32,
    /// The share of words that the embedding's table has a vector for; absent if whole texts are encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_words: Option<KnownWords>,
    /// The warnings of this cell; `cells` is empty in each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The number of rows of each split of a cell, and the seed of the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitSize {
    /// The number of training rows.
    #[serde(default)]
    pub n_train: usize,
    /// The number of validation rows, if there is a validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_valid: Option<usize>,
    /// The number of test rows, if there is a test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_test: Option<usize>,
    /// The seed of the hash that assigns rows to splits; the seed of the repeat if there are repeats.
    #[serde(default)]
    pub split_seed: u64,
}

/// Vocabulary coverage: the share of words that an embedding's table has a vector for, over all texts and per split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownWords {
    /// The coverage of the texts of all splits.
    #[serde(flatten)]
    pub all: KnownShare,
    /// The coverage of the texts of each split.
    #[serde(flatten)]
    pub splits: Splits<KnownShare>,
}

/// The vocabulary coverage of some texts by an embedding's table, as shares from 0 to 1.
///
/// A word is a token of the source's tokenizer that contains a letter or a digit; for a source with subword tokens, any
/// token. A word is known if the table has a row for it that no other word shares by chance: a bucket for
/// out-of-vocabulary words, the row of an unknown token and a vector composed of character n-grams don't count. (For
/// `hashing`, which has only buckets, every word is known.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownShare {
    /// The share of words that are known; 1 if there are no words.
    pub tokens: f64,
    /// The share of words that are not known but have a vector composed of their character n-grams.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub composed: f64,
    /// The share of texts without a known word.
    pub texts_without: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// The digests of a cell's inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digests {
    /// The texts and labels of every split, in order.
    pub data: Digest,
    /// The embedding's content and preprocessing.
    pub embedding: Digest,
    /// The weights of the best epoch.
    pub weights: Digest,
    /// The file of predictions; absent if predictions aren't kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Digest>,
}

impl Outcome {
    /// Returns the inputs of the result, besides the settings.
    pub fn made_from(&self) -> MadeFrom {
        MadeFrom {
            data: self.digests.data.clone(),
            embedding: self.digests.embedding.clone(),
            computation: self.computation,
            device: self.device.clone(),
            arithmetic: self.arithmetic.clone(),
        }
    }
}

impl Cell {
    /// Returns the inputs, besides the settings, of a finished cell or of one that failed by its own fault.
    pub fn made_from(&self) -> Option<MadeFrom> {
        match (&self.outcome, &self.cause) {
            (Some(outcome), _) => Some(outcome.made_from()),
            (None, Some(Cause::Cell(made_from))) => Some(made_from.clone()),
            (None, Some(Cause::Surroundings) | None) => None,
        }
    }
}

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

/// Combinations of the grid that were skipped for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Why they were skipped, and what to do about it.
    pub reason: String,
    /// The number of combinations.
    pub combinations: usize,
    /// The values that all of these combinations share, by the dotted key of their axis.
    pub settings: IndexMap<String, serde_json::Value>,
}

/// `summary.json`: the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The version of this format.
    pub version: u32,
    /// The pipeline's name.
    pub name: String,
    /// The grid's axes with their values, by dotted key, in the order of the file.
    pub axes: IndexMap<String, Vec<serde_json::Value>>,
    /// The dataset, with the pipeline's own split.
    pub data: Data,
    /// Every cell of the grid, in the order of the plan.
    pub cells: Vec<Cell>,
    /// Combinations of the grid that were skipped, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The warnings about the data, then those about the cells, with equal ones merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Summary {
    /// Returns whether any cell has a vocabulary coverage.
    pub fn has_known_words(&self) -> bool {
        self.cells.iter().filter_map(|cell| cell.outcome.as_ref()).any(|outcome| outcome.known_words.is_some())
    }

    /// Collects the warnings about the data and the cells, with equal ones of several cells merged.
    pub fn gather_warnings(data: &Data, cells: &[Cell]) -> Vec<Warning> {
        let of_cells = cells.iter().filter_map(|cell| {
            let outcome = cell.outcome.as_ref()?;
            Some((cell.id.as_str(), outcome.warnings.as_slice()))
        });
        let merged = crate::warning::merge(of_cells);
        data.warnings.iter().cloned().chain(merged).collect()
    }
}
