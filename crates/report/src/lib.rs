//! Renders reports: the `summary.json` and the histories of a run folder become `report.html`, `report.md`, `summary.csv`,
//! `settings.csv` and `settings.json`.
//!
//! Input: the records of a run ([`Run::load`]) and, for the page, its [`Details`]. Output: text ([`render_with`]), with equal bytes for
//! equal records. Neither
//! training nor the data nor the pipeline is needed, so that a report can be rendered again years later. This crate prints
//! nothing and writes no files.
//!
//! Data flow: [`Run`] -> `grouping` (cells that differ only by their seed form a setting) -> `label_counts` (settings with equal
//! numbers of labels are compared) -> `ranking` -> `warnings`, `answer`, `table`, `curves`, `growth`, `label_efficiency`, `heat_map`
//! and `evaluation` -> one module per format in `format/`, which escapes text as its last step.

mod answer;
mod carried;
mod chart;
mod choose;
pub mod compare;
mod curves;
mod details;
mod document;
mod error;
mod escape;
mod evaluation;
mod fit_verdict;
mod format;
mod grouping;
mod growth;
mod heat_map;
pub mod history;
pub mod known;
mod label_counts;
mod label_efficiency;
mod moments;
mod number;
pub mod predictions;
mod ranking;
mod refit;
pub mod rows;
mod run;
mod setting_scores;
mod stored;
mod study;
mod summed;
mod table;
mod warnings;

#[cfg(test)]
mod sample;

pub use carried::{CarriedFile, read_carried};
pub use choose::{Chosen, ChosenModel, ChosenSetting, ModelChoice};
pub use details::Details;
pub use error::Error;
pub use evaluation::Evaluation;
pub use fit_verdict::{Course, FitVerdict, Gap, Learned};
pub use format::{Format, file_name, render, render_parquet, render_with};
pub use grouping::cell_labels;
pub use refit::{read_refit, read_whole_refit};
pub use run::{Run, read_whole_summary};
pub use setting_scores::{
    CellCounts, Claimed, SettingScores, SettingSizes, Spread, ToLeader, headline_metrics, ranking_metric,
    setting_scores,
};
pub use study::Question;
pub use summed::SummedFolder;
pub use table::baselines::name as baseline_name;
pub use table::{metric_names, reference_score};
