//! Shows how many texts an encoder has encoded: a bar on a terminal, else a line from time to time; and one line at the end.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use emberline_base::number::{counted, grouped};
use emberline_embedding::encode::{Event, Progress as Encoded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::LINE_EVERY;
use super::estimate::time;
use crate::terminal::{printable, say};

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
    /// Shows an event.
    pub(crate) fn show(&mut self, embedding: &str, event: &Event) {
        let progress = match event {
            Event::Progress(progress) => progress,
            Event::Warning(message) => {
                self.suspend(|| say(&format!("{embedding}: {message}")));
                return;
            }
        };
        let active = self.0.get_or_insert_with(|| ActiveEncoding {
            since: Instant::now(),
            printed: Instant::now(),
            bar: bar(progress),
        });
        if is_last(progress) {
            if let Some(bar) = &active.bar {
                bar.finish_and_clear();
            }
            say(&format!("{embedding}: {}", outcome(progress, active.since.elapsed())));
            self.0 = None;
        } else {
            active.show(embedding, progress);
        }
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

/// Returns whether all texts are encoded.
pub(super) fn is_last(progress: &Encoded) -> bool {
    progress.cached + progress.encoded == progress.texts
}

/// Such as `1,024 of 65,949 texts encoded, 512 texts/s, 2 min 7 s left`.
pub(super) fn so_far(progress: &Encoded, since: Duration) -> String {
    let to_encode = progress.texts - progress.cached;
    let counts = format!("{} of {} encoded", grouped(progress.encoded as u64), counted(to_encode, "text"));
    if progress.encoded == 0 {
        return counts;
    }
    let left = progress.bytes.saturating_sub(progress.encoded_bytes) as f64 / progress.encoded_bytes.max(1) as f64;
    format!("{counts}, {} texts/s, {} left", rate(progress, since), time(since.mul_f64(left)))
}

/// Such as `65,949 texts encoded in 128.8 s (512 texts/s), 12 from the cache`.
pub(super) fn outcome(progress: &Encoded, since: Duration) -> String {
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
