//! Where cells are run: an [`Executor`] takes the cells of a [`Job`] and sees to it that each leaves its record in the run folder.
//!
//! | executor | cells run |
//! |---|---|
//! | [`Local`] | on threads of this process, in packs on a GPU |
//! | [`Subprocess`] | in processes of their own, so that one that dies takes no other along |
//!
//! An executor needs to know little: which cells there are, where their records come to lie, and whom to tell. Results are
//! taken from the run folder, whoever put them there, so that an executor of another machine needs no way back.

pub(super) mod local;
mod packs;
mod subprocess;

use std::sync::{Mutex, MutexGuard};

pub use self::local::Local;
pub use self::subprocess::Subprocess;
use super::locked;
use super::runner::Runner;
use crate::Error;
use crate::inputs::Inputs;
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// Runs the cells of a job somewhere.
pub trait Executor {
    /// Runs cells; returns when each has ended, or no more should be started.
    ///
    /// # Errors
    /// When cells can't be run, or records not be written. A cell that fails is no error: its record says so.
    fn execute(&self, job: &Job<'_>) -> Result<(), Error>;
}

/// The cells to run, where, and who hears of it.
pub struct Job<'j> {
    cells: Vec<&'j Cell>,
    runner: &'j Runner<'j>,
    inputs: Mutex<Inputs>,
}

impl<'j> Job<'j> {
    pub(super) fn new(cells: Vec<&'j Cell>, runner: &'j Runner<'j>, inputs: Inputs) -> Self {
        Self { cells, runner, inputs: Mutex::new(inputs) }
    }

    /// The cells to run, in order: those that share data and embedding are neighbours.
    pub fn cells(&self) -> &[&'j Cell] {
        &self.cells
    }

    /// Where records come to lie.
    pub fn folder(&self) -> &RunFolder {
        self.runner.folder()
    }

    /// Returns false once no more cells should be started: the run was interrupted, or a cell failed under `fail_fast`.
    pub fn should_continue(&self) -> bool {
        self.runner.should_continue()
    }

    /// Tells the observer that the cells are started now, at most `at_once` at a time.
    pub fn starts(&self, at_once: usize) {
        locked(&self.runner.observer).starts(self.cells.len(), at_once);
    }

    /// Tells the observer of something that costs time, not results.
    pub fn warn(&self, message: &str) {
        locked(&self.runner.observer).warns(message);
    }

    /// Takes over the record that a cell has left in the run folder since the run began, tells the observer, and returns
    /// whether there was one.
    pub fn take_outcome(&self, cell: &Cell) -> bool {
        self.runner.take_outcome(cell, &mut self.inputs())
    }

    fn inputs(&self) -> MutexGuard<'_, Inputs> {
        locked(&self.inputs)
    }

    pub(super) fn into_inputs(self) -> Inputs {
        self.inputs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
