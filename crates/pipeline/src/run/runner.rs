//! The state of a run: claims and runs cells, takes over what other processes have run, and keeps the records.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use emberline_base::record::{self, Epoch, Status, Summary};
use emberline_report::Question;
use emberline_train::Shape;
use emberline_train::callback::PairProgress;

use super::baselines::BaselineRunner;
use super::crash_markers::SortedCells;
use super::locked::locked;
use super::observer::{Observer, Stage};
use super::options::{Options, Scope};
use super::records::Records;
use super::schedule::{Concurrency, execute};
use super::sharing::Sharing;
use super::survey::{State, state};
use super::trainer::{Listener, Trainer};
use super::work::{PreparedCell, Work};
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;
use crate::run_folder::{Lock, RunFolder};
use crate::settings::Expect;

/// Time between two looks at the cells that other processes work on.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A run in progress, shared by the threads that train.
pub(super) struct Runner<'a> {
    /// The data of the first cell.
    pub(super) data: record::Data,
    pub(super) trainer: Trainer<'a>,
    /// The cell cache, if there is one.
    pub(super) sharing: Option<Sharing<'a>>,
    pub(super) observer: Mutex<&'a mut dyn Observer>,
    pub(super) records: Mutex<Records<'a>>,
    /// Cells that another process works on.
    pub(super) busy: Mutex<Vec<&'a Cell>>,
    /// Whether a cell has failed under `fail_fast`, which ends the run.
    pub(super) has_failed: AtomicBool,
    pub(super) tally: Tally,
}

/// The number of cells that have ended since the run began.
#[derive(Default)]
pub(super) struct Tally {
    /// Cells that this run has trained.
    pub(super) trained: AtomicUsize,
    /// Cells that other runs have trained meanwhile.
    pub(super) elsewhere: AtomicUsize,
    /// Cells that subprocesses of this run have finished.
    taken: AtomicUsize,
}

impl Tally {
    fn next_number(&self) -> usize {
        self.taken.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<'a> Runner<'a> {
    /// Runs the cells. Those that another process works on come last: each is taken over if that process has ended
    /// without leaving a record.
    pub(super) fn run(&self, concurrency: Concurrency, cells: Vec<&'a Cell>, inputs: &mut Inputs) -> Result<(), Error> {
        let (mut cells, mut number, mut has_waited) = (cells, 1, false);
        loop {
            let sorted = self.sort(cells);
            if !self.run_sorted(concurrency, &sorted, &mut number, inputs)? {
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

    /// Waits until another process has left one of the cells.
    fn wait_for_any(&self, cells: &[&Cell]) {
        while self.should_continue() && cells.iter().all(|cell| self.folder().is_locked(&cell.id)) {
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Runs cells. Those that may have killed a process come last, one at a time, so that all others are done before.
    /// Returns whether more cells may follow.
    fn run_sorted(
        &self,
        concurrency: Concurrency,
        cells: &SortedCells<'a>,
        number: &mut usize,
        inputs: &mut Inputs,
    ) -> Result<bool, Error> {
        let SortedCells { usual, alone, given_up } = cells;
        let one_at_a_time = Concurrency { jobs: 1, pack: 1 };
        let may_continue =
            execute(concurrency, number, usual, inputs, self)? && execute(one_at_a_time, number, alone, inputs, self)?;
        for (cell, times) in given_up.iter().take_while(|_| may_continue && self.should_continue()) {
            if let Some(lock) = self.claim(cell, inputs) {
                self.begins(*number, cell);
                let record = self.trainer.give_up(cell, &lock, *times)?;
                locked(&self.observer).ended(*number, &record.cell, &self.data);
                self.keep(record.attempt, record.cell)?;
                *number += 1;
            }
        }
        Ok(may_continue)
    }

    /// Adds a record of this process, and writes the summary if the last one is old enough.
    fn keep(&self, attempt: Option<u32>, record: record::Cell) -> Result<(), Error> {
        self.count(&record);
        let mut records = locked(&self.records);
        if let Some(attempt) = attempt {
            let id = record.id.clone();
            records.note(&id, Some(attempt), Some(record));
        }
        if self.options().scope == Scope::Cells { Ok(()) } else { records.write_now_and_then(self.folder()) }
    }

    /// Returns a summary of the records that are known here, without an answer; it isn't written.
    pub(super) fn known(&self) -> Summary {
        locked(&self.records).summary()
    }

    /// Adds the baselines on the rows of the cells that are done.
    pub(super) fn add_baselines(&self, inputs: &mut Inputs) {
        let (plan, cells) = locked(&self.records).merged(self.folder());
        let warn = &mut |message: &str| locked(&self.observer).warns(message);
        let mut runner = BaselineRunner { folder: self.folder(), options: self.options(), inputs, warn };
        let baselines = runner.run(plan, &cells);
        locked(&self.records).set_baselines(baselines);
    }

    /// Notifies the observer of what the run does beside training cells.
    pub(super) fn stage(&self, stage: Stage) {
        locked(&self.observer).stage(stage);
    }

    /// Writes the final summary, with the answer.
    pub(super) fn summarise(&self, question: &Question, expect: Option<&Expect>) -> Result<Summary, Error> {
        locked(&self.records).write_answered(self.folder(), question, expect)
    }

    pub(super) fn folder(&self) -> &'a RunFolder {
        self.trainer.folder
    }

    pub(super) fn options(&self) -> &'a Options {
        self.trainer.options
    }

    /// Returns false once the run should stop starting cells.
    pub(super) fn should_continue(&self) -> bool {
        !self.options().interrupt.is_cancelled() && !self.has_failed.load(Ordering::Relaxed)
    }

    fn sort<'c>(&self, cells: Vec<&'c Cell>) -> SortedCells<'c> {
        self.trainer.markers.sort(cells, self.options().retry_failed || self.options().force)
    }

    /// Returns the cells at which processes haven't vanished repeatedly.
    pub(super) fn usual<'c>(&self, cells: &[&'c Cell]) -> Vec<&'c Cell> {
        self.sort(cells.to_vec()).usual
    }

    /// Takes over the record that a process of this run has left in the run folder. Returns whether there was one.
    pub(super) fn take_outcome(&self, cell: &Cell, inputs: &mut Inputs) -> bool {
        let Some(record) = self.newer_record(cell, inputs) else { return false };
        let data = inputs.data(cell).map_or_else(|_| self.data.clone(), |data| data.dataset.data.clone());
        let number = self.tally.next_number();
        let mut observer = locked(&self.observer);
        observer.begins(number, &cell.id);
        observer.ended(number, &record, &data);
        drop(observer);
        self.count(&record);
        if self.options().scope != Scope::Cells {
            // An error is reported when the final summary is written.
            let _ = locked(&self.records).write_now_and_then(self.folder());
        }
        true
    }

    /// Counts a record of this run. A failure ends the run under `fail_fast`.
    fn count(&self, record: &record::Cell) {
        match record.status {
            Status::Done => drop(self.tally.trained.fetch_add(1, Ordering::Relaxed)),
            Status::Failed if self.options().fail_fast => self.has_failed.store(true, Ordering::Relaxed),
            Status::Failed | Status::Pending => {}
        }
    }

    /// Returns the record of a cell that another process has run since the cell was last looked at, and stores it.
    /// Returns `None` if there is no such record, or it isn't valid.
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
            // The error is reported when the attempt begins.
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
        for ready in pack.iter().filter(|ready| ready.prepared.is_ok()) {
            locked(&self.observer).trains(&ready.cell.id);
        }
        let recorded = self.trainer.train(pack, self)?;
        for (ready, recorded) in pack.iter().zip(recorded) {
            let data = ready.prepared.as_ref().map_or(&self.data, |prepared| &prepared.data.dataset.data);
            locked(&self.observer).ended(ready.number, &recorded.cell, data);
            if let Some(sharing) = &self.sharing {
                sharing.offer(ready.cell, &recorded.cell, false, &mut |message: &str| self.warn(message));
            }
            self.keep(recorded.attempt, recorded.cell)?;
        }
        Ok(self.should_continue())
    }
}

impl Listener for Runner<'_> {
    fn terminal(&self, cell: &Cell) -> Box<dyn Write> {
        locked(&self.observer).terminal(&cell.id)
    }

    fn epoch(&self, cell: &Cell, epoch: &Epoch) {
        locked(&self.observer).epoch(&cell.id, epoch);
    }

    fn pairs(&self, cell: &Cell, progress: &PairProgress) {
        locked(&self.observer).pairs(&cell.id, progress);
    }

    fn warn(&self, message: &str) {
        locked(&self.observer).warns(message);
    }
}
