//! The section of all cells: the failed ones with their messages, then the table of every cell, folded away.

use std::fmt::Write as _;

use super::parts::{folded_table, table};
use crate::Run;
use crate::escape::html;
use crate::number::count;
use crate::table::cells;

/// Maximum number of failed cells that are listed with their messages.
const MAX_FAILURES: usize = 100;

/// Maximum number of rows of a table that isn't folded away.
const MAX_OPEN: usize = 8;

/// Renders the section's content.
pub(super) fn render(run: &Run) -> String {
    let all = cells::table(run);
    let shown = if all.rows.len() > MAX_OPEN { folded_table(&all) } else { table(&all) };
    failures(run) + &shown
}

fn failures(run: &Run) -> String {
    let failures = cells::failures(&run.summary);
    if failures.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h3>Failed cells</h3>\n<dl class=\"failures\">\n");
    let more = failures.len().saturating_sub(MAX_FAILURES);
    for (id, message) in failures.into_iter().take(MAX_FAILURES) {
        let lines: Vec<String> = message.lines().map(html).collect();
        let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", html(id), lines.join("<br>"));
    }
    out.push_str("</dl>\n");
    if more > 0 {
        let _ = writeln!(out, "<p class=\"notes\">{} more: see summary.csv.</p>", count(more as u64));
    }
    out
}
