//! The interface between the scheduler, which decides when cells are prepared and trained, and the run, which does both.

use emberline_base::catch_panic;
use emberline_train::Shape;

use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;
use crate::run_folder::Lock;

/// A cell with its inputs, ready to be trained. Numbers count the cells of a run from 1.
pub(super) struct PreparedCell<'c> {
    pub(super) number: usize,
    pub(super) cell: &'c Cell,
    /// The lock that keeps other processes from training the cell.
    pub(super) lock: Lock,
    pub(super) prepared: Result<Prepared, Error>,
}

/// What the scheduler calls to claim, prepare and train cells.
pub(super) trait Work<'c>: Sync {
    /// Returns false once the run should stop starting cells.
    fn should_continue(&self) -> bool;

    /// Claims a cell for this process, or returns `None` if another process works on it or has run it meanwhile.
    fn claim(&self, cell: &'c Cell, inputs: &mut Inputs) -> Option<Lock>;

    /// Announces that the cell's inputs are prepared next.
    fn begins(&self, number: usize, cell: &Cell);

    /// Prepares the cell's inputs.
    ///
    /// # Errors
    /// If they can't be prepared: then the cell fails.
    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error>;

    /// Returns what cells must share to be trained together with this one, or `None` if it is trained alone.
    fn shape(&self, ready: &PreparedCell<'_>) -> Option<Shape>;

    /// Trains cells of one shape together, and returns whether more cells may follow.
    ///
    /// # Errors
    /// If a record can't be written, since no later one could be.
    fn train(&self, pack: &[PreparedCell<'_>]) -> Result<bool, Error>;
}

/// Runs `attempt` and turns a panic into the failure of that cell, so that it doesn't cost the others.
pub(super) fn catch_cell_panic<T>(attempt: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_panic(attempt).unwrap_or_else(|panic| Err(Error::Panic(panic)))
}
