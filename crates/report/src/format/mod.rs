//! The formats of a report. Rendering is a pure function: equal records give equal bytes.

mod content_policy;
mod csv;
mod html;
mod markdown;
mod parquet;
mod settings;

use serde_json::Value;

use crate::compare::Comparison;
use crate::setting_scores::setting_scores;
use crate::{Details, Run};

/// A format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `report.html`: a self-contained page with charts.
    Html,
    /// `report.md`: the answer and the tables in GitHub-flavoured Markdown.
    Markdown,
    /// `summary.csv`: one row per cell.
    Csv,
    /// `settings.csv`: one row per setting, with means and intervals.
    SettingsCsv,
    /// `settings.json`: the same, for programs.
    SettingsJson,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Html, Self::Markdown, Self::Csv, Self::SettingsCsv, Self::SettingsJson];
}

/// Returns the name of a format's file in the run folder.
pub fn file_name(format: Format) -> &'static str {
    match format {
        Format::Html => "report.html",
        Format::Markdown => "report.md",
        Format::Csv => "summary.csv",
        Format::SettingsCsv => "settings.csv",
        Format::SettingsJson => "settings.json",
    }
}

/// Renders a report from the records alone, without [`Details`].
pub fn render(run: &Run, format: Format) -> String {
    render_with(run, &Details::default(), format, None)
}

/// Renders a report with the details of a run, which only the page shows. If the run was compared with a baseline, the Markdown report
/// says what changed.
pub fn render_with(run: &Run, details: &Details, format: Format, change: Option<&Comparison>) -> String {
    match format {
        Format::Html => html::render(run, details),
        Format::Markdown => markdown::render(run, change),
        Format::Csv => csv::render(run),
        Format::SettingsCsv => settings::csv(run),
        Format::SettingsJson => settings::json(run),
    }
}

/// Renders the cells and the settings as files of Apache Parquet: their names and contents, none for a table without a row.
///
/// # Errors
/// Why a table can't be written.
pub fn render_parquet(run: &Run) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let cells = objects(&run.summary.cells);
    let settings = objects(&setting_scores(&run.summary));
    let tables = [("summary.parquet", cells), ("settings.parquet", settings)];
    let rendered = tables.into_iter().filter(|(_, objects)| !objects.is_empty()).map(|(name, objects)| {
        let table = parquet::table(&objects).map_err(|error| format!("{name} can't be written: {error}"))?;
        Ok((name, table))
    });
    rendered.collect()
}

fn objects<T: serde::Serialize>(records: &[T]) -> Vec<Value> {
    records.iter().filter_map(|record| serde_json::to_value(record).ok()).collect()
}
