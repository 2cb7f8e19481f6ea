//! The outcome of verifying a lock: how cells and the refit that were trained again compare with the recorded results.

use std::collections::BTreeSet;

use emberline_base::record::{self, Expected};
use serde::Serialize;

use super::Lock;
use super::compare::Difference;
use super::stale::StaleInput;
use crate::inputs::Encoded;

/// The outcome of `verify`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Differences in the inputs. If there are any, nothing was trained.
    pub inputs: Vec<StaleInput>,
    /// Which cells were to be trained again.
    pub selected: Selected,
    /// The cells that were trained again, in the order of the plan.
    pub cells: Vec<VerifiedCell>,
    /// The refit, if the lock has one and it was trained again. It depends on all cells, so it is left out if only some
    /// of them were named, sampled or in the shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit: Option<VerifiedCell>,
    /// What became of the published number that the pipeline expects; `None` if it expects none, or only some cells were trained
    /// again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// How far a metric may be off on another kind of device than the lock was made on.
    pub tolerance: f64,
    /// The kinds of devices that trained, such as `cpu x86_64 avx2`.
    pub devices: BTreeSet<String>,
    /// Whether verification was interrupted before it had finished.
    pub interrupted: bool,
    /// The number of texts that were encoded again or taken from the cache.
    pub encoded: Encoded,
}

/// The cells that were selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// Their ids, in the order of the plan.
    pub cells: Vec<String>,
    /// The number of all cells.
    pub of: usize,
    /// The hash that drew them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// The number of cells that were drawn, before they were shared out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// The share, such as `2/5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

impl Verified {
    /// Returns every model that was trained again: the cells, then the refit.
    pub fn models(&self) -> impl Iterator<Item = &VerifiedCell> {
        self.cells.iter().chain(&self.refit)
    }

    /// Returns whether everything that was trained again is what the lock says, and nothing was left out.
    pub fn holds(&self) -> bool {
        let is_expected = self.expected.as_ref().is_none_or(|expected| expected.holds);
        self.inputs.is_empty()
            && !self.interrupted
            && is_expected
            && self.models().all(|model| model.differences.is_empty())
    }
}

/// The outcome of verifying one cell, or the refit.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedCell {
    /// The cell's id, or `refit`.
    pub id: String,
    /// How the cell was compared with the lock.
    pub proof: Proof,
    /// Differences between the lock and the new result.
    pub differences: Vec<Difference>,
    /// Wall time of the training, in seconds.
    pub seconds: f64,
}

/// How a cell was compared with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Byte for byte, because the lock was made on the same kind of device.
    Bytes,
    /// By its metrics within the tolerance, because the lock was made on another kind of device.
    Tolerance,
}

impl Lock {
    /// Compares a cell that was trained again; `None` if the lock hasn't got it.
    pub(crate) fn verified(&self, cell: &record::Cell) -> Option<VerifiedCell> {
        let (differences, to_the_byte) = self.compare_result(cell)?;
        Some(VerifiedCell {
            id: cell.id.clone(),
            proof: if to_the_byte { Proof::Bytes } else { Proof::Tolerance },
            differences,
            seconds: cell.outcome.as_ref().map_or(0.0, |outcome| outcome.seconds),
        })
    }

    /// Returns the hash that draws a sample if the verifier gives none: that of the lines of the lock, in their order.
    pub(crate) fn own_hash(&self) -> String {
        emberline_base::file::sha256(self.to_text().as_bytes())
    }
}
