//! Executors: an [`Executor`] runs the cells of a [`Job`], and each cell leaves its record in the run folder.
//!
//! | executor | cells run |
//! |---|---|
//! | [`Local`] | on threads of this process, in packs on a GPU |
//! | [`Subprocess`] | in processes of their own, so that one that dies takes no other along |
//!
//! An executor knows only the list of cells, the run folder and whom to notify. Results are read from the run folder,
//! whoever wrote them, so that an executor that uses other machines needs no way to send them back.

mod local;
mod subprocess;

use std::sync::{Mutex, MutexGuard};

pub use self::local::Local;
pub use self::subprocess::Subprocess;
use super::locked::locked;
use super::queue::Queue;
use super::runner::Runner;
use crate::Error;
use crate::inputs::Inputs;
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// Runs the cells of a job.
pub trait Executor {
    /// Runs the cells. Returns when each has ended, or no more should be started.
    ///
    /// # Errors
    /// If cells can't be run, or records can't be written. A cell that fails is no error: its record says so.
    fn execute(&self, job: &Job<'_>) -> Result<(), Error>;
}

/// The cells to run, with the run folder and the observer.
pub struct Job<'j> {
    cells: Vec<&'j Cell>,
    queue: Queue,
    runner: &'j Runner<'j>,
    inputs: Mutex<Inputs>,
}

impl<'j> Job<'j> {
    pub(super) fn new(cells: Vec<&'j Cell>, queue: Queue, runner: &'j Runner<'j>, inputs: Inputs) -> Self {
        Self { cells, queue, runner, inputs: Mutex::new(inputs) }
    }

    /// Returns the cells to run, in order: cells that share data and embedding follow each other.
    pub fn cells(&self) -> &[&'j Cell] {
        &self.cells
    }

    /// Returns the run folder.
    pub fn folder(&self) -> &RunFolder {
        self.runner.folder()
    }

    /// Returns false once no more cells should be started: the run was interrupted, or a cell failed under `fail_fast`.
    pub fn should_continue(&self) -> bool {
        self.runner.should_continue()
    }

    /// Notifies the observer that training starts, with at most `at_once` cells at a time.
    pub fn starts(&self, at_once: usize) {
        locked(&self.runner.observer).starts(&self.queue, at_once);
    }

    /// Notifies the observer of a problem that costs time but no results.
    pub fn warn(&self, message: &str) {
        locked(&self.runner.observer).warns(message);
    }

    /// Takes over the record that a cell has left in the run folder since the run began, notifies the observer, and
    /// returns whether there was one.
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
