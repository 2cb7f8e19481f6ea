//! Shows the progress of a download on standard error: a bar on a terminal, else a line from time to time.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use emberline_fetch::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::{printable, say};

/// The time between two lines if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// The progress of one download.
#[derive(Debug)]
pub(crate) struct Download {
    name: String,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    begun: bool,
    /// When the last line was printed.
    printed: Instant,
}

impl Download {
    /// Returns the progress of a download that has not begun. Nothing is shown before the first bytes arrive.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: printable(name), bar: None, total: None, begun: false, printed: Instant::now() }
    }

    /// Shows the bar, or prints the first line. The rate of a resumed download is measured from `position` on.
    fn begin(&mut self, position: u64) {
        self.begun = true;
        if io::stderr().is_terminal() {
            let bar = self.total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_position(position);
            bar.set_style(style(self.total.is_some()));
            bar.set_message(self.name.clone());
            bar.reset_eta();
            self.bar = Some(bar);
        } else {
            let size = self.total.map_or("an unknown size".to_owned(), megabytes);
            say(&format!("{}: downloading {size}", self.name));
        }
    }
}

impl Observer for Download {
    fn on_total(&mut self, total: u64) {
        self.total = Some(total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    fn on_progress(&mut self, position: u64) {
        if !self.begun {
            self.begin(position);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        } else if self.printed.elapsed() >= LINE_EVERY {
            self.printed = Instant::now();
            let of = self.total.map(|total| format!(" of {}", megabytes(total))).unwrap_or_default();
            say(&format!("{}: {}{of}", self.name, megabytes(position)));
        }
    }

    fn on_message(&mut self, message: &str) {
        let show = || say(&format!("{}: {message}", self.name));
        match &self.bar {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(sized: bool) -> ProgressStyle {
    let template = if sized {
        "{msg}  [{bar:30}]  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
    } else {
        "{msg}  {spinner}  {decimal_bytes}  {decimal_bytes_per_sec}"
    };
    ProgressStyle::with_template(template).expect("the template is sound").progress_chars("=> ")
}

/// Formats a number of bytes with a decimal unit, such as `1.5 kB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e3 => format!("{b} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1_500, 862_182_613, 5_828_358_084].map(megabytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.5 kB", "862.2 MB", "5.83 GB"]);
    }

    #[test]
    fn both_styles_are_sound() {
        let _ = (style(true), style(false));
    }
}
