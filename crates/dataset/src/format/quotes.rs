//! Detects quoted values in formats without quotes, as pandas and spreadsheets write them.

use std::path::Path;

use emberline_base::Warning;
use emberline_base::number::counted;
use emberline_base::warning::Code;

/// How a value is quoted, in a format where quotes are ordinary characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quoting {
    /// No quotes around it.
    #[default]
    None,
    /// Quotes around it, as people write them too.
    Around,
    /// Quotes around it and doubled quotes within, as only programs write them.
    Doubled,
}

impl Quoting {
    /// Returns how an untrimmed value is quoted.
    pub(crate) fn of(value: &str) -> Self {
        let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Self::None };
        let (quotes, pairs) = (inner.matches('"').count(), inner.matches("\"\"").count());
        match quotes {
            0 => Self::Around,
            quotes if quotes == 2 * pairs => Self::Doubled,
            _ => Self::None,
        }
    }
}

/// Counts the rows of a file that have a quoted value although its format has no quotes.
#[derive(Debug, Default)]
pub(crate) struct QuotedRows {
    count: usize,
    /// How many of them have doubled quotes within.
    doubled: usize,
    /// The line of the first.
    first: u64,
}

impl QuotedRows {
    /// Counts a row of the file.
    pub(crate) fn add(&mut self, quoting: Quoting, number: u64) {
        if quoting == Quoting::None {
            return;
        }
        if self.count == 0 {
            self.first = number;
        }
        self.count += 1;
        self.doubled += usize::from(quoting == Quoting::Doubled);
    }

    /// Returns a warning about quotes that are kept as part of values, if a program seems to have written them. `read` is the
    /// number of all rows of the file. The warning shows only the file's name, because records hold warnings and must not depend
    /// on the path of a folder.
    pub(crate) fn warning(&self, path: &Path, read: usize) -> Option<Warning> {
        let Self { count, doubled, first } = self;
        // People quote a few sentences; a program quotes those that need it, or all.
        if *doubled == 0 && (*count == 0 || count * 2 < read) {
            return None;
        }
        let text = format!(
            "{}: in {count} of {} (line {first} is the first) a value is in double quotes, which are kept as \
             part of it, because quotes are ordinary characters in .tsv files. If pandas or a spreadsheet wrote them, let the \
             file's name end in .csv and set delimiter = \"\\t\".",
            path.file_name().unwrap_or(path.as_os_str()).display(),
            counted(read, "row")
        );
        Some(Warning::new(Code::QuotesKept, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_told_apart() {
        for (value, expected) in [
            ("plain", Quoting::None),
            ("\"", Quoting::None),
            ("said \"hi\"", Quoting::None),
            ("\"a\" and \"b\"", Quoting::None),
            ("\"all of it\"", Quoting::Around),
            ("\"\"", Quoting::Around),
            ("\"he said \"\"hi\"\"\"", Quoting::Doubled),
        ] {
            assert_eq!(Quoting::of(value), expected, "{value}");
        }
    }
}
