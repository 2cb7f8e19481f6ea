//! Reads labelled texts from files and splits them for training, validation and test.
//!
//! ```text
//! Settings ── read ──> Rows ── split ──> Dataset
//! ```
//!
//! [`read`] opens the files that `[data]` names (`format/`: CSV, TSV, JSON Lines and Parquet, plain or compressed), keeps the
//! wanted columns, numbers the classes and finds duplicate texts. [`Rows::split`] splits the rows as often as a grid needs,
//! without copying a text. [`Rows::findings`] reports problems in the data before anything is trained. [`TextInput`] reads only
//! the texts of the same kinds of files, row by row. This crate knows nothing of embeddings and training.

mod class_names;
mod dataset;
mod divide;
mod draws;
mod error;
mod faults;
mod files;
mod findings;
mod format;
mod group;
pub mod guess;
mod header_rows;
mod labels;
mod missing;
mod normal;
mod one_class;
mod order;
mod reader;
mod resolve;
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
pub use rows::{FileOfRows, RowOrigin, Rows, read};
pub use settings::Settings;
pub use texts::Texts;

/// Reads and splits the data. Relative paths are resolved against `base`; `seed` is the seed of the split if the settings give
/// none.
///
/// # Errors
/// As [`read`] and [`Rows::split`].
pub fn load(settings: &Settings, base: &Path, seed: u64) -> Result<Dataset, Error> {
    read(settings, base)?.split(&settings.split, seed)
}
