//! Guesses the settings of `[data]` for a file that nobody has described: its format, and its text and label columns.
//!
//! ```text
//! path ── sample ──> Table ── profile ──> Profiles ── columns ──> text, label ──> Settings, with a reason for each
//! ```
//!
//! [`guess`] reads a sample of the rows of a file of any format that `[data]` reads. Everything that it guesses is a setting that can be
//! written down and changed; the reasons are sentences for people. If no column looks like texts or like labels, the error names
//! every column and why it doesn't.

mod columns;
mod header;
mod lines;
mod profile;
mod sample;

use std::path::{Path, PathBuf};

pub use self::columns::ColumnSummary;
use self::columns::{Label, label_column, text_column};
use self::profile::Profile;
use self::sample::Table;
use crate::class_names::ClassNames;
use crate::error::Error;
use crate::labels::number;
use crate::settings::{Column, LabelColumns, Settings};

/// A guess is made from this many rows, up to twice as many.
pub const SAMPLED: usize = 5_000;

/// The names of files with the names of classes that are looked for beside the data.
const CLASS_NAME_FILES: [&str; 8] = [
    "class_names.txt",
    "classes.txt",
    "labels.txt",
    "mapping.txt",
    "label_names.txt",
    "categories.json",
    "id2label.json",
    "class_names.json",
];

/// The guessed settings of a file.
#[derive(Debug)]
pub struct Guess {
    /// The settings, with the path as it was given and the default split.
    pub settings: Settings,
    /// What was guessed, in the order of the settings.
    pub reasons: Vec<Reason>,
    /// The columns of the file.
    pub columns: Vec<ColumnSummary>,
    /// The first rows: text and label.
    pub first: Vec<(String, String)>,
    /// Files beside this one that seem to hold the rows of other splits, by their names.
    pub others: Vec<String>,
}

/// A guessed key of `[data]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// The key, such as `text`.
    pub key: &'static str,
    /// Why it has its value, as the rest of a sentence, for example `its name; 11 words on average`.
    pub why: String,
}

/// Columns that are named and so needn't be guessed.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The text column.
    pub text: Option<Column>,
    /// The label column.
    pub label: Option<Column>,
}

/// Guesses the settings of a file from a sample of its rows.
///
/// # Errors
/// When the file can't be read, no column looks like texts or like labels, or a given column doesn't exist.
pub fn guess(path: &Path, given: &Given) -> Result<Guess, Error> {
    let table = sample::table(path)?;
    let profiles = Profile::of_all(&table);
    let text = text_column(path, &profiles, given)?;
    let label = label_column(path, &profiles, (text.at, given))?;
    let mut reasons = Vec::new();
    let mut settings = settings(path, &table, &mut reasons);
    if !settings.is_of_lines() {
        settings.text = Some(profiles[text.at].column.clone());
        reasons.push(Reason { key: "text", why: text.why });
        settings.label = Some(match &label.several[..] {
            [] => LabelColumns::One(profiles[label.named.at].column.clone()),
            several => LabelColumns::Several(several.iter().map(|&at| profiles[at].column.clone()).collect()),
        });
        reasons.push(Reason { key: "label", why: label.named.why.clone() });
    }
    if let Some(separator) = &label.separator {
        settings.separator = Some(separator.value.to_string());
        reasons.push(Reason { key: "separator", why: separator.why.clone() });
    }
    if let Some((names, why)) = class_names(path, &table, &label) {
        settings.class_names = Some(names);
        reasons.push(Reason { key: "class_names", why });
    }
    let first = table.first.iter().map(|row| (shown(row, text.at), label.shown(row, &profiles))).collect();
    let columns = profiles.iter().map(|profile| ColumnSummary::of(profile, table.rows.len())).collect();
    Ok(Guess { settings, reasons, columns, first, others: other_splits(path) })
}

/// Returns the settings that say how the file is read.
fn settings(path: &Path, table: &Table, reasons: &mut Vec<Reason>) -> Settings {
    let unset = Column::Number(1);
    let mut settings = Settings::new(path, unset.clone(), LabelColumns::One(unset));
    (settings.text, settings.label) = (None, None);
    settings.labels_path.clone_from(&table.labels);
    if let Some(labels) = &table.labels {
        let why = format!("`{}` has as many lines", labels.file_name().unwrap_or_default().display());
        reasons.push(Reason { key: "labels_path", why });
    }
    if let Some((format, why)) = &table.format {
        settings.format = Some(*format);
        reasons.push(Reason { key: "format", why: why.clone() });
    }
    if let Some((delimiter, why)) = &table.delimiter {
        settings.delimiter = Some(*delimiter);
        reasons.push(Reason { key: "delimiter", why: why.clone() });
    }
    if table.needs_header_key {
        settings.header = Some(true);
        reasons.push(Reason {
            key: "header",
            why: "the first line holds names, but a column is given by number".to_owned(),
        });
    }
    settings
}

/// Returns the names of files beside one of training rows that seem to hold validation and test rows.
fn other_splits(path: &Path) -> Vec<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let renamed = ["dev", "valid", "validation", "val", "test"].map(|split| name.replacen("train", split, 1));
    let is_other = |other: &String| name.contains("train") && path.with_file_name(other).is_file();
    renamed.into_iter().filter(is_other).collect()
}

/// Returns a file beside the data that names all of the labels, which are numbers.
fn class_names(path: &Path, table: &Table, label: &Label) -> Option<(PathBuf, String)> {
    let labels = &label.classes;
    let are_numbers = labels.iter().all(|label| number(label).is_some_and(|number| number.fract() == 0.0));
    if !are_numbers || !label.several.is_empty() {
        return None;
    }
    let folder = path.parent()?;
    let names_all = |file: &PathBuf| {
        file.is_file()
            && Some(file) != table.labels.as_ref()
            && file != path
            && ClassNames::read(file).is_ok_and(|names| labels.iter().all(|label| names.of(label).is_some()))
    };
    let found = CLASS_NAME_FILES.iter().map(|name| folder.join(name)).find(names_all)?;
    let why = format!("the labels are numbers, and `{}` names all of them", found.file_name()?.display());
    Some((found, why))
}

fn shown(row: &[sample::Cell], at: usize) -> String {
    row.get(at).map(sample::Cell::shown).unwrap_or_default()
}

impl Label {
    /// Returns the label of a row as people read it; of several columns, the names of those that are set.
    fn shown(&self, row: &[sample::Cell], profiles: &[Profile]) -> String {
        if self.several.is_empty() {
            return shown(row, self.named.at);
        }
        let is_set = |&&at: &&usize| ["1", "1.0", "true", "True", "TRUE"].contains(&shown(row, at).as_str());
        let set: Vec<&str> = self.several.iter().filter(is_set).map(|&at| profiles[at].name.as_str()).collect();
        set.join(", ")
    }
}

#[cfg(test)]
mod tests;
