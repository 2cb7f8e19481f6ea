//! Records to reports: a run folder's `summary.json` and histories become `report.html`,
//! `report.md` and `summary.csv`.
//!
//! What enters is records alone ([`Run::load`]); what leaves is text ([`render`]), the same bytes
//! for the same records. No training, no data and no pipeline is needed, so that a report can be
//! rendered again years later. Nothing here prints or writes a file.
//!
//! The way through: [`Run`] -> `grouping` (cells that differ only by their seed are a setting) -> `ranking` ->
//! `warnings`, `answer`, `table`, `curves` and `sizes` -> one file a format in `format/`. Escaping is each format's last step.

mod answer;
mod chart;
mod choose;
pub mod compare;
mod curves;
mod document;
mod error;
mod escape;
mod format;
mod grouping;
pub mod history;
pub mod known;
mod number;
pub mod predictions;
mod ranking;
mod refit;
pub mod rows;
mod run;
mod sizes;
pub mod statistics;
mod stored;
mod summed;
mod table;
mod warnings;

#[cfg(test)]
mod sample;

pub use choose::{Chosen, ChosenModel, ChosenSetting, ModelChoice};
pub use error::Error;
pub use format::{Format, file_name, render};
pub use refit::{read_refit, read_whole_refit};
pub use run::Run;
pub use summed::SummedFolder;
