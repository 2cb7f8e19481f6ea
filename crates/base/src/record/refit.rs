//! `refit/result.json`: the best setting of a run, trained once more on all rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digests;
use crate::Digest;
use crate::number::{counted, fixed, grouped};

/// A model of all rows, and what it was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refit {
    /// The version of all files of a run folder.
    pub version: u32,
    /// The label of the setting.
    pub setting: String,
    /// The replicates that gave the number of epochs and the threshold, in the order of the plan.
    pub cells: Vec<RefitCell>,
    /// How many rows trained: all of them.
    pub rows: usize,
    /// How many epochs: the median of the best epochs of the replicates.
    pub epochs: u32,
    /// From which probability on a text is positive; binary tasks alone have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RefitThreshold>,
    /// The scores of the training rows after the last epoch: nothing else was left to measure.
    pub metrics: BTreeMap<String, f64>,
    /// Of its inputs and weights.
    pub digests: Digests,
    /// What it was trained on: `cpu`, `cuda`, ...
    pub device: String,
    /// How that rounds.
    pub arithmetic: String,
    /// The version of the computation.
    pub computation: u32,
    /// Wall time of training, in seconds.
    pub seconds: f64,
}

/// A replicate of the setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefitCell {
    /// Its id.
    pub id: String,
    /// Its weights.
    pub weights: Digest,
    /// Its best epoch.
    pub best_epoch: u32,
}

/// A threshold, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefitThreshold {
    /// The probability.
    pub value: f64,
    /// Where it comes from.
    pub from: ThresholdOrigin,
    /// How many scores of rows it was chosen on.
    pub rows: usize,
}

/// Where a threshold comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdOrigin {
    /// F1 is best there on the test rows of all folds together.
    PooledTest,
    /// F1 is best there on the validation rows of all replicates together.
    PooledValid,
    /// It is the median of the replicates' thresholds: not all of them have kept their predictions.
    Median,
    /// An even chance: there are no validation rows.
    Even,
}

impl std::fmt::Display for Refit {
    /// What the model is, as a phrase.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setting, rows, epochs, .. } = self;
        let epochs = counted(*epochs as usize, "epoch");
        write!(f, "refit of setting {setting} on all {} rows, {epochs}", grouped(*rows as u64))?;
        self.threshold.as_ref().map_or(Ok(()), |threshold| write!(f, ", threshold {}", fixed(threshold.value, 4)))
    }
}
