//! The setting that an error is about, so that a message can point into the pipeline file as well as into the data.

use std::path::Path;

use super::Error;
use crate::files::DataFile;
use crate::settings::{Column, Settings};

impl Error {
    /// Returns the key below `[data]` that names what is at fault: a file, a column, or an amount of rows. `None` if the fault isn't
    /// that of a setting.
    pub fn key(&self, settings: &Settings) -> Option<String> {
        match self {
            Self::Missing { path }
            | Self::NotFetched { path }
            | Self::Folder { path }
            | Self::UnknownFormat { path }
            | Self::Damaged { path, .. }
            | Self::Oversized { path, .. }
            | Self::Archive { path, .. }
            | Self::Empty { path }
            | Self::NoRows { path, .. }
            | Self::NoUsableRows { path, .. }
            | Self::OtherKind { path, .. }
            | Self::JsonArray { path, .. }
            | Self::OtherColumns { path, .. }
            | Self::NotOfFormat { path, .. } => settings.key_of_file(path),
            Self::Hash { path, .. } => settings.key_of_file(path).map(|key| key.replace("path", "sha256")),
            Self::NotUtf8 { place, .. }
            | Self::FieldCount { place, .. }
            | Self::OpenQuote { place }
            | Self::TextAfterQuote { place, .. }
            | Self::BlankBeforeQuote { place, .. }
            | Self::Json { place, .. }
            | Self::SecondHeader { place, .. } => settings.key_of_file(&place.path),
            Self::NoColumn { path, column, .. } => {
                settings.key_of_column(column).or_else(|| settings.key_of_file(path))
            }
            Self::Value { column, .. } => settings.key_of_column(column),
            Self::AmbiguousColumn { column, .. } | Self::ColumnType { column, .. } => {
                settings.key_of_column(&format!("`{column}`"))
            }
            Self::NoText { .. } | Self::OneText { .. } => Some("text".to_owned()),
            Self::SameColumn { .. }
            | Self::OneClass { .. }
            | Self::NoClass { .. }
            | Self::TooManyClasses { .. }
            | Self::UnknownLabel { .. } => Some("label".to_owned()),
            Self::UnknownPositive { .. } | Self::NoPositive { .. } => Some("positive".to_owned()),
            Self::OneClassToTrainOn { .. }
            | Self::TooFewRows { .. }
            | Self::TooFewOfClass { .. }
            | Self::EmptySplit { .. } => Some("split".to_owned()),
            Self::Draw { .. } => Some("split.rows".to_owned()),
            Self::NoDraw { .. } => Some("split.draw".to_owned()),
            Self::ClassNames { .. } | Self::NoClassName { .. } => Some("class_names".to_owned()),
            Self::NoLabelLine { labels, .. } | Self::NoTextLine { labels, .. } => settings.key_of_file(labels),
            Self::Settings { key, .. } => Some(key.clone()),
            Self::File(_) | Self::OutOfMemory(_) | Self::NothingLooksLike { .. } | Self::Stopped => None,
        }
    }
}

impl Settings {
    /// Returns the key that names a file. `path` is joined to the base folder.
    fn key_of_file(&self, path: &Path) -> Option<String> {
        let of_rows = self.data_files().find_map(|file| of_file(&file, path));
        let is = |other: &Path| path.ends_with(other);
        of_rows
            .or_else(|| self.class_names.as_deref().filter(|names| is(names)).map(|_| "class_names".to_owned()))
            .or_else(|| self.split.rows.as_deref().filter(|rows| is(rows)).map(|_| "split.rows".to_owned()))
    }

    /// Returns the key that names a column, as messages write it.
    fn key_of_column(&self, column: &str) -> Option<String> {
        let is = |other: &Column| other.to_string() == column;
        let (text, labels) = (self.text_column(), self.label_columns());
        let keys = [
            ("text", is(&text)),
            ("label", labels.columns().iter().any(is)),
            ("group", self.group.as_ref().is_some_and(is)),
            ("split.order", self.split.order.as_ref().is_some_and(is)),
        ];
        keys.into_iter().find(|(_, is)| *is).map(|(key, _)| key.to_owned())
    }
}

fn of_file(file: &DataFile<'_>, path: &Path) -> Option<String> {
    if path.ends_with(file.path) {
        return Some(file.key("path"));
    }
    file.labels.is_some_and(|labels| path.ends_with(labels)).then(|| file.key("labels_path"))
}
