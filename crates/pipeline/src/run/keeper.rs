//! Keeps the checkpoint of a cell under way in its folder.
//!
//! A checkpoint is written after an epoch, where the last one is long enough ago: what a killed process loses is little, and
//! what writing costs is less. A cell of a second or less leaves none.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};

use emberline_base::{Interrupt, file};
use emberline_train::{Checkpoint, Error, Keeper, Wish};

/// Checkpoints are written no more often than this.
const EVERY: Duration = Duration::from_secs(1);
/// And so seldom that it takes no more than this part of the time.
const SHARE: u32 = 50;

/// The keeper of one cell.
pub(super) struct CellKeeper<'r> {
    path: PathBuf,
    /// What the cell is made from: settings, inputs and device.
    identity: String,
    interrupt: &'r Interrupt,
    /// When the next checkpoint is due.
    due: Instant,
    hears: Hears<'r>,
    /// Whether a checkpoint was skipped for lack of memory.
    skipped: bool,
}

/// What is told of a cell's checkpoints.
pub(super) struct Hears<'r> {
    /// A checkpoint can't be used, or not be written.
    pub(super) warning: Box<dyn Fn(&str) + 'r>,
    /// One was written.
    pub(super) kept: Box<dyn Fn() + 'r>,
}

impl<'r> CellKeeper<'r> {
    pub(super) fn new(path: PathBuf, identity: String, interrupt: &'r Interrupt, hears: Hears<'r>) -> Self {
        Self { path, identity, interrupt, due: Instant::now() + EVERY, hears, skipped: false }
    }
}

impl Keeper for CellKeeper<'_> {
    fn resume(&mut self) -> Option<Checkpoint> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            other => other.map_err(|error| error.to_string()),
        };
        let read =
            bytes.and_then(|bytes| Checkpoint::from_bytes(&bytes, &self.identity).map_err(|error| error.to_string()));
        let told = |why: &String| {
            (self.hears.warning)(&format!("{}: {why}; the cell begins anew", self.path.display()));
        };
        read.inspect_err(told).ok()
    }

    fn wish(&mut self) -> Wish {
        match (self.interrupt.is_asked(), Instant::now() >= self.due) {
            (true, _) => Wish::Leave,
            (false, true) => Wish::Keep,
            (false, false) => Wish::GoOn,
        }
    }

    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let begun = Instant::now();
        file::write_atomic_unflushed(&self.path, &checkpoint.to_bytes(&self.identity)?)?;
        (self.hears.kept)();
        self.due = Instant::now() + EVERY.max(begun.elapsed() * SHARE);
        Ok(())
    }

    fn skips(&mut self, why: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.skipped, true) {
            (self.hears.warning)(&format!("{}: no checkpoint is written: {why}", self.path.display()));
        }
        self.due = Instant::now() + EVERY;
    }
}
