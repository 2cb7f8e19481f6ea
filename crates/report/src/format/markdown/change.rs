//! What changed against a baseline, as a section of the Markdown report: settings with the largest differences first.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::compare::{Comparison, Pair, Verdict, heading, notes, rows};
use crate::escape::{markdown, shorten};
use crate::number::count;

/// Maximum length in characters of a line.
const MAX_LINE: usize = 400;

/// Returns the section, with at most so many settings and notes.
pub(super) fn section(change: &Comparison, most: usize) -> String {
    let mut out = format!("## Change against {}\n\n", markdown(&shorten(&change.first, MAX_LINE)));
    let line = |text: &str| markdown(&shorten(text, MAX_LINE));
    let _ = write!(out, "{}.\n\n", line(&counts(change)));
    let heading = heading(change);
    if change.same_data != Some(true) {
        out.extend(heading.first().map(|rows| format!("**{}**\n\n", line(rows))));
    }
    let table = rows(change);
    let (Some(head), rows) = (table.first(), table.get(1..).unwrap_or_default()) else { return out };
    if most > 0 && !rows.is_empty() {
        let fields = |row: &[String]| row.iter().map(|field| line(field)).collect::<Vec<_>>().join(" | ");
        let head: Vec<String> = head.iter().map(|name| renamed(name).to_owned()).collect();
        let _ = writeln!(out, "| {} |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |", fields(&head));
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| by_difference(&change.settings[a], &change.settings[b]));
        for &at in order.iter().take(most) {
            let _ = writeln!(out, "| {} |", fields(&rows[at]));
        }
        let more = rows.len().saturating_sub(most);
        if more > 0 {
            let _ =
                writeln!(out, "\n{} more settings changed less; `emberline compare` lists them.", count(more as u64));
        }
        out.push('\n');
    }
    for note in notes(change).iter().take(most.min(12)) {
        let _ = writeln!(out, "- {}", line(note));
    }
    out.push('\n');
    out
}

/// Returns how many settings are better, worse and so on, in words.
fn counts(change: &Comparison) -> String {
    let kinds = [
        (Verdict::Better, "better"),
        (Verdict::Worse, "worse"),
        (Verdict::Equal, "equal or within the margin"),
        (Verdict::Unmeasured, "unmeasured"),
        (Verdict::New, "new"),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|(verdict, word)| (change.count(verdict), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let apart = change.settings.iter().filter(|pair| pair.test.as_ref().is_some_and(|test| test.told_apart)).count();
    let larger = if change.smaller_is_better { "smaller" } else { "larger" };
    let parts = if parts.is_empty() { "no settings".to_owned() } else { parts.join(", ") };
    format!("By mean {} ({larger} is better), settings: {parts}; told apart from the baseline: {apart}", change.metric)
}

/// Orders the settings that are told apart before the others, then by the size of the difference.
fn by_difference(a: &Pair, b: &Pair) -> Ordering {
    let is_apart = |pair: &Pair| pair.test.as_ref().is_some_and(|test| test.told_apart);
    let size = |pair: &Pair| pair.difference.map_or(-1.0, f64::abs);
    is_apart(b).cmp(&is_apart(a)).then(size(b).total_cmp(&size(a)))
}

/// Names the sides of a comparison as they are called here.
fn renamed(head: &str) -> &str {
    match head {
        "first" => "baseline",
        "second" => "this run",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Options, Side, SideCell, compare};
    use crate::sample;

    /// The course's run as a side without records, each score changed by `by`.
    fn side(name: &str, by: impl Fn(usize) -> f64) -> Side {
        let summary = sample::course().summary;
        let cell = |(number, cell): (usize, &emberline_base::record::Cell)| SideCell {
            id: cell.id.clone(),
            axes: cell.settings.clone(),
            settings: serde_json::json!({"seed": cell.seed, "embedding": {"name": cell.embedding, "trainable": cell.trainable}}),
            metrics: cell
                .outcome
                .iter()
                .flat_map(|o| &o.metrics)
                .map(|(name, value)| (name.clone(), value + by(number)))
                .collect(),
            made_from: cell.made_from(),
        };
        let cells = summary.cells.iter().enumerate().map(cell).collect();
        Side { name: name.to_owned(), task: summary.data.task, cells, run: None }
    }

    #[test]
    fn the_largest_difference_leads_and_the_sides_are_named() {
        let (first, second) = (side("p.lock", |_| 0.0), side("runs/p", |number| if number < 3 { -0.2 } else { 0.01 }));
        let change = compare(&first, &second, &Options::default()).expect("comparable");
        let text = section(&change, 100);
        assert!(
            text.starts_with("## Change against p.lock\n\nBy mean val_pr_auc (larger is better), settings: "),
            "{text}"
        );
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(table[0].starts_with("| setting | baseline | this run | difference"), "{text}");
        assert!(table[2].starts_with("| swivel-20 · frozen |") && table[2].contains("worse"), "{text}");
        assert!(section(&change, 0).len() < 400);
        assert!(section(&change, 3).contains("3 more settings changed less"), "{}", section(&change, 3));
    }
}
