//! The observer of a run, which is notified of its progress.

use std::fmt;
use std::io::Write;

use emberline_base::record::{self, Epoch};
use emberline_embedding::encode::Event;
use emberline_train::callback::PairProgress;

use super::queue::Queue;
use crate::plan::LeftOut;

/// What a run does before and after the training of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Computes the classifiers that cells are compared with.
    Baselines,
    /// Answers which setting is best, and writes the reports.
    Answer,
    /// Trains the best setting once more, on all rows.
    Refit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baselines => "computing the baselines",
            Self::Answer => "comparing the settings",
            Self::Refit => "training the best setting on all rows",
        })
    }
}

/// Is notified of a run's progress by the threads that train.
pub trait Observer: Send {
    /// Called if only cells are left that other processes work on, and this process waits for them.
    fn waits(&mut self, cells: usize);
    /// Called on a problem that costs time but no results.
    fn warns(&mut self, message: &str);
    /// Called when the data of the first cell have been read and split.
    fn data(&mut self, data: &record::Data);
    /// Called with the combinations that are left out.
    fn left_out(&mut self, left_out: &[LeftOut]);
    /// Called before training starts, with the cells that are to be trained, at most `at_once` at a time.
    fn starts(&mut self, queue: &Queue, at_once: usize);
    /// Called when a cell begins: its texts are embedded, then it is trained. The first cell has the number 1.
    fn begins(&mut self, number: usize, id: &str);
    /// Called while a neural encoder, which has this name in the pipeline file, encodes the texts of the cell that
    /// began.
    fn encoding(&mut self, embedding: &str, event: &Event);
    /// Called when the inputs of a cell are ready and its training begins. A cell that another process of the run trains ends without.
    fn trains(&mut self, id: &str);
    /// Called after each epoch of a cell.
    fn epoch(&mut self, id: &str, epoch: &Epoch);
    /// Called every few steps while the encoder of a cell is trained on pairs, before its first epoch.
    fn pairs(&mut self, id: &str, progress: &PairProgress);
    /// Called when the cell with this number has ended, successfully or not.
    fn ended(&mut self, number: usize, cell: &record::Cell, data: &record::Data);
    /// Called when the run goes on to something other than training cells.
    fn stage(&mut self, stage: Stage);
    /// Returns where the callbacks of a cell print their progress.
    fn terminal(&mut self, id: &str) -> Box<dyn Write>;
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn waits(&mut self, _: usize) {}
    fn warns(&mut self, _: &str) {}
    fn data(&mut self, _: &record::Data) {}
    fn left_out(&mut self, _: &[LeftOut]) {}
    fn starts(&mut self, _: &Queue, _: usize) {}
    fn begins(&mut self, _: usize, _: &str) {}
    fn encoding(&mut self, _: &str, _: &Event) {}
    fn trains(&mut self, _: &str) {}
    fn epoch(&mut self, _: &str, _: &Epoch) {}
    fn pairs(&mut self, _: &str, _: &PairProgress) {}
    fn ended(&mut self, _: usize, _: &record::Cell, _: &record::Data) {}
    fn stage(&mut self, _: Stage) {}

    fn terminal(&mut self, _: &str) -> Box<dyn Write> {
        Box::new(std::io::sink())
    }
}
