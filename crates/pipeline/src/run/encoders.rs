//! Removes the weights of fine-tuned encoders that aren't kept, when a run is finished: they take as much space as the encoder
//! itself, cell after cell, and only then is it known which cell is chosen.

use emberline_report::Run;

use crate::Error;
use crate::plan::Plan;
use crate::run_folder::RunFolder;
use crate::settings::KeepEncoders;

/// Removes the encoders of the plan's cells, except those that are kept.
///
/// # Errors
/// If the summary can't be read, or a file can't be removed.
pub(super) fn remove_unkept(plan: &Plan, folder: &RunFolder, keep: KeepEncoders) -> Result<(), Error> {
    let mut tuned = plan.cells.iter().filter(|cell| cell.source().1.fine_tuning().is_some()).peekable();
    if tuned.peek().is_none() || keep == KeepEncoders::All {
        return Ok(());
    }
    let chosen = match keep {
        KeepEncoders::Chosen => Run::load(folder.path())?.best_cell().map(|cell| cell.id.clone()),
        KeepEncoders::All | KeepEncoders::None => None,
    };
    Ok(tuned.filter(|cell| chosen.as_ref() != Some(&cell.id)).try_for_each(|cell| folder.remove_encoder(&cell.id))?)
}
