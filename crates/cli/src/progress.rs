//! Progress on standard error: a line a cell, a bar while texts are encoded.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use emberline_base::number::{agreeing, counted, fixed, grouped};
use emberline_base::record::{self, Status};
use emberline_base::{Metric, SplitName};
use emberline_embedding::encode::{Event, Progress as Encoded};
use emberline_pipeline::{LeftOut, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::{left_out_message, printable, say, seconds, warn};

/// Where there is no terminal to draw a bar on, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A run's progress on standard error: a line a cell. The line of a cell that trains alone begins when the cell does;
/// where cells train side by side, it is printed whole when the cell has ended.
#[derive(Default)]
pub(crate) struct Progress {
    cells: usize,
    side_by_side: bool,
    /// What the line of the present cell begins with.
    line: String,
    bar: EncodingBar,
}

impl Progress {
    /// What a cell's line begins with.
    fn beginning(&self, number: usize, id: &str) -> String {
        let cells = self.cells;
        format!("[{number:>width$}/{cells}] {}  ", printable(id), width = cells.to_string().len())
    }
}

impl Observer for Progress {
    fn waits(&mut self, cells: usize) {
        let (are, them) = (agreeing(cells, "is", "are"), agreeing(cells, "it", "them"));
        say(&format!("{} {are} under way in another process; this one waits for {them}", counted(cells, "cell")));
    }

    fn warns(&mut self, message: &str) {
        self.bar.aside(|| say(&format!("warning: {message}")));
    }

    fn data(&mut self, data: &record::Data) {
        if let Some(positive) = data.positive_in_words() {
            say(&format!("positive class: {positive}"));
        }
        data.warnings.iter().for_each(warn);
    }

    fn left_out(&mut self, left_out: &[LeftOut]) {
        if let Some(message) = left_out_message(left_out) {
            say(&message);
        }
    }

    fn starts(&mut self, cells: usize, at_once: usize) {
        self.cells = cells;
        self.side_by_side = at_once > 1;
    }

    fn begins(&mut self, number: usize, id: &str) {
        if !self.side_by_side {
            self.line = self.beginning(number, id);
            begin_line(&self.line);
        }
    }

    fn encoding(&mut self, embedding: &str, event: &Event) {
        let alone = !self.side_by_side;
        if self.bar.show(embedding, event, || {
            if alone {
                begin_line("\n")
            }
        }) {
            begin_line(&self.line);
        }
    }

    fn ended(&mut self, number: usize, cell: &record::Cell, data: &record::Data) {
        let line = match (&cell.outcome, &cell.error) {
            (Some(outcome), _) => outcome_line(outcome, data),
            (None, None) if cell.status == Status::Pending => "interrupted".to_owned(),
            (None, error) => format!("failed: {}", error.as_deref().unwrap_or("for an unknown reason")),
        };
        let beginning = if self.side_by_side { self.beginning(number, &cell.id) } else { String::new() };
        self.bar.aside(|| say(&(beginning + &line)));
    }

    fn terminal(&mut self, id: &str) -> Box<dyn Write> {
        if self.side_by_side { Box::new(Lines::of(id)) } else { Box::new(io::stderr()) }
    }
}

/// What a cell prints while others do too: whole lines, each with the cell's name.
struct Lines {
    name: String,
    line: Vec<u8>,
}

impl Lines {
    fn of(id: &str) -> Self {
        Self { name: printable(id), line: Vec::new() }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            say(&format!("{}: {}", self.name, String::from_utf8_lossy(&line)));
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    /// Half a line waits for its end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
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

/// Begins a line that something else will end.
fn begin_line(text: &str) {
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{text}").and_then(|()| terminal.flush());
}

/// How far an encoding is: a bar on a terminal, else a line now and then; at the end one line.
#[derive(Default)]
pub(crate) struct EncodingBar(Option<Begun>);

/// An encoding that goes on.
struct Begun {
    since: Instant,
    printed: Instant,
    bar: Option<ProgressBar>,
}

impl EncodingBar {
    /// Shows an event, and says whether it was the last. `interrupt` ends a line that has begun, before anything is shown.
    pub(crate) fn show(&mut self, embedding: &str, event: &Event, interrupt: impl FnOnce()) -> bool {
        let progress = match event {
            Event::Progress(progress) => progress,
            Event::Warning(message) => {
                interrupt();
                say(&format!("{embedding}: {message}"));
                return false;
            }
        };
        let begun = self.0.get_or_insert_with(|| {
            interrupt();
            Begun { since: Instant::now(), printed: Instant::now(), bar: bar(progress) }
        });
        let is_last = progress.cached + progress.encoded == progress.texts;
        if is_last {
            if let Some(bar) = &begun.bar {
                bar.finish_and_clear();
            }
            say(&format!("{embedding}: {}", outcome(progress, begun.since.elapsed())));
            self.0 = None;
        } else {
            begun.show(embedding, progress);
        }
        is_last
    }
}

impl EncodingBar {
    /// Prints something else, with the bar out of the way.
    fn aside(&self, print: impl FnOnce()) {
        match self.0.as_ref().and_then(|begun| begun.bar.as_ref()) {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Begun {
    fn show(&mut self, embedding: &str, progress: &Encoded) {
        let message = format!("{embedding}: {}", so_far(progress, self.since.elapsed()));
        if let Some(bar) = &self.bar {
            bar.set_message(printable(&message));
            bar.set_position(progress.encoded_bytes);
        } else if self.printed.elapsed() > LINE_EVERY {
            say(&message);
            self.printed = Instant::now();
        }
    }
}

/// A bar, where there is a terminal to draw it on.
fn bar(progress: &Encoded) -> Option<ProgressBar> {
    let bar = ProgressBar::with_draw_target(Some(progress.bytes), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("[{bar:30}] {msg}").expect("a valid template"));
    io::stderr().is_terminal().then_some(bar)
}

/// Such as `1,024 of 65,949 texts encoded, 512 texts/s, 2 min 7 s left`.
fn so_far(progress: &Encoded, since: Duration) -> String {
    let to_encode = progress.texts - progress.cached;
    let counts = format!("{} of {} encoded", grouped(progress.encoded as u64), counted(to_encode, "text"));
    if progress.encoded == 0 {
        return counts;
    }
    let left = progress.bytes.saturating_sub(progress.encoded_bytes) as f64 / progress.encoded_bytes.max(1) as f64;
    let left = since.mul_f64(left).as_secs();
    let left = if left < 60 { format!("{left} s") } else { format!("{} min {} s", left / 60, left % 60) };
    format!("{counts}, {} texts/s, {left} left", rate(progress, since))
}

/// Such as `65,949 texts encoded in 128.8 s (512 texts/s), 12 from the cache`.
fn outcome(progress: &Encoded, since: Duration) -> String {
    if progress.encoded == 0 {
        return format!("{} from the cache", counted(progress.cached, "text"));
    }
    let (encoded, cached) = (counted(progress.encoded, "text"), grouped(progress.cached as u64));
    let cached = if progress.cached > 0 { format!(", {cached} from the cache") } else { String::new() };
    format!("{encoded} encoded in {:.1} s ({} texts/s){cached}", since.as_secs_f64(), rate(progress, since))
}

fn rate(progress: &Encoded, since: Duration) -> String {
    grouped((progress.encoded as f64 / since.as_secs_f64().max(1e-3)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_well() {
        let begun = Encoded { texts: 70_000, cached: 4_051, encoded: 0, bytes: 10_000, encoded_bytes: 0 };
        assert_eq!(so_far(&begun, Duration::ZERO), "0 of 65,949 texts encoded");
        let half = Encoded { encoded: 20_000, encoded_bytes: 2_500, ..begun };
        assert_eq!(
            so_far(&half, Duration::from_secs(25)),
            "20,000 of 65,949 texts encoded, 800 texts/s, 1 min 15 s left"
        );
        let done = Encoded { encoded: 65_949, encoded_bytes: 10_000, ..begun };
        assert_eq!(
            outcome(&done, Duration::from_secs(100)),
            "65,949 texts encoded in 100.0 s (659 texts/s), 4,051 from the cache"
        );
        assert_eq!(
            outcome(&Encoded { texts: 7, cached: 7, ..Encoded::default() }, Duration::ZERO),
            "7 texts from the cache"
        );
    }
}
