//! From files to labelled, divided texts.
//!
//! ```text
//! Settings ── read ──> Rows ── split ──> Dataset
//! ```
//!
//! [`read`] opens the files that `[data]` names (`format/`: CSV, TSV, JSON Lines, Parquet,
//! plain or packed), keeps the wanted columns, numbers the classes and finds the texts that
//! count as the same. [`Rows::split`] divides them, as often as a grid asks, without copying a
//! text. [`Rows::findings`] tells what a person should know of the data first. [`TextInput`] reads
//! the same files for their texts alone, every row of them. This crate embeds nothing and trains
//! nothing.

mod dataset;
mod divide;
mod draws;
mod error;
mod faults;
mod files;
mod findings;
mod format;
mod group;
mod header_rows;
mod labels;
mod missing;
mod normal;
mod one_class;
mod order;
mod reader;
mod rows;
pub mod settings;
mod split;
mod split_faults;
mod texts;
mod time;
mod unknown;
mod warnings;

use std::path::Path;

pub use dataset::{Dataset, SplitTexts};
pub use draws::draw_names;
pub use error::{Error, Place, Unit};
pub use files::DataFile;
pub use findings::{FileFindings, Findings, Occurrence, Repeated};
pub use format::Original;
pub use reader::{Source, StreamFormat, TextInput, TextRow, TextsRead, read_texts};
pub use rows::{RowOrigin, Rows, read};
pub use settings::Settings;
pub use texts::Texts;

/// Reads and divides the data in one go. Relative paths count from `base`; `seed` is the
/// split's where the settings give it none.
///
/// # Errors
/// As [`read`] and [`Rows::split`].
pub fn load(settings: &Settings, base: &Path, seed: u64) -> Result<Dataset, Error> {
    read(settings, base)?.split(&settings.split, seed)
}
