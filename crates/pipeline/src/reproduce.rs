//! Makes the lock of a finished run, and verifies a lock: trains its cells and its refit again, and compares the results
//! with the recorded ones.

use emberline_base::record::{self, Status};
use emberline_device::Device;

use crate::Error;
use crate::inputs::Inputs;
use crate::lock::{Lock, Selected, Selection, Verified};
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
    let mut lock = Lock::without_cells(pipeline, &plan, tolerance);
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
    Ok(lock)
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

/// Trains cells of a lock again in a folder, and compares the results: the cells that `options` name, or those that
/// `selection` draws, or else all of them and the refit.
///
/// # Errors
/// Those of [`run`](crate::run()).
pub fn verify(
    pipeline: &Pipeline,
    lock: &Lock,
    selection: &Selection,
    folder: &RunFolder,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Verified, Error> {
    let plan = Plan::of(pipeline);
    let selected = selected(&plan, lock, selection, &options.only)?;
    let tolerance = lock.tolerance();
    let only_some = !selection.is_all() || !options.only.is_empty();
    // No cell may be left for a shard; `only` without ids would train all of them.
    if only_some && selected.cells.is_empty() {
        return Ok(Verified { selected, tolerance, ..Verified::default() });
    }
    let only = if only_some { selected.cells.clone() } else { Vec::new() };
    // A proof is a training: what other machines have shared is none.
    let options = Options { only, force: true, cell_cache: None, locked: Some(lock.clone()), ..options };
    let outline = match run(pipeline, folder, &options, observer) {
        Err(Error::Stale(inputs)) => return Ok(Verified { inputs, selected, tolerance, ..Verified::default() }),
        outline => outline?,
    };
    let all_asked = options.asked();
    let asked = |cell: &&record::Cell| all_asked.contains(&cell.id);
    let ended = || outline.summary.cells.iter().filter(|cell| cell.status != Status::Pending).filter(asked);
    let cells = ended().filter_map(|cell| lock.verified(cell)).collect();
    let made_on = |cell: &record::Cell| cell.made_from().map(|made| format!("{} {}", made.device, made.arithmetic));
    let devices = ended().filter_map(made_on).collect();
    let refit = outline.refit.as_ref().and_then(|refit| lock.verified_refit(&plan, refit));
    let (interrupted, encoded) = (outline.interrupted, outline.encoded);
    let expected = outline.summary.expected.filter(|_| options.only.is_empty());
    Ok(Verified { inputs: Vec::new(), selected, cells, refit, expected, tolerance, devices, interrupted, encoded })
}

/// Returns the cells that [`verify`] trains again: those that `only` names, or else those that `selection` draws.
///
/// # Errors
/// If `only` names no cell.
pub fn select_cells(
    pipeline: &Pipeline,
    lock: &Lock,
    selection: &Selection,
    only: &[String],
) -> Result<Selected, Error> {
    selected(&Plan::of(pipeline), lock, selection, only)
}

fn selected(plan: &Plan, lock: &Lock, selection: &Selection, only: &[String]) -> Result<Selected, Error> {
    let Selection { sample, challenge, shard } = selection;
    let cells = match only.is_empty() {
        true => selection.of(plan, || lock.own_hash()),
        false => plan.select(only)?,
    };
    Ok(Selected {
        cells,
        of: plan.cells.len(),
        challenge: challenge.clone(),
        sample: *sample,
        shard: shard.map(|shard| shard.to_string()),
    })
}
