//! Shows the progress of a run on standard error: one line per cell, and a bar while texts are encoded.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use emberline_base::number::{agreeing, counted, fixed, grouped};
use emberline_base::record::{self, Status};
use emberline_base::{Metric, SplitName};
use emberline_embedding::encode::{Event, Progress as Encoded};
use emberline_pipeline::{LeftOut, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::{left_out_message, printable, say, seconds, warn};

/// The time between two lines if there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Prints one line per cell. If one cell trains at a time, its line begins when the cell does; if several train in parallel, a
/// line is printed whole when its cell has ended.
#[derive(Default)]
pub(crate) struct Progress {
    cells: usize,
    /// Whether several cells train at the same time.
    parallel: bool,
    /// The beginning of the current cell's line.
    line: String,
    bar: EncodingBar,
}

impl Progress {
    /// Returns the beginning of a cell's line.
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
        self.bar.suspend(|| say(&format!("warning: {message}")));
    }

    fn data(&mut self, data: &record::Data) {
        if let Some(positive) = data.describe_positive() {
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
        self.parallel = at_once > 1;
    }

    fn begins(&mut self, number: usize, id: &str) {
        if !self.parallel {
            self.line = self.beginning(number, id);
            begin_line(&self.line);
        }
    }

    fn encoding(&mut self, embedding: &str, event: &Event) {
        let alone = !self.parallel;
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
        let beginning = if self.parallel { self.beginning(number, &cell.id) } else { String::new() };
        self.bar.suspend(|| say(&(beginning + &line)));
    }

    fn terminal(&mut self, id: &str) -> Box<dyn Write> {
        if self.parallel { Box::new(PrefixedLines::of(id)) } else { Box::new(io::stderr()) }
    }
}

/// Prints the output of a cell while others print too: whole lines, each prefixed with the cell's name.
struct PrefixedLines {
    name: String,
    line: Vec<u8>,
}

impl PrefixedLines {
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

impl Write for PrefixedLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    /// Prints nothing: an incomplete line is kept until its end is written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PrefixedLines {
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

/// Prints the beginning of a line that a later message ends.
fn begin_line(text: &str) {
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{text}").and_then(|()| terminal.flush());
}

/// Shows the progress of encoding texts: a bar on a terminal, else a line from time to time; and one line at the end.
#[derive(Default)]
pub(crate) struct EncodingBar(Option<ActiveEncoding>);

/// An encoding that has begun and not ended.
struct ActiveEncoding {
    since: Instant,
    /// When the last line was printed.
    printed: Instant,
    bar: Option<ProgressBar>,
}

impl EncodingBar {
    /// Shows an event, and returns whether it was the last. `interrupt` is called before anything is shown, to end a line that has
    /// begun.
    pub(crate) fn show(&mut self, embedding: &str, event: &Event, interrupt: impl FnOnce()) -> bool {
        let progress = match event {
            Event::Progress(progress) => progress,
            Event::Warning(message) => {
                interrupt();
                say(&format!("{embedding}: {message}"));
                return false;
            }
        };
        let active = self.0.get_or_insert_with(|| {
            interrupt();
            ActiveEncoding { since: Instant::now(), printed: Instant::now(), bar: bar(progress) }
        });
        let is_last = progress.cached + progress.encoded == progress.texts;
        if is_last {
            if let Some(bar) = &active.bar {
                bar.finish_and_clear();
            }
            say(&format!("{embedding}: {}", outcome(progress, active.since.elapsed())));
            self.0 = None;
        } else {
            active.show(embedding, progress);
        }
        is_last
    }

    /// Hides the bar while `print` prints something else.
    fn suspend(&self, print: impl FnOnce()) {
        match self.0.as_ref().and_then(|active| active.bar.as_ref()) {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl ActiveEncoding {
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

/// Returns a progress bar if there is a terminal to draw it on.
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
