//! Who hears of a run's progress.

use std::io::Write;

use emberline_base::record;
use emberline_embedding::encode::Event;

use crate::plan::LeftOut;

/// Told of the run's progress, by the threads that train.
pub trait Observer: Send {
    /// Only cells are left that other processes work on: this one waits for them.
    fn waits(&mut self, cells: usize);
    /// Something went wrong that costs time, not results.
    fn warns(&mut self, message: &str);
    /// The data of the first cell have been read and divided: what a person should know of them first.
    fn data(&mut self, data: &record::Data);
    /// Some combinations are left out.
    fn left_out(&mut self, left_out: &[LeftOut]);
    /// So many cells are to be trained, at most `at_once` at a time.
    fn starts(&mut self, cells: usize, at_once: usize);
    /// The turn of this cell has come: its texts are embedded, then it is trained. The first has the number 1.
    fn begins(&mut self, number: usize, id: &str);
    /// A neural encoder, by its name in the pipeline, works on the texts of the cell that began.
    fn encoding(&mut self, embedding: &str, event: &Event);
    /// The cell with that number has ended, well or not.
    fn ended(&mut self, number: usize, cell: &record::Cell, data: &record::Data);
    /// Where the callbacks of a cell print their progress.
    fn terminal(&mut self, id: &str) -> Box<dyn Write>;
}

/// An observer that keeps quiet.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn waits(&mut self, _: usize) {}
    fn warns(&mut self, _: &str) {}
    fn data(&mut self, _: &record::Data) {}
    fn left_out(&mut self, _: &[LeftOut]) {}
    fn starts(&mut self, _: usize, _: usize) {}
    fn begins(&mut self, _: usize, _: &str) {}
    fn encoding(&mut self, _: &str, _: &Event) {}
    fn ended(&mut self, _: usize, _: &record::Cell, _: &record::Data) {}

    fn terminal(&mut self, _: &str) -> Box<dyn Write> {
        Box::new(std::io::sink())
    }
}
