//! The formats of a report: records to text, pure, the same bytes for the same records.

mod content_policy;
mod csv;
mod html;
mod markdown;

use crate::Run;

/// A file that a report is rendered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `report.html`: one page that holds its pictures and style, and reaches for nothing outside.
    Html,
    /// `report.md`: the answer and the tables, GitHub-flavoured.
    Markdown,
    /// `summary.csv`: a row a cell.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Html, Self::Markdown, Self::Csv];
}

/// What a format's file is called in the run folder.
pub fn file_name(format: Format) -> &'static str {
    match format {
        Format::Html => "report.html",
        Format::Markdown => "report.md",
        Format::Csv => "summary.csv",
    }
}

/// The text of a report.
pub fn render(run: &Run, format: Format) -> String {
    match format {
        Format::Html => html::render(run),
        Format::Markdown => markdown::render(run),
        Format::Csv => csv::render(run),
    }
}
