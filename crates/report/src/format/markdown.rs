//! `report.md`: the answer and the tables in GitHub-flavoured Markdown, for pull requests and terminals.
//!
//! There are no charts; long tables are collapsed.

use std::fmt::Write as _;

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

/// Maximum number of rows of a table; `summary.csv` has all rows.
const MAX_ROWS: usize = 200;

/// Maximum number of failed cells that are listed with their messages.
const MAX_FAILURES: usize = 20;

/// Maximum length in characters of a name or label.
const MAX_LENGTH: usize = 160;

/// Maximum length in characters of a failed cell's message.
const MAX_MESSAGE_LENGTH: usize = 1000;

/// Renders the report.
pub(super) fn render(run: &Run) -> String {
    let ranking = Ranking::of(&run.summary);
    let name = if run.summary.name.is_empty() { "unnamed pipeline" } else { run.summary.name.as_str() };
    let mut out = format!("# {}\n\n", markdown(&shorten(name, MAX_LENGTH)));
    let warnings = warnings(&run.summary);
    if !warnings.is_empty() {
        let lines: Vec<String> = warnings.iter().map(|warning| format!("> - {}", prose(warning))).collect();
        let _ = write!(out, "> [!WARNING]\n{}\n\n", lines.join("\n"));
    }
    for paragraph in answer(&run.summary, &ranking) {
        let _ = write!(out, "{}\n\n", prose(&paragraph));
    }
    section(&mut out, "Settings", &table::settings::table(&run.summary, &ranking));
    if let Some(baselines) = table::baselines::table(&run.summary, &ranking) {
        section(&mut out, "Baselines", &baselines);
    }
    if let Some(labels) = label_efficiency(&run.summary, &ranking) {
        section(&mut out, "Labels", &labels.table);
    }
    section(&mut out, "Cells", &table::cells::table(run));
    failures(&mut out, run);
    if let Some(left_out) = table::left_out::table(&run.summary) {
        section(&mut out, "Left out", &left_out);
    }
    section(&mut out, "Data", &table::data::table(&run.summary.data));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn prose(prose: &Prose) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => markdown(text),
        Span::Strong(text) => format!("**{}**", markdown(&shorten(text, MAX_LENGTH))),
    };
    prose.0.iter().map(span).collect()
}

fn section(out: &mut String, title: &str, table: &Table) {
    let table = &table.clone().capped(MAX_ROWS);
    let _ = write!(out, "## {title}\n\n");
    let folds = table.rows.len() >= COLLAPSE_FROM_ROWS;
    if folds {
        let _ = write!(
            out,
            "<details><summary>{} ({})</summary>\n\n",
            markdown(&table.caption),
            counted(table.rows.len(), "row")
        );
    }
    rows(out, table);
    out.push_str(if folds { "\n</details>\n\n" } else { "\n" });
    for note in &table.notes {
        let _ = write!(out, "{}\n\n", prose(note));
    }
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

fn failures(out: &mut String, run: &Run) {
    let failures = table::cells::failures(&run.summary);
    if failures.is_empty() {
        return;
    }
    out.push_str("### Failed cells\n\n");
    let more = failures.len().saturating_sub(MAX_FAILURES);
    for (id, message) in failures.into_iter().take(MAX_FAILURES) {
        let message = shorten(message, MAX_MESSAGE_LENGTH);
        let lines: Vec<String> = message.lines().map(markdown).collect();
        let _ = writeln!(out, "- **{}**: {}", markdown(id), lines.join("<br>"));
    }
    if more > 0 {
        let _ = writeln!(out, "- {} more: see summary.csv", count(more as u64));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_answer_leads_and_tables_follow() {
        let text = render(&sample::course());
        assert!(
            text.starts_with("# quora-insincere\n\nWhich setting is better for this task is not answered"),
            "{text}"
        );
        assert!(text.contains("**nnlm-128 · "), "{text}");
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(titles, ["# quora-insincere", "## Settings", "## Cells", "### Failed cells", "## Data"]);
        assert!(text.contains("| setting | seeds | val_pr_auc (prevalence 0.0619) |"), "{text}");
        assert!(text.contains("val_accuracy (majority 0.9381)"));
        assert!(text.contains("1.4 GiB free<br>in the embedding table"));
    }

    /// An unescaped `|` in a field would add a column.
    #[test]
    fn hostile_names_stay_in_their_fields() {
        let text = render(&sample::hostile());
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
        let text = render(&sample::hostile());
        assert!(text.lines().nth(2) == Some("> [!WARNING]"), "{text}");
        assert!(text.lines().nth(3).is_some_and(|line| line.starts_with("> - **EMB001**: the label")), "{text}");
        let text = render(&sample::course());
        assert!(!text.contains("WARNING") && text.contains("positive class: **insincere (it has fewer rows"), "{text}");
    }

    #[test]
    fn long_tables_fold() {
        let text = render(&sample::many_classes());
        assert!(
            text.contains("<details><summary>Rows of each split and class (78 rows)</summary>\n\n| class"),
            "{text}"
        );
    }
}
