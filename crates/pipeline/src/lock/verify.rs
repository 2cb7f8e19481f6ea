//! Verifies a lock: trains its cells and its refit again, and compares the results with the recorded ones.

use emberline_base::Substream;
use emberline_base::record::{self, Status};
use serde::Serialize;

use super::Lock;
use super::compare::Difference;
use crate::Error;
use crate::inputs::Encoded;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Observer, Options, run};
use crate::run_folder::RunFolder;

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

/// Trains cells of a lock again in a folder, and compares the results: the cells that `options` name, or a random
/// sample, or else all of them and the refit.
///
/// # Errors
/// Those of [`run`](crate::run()).
pub fn verify(
    pipeline: &Pipeline,
    lock: &Lock,
    sample: Option<usize>,
    folder: &RunFolder,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Verified, Error> {
    let plan = Plan::of(pipeline);
    let only = match sample {
        Some(count) => lock.sample(&plan, count),
        None => options.only.clone(),
    };
    let options = Options { only, force: true, locked: Some(lock.clone()), ..options };
    let outline = match run(pipeline, folder, &options, observer) {
        Err(Error::Stale(inputs)) => return Ok(Verified { inputs, ..Verified::default() }),
        outline => outline?,
    };
    let asked = |cell: &&record::Cell| options.asks_for(&cell.id);
    let ended = outline.summary.cells.iter().filter(|cell| cell.status != Status::Pending).filter(asked);
    let cells = ended.filter_map(|cell| lock.verified(cell)).collect();
    let refit = outline.refit.as_ref().and_then(|refit| lock.verified_refit(&plan, refit));
    let (interrupted, encoded) = (outline.interrupted, outline.encoded);
    Ok(Verified { inputs: Vec::new(), cells, refit, interrupted, encoded })
}

impl Lock {
    /// Draws `count` cells, in the order of the plan. The checksum is the seed, so the same lock gives the same sample.
    fn sample(&self, plan: &Plan, count: usize) -> Vec<String> {
        let mut positions: Vec<usize> = (0..plan.cells.len()).collect();
        let seed = u64::from_str_radix(self.checksum.get(..16).unwrap_or_default(), 16).unwrap_or_default();
        Substream::new(seed, "lock/sample").shuffle(&mut positions);
        positions.truncate(count);
        positions.sort_unstable();
        positions.into_iter().map(|at| plan.cells[at].id.clone()).collect()
    }

    fn verified(&self, cell: &record::Cell) -> Option<VerifiedCell> {
        let (differences, to_the_byte) = self.compare_result(cell)?;
        Some(VerifiedCell {
            id: cell.id.clone(),
            proof: if to_the_byte { Proof::Bytes } else { Proof::Tolerance },
            differences,
            seconds: cell.outcome.as_ref().map_or(0.0, |outcome| outcome.seconds),
        })
    }
}
