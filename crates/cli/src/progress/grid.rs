//! The state of the grid while a run trains it, and the lines that show it.
//!
//! Events of the run enter; the lines of the live view, or one line of text, leave. Names are escaped as they enter, so that nothing
//! shown here acts on the terminal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use emberline_base::number::counted;
use emberline_base::record::{Cell, Epoch, Status};
use emberline_embedding::encode::Progress as Encoded;
use emberline_pipeline::{Queue, Queued, Stage};
use emberline_train::callback::PairProgress;
use indexmap::IndexMap;

use super::encoding::{is_last, so_far};
use super::estimate::{TimeLeft, Times, Unfinished};
use super::running::Running;
use crate::layout::{shortened, width};
use crate::terminal::printable;

/// Maximum number of running cells that the live view shows.
const MAX_SHOWN: usize = 16;
/// Rows of the terminal that the live view leaves to what was printed before.
const ROWS_LEFT: usize = 4;
/// Number of columns of the bar, and the width of the terminal from which on it is drawn.
const BAR: usize = 24;
const BAR_FROM: usize = 90;

/// The state of the grid.
#[derive(Debug)]
pub(super) struct Grid {
    /// The cells that haven't begun, by id.
    waiting: HashMap<String, Queued>,
    running: IndexMap<String, Running>,
    /// How many cells of each kind wait.
    kinds: IndexMap<String, u32>,
    times: Times,
    total: usize,
    kept: usize,
    at_once: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    encoding: Option<Encoding>,
    stage: Option<Stage>,
    /// When training began.
    begun: Option<Instant>,
}

/// An encoder at work.
#[derive(Debug)]
struct Encoding {
    embedding: String,
    progress: Encoded,
    since: Instant,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            running: IndexMap::new(),
            kinds: IndexMap::new(),
            times: Times::default(),
            total: 0,
            kept: 0,
            at_once: 1,
            done: 0,
            failed: 0,
            encoding: None,
            stage: None,
            begun: None,
        }
    }
}

impl Grid {
    pub(super) fn starts(&mut self, queue: &Queue, at_once: usize, now: Instant) {
        *self = Self { total: queue.cells.len(), kept: queue.kept, at_once, begun: Some(now), ..Self::default() };
        for cell in &queue.cells {
            *self.kinds.entry(cell.kind.clone()).or_default() += 1;
            self.waiting.insert(cell.id.clone(), cell.clone());
        }
    }

    /// Returns what a cell that waits is.
    pub(super) fn queued(&self, id: &str) -> Option<&Queued> {
        self.waiting.get(id)
    }

    pub(super) fn begins(&mut self, id: &str) {
        if let Some(queued) = self.waiting.get(id) {
            let name = printable(queued.label.replace(['\n', '\t'], " ").trim());
            self.running.insert(id.to_owned(), Running::of(queued, name));
        }
    }

    pub(super) fn trains(&mut self, id: &str, now: Instant) {
        if let Some(running) = self.running.get_mut(id) {
            running.trains(now);
        }
    }

    pub(super) fn epoch(&mut self, id: &str, epoch: &Epoch) {
        if let Some(running) = self.running.get_mut(id) {
            running.epoch(epoch);
        }
    }

    pub(super) fn pairs(&mut self, id: &str, progress: &PairProgress, now: Instant) {
        if let Some(running) = self.running.get_mut(id) {
            running.pairs(progress, now);
        }
    }

    /// Notes that a cell has ended, and returns its name.
    pub(super) fn ended(&mut self, cell: &Cell, now: Instant) -> String {
        match cell.status {
            Status::Done => self.done += 1,
            Status::Failed => self.failed += 1,
            Status::Pending => {}
        }
        if let Some(waiting) = self.waiting.remove(&cell.id)
            && let Some(count) = self.kinds.get_mut(&waiting.kind)
        {
            *count = count.saturating_sub(1);
        }
        let Some(running) = self.running.shift_remove(&cell.id) else { return printable(&cell.id) };
        // A cell that another process of the run has trained begins and ends at once, and tells nothing of times.
        if cell.status == Status::Done && running.is_training() {
            self.times.add(&running.kind, running.elapsed(now));
        }
        running.name
    }

    /// Notes how far an encoder is. Returns whether it has ended, with the time that it took.
    pub(super) fn encoding(&mut self, embedding: &str, progress: &Encoded, now: Instant) -> Option<Duration> {
        let since = self.encoding.as_ref().map_or(now, |encoding| encoding.since);
        self.encoding = Some(Encoding { embedding: printable(embedding), progress: *progress, since });
        is_last(progress).then(|| {
            self.encoding = None;
            now.saturating_duration_since(since)
        })
    }

    pub(super) fn stage(&mut self, stage: Stage) {
        (self.stage, self.encoding) = (Some(stage), None);
        self.running.clear();
    }

    /// Notes what a cell's callbacks have printed: the incomplete line that ends it.
    pub(super) fn printed(&mut self, id: &str, line: &str) {
        if let Some(running) = self.running.get_mut(id) {
            running.printed = printable(line);
        }
    }

    fn training(&self) -> usize {
        self.running.values().filter(|running| running.is_training()).count()
    }

    fn queued_cells(&self) -> usize {
        self.total.saturating_sub(self.done + self.failed + self.training())
    }

    fn left(&self, now: Instant) -> Option<TimeLeft> {
        let unfinished = self.kinds.iter().map(|(kind, count)| {
            let of_kind = self.running.values().filter(|running| running.kind == *kind && running.is_training());
            let running = of_kind.clone().count() as u32;
            let elapsed = of_kind.map(|running| running.elapsed(now)).sum();
            (kind.as_str(), Unfinished { queued: count.saturating_sub(running), running, elapsed })
        });
        let left = self.times.left(unfinished, self.at_once)?;
        Some(TimeLeft { time: left.time.max(self.left_by_pace(now)), ..left })
    }

    /// Returns the time that is left if the run goes on at its pace so far, which includes the preparation of inputs; only if every kind
    /// of cell was measured, since otherwise the pace is that of other cells.
    fn left_by_pace(&self, now: Instant) -> Duration {
        let ended = (self.done + self.failed) as u32;
        let measured = self.kinds.iter().all(|(kind, count)| *count == 0 || self.times.knows(kind));
        match self.begun {
            Some(begun) if ended > 0 && measured => {
                now.saturating_duration_since(begun) / ended * (self.total as u32).saturating_sub(ended)
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns the counts of cells: `12/54 cells · 2 running · 40 queued · 1 failed`.
    fn counts(&self) -> Vec<String> {
        let mut parts = vec![format!("{}/{} done", self.done, counted(self.total, "cell"))];
        let others = [(self.training(), "running"), (self.queued_cells(), "queued"), (self.failed, "failed")];
        parts.extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        if self.kept > 0 {
            parts.push(format!("{} done before", self.kept));
        }
        parts
    }

    /// Returns the lines of the live view, for a terminal of this size; none before there is anything to show.
    pub(super) fn lines(&self, rows: usize, columns: usize, now: Instant) -> Vec<String> {
        if self.total == 0 && self.stage.is_none() && self.encoding.is_none() {
            return Vec::new();
        }
        let mut lines = vec![self.heading(columns, now)];
        let room = rows.saturating_sub(ROWS_LEFT).clamp(1, MAX_SHOWN);
        let shown: Vec<&Running> = self.running.values().take(room).collect();
        let name = shown.iter().map(|running| width(&running.name)).max().unwrap_or(0).min(columns / 2);
        for running in &shown {
            lines.push(format!("  {}", running.line(name, columns.saturating_sub(2), now)));
            if !running.printed.is_empty() {
                lines.push(tail(&format!("    {}", running.printed), columns));
            }
        }
        if self.running.len() > shown.len() {
            lines.push(shortened(&format!("  and {} more", self.running.len() - shown.len()), columns));
        }
        lines.extend(
            self.encoding.as_ref().map(|encoding| shortened(&format!("  {}", encoding.in_words(now)), columns)),
        );
        lines
    }

    fn heading(&self, columns: usize, now: Instant) -> String {
        let mut parts = if self.total > 0 { self.counts() } else { Vec::new() };
        match self.stage {
            Some(stage) => parts.push(stage.to_string()),
            None => parts.extend(self.left(now).map(|left| left.to_string())),
        }
        let text = parts.join(" · ");
        let bar = if columns >= BAR_FROM && self.total > 0 { self.bar() } else { String::new() };
        shortened(&format!("{bar}{text}"), columns)
    }

    fn bar(&self) -> String {
        let filled = BAR * (self.done + self.failed) / self.total;
        format!("[{}{}] ", "=".repeat(filled), " ".repeat(BAR - filled))
    }

    /// Returns one line that tells how far the run is, for an output without a terminal.
    pub(super) fn in_words(&self, now: Instant) -> String {
        let mut parts = self.counts();
        parts.extend(match (self.stage, self.left(now)) {
            (Some(stage), _) => Some(stage.to_string()),
            (None, left) => left.map(|left| left.to_string()),
        });
        let mut text = parts.join(", ");
        let first = self.running.values().find(|running| running.is_training());
        let at = self.encoding.as_ref().map(|encoding| encoding.in_words(now));
        text.extend(at.or_else(|| first.map(|running| running.in_words(now))).map(|at| format!("; {at}")));
        text
    }
}

impl Encoding {
    fn in_words(&self, now: Instant) -> String {
        format!("{}: {}", self.embedding, so_far(&self.progress, now.saturating_duration_since(self.since)))
    }
}

/// Returns the end of a text that is too long for a line, since dots are added there.
fn tail(text: &str, columns: usize) -> String {
    let mut rest = text;
    while width(rest) > columns {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use emberline_base::{Metric, Monitor, Scores};
    use emberline_pipeline::State;

    use super::*;

    fn queue(labels: &[&str]) -> Queue {
        let cell = |(number, label): (usize, &&str)| Queued {
            id: format!("id{number}"),
            label: (*label).to_owned(),
            state: State::Missing,
            kind: if number < 3 { "a false" } else { "b false" }.to_owned(),
            epochs: Some(10),
            may_stop_early: false,
            monitor: Monitor::VAL_LOSS,
        };
        Queue { cells: labels.iter().enumerate().map(cell).collect(), kept: 2 }
    }

    fn ended(id: &str, status: Status) -> Cell {
        Cell {
            id: id.to_owned(),
            identity: String::new(),
            status,
            settings: IndexMap::new(),
            embedding: String::new(),
            source: String::new(),
            trainable: false,
            seed: 1,
            outcome: None,
            error: None,
            cause: None,
        }
    }

    fn epoch(number: u32) -> Epoch {
        let scores = |loss| Some(Scores::from([(Metric::Loss, loss)]));
        Epoch {
            epoch: number,
            learning_rate: 1e-3,
            seconds: 1.0,
            train: scores(0.5).expect("scores"),
            valid: scores(0.25),
        }
    }

    /// One cell done in 10 s, one failed, one in its third epoch, one in preparation, two that wait.
    fn under_way(begun: Instant) -> Grid {
        let mut grid = Grid::default();
        let at = |seconds| begun + Duration::from_secs(seconds);
        grid.starts(&queue(&["one", "two", "three", "日本語の設定", "five\u{1b}[31m\n", "six"]), 2, begun);
        grid.begins("id0");
        grid.trains("id0", begun);
        assert_eq!(grid.ended(&ended("id0", Status::Done), at(10)), "one");
        assert_eq!(grid.ended(&ended("id1", Status::Failed), at(10)), "id1");
        grid.begins("id2");
        grid.trains("id2", at(10));
        (1..=3).for_each(|number| grid.epoch("id2", &epoch(number)));
        grid.begins("id4");
        grid
    }

    #[test]
    fn the_view_shows_counts_running_cells_and_what_is_encoded() {
        let begun = Instant::now();
        let mut grid = under_way(begun);
        let now = begun + Duration::from_secs(13);
        let encoded = Encoded { texts: 100, cached: 0, encoded: 50, bytes: 1000, encoded_bytes: 500 };
        assert_eq!(grid.encoding("minilm", &Encoded { encoded: 0, encoded_bytes: 0, ..encoded }, begun), None);
        assert_eq!(grid.encoding("minilm", &encoded, now), None);
        assert_eq!(
            grid.lines(40, 120, now),
            [
                "[========                ] 1/6 cells done · 1 running · 3 queued · 1 failed · 2 done before · more than 7 s left",
                "  three           epoch 3/10  loss 0.5000  val_loss 0.2500  best val_loss 0.2500 at 1  about 7 s left",
                "  five\\u{1b}[31m  preparing",
                "  minilm: 50 of 100 texts encoded, 3 texts/s, 13 s left",
            ]
        );
        let done = Encoded { encoded: 100, encoded_bytes: 1000, ..encoded };
        assert_eq!(grid.encoding("minilm", &done, now), Some(Duration::from_secs(13)));
        assert_eq!(
            grid.in_words(now),
            "1/6 cells done, 1 running, 3 queued, 1 failed, 2 done before, more than 7 s left; three: epoch 3/10, \
             loss 0.5000, val_loss 0.2500, best val_loss 0.2500 at 1, about 7 s left"
        );
        grid.stage(Stage::Baselines);
        assert!(grid.lines(40, 120, now)[0].ends_with("computing the baselines"));
    }

    #[test]
    fn dots_stand_below_their_cell() {
        let mut grid = under_way(Instant::now());
        grid.printed("id2", &".".repeat(200));
        let lines = grid.lines(40, 80, Instant::now());
        assert_eq!(lines[2], ".".repeat(80));
        grid.printed("id2", "...");
        assert_eq!(grid.lines(40, 80, Instant::now())[2], "    ...");
    }

    #[test]
    fn the_view_fits_every_terminal() {
        let begun = Instant::now();
        let mut grid = under_way(begun);
        grid.begins("id3");
        grid.trains("id3", begun);
        for columns in 20..=200 {
            for rows in [5, 8, 40] {
                let lines = grid.lines(rows, columns, begun + Duration::from_secs(30));
                assert!(lines.len() <= rows, "{rows}: {lines:?}");
                assert!(
                    lines.iter().all(|line| width(line) <= columns && !line.contains(['\n', '\u{1b}'])),
                    "{lines:?}"
                );
            }
        }
        assert_eq!(Grid::default().lines(40, 80, begun), Vec::<String>::new());
    }
}
