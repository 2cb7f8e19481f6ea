//! Detects header rows among texts without labels: a header that is read as a row because the column is given by number, and one
//! that is repeated further down in concatenated files.
//!
//! Training data with labels are checked more closely (`warnings.rs`), and a repeated header is refused there. Here every row is
//! passed on, so that results match the rows of the file, and a warning names the suspicious ones.

use std::path::Path;

use emberline_base::Warning;
use emberline_base::number::{agreeing, counted};
use emberline_base::warning::Code;

use crate::error::excerpt;
use crate::format::Original;
use crate::missing::trimmed;
use crate::settings::Column;
use crate::warnings::COLUMN_NAMES;

/// Words that are common in the names of text columns.
pub(crate) const TEXT_NAMES: [&str; 20] = [
    "text",
    "texts",
    "sentence",
    "sentences",
    "question",
    "query",
    "review",
    "comment",
    "content",
    "message",
    "body",
    "title",
    "headline",
    "document",
    "description",
    "tweet",
    "post",
    "utterance",
    "prompt",
    "summary",
];

/// The rows of one file that seem to be headers.
#[derive(Debug, Default)]
pub(crate) struct HeaderRows {
    /// The first row's text, if it is read without a header and looks like the name of a column.
    first: Option<String>,
    /// Rows further down that repeat the header.
    repeated: usize,
    /// The line of the first of these.
    line: u64,
}

impl HeaderRows {
    /// Checks a row of a delimited file. `names` are those of the header; none if the file is read without one. `is_first` says
    /// whether it is the first row.
    pub(crate) fn check(&mut self, row: (u64, &str, &Original<'_>), column: &Column, names: &[String], is_first: bool) {
        let (line, text, original) = row;
        let text = trimmed(text);
        if is_first && names.is_empty() && looks_like_names(text, original) {
            self.first = Some(text.to_owned());
        } else if self.repeats(text, original, column, names) {
            self.line = if self.repeated == 0 { line } else { self.line };
            self.repeated += 1;
        }
    }

    /// Whether a row repeats the names of the columns.
    fn repeats(&self, text: &str, original: &Original<'_>, column: &Column, names: &[String]) -> bool {
        let name = match column {
            _ if names.is_empty() => self.first.as_deref(),
            Column::Name(name) => Some(name.as_str()),
            Column::Number(number) => {
                (*number as usize).checked_sub(1).and_then(|at| names.get(at)).map(String::as_str)
            }
        };
        let is_name = |(field, name): (&str, &String)| trimmed(field).eq_ignore_ascii_case(name);
        name.is_some_and(|name| !name.is_empty() && text.eq_ignore_ascii_case(name))
            && match original {
                Original::Fields { fields, .. } if !names.is_empty() => {
                    fields.iter().map(AsRef::as_ref).zip(names).all(is_name)
                }
                _ => true,
            }
    }

    /// Returns a warning if there are suspicious rows. It shows only the file's name.
    pub(crate) fn warning(&self, path: &Path) -> Option<Warning> {
        let file = path.file_name().unwrap_or(path.as_os_str()).display();
        let first = self.first.as_ref().map(|text| {
            format!(
                "{file}, line 1: this row seems to hold the names of the columns (its text is `{}`), and is taken for a row \
                 like any other, because a column that is given by number is read without a header. If so, give the column by \
                 its name.",
                excerpt(text)
            )
        });
        let repeated = (self.repeated > 0).then(|| {
            let (count, repeat) = (counted(self.repeated, "row"), agreeing(self.repeated, "repeats", "repeat"));
            format!(
                "{file}: {count} (line {} is the first) {repeat} the names of the columns, as when files were put together with \
                 their headers, and {} taken for {} like any other: remove such lines.",
                self.line,
                agreeing(self.repeated, "is", "are"),
                agreeing(self.repeated, "a row", "rows")
            )
        });
        let texts: Vec<String> = first.into_iter().chain(repeated).collect();
        (!texts.is_empty()).then(|| Warning::new(Code::HeaderAsRow, texts.join(" ")))
    }
}

/// Whether the first row looks like names of columns: its text is one word, which is a common name, or another field is one.
fn looks_like_names(text: &str, original: &Original<'_>) -> bool {
    let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    let is_name = |text: &str, known: &[&str]| {
        let text = text.to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.any(|word| known.contains(&word))
    };
    let beside = || match original {
        Original::Fields { fields, .. } => {
            let fields = || fields.iter().map(|field| trimmed(field)).filter(|field| *field != text);
            fields().all(is_word) && fields().any(|field| field == "id" || is_name(field, &COLUMN_NAMES))
        }
        _ => false,
    };
    is_word(text) && (is_name(text, &TEXT_NAMES) || beside())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// Returns the warning about rows whose second column is the text.
    fn warned(names: &[&str], rows: &[[&str; 2]]) -> Option<String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut found = HeaderRows::default();
        for (at, fields) in rows.iter().enumerate() {
            let fields = fields.map(Cow::Borrowed);
            let original = Original::Fields { names: &names, fields: &fields };
            let line = at as u64 + 1 + u64::from(!names.is_empty());
            found.check((line, &fields[1], &original), &Column::Number(2), &names, at == 0);
        }
        found.warning(Path::new("folder/new.csv")).map(|warning| warning.text)
    }

    #[test]
    fn a_header_that_is_read_as_a_row_is_reported() {
        for header in [["7", "question_text"], ["id", "words"], ["Label", "Said"], ["", "text"]] {
            let text = warned(&[], &[header, ["1", "why is it so"]]).expect("a warning");
            assert!(text.starts_with("new.csv, line 1: this row seems to hold the names"), "{text}");
        }
        for row in [["1", "fine"], ["2", "a text of words"], ["3", ""]] {
            assert_eq!(warned(&[], &[row, ["id", "text"]]), None);
        }
        let twice = warned(&[], &[["id", "text"], ["1", "a"], ["id", "text"]]).expect("a warning");
        assert!(twice.contains("1 row (line 3 is the first) repeats the names"), "{twice}");
    }

    #[test]
    fn a_header_that_is_repeated_is_reported() {
        let names = ["id", "text"];
        assert_eq!(warned(&names, &[["1", "text"], ["2", "a"]]), None, "a text may be a column's name");
        let text = warned(&names, &[["1", "a"], ["ID", " Text"], ["2", "b"], ["id", "text"]]).expect("a warning");
        assert!(text.starts_with("new.csv: 2 rows (line 3 is the first) repeat the names of the columns"), "{text}");
    }
}
