//! `refit/result.json`: the record of the refit, that is, the best setting of a run trained once more on all rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digests;
use crate::Digest;
use crate::number::{counted, fixed, grouped};

/// The record of a model that was refitted on all rows, and of the cells that it is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refit {
    /// The format version of the run folder.
    pub version: u32,
    /// The label of the setting.
    pub setting: String,
    /// The replicates from which the number of epochs and the threshold were derived, in the order of the plan.
    pub cells: Vec<RefitCell>,
    /// The number of training rows: all rows of the dataset.
    pub rows: usize,
    /// The number of epochs: the median of the best epochs of the replicates.
    pub epochs: u32,
    /// The decision threshold; only a binary task has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RefitThreshold>,
    /// The metrics of the training rows after the last epoch; no rows are left to validate or test on.
    pub metrics: BTreeMap<String, f64>,
    /// The digests of its inputs and outputs.
    pub digests: Digests,
    /// The device that trained the model: `cpu`, `cuda`, ...
    pub device: String,
    /// The hardware that the rounding of results may depend on.
    pub arithmetic: String,
    /// The version of the training computation.
    pub computation: u32,
    /// Wall time of training in seconds.
    pub seconds: f64,
}

/// A replicate that a refit is based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefitCell {
    /// The id of the cell.
    pub id: String,
    /// The digest of the cell's weights.
    pub weights: Digest,
    /// The best epoch of the cell, counted from 1.
    pub best_epoch: u32,
}

/// A decision threshold, and how it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefitThreshold {
    /// The threshold: a text with at least this probability is positive.
    pub value: f64,
    /// How the threshold was chosen.
    pub from: ThresholdOrigin,
    /// The number of predictions that the threshold was chosen on.
    pub rows: usize,
}

/// How a decision threshold was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdOrigin {
    /// It maximises F1 on the pooled test rows of all folds.
    PooledTest,
    /// It maximises F1 on the pooled validation rows of all replicates.
    PooledValid,
    /// It is the median of the replicates' thresholds, since not all of them kept their predictions.
    Median,
    /// It is 0.5, since there are no validation rows.
    Even,
}

impl std::fmt::Display for Refit {
    /// Describes the model in a phrase.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setting, rows, epochs, .. } = self;
        let epochs = counted(*epochs as usize, "epoch");
        write!(f, "refit of setting {setting} on all {} rows, {epochs}", grouped(*rows as u64))?;
        self.threshold.as_ref().map_or(Ok(()), |threshold| write!(f, ", threshold {}", fixed(threshold.value, 4)))
    }
}
