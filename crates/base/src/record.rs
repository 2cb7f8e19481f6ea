//! What a run leaves behind: the epochs and result of each cell, and the summary of them all.
//!
//! These types are the definition of `summary.json` and `cells/<cell>/result.json`
//! (`schemas/summary.schema.json` is generated from them). Reports are made of them alone.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Scores, Splits, Task};

/// The version of the record files; it grows when a reader of the old ones would be misled.
pub const VERSION: u32 = 1;

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
    /// Readable and stable, for example `swivel-20-frozen-s1-3f9a1c2b`.
    pub id: String,
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
}

/// The rows of one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitRows {
    /// All rows.
    pub rows: usize,
    /// Rows a class, in the order of the classes.
    pub classes: IndexMap<String, usize>,
}

/// What was read, and how it was divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// What the labels ask.
    pub task: Task,
    /// The names of the classes; binary: negative, positive.
    pub classes: Vec<String>,
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
    /// Rows whose normalised text had occurred before; equal texts stand in one split alone.
    pub duplicate_texts: usize,
    /// Rows left out because their text stands in the file of a more protected split: test before validation before training.
    #[serde(default)]
    pub shared_texts: usize,
    /// Normalised texts that carry different labels in different rows.
    pub conflicting_labels: usize,
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
}
