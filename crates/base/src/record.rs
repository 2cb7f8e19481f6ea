//! The records of a run: the epochs and the result of each cell, and the summary of the whole run.
//!
//! These types define `summary.json` and `cells/<cell>/result.json` (`schemas/summary.schema.json` is generated from
//! them). Reports are rendered from these records alone.

pub mod answer;
mod baselines;
mod cell;
mod contrastive;
mod convergence;
mod data;
mod execution;
mod expected;
mod fit;
mod invocation;
mod known_words;
mod refit;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::answer::Answer;
pub use self::baselines::{Baseline, BaselineScores, Baselines};
pub use self::cell::{Cause, Cell, MadeFrom};
pub use self::contrastive::Contrastive;
pub use self::convergence::Convergence;
pub use self::data::{ChosenBy, Data, SplitRows};
pub use self::execution::{Execution, Exit};
pub use self::expected::Expected;
pub use self::fit::FitEvidence;
pub use self::invocation::Invocation;
pub use self::known_words::{KnownShare, KnownWords};
pub use self::refit::{Refit, RefitCell, RefitThreshold, ThresholdOrigin};
use crate::{Digest, Scores, Warning};

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
    /// L-BFGS has converged.
    Converged,
    /// L-BFGS ended before it converged: after `max_iterations`, or because rounding let no step improve the objective.
    NotConverged,
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

/// The results of a finished cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The dimension of a text's vector.
    pub dim: usize,
    /// The bytes that a text's vector takes as it is stored (`quantize`); absent in records of earlier versions, whose numbers
    /// have 32 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_text: Option<u64>,
    /// The bytes of the embedding's whole table, in 32 bits and with rows of `dim` numbers; absent for an encoder of whole
    /// texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_bytes: Option<u64>,
    /// The bytes of the weights of a fine-tuned encoder that training changed, of LoRA its two matrices per map; absent if no
    /// encoder was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_bytes: Option<u64>,
    /// The number of epochs that were trained.
    pub epochs: u32,
    /// The epoch whose weights are kept and evaluated, counted from 1.
    pub best_epoch: u32,
    /// The reason why training ended.
    pub stopped: Stop,
    /// How a fit by L-BFGS ended; absent for other optimisers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convergence: Option<Convergence>,
    /// How the encoder was trained on pairs of texts before the head; absent if it wasn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrastive: Option<Contrastive>,
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
    /// What the validation rows say about the fit besides its metrics; absent without validation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitEvidence>,
    /// The warnings of this cell; `cells` is empty in each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The number of rows of each split of a cell, and the seed of the split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The digest of the validation rows, if there is a validation split: the name of their file in `inputs/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_rows: Option<Digest>,
    /// The digest of the test rows, if there is a test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_rows: Option<Digest>,
    /// The seed of the hash that assigns rows to splits; the seed of the repeat if there are repeats.
    #[serde(default)]
    pub split_seed: u64,
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
    /// How the command line changed the pipeline file; absent if it didn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Invocation>,
    /// The grid's axes with their values, by dotted key, in the order of the file.
    pub axes: IndexMap<String, Vec<serde_json::Value>>,
    /// The dataset, with the pipeline's own split.
    pub data: Data,
    /// Every cell of the grid, in the order of the plan.
    pub cells: Vec<Cell>,
    /// Which setting is best, and what may be claimed of it; absent while a run is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The published number that the pipeline expects, and what the run came to; absent unless `[expect]` names one and all cells are
    /// done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// The baselines on the rows of the cells, one entry for each different set of rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baselines>,
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
