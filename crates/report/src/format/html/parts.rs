//! The parts that every section is made of: headings, paragraphs, tables, figures with their signature, legends.
//!
//! All text from the records is escaped here, as the last step.

use std::fmt::Write as _;

use crate::chart::{Chart, Proportions, swatch};
use crate::document::{Column, Field, Prose, Row, Span, Table};
use crate::escape::{html, shorten};
use crate::number::counted;

/// Maximum length in characters of a name or label.
pub(super) const MAX_LENGTH: usize = 200;

/// Maximum number of rows of a table; `summary.csv` has all rows.
const MAX_ROWS: usize = 1000;

/// Number of rows from which on a table scrolls in its own box.
const SCROLL_FROM_ROWS: usize = 40;

/// A section of the page.
pub(super) struct Section {
    /// The id of its heading, which the navigation links to.
    pub(super) id: &'static str,
    /// The heading.
    pub(super) title: &'static str,
    /// What the navigation calls it, in a word or two.
    pub(super) link: &'static str,
    /// The content, as HTML.
    pub(super) body: String,
}

impl Section {
    /// Creates a section whose heading is short enough for the navigation.
    pub(super) fn new(id: &'static str, title: &'static str, body: String) -> Self {
        Self { id, title, link: title, body }
    }

    /// Sets what the navigation calls it.
    pub(super) fn linked(self, link: &'static str) -> Self {
        Self { link, ..self }
    }

    /// Renders the section.
    pub(super) fn render(&self) -> String {
        let Self { id, title, link: _, body } = self;
        format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}</section>\n")
    }
}

/// Escapes a text, shortened to the length of a label.
pub(super) fn label(text: &str) -> String {
    html(&shorten(text, MAX_LENGTH))
}

/// Renders a paragraph's content.
pub(super) fn prose(prose: &Prose) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => html(text),
        Span::Strong(text) => format!("<strong>{}</strong>", label(text)),
    };
    prose.0.iter().map(span).collect()
}

/// Renders notes in small type; nothing if there are none.
pub(super) fn notes(notes: &[Prose]) -> String {
    let lines: String = notes.iter().map(|note| format!("<p>{}</p>\n", prose(note))).collect();
    if lines.is_empty() { lines } else { format!("<div class=\"notes\">\n{lines}</div>\n") }
}

/// Renders the signature of a figure: what it was made from, in one line.
pub(super) fn signature(parts: &[String]) -> String {
    let parts: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| html(part)).collect();
    format!("<p class=\"signature\">{}</p>\n", parts.join(" · "))
}

/// Renders content that is folded away; paper shows it.
pub(super) fn folded(summary: &str, body: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{body}</details>\n", html(summary))
}

/// Renders charts that share a legend, above their signature.
pub(super) fn pictures(charts: &[Chart], legend: &[(usize, String)], signed: &[String]) -> String {
    let mut out = String::from("<div class=\"pictures\">\n");
    if !legend.is_empty() {
        out.push_str("<ul class=\"legend\">");
        for (mark, text) in legend {
            let _ = write!(out, "<li data-setting=\"{mark}\">{}<span>{}</span></li>", swatch(*mark), label(text));
        }
        out.push_str("</ul>\n");
    }
    let is_square = charts.iter().all(|chart| chart.proportions == Proportions::Square);
    let class = if is_square { "charts three" } else { "charts" };
    let _ = writeln!(out, "<div class=\"{class}\">");
    for chart in charts {
        let _ = writeln!(out, "<figure>{}</figure>", chart.svg());
    }
    out.push_str("</div>\n");
    out.push_str(&signature(signed));
    out + "</div>\n"
}

/// Renders a table with its notes. Its headings become buttons that sort it.
pub(super) fn table(table: &Table) -> String {
    let table = &table.clone().capped(MAX_ROWS);
    let long = if table.rows.len() >= SCROLL_FROM_ROWS { " long" } else { "" };
    let caption = html(&table.caption);
    let mut out = format!(
        "<div class=\"scroll{long}\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n\
         <table class=\"sortable\">\n<caption><span>{caption}</span></caption>\n<thead><tr>"
    );
    out.extend(table.columns.iter().map(heading));
    out.push_str("</tr></thead>\n<tbody>\n");
    out.extend(table.rows.iter().map(|row| line(row, &table.columns)));
    out.push_str("</tbody>\n</table>\n</div>\n");
    out + &notes(&table.notes)
}

/// Renders a table that is folded away, since most readers don't need it.
pub(super) fn folded_table(shown: &Table) -> String {
    folded(&format!("{} ({})", shown.caption, counted(shown.rows.len(), "row")), &table(shown))
}

/// Returns the class attribute of a column's fields.
fn class(column: &Column) -> &'static str {
    match (column.numeric, column.is_minor) {
        (true, true) => " class=\"n m\"",
        (true, false) => " class=\"n\"",
        (false, true) => " class=\"m\"",
        (false, false) => "",
    }
}

fn heading(column: &Column) -> String {
    // A line break is allowed after each dot and underscore of a key.
    let name = label(&column.name).replace('.', ".<wbr>").replace('_', "_<wbr>");
    let note = if column.note.is_empty() { String::new() } else { format!("<small>{}</small>", html(&column.note)) };
    format!("<th scope=\"col\"{}>{name}{note}</th>", class(column))
}

fn line(row: &Row, columns: &[Column]) -> String {
    let mut out = String::from(if row.muted { "<tr class=\"muted\">" } else { "<tr>" });
    for (index, (field, column)) in row.fields.iter().zip(columns).enumerate() {
        let (open, close) = if index == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
        let _ = write!(out, "<{open}{}{}>{}</{close}>", class(column), value(field), content(field));
    }
    out + "</tr>\n"
}

/// Returns the attribute with the number that a field is sorted by; nothing if its text says the same.
fn value(field: &Field) -> String {
    let Some(value) = field.value.filter(|value| value.is_finite()) else { return String::new() };
    let is_said = field.detail.is_empty() && field.text.parse() == Ok(value);
    if is_said { String::new() } else { format!(" data-value=\"{value:?}\"") }
}

fn content(field: &Field) -> String {
    let mut text = label(&field.text);
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

    #[test]
    fn a_number_is_given_twice_only_if_it_is_rounded() {
        assert_eq!(value(&Field::number(0.25, "0.25")), "");
        assert_eq!(value(&Field::number(0.123_456, "0.1235")), " data-value=\"0.123456\"");
        assert_eq!(value(&Field::number(1234.0, "1,234")), " data-value=\"1234.0\"");
        assert_eq!(value(&Field::number(f64::NAN, "NaN")), "");
        assert_eq!(value(&Field::text("a")), "");
    }

    #[test]
    fn a_signature_leaves_out_what_is_empty() {
        let parts = ["400 test rows".to_owned(), String::new(), "a < b".to_owned()];
        assert_eq!(signature(&parts), "<p class=\"signature\">400 test rows · a &lt; b</p>\n");
    }
}
