//! Fills in the defaults of `[data]` that depend on other settings and on the formats of the files, for `plan --resolved`.

use crate::format::{Format, Packing};
use crate::settings::{Column, Settings};

impl Settings {
    /// Returns the same settings with the defaults that depend on other settings filled in: `header` and `delimiter` (both for
    /// delimited files), `split.valid` and `split.stratify`.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut resolved = self.clone();
        resolved.split = self.split.resolved(self.valid.is_some());
        let mut delimiters: Vec<Option<u8>> = self
            .data_files()
            .map(|file| Packing::of(file.path, self.format_of()).1.and_then(Format::delimiter))
            .collect();
        delimiters.dedup();
        if delimiters.iter().any(Option::is_some) {
            let named = |column: &Column| matches!(column, Column::Name(_));
            let by_name = named(&self.text_column()) || self.label_columns().columns().iter().any(named);
            resolved.header = self.header.or(Some(by_name));
        }
        if let [Some(delimiter)] = delimiters[..] {
            resolved.delimiter = self.delimiter.or(Some(char::from(delimiter)));
        }
        resolved
    }
}
