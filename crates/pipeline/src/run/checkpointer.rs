//! Saves the checkpoint of a running cell in its folder.
//!
//! A checkpoint is written after an epoch if the last one is old enough: a killed process then loses little, and
//! writing takes only a small share of the time. A cell of a second or less leaves none.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};

use emberline_base::{CancellationToken, file};
use emberline_train::{Checkpoint, CheckpointAction, Checkpointer, Error};

/// Minimum time between two checkpoints.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// A checkpoint is due no sooner than this many times the time that the last one took to write.
const INTERVAL_FACTOR: u32 = 50;

/// The checkpointer of one cell.
pub(super) struct CellCheckpointer<'r> {
    path: PathBuf,
    /// What the checkpoint depends on: settings, inputs and device.
    identity: String,
    interrupt: &'r CancellationToken,
    /// When the next checkpoint is due.
    due: Instant,
    events: CheckpointEvents<'r>,
    /// Whether a checkpoint was skipped for lack of memory.
    skipped: bool,
}

/// Callbacks for the events of a cell's checkpoints.
pub(super) struct CheckpointEvents<'r> {
    /// Called if a checkpoint can't be used or written.
    pub(super) on_warning: Box<dyn Fn(&str) + 'r>,
    /// Called after a checkpoint was written.
    pub(super) on_saved: Box<dyn Fn() + 'r>,
}

impl<'r> CellCheckpointer<'r> {
    pub(super) fn new(
        path: PathBuf,
        identity: String,
        interrupt: &'r CancellationToken,
        events: CheckpointEvents<'r>,
    ) -> Self {
        Self { path, identity, interrupt, due: Instant::now() + MIN_INTERVAL, events, skipped: false }
    }
}

impl Checkpointer for CellCheckpointer<'_> {
    fn resume(&mut self) -> Option<Checkpoint> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            other => other.map_err(|error| error.to_string()),
        };
        let read =
            bytes.and_then(|bytes| Checkpoint::from_bytes(&bytes, &self.identity).map_err(|error| error.to_string()));
        let warn = |why: &String| {
            (self.events.on_warning)(&format!("{}: {why}; the cell starts over", self.path.display()));
        };
        read.inspect_err(warn).ok()
    }

    fn next_action(&mut self) -> CheckpointAction {
        match (self.interrupt.is_cancelled(), Instant::now() >= self.due) {
            (true, _) => CheckpointAction::SaveAndStop,
            (false, true) => CheckpointAction::Save,
            (false, false) => CheckpointAction::Continue,
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let begun = Instant::now();
        file::write_atomic_unflushed(&self.path, &checkpoint.to_bytes(&self.identity)?)?;
        (self.events.on_saved)();
        self.due = Instant::now() + MIN_INTERVAL.max(begun.elapsed() * INTERVAL_FACTOR);
        Ok(())
    }

    fn interrupt(&self) -> Option<CancellationToken> {
        Some(self.interrupt.clone())
    }

    fn on_skip(&mut self, why: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.skipped, true) {
            (self.events.on_warning)(&format!("{}: no checkpoint is written: {why}", self.path.display()));
        }
        self.due = Instant::now() + MIN_INTERVAL;
    }
}
