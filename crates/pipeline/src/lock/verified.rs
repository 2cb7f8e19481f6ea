//! The outcome of verifying a lock: how cells and the refit that were trained again compare with the recorded results.

use emberline_base::Substream;
use emberline_base::record::{self, Expected};
use serde::Serialize;

use super::Lock;
use super::compare::Difference;
use crate::inputs::Encoded;
use crate::plan::Plan;

/// The outcome of `verify`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Differences in the inputs. If there are any, nothing was trained.
    pub inputs: Vec<Difference>,
    /// The cells that were trained again, in the order of the plan.
    pub cells: Vec<VerifiedCell>,
    /// The refit, if the lock has one and it was trained again. It depends on all cells, so it is left out if only some
    /// of them were named or sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit: Option<VerifiedCell>,
    /// What became of the published number that the pipeline expects; `None` if it expects none, or only some cells were trained
    /// again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Whether verification was interrupted before it had finished.
    pub interrupted: bool,
    /// The number of texts that were encoded again or taken from the cache.
    pub encoded: Encoded,
}

impl Verified {
    /// Returns every model that was trained again: the cells, then the refit.
    pub fn models(&self) -> impl Iterator<Item = &VerifiedCell> {
        self.cells.iter().chain(&self.refit)
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
    /// Draws `count` cells, in the order of the plan. The checksum is the seed, so the same lock gives the same sample.
    pub(crate) fn sample(&self, plan: &Plan, count: usize) -> Vec<String> {
        let mut positions: Vec<usize> = (0..plan.cells.len()).collect();
        let seed = u64::from_str_radix(self.checksum.get(..16).unwrap_or_default(), 16).unwrap_or_default();
        Substream::new(seed, "lock/sample").shuffle(&mut positions);
        positions.truncate(count);
        positions.sort_unstable();
        positions.into_iter().map(|at| plan.cells[at].id.clone()).collect()
    }

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
}
