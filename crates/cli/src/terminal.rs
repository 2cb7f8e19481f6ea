//! Terminal output: results on standard output, progress and messages on standard error.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use console::Style;
use emberline_base::number::{agreeing, counted, fixed};
use emberline_base::{Warning, is_control_or_bidi};
use emberline_pipeline::{LeftOut, ModelChoice};
use indicatif::ProgressBar;

use crate::columns::is_number;
use crate::exit::Error;
use crate::layout::{padded, width, wrapped_for_messages};

/// How much a command says besides its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Problems alone.
    Quiet,
    /// Progress and problems.
    Normal,
    /// A line per cell, too.
    Verbose,
}

/// Prints an error, unless it is only a closed pipe.
pub(crate) fn error(error: &Error) {
    if let Error::Output(source) = error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return;
    }
    say(&format!("error: {error}"));
}

/// The live view of the progress, if one is drawn: messages are printed above it.
static VIEW: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Has messages printed above a live view from now on, or without one.
pub(crate) fn print_above(view: Option<ProgressBar>) {
    *VIEW.lock().unwrap_or_else(PoisonError::into_inner) = view;
}

/// Prints a message to standard error, above the live view if there is one. A failure to write is ignored, because it could not be
/// reported anywhere.
pub(crate) fn say(message: &str) {
    let print = || {
        let _ = writeln!(io::stderr(), "{}", coloured(&wrapped_for_messages(&printable(message))));
    };
    let view = VIEW.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match view {
        Some(view) => view.suspend(print),
        None => print(),
    }
}

/// Colours the word with which a message about a problem begins, if messages go to a terminal that shows colours and `NO_COLOR` isn't
/// set.
fn coloured(message: &str) -> String {
    let problem = ["error:", "warning:", "failed:"].into_iter().find(|word| message.starts_with(word));
    match problem {
        Some(word) => {
            let style = Style::new().for_stderr().bold();
            let style = if word == "warning:" { style.yellow() } else { style.red() };
            format!("{}{}", style.apply_to(word), &message[word.len()..])
        }
        None => message.to_owned(),
    }
}

/// Prints a coded warning.
pub(crate) fn warn(warning: &Warning) {
    say(&format!("warning: {warning}{}", of_cells(&warning.cells)));
}

/// Prints which model was chosen and why, and a warning about it if there is one.
pub(crate) fn say_choice(choice: &ModelChoice) {
    let ModelChoice { description, warning } = choice;
    say(description);
    if let Some(warning) = warning {
        say(&format!("warning: {warning}"));
    }
}

/// Returns a cause of failures without its numbers, which differ from cell to cell.
pub(crate) fn without_numbers(cause: &str) -> String {
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    cause.chars().filter(|&c| !is_of_number(c)).collect()
}

/// Returns which cells a warning concerns, such as ` (3 cells, such as ID)`; empty if it concerns all.
pub(crate) fn of_cells(cells: &[String]) -> String {
    match cells {
        [] => String::new(),
        [only] => format!(" (cell {only})"),
        [first, ..] => format!(" ({}, such as {first})", counted(cells.len(), "cell")),
    }
}

/// Escapes control characters and those that change the text direction; line ends and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let acts = |c: char| is_control_or_bidi(c) && c != '\n' && c != '\t';
    if !text.contains(acts) {
        return text.to_owned();
    }
    let shown = |c: char| if acts(c) { c.escape_default().collect() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// Formats rows as a table: columns are as wide as their widest entry, and numbers are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| width(c)).max().unwrap_or(0);
    let is_numeric =
        |column: usize| column > 0 && rows.iter().skip(1).all(|r| r.get(column).is_none_or(|c| is_number(c)));
    let shapes: Vec<(usize, bool)> = (0..columns).map(|column| (widest(column), is_numeric(column))).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let (widest, numeric) = shapes[column];
            line += &padded(cell, widest, numeric);
            line += "  ";
        }
        text += line.trim_end();
        text.push('\n');
    }
    printable(&text)
}

/// Formats a time with this number of decimals; one that rounds to zero is shown as 0.
pub(crate) fn seconds(seconds: f64, decimals: usize) -> String {
    let shown: f64 = format!("{seconds:.decimals$}").parse().unwrap_or(seconds);
    fixed(shown, decimals)
}

/// Returns which combinations of a grid are left out and why, one line per reason.
pub(crate) fn left_out_message(left_out: &[LeftOut]) -> Option<String> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for combination in left_out {
        let place = *places.entry(&combination.reason).or_insert(reasons.len());
        match reasons.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => reasons.push((&combination.reason, 1)),
        }
    }
    let count = |n: usize| format!("{} {}", counted(n, "combination"), agreeing(n, "is", "are"));
    let lines: Vec<String> =
        reasons.into_iter().map(|(reason, n)| format!("{} left out: {reason}", count(n))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
