//! What a run leaves behind: the epochs and result of each cell, and the summary of them all.
//!
//! These types are the definition of `summary.json` and `cells/<cell>/result.json`
//! (`schemas/summary.schema.json` is generated from them). Reports are made of them alone.

mod refit;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::refit::{Refit, RefitCell, RefitThreshold, ThresholdOrigin};
use crate::{Digest, Scores, SplitName, Splits, Task, Warning};

/// The version of all files of a run folder (`run.json`, `summary.json`, `result.json` and what `SHA256SUMS` lists beside
/// it); it grows when a reader of the old ones would be misled.
pub const VERSION: u32 = 3;

/// One epoch of one cell: a line of `record.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Epoch {
    /// 1 for the first.
    pub epoch: u32,
    /// The step size that the epoch was trained with.
    pub learning_rate: f64,
    /// Wall time of training and validation, in seconds.
    pub seconds: f64,
    /// Loss and accuracy, measured while training.
    pub train: Scores,
    /// All metrics of the validation rows, after the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Scores>,
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Trained and recorded.
    Done,
    /// Tried; `error` says what went wrong.
    Failed,
    /// Not run yet.
    Pending,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// All epochs were run.
    Epochs,
    /// Early stopping saw no improvement.
    EarlyStopping,
}

/// How many numbers a model holds, as Keras's `model.summary()` counts them: the whole table of
/// the embedding and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    /// All of them.
    pub total: u64,
    /// Those that training moves.
    pub trainable: u64,
}

/// One cell: `cells/<id>/result.json`, and an entry of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Readable and stable, for example `swivel-20-frozen-s1-3f9a1c2b`; the name of the cell's folder.
    pub id: String,
    /// A digest of the cell's settings, 32 hex digits: two cells are the same only if these are equal.
    pub identity: String,
    /// Where the cell stands.
    pub status: Status,
    /// The value of each axis of the grid, by dotted key.
    pub settings: IndexMap<String, serde_json::Value>,
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// The embedding's kind, for example `tfhub`.
    pub source: String,
    /// Whether the embedding's table was trained along.
    pub trainable: bool,
    /// The seed of initialisation, order and dropout.
    pub seed: u64,
    /// What only a finished cell has.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What went wrong, for a failed cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose fault it was, for a failed cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Why a cell failed: whether it would fail again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The cell itself: from the same inputs it fails again, as one whose loss becomes NaN. It is not tried again until an
    /// input changes.
    Cell(MadeFrom),
    /// What surrounds it: a file that was away, a full disk, a lack of memory, an error of the program. The next run tries
    /// it again.
    Surroundings,
}

/// What a result was made from, besides the settings: while these are the same, the result is.
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
    /// What its rounding may depend on.
    pub arithmetic: String,
}

/// What training one cell gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The length of a text's vector.
    pub dim: usize,
    /// Epochs trained.
    pub epochs: u32,
    /// The epoch whose weights are kept and scored; 1 for the first.
    pub best_epoch: u32,
    /// Why training ended.
    pub stopped: Stop,
    /// Wall time of training, in seconds, without embedding the texts.
    pub seconds: f64,
    /// The size of the model.
    pub parameters: Parameters,
    /// How many rows each split had, and the seed that chose them.
    #[serde(flatten, default)]
    pub split: SplitSize,
    /// `loss`, `accuracy` (while training), `val_loss`, `val_pr_auc`, ..., `test_*` where there is
    /// a test split; all of the best epoch.
    pub metrics: BTreeMap<String, f64>,
    /// What the cell was made from and what came out.
    pub digests: Digests,
    /// The device that trained it: `cpu`, `cuda`, `wgpu`.
    pub device: String,
    /// What its rounding may depend on: a processor's widest registers, such as `x86_64 avx2`, or a card's name.
    #[serde(default)]
    pub arithmetic: String,
    /// The version of the computation of training: results of another version are made again.
    pub computation: u32,
    /// How many words of the texts the embedding's table knows; absent where whole texts are encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_words: Option<KnownWords>,
    /// What a person should know of this cell before trusting it; `cells` is empty here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// How many rows a cell was trained, validated and tested on, and the seed that chose them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitSize {
    /// Training rows.
    #[serde(default)]
    pub n_train: usize,
    /// Validation rows, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_valid: Option<usize>,
    /// Test rows, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_test: Option<usize>,
    /// The seed of the hash that placed the rows; that of the repeat, where there are repeats.
    #[serde(default)]
    pub split_seed: u64,
}

/// How many words of the texts an embedding's table knows: of all texts, and of each split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownWords {
    /// Of the texts of all splits.
    #[serde(flatten)]
    pub all: KnownShare,
    /// Of the texts of each split.
    #[serde(flatten)]
    pub splits: Splits<KnownShare>,
}

/// How many words of some texts an embedding's table knows, as shares from 0 to 1.
///
/// A word is a token, as the source cuts texts, that holds a letter or a digit; of a source with pieces of words, any
/// token. A word is known if the table has a row for it that no other word shares by chance: a bucket for
/// out-of-vocabulary words, the row of an unknown token and a vector composed of character n-grams don't count. (Of
/// `hashing`, which has nothing but buckets, every word is known.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownShare {
    /// Known words, as a share of all words; 1 where there is no word.
    pub tokens: f64,
    /// Words that are not known, but have a vector composed of their character n-grams, as a share of all words.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub composed: f64,
    /// Texts without any known word, as a share of all texts.
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

/// Content addresses of a cell's inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digests {
    /// The texts and labels of every split, in order.
    pub data: Digest,
    /// The embedding's content and preprocessing.
    pub embedding: Digest,
    /// The weights of the best epoch.
    pub weights: Digest,
    /// The file of the predictions; absent if they aren't kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Digest>,
}

impl Outcome {
    /// What it was made from.
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
    /// What a finished cell, or one that failed by itself, was made from.
    pub fn made_from(&self) -> Option<MadeFrom> {
        match (&self.outcome, &self.cause) {
            (Some(outcome), _) => Some(outcome.made_from()),
            (None, Some(Cause::Cell(made_from))) => Some(made_from.clone()),
            (None, Some(Cause::Surroundings) | None) => None,
        }
    }
}

/// The rows of one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitRows {
    /// All rows.
    pub rows: usize,
    /// Rows a class, in the order of the classes.
    pub classes: IndexMap<String, usize>,
}

/// How the positive class of a binary task was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// By `data.positive` in the pipeline file.
    Setting,
    /// By its name, which says yes (`1`, `true`, `yes`, ...) where the other's doesn't.
    Name,
    /// By its rows, which are fewer than the other's in all files together.
    Minority,
    /// By its place: both have equally many rows, and it is the last in order.
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

/// What was read, and how it was divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// What the labels ask.
    pub task: Task,
    /// The names of the classes; binary: negative, positive.
    pub classes: Vec<String>,
    /// The class that F1, precision, recall, PR-AUC and the threshold are of; binary tasks alone have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// How that class was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_by: Option<ChosenBy>,
    /// Rows per split and class.
    pub splits: Splits<SplitRows>,
    /// The accuracy of always answering the most frequent class of the training rows (multi-label:
    /// of answering each class by its majority), per split.
    pub majority_accuracy: Splits<f64>,
    /// Rows read from the files, before anything was left out.
    pub rows_read: usize,
    /// Rows left out because their text was empty.
    pub empty_texts: usize,
    /// Rows left out because their label was missing.
    pub missing_labels: usize,
    /// Rows whose normalised text had occurred before: left out, unless `duplicates_kept`.
    pub duplicate_texts: usize,
    /// Whether such rows were kept, as `data.duplicates = "keep"` says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub duplicates_kept: bool,
    /// Rows left out because their text stands in the file of a more protected split: test before validation before training.
    #[serde(default)]
    pub shared_texts: usize,
    /// Rows left out because their group (`data.group`) stands in the file of a more protected split, though their text doesn't.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub shared_groups: usize,
    /// Validation and test rows whose label no training row has: left out, or counted as wrong, as
    /// `data.unknown_labels` says.
    #[serde(default)]
    pub unknown_labels: usize,
    /// Normalised texts that carry different labels in different rows.
    pub conflicting_labels: usize,
    /// What a person should know of the data before trusting a result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Data {
    /// The positive class and how it was chosen, in words; none unless the task is binary.
    pub fn positive_in_words(&self) -> Option<String> {
        let (class, by) = (self.positive.as_ref()?, self.positive_by?);
        Some(format!("{class} ({by})"))
    }

    /// What PR-AUC of a split is for scores that mean nothing: the share of positive rows; with several classes, the mean
    /// of their shares, over those that the split has rows of.
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

/// Combinations of the grid that are left out for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Why, and what to do about it.
    pub reason: String,
    /// How many there are.
    pub combinations: usize,
    /// The values that all of them share, by the dotted key of their axis.
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
    /// The data of the cells that share the pipeline's own split.
    pub data: Data,
    /// Every cell of the grid, in the order of the plan.
    pub cells: Vec<Cell>,
    /// Combinations of the grid that can't be done, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The warnings of the data, then those of the cells, equal ones merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Summary {
    /// Whether any cell knows how many words its embedding knows.
    pub fn knows_words(&self) -> bool {
        self.cells.iter().filter_map(|cell| cell.outcome.as_ref()).any(|outcome| outcome.known_words.is_some())
    }

    /// Gathers the warnings of data and cells.
    pub fn gather_warnings(data: &Data, cells: &[Cell]) -> Vec<Warning> {
        let of_cells = cells.iter().filter_map(|cell| {
            let outcome = cell.outcome.as_ref()?;
            Some((cell.id.as_str(), outcome.warnings.as_slice()))
        });
        let merged = crate::warning::merge(of_cells);
        data.warnings.iter().cloned().chain(merged).collect()
    }
}
