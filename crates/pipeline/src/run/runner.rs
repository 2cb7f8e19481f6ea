//! A run under way: gives cells their turns, takes over what other processes have run, and keeps the records.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use emberline_base::record::{self, Status, Summary};
use emberline_train::Shape;

use super::crash_markers::Sorted;
use super::executor::local::{Concurrency, PreparedCell, Work, execute};
use super::locked;
use super::observer::Observer;
use super::options::Options;
use super::records::Records;
use super::survey::{State, state};
use super::trainer::{Listener, Trainer};
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;
use crate::run_folder::{Lock, RunFolder};

/// How often cells that other processes work on are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A run under way, shared by the threads that train.
pub(super) struct Runner<'a> {
    /// The data of the first cell.
    pub(super) data: record::Data,
    pub(super) trainer: Trainer<'a>,
    pub(super) observer: Mutex<&'a mut dyn Observer>,
    pub(super) records: Mutex<Records<'a>>,
    /// Cells that another process works on.
    pub(super) busy: Mutex<Vec<&'a Cell>>,
    /// Whether a cell has failed that was to end the run.
    pub(super) has_failed: AtomicBool,
    pub(super) tally: Tally,
}

/// How many cells have been run since the run began.
#[derive(Default)]
pub(super) struct Tally {
    /// By this process, to a result.
    pub(super) trained: AtomicUsize,
    /// By other processes.
    pub(super) elsewhere: AtomicUsize,
    /// Those that have ended in processes of this run.
    taken: AtomicUsize,
}

impl Tally {
    fn next_number(&self) -> usize {
        self.taken.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<'a> Runner<'a> {
    /// Runs the cells. Those that another process works on come last: each is taken over when that process has ended, if it
    /// left no record.
    pub(super) fn run(&self, width: Concurrency, cells: Vec<&'a Cell>, inputs: &mut Inputs) -> Result<(), Error> {
        let (mut cells, mut number, mut has_waited) = (cells, 1, false);
        loop {
            let sorted = self.sort(cells);
            if !self.run_sorted(width, &sorted, &mut number, inputs)? {
                return Ok(());
            }
            cells = std::mem::take(&mut *locked(&self.busy));
            if cells.is_empty() {
                return Ok(());
            }
            if !std::mem::replace(&mut has_waited, true) {
                locked(&self.observer).waits(cells.len());
            }
            self.wait_for_any(&cells);
            self.trainer.markers.count();
        }
    }

    /// Waits until the process that works on one of the cells has left it.
    fn wait_for_any(&self, cells: &[&Cell]) {
        while self.should_continue() && cells.iter().all(|cell| self.folder().is_locked(&cell.id)) {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs cells: those that a process may have vanished at come last, one after the other, so that the others are done
    /// before it vanishes again. Gives whether more may follow.
    fn run_sorted(
        &self,
        width: Concurrency,
        cells: &Sorted<'a>,
        number: &mut usize,
        inputs: &mut Inputs,
    ) -> Result<bool, Error> {
        let Sorted { usual, alone, given_up } = cells;
        let by_itself = Concurrency { jobs: 1, pack: 1 };
        let goes_on = execute(width, number, usual, inputs, self)? && execute(by_itself, number, alone, inputs, self)?;
        for (cell, times) in given_up.iter().take_while(|_| goes_on && self.should_continue()) {
            if let Some(lock) = self.claim(cell, inputs) {
                self.begins(*number, cell);
                let record = self.trainer.give_up(cell, &lock, *times)?;
                locked(&self.observer).ended(*number, &record.cell, &self.data);
                self.keep(record.attempt, record.cell)?;
                *number += 1;
            }
        }
        Ok(goes_on)
    }

    /// Notes a record of this process, and writes the summary now and then.
    fn keep(&self, attempt: Option<u32>, record: record::Cell) -> Result<(), Error> {
        self.count(&record);
        let mut records = locked(&self.records);
        if let Some(attempt) = attempt {
            let id = record.id.clone();
            records.note(&id, Some(attempt), Some(record));
        }
        records.write_now_and_then(self.folder())
    }

    /// Writes the last summary.
    pub(super) fn summarise(&self) -> Result<Summary, Error> {
        locked(&self.records).write(self.folder())
    }

    pub(super) fn folder(&self) -> &'a RunFolder {
        self.trainer.folder
    }

    pub(super) fn options(&self) -> &'a Options {
        self.trainer.options
    }

    /// Returns false once the run should stop starting cells.
    pub(super) fn should_continue(&self) -> bool {
        !self.options().interrupt.is_asked() && !self.has_failed.load(Ordering::Relaxed)
    }

    fn sort<'c>(&self, cells: Vec<&'c Cell>) -> Sorted<'c> {
        self.trainer.markers.sort(cells, self.options().retry_failed || self.options().force)
    }

    /// The cells at which no process has vanished.
    pub(super) fn usual<'c>(&self, cells: &[&'c Cell]) -> Vec<&'c Cell> {
        self.sort(cells.to_vec()).usual
    }

    /// Takes over the record of a cell that a process of this run has left in the run folder; whether there is one.
    pub(super) fn take_outcome(&self, cell: &Cell, inputs: &mut Inputs) -> bool {
        let Some(record) = self.newer_record(cell, inputs) else { return false };
        let data = inputs.data(cell).map_or_else(|_| self.data.clone(), |data| data.dataset.data.clone());
        let number = self.tally.next_number();
        let mut observer = locked(&self.observer);
        observer.begins(number, &cell.id);
        observer.ended(number, &record, &data);
        drop(observer);
        self.count(&record);
        // What can't be written now is written, or told, in the end.
        let _ = locked(&self.records).write_now_and_then(self.folder());
        true
    }

    /// Counts a record of this run; a failure may be the one that ends it.
    fn count(&self, record: &record::Cell) {
        match record.status {
            Status::Done => drop(self.tally.trained.fetch_add(1, Ordering::Relaxed)),
            Status::Failed if self.options().fail_fast => self.has_failed.store(true, Ordering::Relaxed),
            Status::Failed | Status::Pending => {}
        }
    }

    /// The record of a cell that another process has run since it was looked at last, which is noted; none if there is none,
    /// or it doesn't hold.
    fn newer_record(&self, cell: &Cell, inputs: &mut Inputs) -> Option<record::Cell> {
        let folder = self.folder();
        if !locked(&self.records).is_outdated(folder, &cell.id) {
            return None;
        }
        let attempt = folder.attempt_that_counts(&cell.id);
        let (State::Done | State::Failed(_) | State::FailedByChance(_), record) = state(inputs, folder, cell) else {
            return None;
        };
        locked(&self.records).note(&cell.id, attempt, record.clone());
        record
    }
}

impl<'a> Work<'a> for Runner<'a> {
    fn should_continue(&self) -> bool {
        self.should_continue()
    }

    fn claim(&self, cell: &'a Cell, inputs: &mut Inputs) -> Option<Lock> {
        match self.folder().lock_cell(&cell.id) {
            Ok(Some(lock)) if self.newer_record(cell, inputs).is_none() => Some(lock),
            Ok(Some(_)) => {
                self.tally.elsewhere.fetch_add(1, Ordering::Relaxed);
                None
            }
            Ok(None) => {
                locked(&self.busy).push(cell);
                None
            }
            // Whatever keeps the folder from being made is reported when the attempt begins.
            Err(_) => Some(Lock::none()),
        }
    }

    fn begins(&self, number: usize, cell: &Cell) {
        locked(&self.observer).begins(number, &cell.id);
    }

    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error> {
        self.trainer.markers.begin(&cell.id);
        let prepared = inputs.prepare(cell, &mut |event| locked(&self.observer).encoding(cell.embedding(), &event))?;
        let folder = self.folder();
        folder.note_input(&prepared.data.digest, || inputs.data_facts(cell))?;
        folder.note_input(&prepared.digest, || inputs.embedding_facts(cell))?;
        folder.note_learned(&prepared)?;
        folder.note_rows(&prepared.data, self.trainer.report)?;
        folder.note_known_words(&prepared)?;
        Ok(prepared)
    }

    fn shape(&self, ready: &PreparedCell<'_>) -> Option<Shape> {
        self.trainer.shape(ready)
    }

    fn train(&self, pack: &[PreparedCell<'_>]) -> Result<bool, Error> {
        let recorded = self.trainer.train(pack, self)?;
        for (ready, recorded) in pack.iter().zip(recorded) {
            let data = ready.prepared.as_ref().map_or(&self.data, |prepared| &prepared.data.dataset.data);
            locked(&self.observer).ended(ready.number, &recorded.cell, data);
            self.keep(recorded.attempt, recorded.cell)?;
        }
        Ok(self.should_continue())
    }
}

impl Listener for Runner<'_> {
    fn terminal(&self, cell: &Cell) -> Box<dyn Write> {
        locked(&self.observer).terminal(&cell.id)
    }

    fn warn(&self, message: &str) {
        locked(&self.observer).warns(message);
    }
}
