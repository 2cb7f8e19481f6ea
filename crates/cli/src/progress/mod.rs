//! Shows the progress of a run on standard error.
//!
//! Events of the run enter. On a terminal they become a live view of the grid: counts, a line per running cell, and how long it takes.
//! Without a terminal, a line of text tells the same, at most every ten seconds, however many cells there are. Warnings and the causes
//! of failures are printed and stay, each cause once, and at the end of the run; beside a live view, at the end alone. `--verbose`
//! adds a line per cell; `--quiet` leaves out all but problems.
//!
//! `grid.rs` is the state and its lines, `running.rs` a cell, `estimate.rs` the time left, `screen.rs` the terminal.

mod encoding;
mod estimate;
mod grid;
mod running;
mod screen;

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use emberline_base::number::{agreeing, counted, fixed};
use emberline_base::record::{self, Epoch, Status};
use emberline_base::{Metric, SplitName};
use emberline_embedding::encode::Event;
use emberline_pipeline::{LeftOut, Observer, Queue, Stage, State};
use emberline_train::callback::PairProgress;

pub(crate) use self::encoding::EncodingBar;
use self::grid::Grid;
use self::screen::Screen;
use crate::layout::message_size;
use crate::terminal::{Verbosity, left_out_message, say, seconds, warn, without_numbers};

/// The time between two lines if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The time between two drawings of the live view, unless a cell begins or ends.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often times are brought up to date while nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// Maximum number of causes of failures that are printed while a run goes on.
const MAX_CAUSES: usize = 10;

/// Shows the progress of a run.
pub(crate) struct Progress {
    shown: Arc<Mutex<Shown>>,
    verbosity: Verbosity,
    /// The number of cells that are to be trained.
    cells: usize,
    /// The causes of failures that were printed.
    causes: HashSet<String>,
    /// The encoders whose vectors were said to come from the cache.
    cached: HashSet<String>,
}

/// What the threads that print share.
#[derive(Default)]
struct Shown {
    grid: Grid,
    screen: Screen,
    /// When the view was drawn, or a line printed.
    at: Option<Instant>,
    is_quiet: bool,
}

impl Progress {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let is_quiet = verbosity == Verbosity::Quiet;
        let screen = if is_quiet { Screen::default() } else { Screen::open() };
        let shown = Arc::new(Mutex::new(Shown { screen, is_quiet, ..Shown::default() }));
        Self { shown, verbosity, cells: 0, causes: HashSet::new(), cached: HashSet::new() }
    }

    fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Prints a message that isn't about a problem.
    fn inform(&self, message: &str) {
        if self.verbosity != Verbosity::Quiet {
            say(message);
        }
    }

    /// Prints why a cell failed, once per cause.
    fn failed(&mut self, name: &str, error: Option<&str>) {
        let cause = error.unwrap_or("for an unknown reason");
        if self.causes.len() < MAX_CAUSES && self.causes.insert(without_numbers(cause)) {
            let is_live = locked(&self.shown).screen.is_live();
            say(&failure(name, cause, is_live));
        }
    }

    /// Returns the line that `--verbose` prints of a cell: its number, its id, what became of it, and why it ran.
    fn line(&self, number: usize, cell: &record::Cell, data: &record::Data, why: Option<&str>) -> String {
        let cells = self.cells;
        let beginning = format!("[{number:>width$}/{cells}] {}  ", cell.id, width = cells.to_string().len());
        let outcome = match (&cell.outcome, &cell.error) {
            (Some(outcome), _) => outcome_line(outcome, data),
            (None, None) if cell.status == Status::Pending => "interrupted".to_owned(),
            (None, error) => format!("failed: {}", error.as_deref().unwrap_or("for an unknown reason")),
        };
        let why = why.map(|why| format!("  ({why})")).unwrap_or_default();
        format!("{beginning}{outcome}{why}")
    }
}

impl Observer for Progress {
    fn waits(&mut self, cells: usize) {
        let (are, them) = (agreeing(cells, "is", "are"), agreeing(cells, "it", "them"));
        self.inform(&format!(
            "{} {are} under way in another process; this one waits for {them}",
            counted(cells, "cell")
        ));
    }

    fn warns(&mut self, message: &str) {
        say(&format!("warning: {message}"));
    }

    fn data(&mut self, data: &record::Data) {
        if let Some(positive) = data.describe_positive() {
            self.inform(&format!("positive class: {positive}"));
        }
        data.warnings.iter().for_each(warn);
    }

    fn left_out(&mut self, left_out: &[LeftOut]) {
        if let Some(message) = left_out_message(left_out) {
            self.inform(&message);
        }
    }

    fn starts(&mut self, queue: &Queue, at_once: usize) {
        self.cells = queue.cells.len();
        if self.cells == 0 {
            return;
        }
        let now = Instant::now();
        {
            let mut shown = locked(&self.shown);
            shown.grid.starts(queue, at_once, now);
            // The first line comes when there is something to tell.
            shown.at = Some(now);
        }
        if self.verbosity != Verbosity::Quiet {
            keep_up_to_date(Arc::downgrade(&self.shown));
        }
    }

    fn begins(&mut self, _: usize, id: &str) {
        let mut shown = locked(&self.shown);
        shown.grid.begins(id);
        shown.draw();
    }

    fn encoding(&mut self, embedding: &str, event: &Event) {
        let progress = match event {
            Event::Progress(progress) => progress,
            Event::Warning(message) => return say(&format!("{embedding}: {message}")),
        };
        let took = {
            let mut shown = locked(&self.shown);
            let took = shown.grid.encoding(embedding, progress, Instant::now());
            shown.draw();
            took
        };
        // That vectors came from the cache is said once per encoder, however many splits there are.
        if let Some(took) = took
            && (progress.encoded > 0 || self.is_verbose() || self.cached.insert(embedding.to_owned()))
        {
            self.inform(&format!("{embedding}: {}", encoding::outcome(progress, took)));
        }
    }

    fn trains(&mut self, id: &str) {
        let mut shown = locked(&self.shown);
        shown.grid.trains(id, Instant::now());
        shown.draw();
    }

    fn epoch(&mut self, id: &str, epoch: &Epoch) {
        let mut shown = locked(&self.shown);
        shown.grid.epoch(id, epoch);
        shown.draw();
    }

    fn pairs(&mut self, id: &str, progress: &PairProgress) {
        let mut shown = locked(&self.shown);
        shown.grid.pairs(id, progress, Instant::now());
        shown.draw();
    }

    fn ended(&mut self, number: usize, cell: &record::Cell, data: &record::Data) {
        let why = locked(&self.shown).grid.queued(&cell.id).map(|queued| reason(&queued.state));
        let name = locked(&self.shown).grid.ended(cell, Instant::now());
        if self.is_verbose() {
            say(&self.line(number, cell, data, why));
        } else if cell.status == Status::Failed {
            self.failed(&name, cell.error.as_deref());
        }
        locked(&self.shown).draw();
    }

    fn stage(&mut self, stage: Stage) {
        let mut shown = locked(&self.shown);
        shown.grid.stage(stage);
        shown.at = shown.at.filter(|_| !shown.screen.is_live());
        shown.draw();
    }

    fn terminal(&mut self, id: &str) -> Box<dyn Write> {
        match self.verbosity {
            Verbosity::Quiet => Box::new(io::sink()),
            Verbosity::Normal | Verbosity::Verbose => Box::new(CellLines::of(id, self.shown.clone())),
        }
    }
}

impl Drop for Progress {
    /// Removes the live view, so that results or an error can be printed.
    fn drop(&mut self) {
        let mut shown = locked(&self.shown);
        shown.screen.close();
        shown.is_quiet = true;
    }
}

impl Shown {
    /// Draws the view, or prints a line, if the last one is old enough.
    fn draw(&mut self) {
        let now = Instant::now();
        let every = if self.screen.is_live() { DRAW_EVERY } else { LINE_EVERY };
        if self.is_quiet || self.at.is_some_and(|at| now.saturating_duration_since(at) < every) {
            return;
        }
        match message_size().filter(|_| self.screen.is_live()) {
            Some((rows, columns)) => {
                let lines = self.grid.lines(rows, columns.saturating_sub(1), now);
                if !lines.is_empty() {
                    self.screen.show(&lines);
                }
            }
            // Before training starts, there is nothing to count.
            None if self.at.is_none() => return,
            None => say(&self.grid.in_words(now)),
        }
        self.at = Some(now);
    }
}

/// Starts a thread that brings the times up to date until the progress is dropped. Without a thread, they change with the next event.
fn keep_up_to_date(shown: Weak<Mutex<Shown>>) {
    let tick = move || {
        while let Some(shown) = shown.upgrade() {
            locked(&shown).draw();
            drop(shown);
            thread::sleep(TICK);
        }
    };
    let _ = thread::Builder::new().name("progress".to_owned()).spawn(tick);
}

fn locked(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints the output of a cell's callbacks while others print too: whole lines, each prefixed with the cell's name. On a terminal, an
/// incomplete line (the dots of `epoch_dots`) is shown below the cell until it is complete.
struct CellLines {
    id: String,
    line: Vec<u8>,
    shown: Arc<Mutex<Shown>>,
}

impl CellLines {
    fn of(id: &str, shown: Arc<Mutex<Shown>>) -> Self {
        Self { id: id.to_owned(), line: Vec::new(), shown }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut shown = locked(&self.shown);
        shown.grid.printed(&self.id, "");
        if !line.is_empty() {
            say(&format!("{}: {}", self.id, String::from_utf8_lossy(&line)));
        }
    }
}

impl Write for CellLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    /// Shows an incomplete line on a terminal; otherwise it is kept until its end is written.
    fn flush(&mut self) -> io::Result<()> {
        let mut shown = locked(&self.shown);
        shown.grid.printed(&self.id, &String::from_utf8_lossy(&self.line));
        Ok(())
    }
}

impl Drop for CellLines {
    fn drop(&mut self) {
        self.end_line();
    }
}

/// Returns what is printed when a cell fails. A live view stays on the screen until the end, which prints every cause, so that only the
/// name is needed here; a log is read while it grows.
fn failure(name: &str, cause: &str, is_live: bool) -> String {
    match is_live {
        true => format!("failed: {name} (why is printed at the end; `--verbose` prints it at once)"),
        false => format!("failed: {name}: {cause}"),
    }
}

/// Returns why a cell in this state is trained.
fn reason(state: &State) -> &'static str {
    match state {
        State::Missing => "new",
        State::Done => "done before, and forced",
        State::Failed(_) => "failed before, and tried again",
        State::FailedByChance(_) => "failed before by its surroundings",
        State::Interrupted => "was interrupted",
        State::Damaged(_) => "its record is damaged",
        State::OtherData(_) => "the data changed",
        State::OtherEmbedding(_) => "the embedding changed",
        State::OtherComputation(..) => "its computation changed",
    }
}

fn outcome_line(outcome: &record::Outcome, data: &record::Data) -> String {
    let (prefix, split) = if data.splits.valid.is_some() { ("val_", SplitName::Valid) } else { ("", SplitName::Train) };
    let reference = |metric| match metric {
        Metric::Accuracy => Some(("majority", data.majority_accuracy.get(split).copied().unwrap_or(f64::NAN))),
        Metric::PrAuc => data.prevalence(split).map(|share| ("prevalence", share)),
        _ => None,
    };
    let shown = |metric: Metric| {
        let value = outcome.metrics.get(&format!("{prefix}{metric}"))?;
        let note = reference(metric).map(|(name, share)| format!(" ({name} {})", fixed(share, 4))).unwrap_or_default();
        Some(format!("{prefix}{metric} {}{note}", fixed(*value, 4)))
    };
    let metrics: Vec<String> =
        Metric::ALL.into_iter().filter(|metric| metric.is_headline()).filter_map(shown).collect();
    let best = format!("best of {}: {}", counted(outcome.epochs as usize, "epoch"), outcome.best_epoch);
    format!("{}  {best}  {} s", metrics.join("  "), seconds(outcome.seconds, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_printed_once_beside_a_live_view_and_at_once_in_a_log() {
        assert_eq!(failure("small", "the loss became NaN", false), "failed: small: the loss became NaN");
        let line = failure("small", "the loss became NaN", true);
        assert!(line.starts_with("failed: small (") && line.contains("at the end") && !line.contains("NaN"), "{line}");
    }
}
