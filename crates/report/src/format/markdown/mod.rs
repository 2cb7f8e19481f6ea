//! `report.md`: the answer, a chart and the tables in GitHub-flavoured Markdown, for pull requests, pages of CI and terminals.
//!
//! Long tables are collapsed. GitHub takes at most 65,536 characters: `fit.rs` shortens what matters least until the report has fewer.
//! `chart.rs` draws the settings, `change.rs` compares the run with a baseline.

mod change;
mod chart;
mod fit;

use std::fmt::Write as _;

use self::fit::Part;
use crate::compare::Comparison;

use crate::Run;
use crate::answer::answer;
use crate::document::{Field, Prose, Span, Table};
use crate::escape::{markdown, shorten};
use crate::label_efficiency::label_efficiency;
use crate::number::{count, counted};
use crate::ranking::Ranking;
use crate::table;
use crate::warnings::warnings;

/// Number of rows from which on a table is collapsed.
const COLLAPSE_FROM_ROWS: usize = 24;

/// Maximum number of bytes of the report: GitHub takes 65,536 characters.
const MAX_BYTES: usize = 65_000;

/// Maximum length in characters of a paragraph.
const MAX_PARAGRAPH: usize = 1_600;

/// Maximum number of failed cells that are listed with their messages.
const MAX_FAILURES: usize = 20;

/// Maximum length in characters of a name or label.
const MAX_LENGTH: usize = 160;

/// Maximum length in characters of a failed cell's message.
const MAX_MESSAGE_LENGTH: usize = 1000;

/// Renders the report; `change` compares the run with a baseline.
pub(super) fn render(run: &Run, change: Option<&Comparison>) -> String {
    let summary = &run.summary;
    let ranking = Ranking::of(summary);
    let name = if summary.name.is_empty() { "unnamed pipeline" } else { summary.name.as_str() };
    let title = format!("# {}\n\n", markdown(&shorten(name, MAX_LENGTH)));
    let paragraphs = answer(summary, &ranking);
    let answer: String = paragraphs.iter().map(|paragraph| format!("{}\n\n", prose(paragraph))).collect();
    let tables = |title: &'static str, importance: u8, table: Option<Table>| {
        table.map(|table| Part::new(importance, move |rows| section(title, &table, rows)))
    };
    let mut parts = vec![
        Part::new(9, move |_| title.clone()),
        Part::new(8, |rows| warned(&warnings(summary), rows)),
        Part::new(9, move |_| answer.clone()),
        Part::new(6, |rows| if rows == 0 { String::new() } else { chart::bars(summary).unwrap_or_default() }),
    ];
    parts.extend(tables("Settings", 7, Some(table::settings::table(summary, &ranking))));
    parts.extend(change.map(|change| Part::new(6, move |rows| change::section(change, rows))));
    parts.extend(tables("Baselines", 4, table::baselines::table(summary, &ranking)));
    parts.extend(tables("Labels", 3, label_efficiency(summary, &ranking).map(|labels| labels.table)));
    parts.push(Part::new(5, |rows| failures(run, rows)));
    parts.extend(tables("Left out", 3, table::left_out::table(summary)));
    parts.extend(tables("Data", 2, Some(table::data::table(&summary.data))));
    parts.extend(tables("Cells", 1, Some(table::cells::table(run))));
    let mut out = fit::fitted(&parts, MAX_BYTES);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Returns the warnings as an alert; at most so many.
fn warned(warnings: &[Prose], rows: usize) -> String {
    let lines: Vec<String> = warnings
        .iter()
        .take(rows)
        .map(|warning| format!("> - {}\n", shorten(&prose(warning), MAX_PARAGRAPH)))
        .collect();
    let more = warnings.len() - lines.len();
    let more =
        if more > 0 { format!("> - {}: see summary.json\n", counted(more, "more warning")) } else { String::new() };
    if warnings.is_empty() { String::new() } else { format!("> [!WARNING]\n{}{more}\n", lines.concat()) }
}

fn prose(prose: &Prose) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => markdown(&shorten(text, MAX_PARAGRAPH)),
        Span::Strong(text) => format!("**{}**", markdown(&shorten(text, MAX_LENGTH))),
    };
    prose.0.iter().map(span).collect()
}

/// Returns a section with a table of at most so many rows; without any, it says where they are.
fn section(title: &str, table: &Table, most: usize) -> String {
    let mut out = format!("## {title}\n\n");
    if most == 0 && !table.rows.is_empty() {
        let _ = write!(out, "{}: see report.html and summary.csv.\n\n", counted(table.rows.len(), "row"));
        return out;
    }
    let table = &table.clone().capped(most);
    let folds = table.rows.len() >= COLLAPSE_FROM_ROWS;
    if folds {
        let _ = write!(
            out,
            "<details><summary>{} ({})</summary>\n\n",
            markdown(&table.caption),
            counted(table.rows.len(), "row")
        );
    }
    rows(&mut out, table);
    out.push_str(if folds { "\n</details>\n\n" } else { "\n" });
    for note in &table.notes {
        let _ = write!(out, "{}\n\n", prose(note));
    }
    out
}

fn rows(out: &mut String, table: &Table) {
    let heading = |column: &crate::document::Column| match column.note.as_str() {
        "" => markdown(&column.name),
        note => format!("{} ({})", markdown(&column.name), markdown(note)),
    };
    let headings: Vec<String> = table.columns.iter().map(heading).collect();
    let rules: Vec<&str> = table.columns.iter().map(|column| if column.numeric { "---:" } else { "---" }).collect();
    let _ = writeln!(out, "| {} |\n| {} |", headings.join(" | "), rules.join(" | "));
    for row in &table.rows {
        let fields: Vec<String> = row.fields.iter().map(field).collect();
        let _ = writeln!(out, "| {} |", fields.join(" | "));
    }
}

fn field(field: &Field) -> String {
    let text = markdown(&shorten(&field.text, MAX_LENGTH));
    let text = if field.best { format!("**{text}**") } else { text };
    if field.detail.is_empty() { text } else { format!("{text} {}", markdown(&field.detail)) }
}

/// Returns why cells failed, for at most so many cells.
fn failures(run: &Run, rows: usize) -> String {
    let failures = table::cells::failures(&run.summary);
    if failures.is_empty() {
        return String::new();
    }
    let mut out = "### Failed cells\n\n".to_owned();
    let shown = failures.len().min(rows).min(MAX_FAILURES);
    let more = failures.len() - shown;
    for (id, message) in failures.into_iter().take(shown) {
        let message = shorten(message, MAX_MESSAGE_LENGTH);
        let lines: Vec<String> = message.lines().map(markdown).collect();
        let _ = writeln!(out, "- **{}**: {}", markdown(&shorten(id, MAX_LENGTH)), lines.join("<br>"));
    }
    if more > 0 {
        let _ = writeln!(out, "- {} more: see summary.csv", count(more as u64));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_answer_leads_and_tables_follow() {
        let text = render(&sample::course(), None);
        assert!(
            text.starts_with("# quora-insincere\n\nWhich setting is better for this task is not answered"),
            "{text}"
        );
        assert!(text.contains("**nnlm-128 · "), "{text}");
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(titles, ["# quora-insincere", "## Settings", "### Failed cells", "## Data", "## Cells"]);
        assert!(text.contains("| setting | seeds | val_pr_auc (prevalence 0.0619) |"), "{text}");
        assert!(text.contains("val_accuracy (majority 0.9381)"));
        assert!(text.contains("1.4 GiB free<br>in the embedding table"));
    }

    /// An unescaped `|` in a field would add a column.
    #[test]
    fn hostile_names_stay_in_their_fields() {
        let text = render(&sample::hostile(), None);
        for table in text.split("\n\n").filter(|block| block.starts_with('|')) {
            let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            let expected = table.lines().next().map(bars);
            assert!(table.lines().all(|line| Some(bars(line)) == expected), "{table}");
        }
        assert!(
            !text.contains("<script") && !text.contains("<img") && !text.contains("<svg") && !text.contains('\u{1b}')
        );
        assert!(!text.contains("[a](") && !text.contains('\u{202e}'));
    }

    #[test]
    fn warnings_stand_below_the_title() {
        let text = render(&sample::hostile(), None);
        assert!(text.lines().nth(2) == Some("> [!WARNING]"), "{text}");
        assert!(text.lines().nth(3).is_some_and(|line| line.starts_with("> - **EMB001**: the label")), "{text}");
        let text = render(&sample::course(), None);
        assert!(!text.contains("WARNING") && text.contains("positive class: **insincere (it has fewer rows"), "{text}");
    }

    /// GitHub refuses a comment of more than 65,536 characters.
    #[test]
    fn no_report_is_too_long_for_github() {
        let reports = [sample::course(), sample::hostile(), sample::many_classes(), sample::of_five_splits()];
        assert!(reports.iter().all(|run| render(run, None).len() <= MAX_BYTES));
        for (embeddings, seeds) in [(1_000, 1), (500, 2), (50, 20)] {
            let run = sample::large(embeddings, seeds, "a");
            assert_eq!(run.summary.cells.len(), 1_000);
            let text = render(&run, None);
            assert!(text.len() <= MAX_BYTES, "{}", text.len());
            assert!(text.contains("## Settings") && text.contains("xychart-beta"), "{text}");
        }
        let run = sample::large(1_000, 1, &"日<|>".repeat(60));
        let text = render(&run, None);
        assert!(text.len() <= MAX_BYTES && text.contains("## Settings"), "{}", text.len());
    }

    #[test]
    fn long_tables_fold() {
        let text = render(&sample::many_classes(), None);
        assert!(
            text.contains("<details><summary>Rows of each split and class (78 rows)</summary>\n\n| class"),
            "{text}"
        );
    }
}
