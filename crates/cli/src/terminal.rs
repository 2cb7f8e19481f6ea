//! Terminal output: results on standard output, progress and messages on standard error.

use std::collections::HashMap;
use std::io::{self, Write};

use emberline_base::number::{agreeing, counted, fixed};
use emberline_base::{Warning, is_control_or_bidi};
use emberline_pipeline::{LeftOut, ModelChoice};

use crate::exit::Error;

/// Prints an error, unless it is only a closed pipe.
pub(crate) fn error(error: &Error) {
    if let Error::Output(source) = error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return;
    }
    say(&format!("error: {error}"));
}

/// Prints a message to standard error. A failure to write is ignored, because it could not be reported anywhere.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(message));
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
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let is_numeric =
        |column: usize| column > 0 && rows.iter().skip(1).all(|r| r.get(column).is_none_or(|c| is_number(c)));
    let shapes: Vec<(usize, bool)> = (0..columns).map(|column| (width(column), is_numeric(column))).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let (width, numeric) = shapes[column];
            let pad = " ".repeat(width - cell.chars().count());
            let (first, second) = if numeric { (pad.as_str(), cell.as_str()) } else { (cell.as_str(), pad.as_str()) };
            line.extend([first, second, "  "]);
        }
        text += line.trim_end();
        text.push('\n');
    }
    printable(&text)
}

fn is_number(text: &str) -> bool {
    text.is_empty() || text == "-" || text.replace([',', '_'], "").parse::<f64>().is_ok()
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
