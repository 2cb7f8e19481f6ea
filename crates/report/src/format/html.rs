//! `report.html`: a self-contained page with inline style, script and charts.
//!
//! It loads nothing from the network. It is complete without the script, which only sorts tables and hides curves. The page
//! follows the reader's light or dark theme and is printable. All text from the records is escaped here, as the last step.

use std::fmt::Write as _;

use emberline_base::record::Summary;

use super::content_policy::policy;
use crate::Run;
use crate::answer::answer;
use crate::chart::{Chart, swatch};
use crate::curves::{Curves, curves};
use crate::document::{Column, Field, Prose, Row, Span, Table};
use crate::escape::{html, shorten};
use crate::growth::{By, GrowthChart, growth_chart};
use crate::label_efficiency::label_efficiency;
use crate::number::{count, counted, duration, single};
use crate::ranking::Ranking;
use crate::table::{self, data::split_title, data::task_title};
use crate::warnings::warnings;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Maximum length in characters of a name or label.
const MAX_LENGTH: usize = 200;

/// Maximum number of rows of a table; `summary.csv` has all rows.
const MAX_ROWS: usize = 1000;

/// Maximum number of failed cells that are listed with their messages.
const MAX_FAILURES: usize = 100;

/// Number of rows from which on a table scrolls in its own box.
const SCROLL_FROM_ROWS: usize = 40;

/// Renders the report.
pub(super) fn render(run: &Run) -> String {
    let ranking = Ranking::of(&run.summary);
    let name = if run.summary.name.is_empty() { "unnamed pipeline" } else { run.summary.name.as_str() };
    let name = html(&shorten(name, MAX_LENGTH));
    let policy = policy(STYLE, SCRIPT);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name} – Emberline report</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    header(&mut out, run, &ranking, &name);
    section(&mut out, "settings", "Settings", &table(&table::settings::table(&run.summary, &ranking)));
    if let Some(baselines) = table::baselines::table(&run.summary, &ranking) {
        section(&mut out, "baselines", "Baselines", &table(&baselines));
    }
    curves_section(&mut out, &curves(run, &ranking));
    if let Some(chart) = growth_chart(&run.summary, &ranking, By::Dimension) {
        section(&mut out, "dimension", "Dimension", &growth(&chart));
    }
    if let Some(labels) = label_efficiency(&run.summary, &ranking) {
        section(&mut out, "labels", "Labels", &(growth(&labels.chart) + &table(&labels.table)));
    }
    section(&mut out, "data", "Data", &table(&table::data::table(&run.summary.data)));
    let cells = failures(run) + &table(&table::cells::table(run));
    section(&mut out, "cells", "Cells", &cells);
    if let Some(left_out) = table::left_out::table(&run.summary) {
        section(&mut out, "left-out", "Left out", &table(&left_out));
    }
    let _ = write!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn header(out: &mut String, run: &Run, ranking: &Ranking<'_>, name: &str) {
    let _ = write!(out, "<header>\n<p class=\"kind\">Emberline report</p>\n<h1>{name}</h1>\n");
    warnings_block(out, &run.summary);
    out.push_str("<div class=\"answer\">\n");
    for paragraph in answer(&run.summary, ranking) {
        let _ = writeln!(out, "<p>{}</p>", prose(&paragraph));
    }
    out.push_str("</div>\n<dl class=\"facts\">\n");
    for (term, fact) in facts(&run.summary) {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", html(&term), html(&fact));
    }
    out.push_str("</dl>\n</header>\n");
}

/// Writes the box of warnings at the top; nothing if there are no warnings.
fn warnings_block(out: &mut String, summary: &Summary) {
    let paragraphs = warnings(summary);
    if paragraphs.is_empty() {
        return;
    }
    out.push_str("<div class=\"warnings\" role=\"note\" aria-label=\"Warnings\">\n<p class=\"kind\">Warnings</p>\n");
    for paragraph in paragraphs {
        let _ = writeln!(out, "<p>{}</p>", prose(&paragraph));
    }
    out.push_str("</div>\n");
}

/// Returns the summary facts for the page header, as terms with their values.
fn facts(summary: &Summary) -> Vec<(String, String)> {
    let done: Vec<_> = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).collect();
    let mut facts = vec![("cells done".to_owned(), format!("{} of {}", done.len(), summary.cells.len()))];
    let classes = summary.data.classes.len();
    facts.push(("task".to_owned(), format!("{}, {}", task_title(summary.data.task), counted(classes, "class"))));
    if let Some(positive) = summary.data.describe_positive() {
        facts.push(("positive class".to_owned(), shorten(&positive, MAX_LENGTH)));
    }
    for (name, split) in summary.data.splits.iter() {
        let majority = summary.data.majority_accuracy.get(name).map(|share| format!(" (majority {})", single(*share)));
        facts.push((format!("{} rows", split_title(name)), count(split.rows as u64) + &majority.unwrap_or_default()));
    }
    if !done.is_empty() {
        facts.push(("training time".to_owned(), duration(done.iter().map(|outcome| outcome.seconds).sum())));
    }
    let mut devices: Vec<&str> = done.iter().map(|outcome| outcome.device.as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    if !devices.is_empty() {
        facts.push(("device".to_owned(), shorten(&devices.join(", "), MAX_LENGTH)));
    }
    facts
}

fn section(out: &mut String, id: &str, title: &str, body: &str) {
    let _ = write!(out, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}</section>\n");
}

fn prose(prose: &Prose) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => html(text),
        Span::Strong(text) => format!("<strong>{}</strong>", html(&shorten(text, MAX_LENGTH))),
    };
    prose.0.iter().map(span).collect()
}

fn notes(notes: &[Prose]) -> String {
    let lines: String = notes.iter().map(|note| format!("<p>{}</p>\n", prose(note))).collect();
    if lines.is_empty() { lines } else { format!("<div class=\"notes\">\n{lines}</div>\n") }
}

fn curves_section(out: &mut String, curves: &Curves) {
    let mut body = String::new();
    if curves.charts.is_empty() {
        body.push_str("<p>There are no curves to draw.</p>\n");
    } else {
        body.push_str("<ul class=\"legend pens\">");
        for (shown, class, name) in
            [(curves.styles.1, "mean", "validation"), (curves.styles.0, "mean dash", "training")]
        {
            if shown {
                let line = "viewBox=\"0 0 30 14\" aria-hidden=\"true\"><path d=\"M2 7H28\"/></svg>";
                let _ = write!(body, "<li><svg class=\"swatch {class}\" {line}{name}</li>");
            }
        }
        body.push_str("</ul>\n");
        body.push_str(&pictures(&curves.charts, &curves.legend));
    }
    body.push_str(&notes(&curves.notes));
    section(out, "curves", "Curves", &body);
}

/// Renders a chart by a number, with its legend and a note.
fn growth(growth: &GrowthChart) -> String {
    let mut body = pictures(std::slice::from_ref(&growth.chart), &growth.legend);
    let mut note = "Small dots are cells, large marks and lines their means.".to_owned();
    if growth.cut {
        note.push_str(" The best series are drawn, not all.");
    }
    body.push_str(&notes(&[Prose::default().plain(note)]));
    body
}

/// Renders charts that share a legend.
fn pictures(charts: &[Chart], legend: &[(usize, String)]) -> String {
    let mut out = String::from("<div class=\"pictures\">\n<ul class=\"legend\">");
    for (mark, label) in legend {
        let _ = write!(out, "<li data-setting=\"{mark}\">{}{}</li>", swatch(*mark), html(&shorten(label, MAX_LENGTH)));
    }
    out.push_str("</ul>\n<div class=\"charts\">\n");
    for chart in charts {
        let _ = writeln!(out, "<figure>{}</figure>", chart.svg());
    }
    out.push_str("</div>\n</div>\n");
    out
}

fn failures(run: &Run) -> String {
    let failures = table::cells::failures(&run.summary);
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

fn table(table: &Table) -> String {
    let table = &table.clone().capped(MAX_ROWS);
    let long = if table.rows.len() >= SCROLL_FROM_ROWS { " long" } else { "" };
    let caption = html(&table.caption);
    let mut out = format!(
        "<div class=\"scroll{long}\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n<caption><span>{caption}</span></caption>\n<thead><tr>"
    );
    out.extend(table.columns.iter().map(heading));
    out.push_str("</tr></thead>\n<tbody>\n");
    out.extend(table.rows.iter().map(|row| line(row, &table.columns)));
    out.push_str("</tbody>\n</table>\n</div>\n");
    out + &notes(&table.notes)
}

fn heading(column: &Column) -> String {
    let class = if column.numeric { " class=\"n\"" } else { "" };
    // A line break is allowed after each dot of a dotted key.
    let name = html(&shorten(&column.name, MAX_LENGTH)).replace('.', ".<wbr>");
    let note = if column.note.is_empty() { String::new() } else { format!("<small>{}</small>", html(&column.note)) };
    format!("<th scope=\"col\"{class}>{name}{note}</th>")
}

fn line(row: &Row, columns: &[Column]) -> String {
    let mut out = String::from(if row.muted { "<tr class=\"muted\">" } else { "<tr>" });
    for (index, (field, column)) in row.fields.iter().zip(columns).enumerate() {
        let tag = if index == 0 { "th scope=\"row\"" } else { "td" };
        let class = if column.numeric { " class=\"n\"" } else { "" };
        let value = field.value.filter(|value| value.is_finite());
        let value = value.map(|value| format!(" data-value=\"{value:?}\"")).unwrap_or_default();
        let _ = write!(out, "<{tag}{class}{value}>{}</{}>", content(field), if index == 0 { "th" } else { "td" });
    }
    out + "</tr>\n"
}

fn content(field: &Field) -> String {
    let mut text = html(&shorten(&field.text, MAX_LENGTH));
    if field.best {
        text = format!("<strong>{text}</strong>");
    }
    if !field.detail.is_empty() {
        let _ = write!(text, " <small>{}</small>", html(&field.detail));
    }
    match field.mark {
        Some(mark) => swatch(mark) + &text,
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn all() -> Vec<Run> {
        use sample::{all_failed, course, empty, hostile, many_classes, single, sweep, without_validation};
        vec![course(), single(), without_validation(), all_failed(), empty(), many_classes(), sweep(), hostile()]
    }

    #[test]
    fn every_run_renders_to_equal_bytes_and_a_whole_page() {
        for run in all() {
            let page = render(&run);
            assert_eq!(page, render(&run.clone()));
            assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
            for tag in ["section", "table", "tr", "td", "th", "svg", "g", "ul", "dl", "div", "strong", "small"] {
                let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
                assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag} in {}", run.summary.name);
            }
        }
    }

    #[test]
    fn nothing_is_fetched_and_nothing_in_a_name_is_obeyed() {
        for run in all() {
            let page = render(&run);
            for forbidden in ["http:", "https:", "src=", "href=", "url(", "@import"] {
                let escaped = page.matches(&format!("img {forbidden}")).count() + page.matches("HYPERLINK").count();
                assert!(page.matches(forbidden).count() <= escaped, "{forbidden} in {}", run.summary.name);
            }
            assert_eq!((page.matches("<script").count(), page.matches("<style").count()), (1, 1));
            assert!(!page.contains("<img") && !page.contains("<svg onload") && !page.contains('\u{1b}'));
        }
    }

    #[test]
    fn warnings_lead_the_page() {
        assert!(!render(&sample::course()).contains("class=\"warnings\""));
        let page = render(&sample::hostile());
        let (warning, answer) = (page.find("<strong>EMB001</strong>: the label"), page.find("class=\"answer\""));
        assert!(warning.is_some() && warning < answer);
    }

    #[test]
    fn the_page_says_what_it_should() {
        let page = render(&sample::course());
        for part in [
            "<h1>quora-insincere</h1>",
            "<strong>nnlm-128 · ",
            "<dt>cells done</dt><dd>16 of 18</dd>",
            "<th scope=\"col\" class=\"n\">val_accuracy<small>majority 0.9381</small></th>",
            "<small>prevalence 0.0619</small>",
            "<dt>positive class</dt><dd>insincere (it has fewer rows than the other; data.positive would name it)</dd>",
            "<title id=\"accuracy-title\">accuracy by epoch</title>",
            "<title id=\"loss-title\">loss by epoch</title>",
            "<title id=\"dimension-title\">val_pr_auc by dimension of the embedding</title>",
            "1.4 GiB free<br>in the embedding table",
            "<td>pending</td>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(ids.len(), unique.len());
    }
}
