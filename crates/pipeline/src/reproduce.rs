//! Makes the lock of a finished run, and verifies a lock: trains its cells and its refit again, and compares the results
//! with the recorded ones.

use emberline_base::record::{self, Status};
use emberline_device::Device;

use crate::Error;
use crate::inputs::Inputs;
use crate::lock::{Lock, Verified};
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Observer, Options, RefitDecision, RefitState, State, groups, no_cells, run, state, summary_of};
use crate::run_folder::RunFolder;

/// Makes the lock of a finished run. `tolerance` is how far a metric may be off on another kind of device.
///
/// # Errors
/// When cells or the refit are left to run, an input can't be read, or the records are damaged.
pub fn lock(pipeline: &Pipeline, folder: &RunFolder, tolerance: f64) -> Result<Lock, Error> {
    folder.check(&pipeline.file)?;
    let plan = Plan::of(pipeline);
    if plan.cells.is_empty() {
        return Err(no_cells(&plan));
    }
    let mut lock = Lock::without_cells(pipeline, tolerance);
    // The digest of an input doesn't depend on the device.
    let mut inputs = Inputs::new(pipeline.folder.clone(), Device::Cpu, None);
    let (mut pending, mut records) = (Vec::new(), Vec::new());
    for at in groups(&plan).into_iter().flat_map(|group| group.cells) {
        let cell = &plan.cells[at];
        match state(&mut inputs, folder, cell) {
            (State::Done | State::Failed(_), Some(record)) => {
                lock.add(cell, &record, &mut inputs)?;
                records.push(record);
            }
            (state, _) => pending.push((cell.id.clone(), state)),
        }
    }
    if !pending.is_empty() {
        return Err(Error::WorkPending(pending));
    }
    if pipeline.settings.asks_for_refit() {
        add_refit(&mut lock, pipeline, &plan, folder, records, &mut inputs)?;
    }
    Ok(lock.sealed())
}

/// Adds the refit, which must exist and be made of the results in `records`.
fn add_refit(
    lock: &mut Lock,
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    records: Vec<record::Cell>,
    inputs: &mut Inputs,
) -> Result<(), Error> {
    let data = inputs.data(&plan.cells[0])?.dataset.data.clone();
    let mut summary = summary_of(pipeline, plan, &data, records);
    // The answer may name the setting that was refitted.
    summary.answer = Some(pipeline.settings.question().answer(&summary, folder.path(), folder.answer().as_ref())?);
    let decided = RefitDecision::by(plan, &summary)?;
    match decided.state(folder, inputs)? {
        RefitState::Made(refit) => {
            lock.add_refit(&refit, &decided.cell);
            Ok(())
        }
        state => Err(Error::RefitPending(state)),
    }
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
    let expected = outline.summary.expected.filter(|_| options.only.is_empty());
    Ok(Verified { inputs: Vec::new(), cells, refit, expected, interrupted, encoded })
}
