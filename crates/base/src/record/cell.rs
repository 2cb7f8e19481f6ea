//! `cells/<cell>/result.json`: the record of one cell, and the cause of its failure if it failed.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Status};
use crate::Digest;

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
