//! Reads the lines that fastText trains on: `__label__cooking __label__sauce Which knife for onions?`.
//!
//! | part of a line | is |
//! |---|---|
//! | a word that begins with `__label__`, anywhere in the line | a label, without this prefix |
//! | the other words, with one space between them | the text |
//!
//! Words are separated by white space of ASCII, as in fastText. A line without a label is a row whose label is missing; a blank line
//! is no row. A line with several labels makes the task multi-label.

use std::borrow::Cow;
use std::path::Path;

use super::buffer::Buffer;
use super::lines::Lines;
use super::{Field, Original, Quoting, Request, Row, Sink, column};
use crate::error::{Error, Unit};

/// The prefix of labels, fastText's default.
pub(crate) const PREFIX: &str = "__label__";

/// The columns of a line, in formats of lines.
pub(super) const COLUMNS: [&str; 2] = ["label", "text"];

/// Reads a whole file; see [`super::read`].
pub(super) fn read(request: &Request<'_>, buffer: Buffer<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let mut has_label = false;
    let names = read_lines(request, buffer, sink, |line| {
        let (labels, text) = parts(line);
        has_label |= !labels.is_empty();
        let label = match labels[..] {
            [] => Field::Missing,
            [label] => Field::Text(Cow::Borrowed(label)),
            _ => Field::List(labels.into_iter().map(str::to_owned).collect()),
        };
        [label, Field::Text(Cow::Owned(text))]
    });
    match names {
        Ok(_) if !has_label => Err(without_labels(request.path)),
        other => other,
    }
}

/// Returns the labels of a line, without their prefix, and its text.
fn parts(line: &str) -> (Vec<&str>, String) {
    let words = || line.split_ascii_whitespace();
    let labels = words().filter_map(|word| word.strip_prefix(PREFIX)).filter(|label| !label.is_empty()).collect();
    let text: Vec<&str> = words().filter(|word| !word.starts_with(PREFIX)).collect();
    (labels, text.join(" "))
}

fn without_labels(path: &Path) -> Error {
    let reason = format!(
        "no line has a word that begins with `{PREFIX}`, as the format fasttext has it; if the first word of a \
                          line is its label, set format = \"label_first\""
    );
    Error::NotOfFormat { path: path.to_owned(), reason }
}

/// Passes every line that isn't blank to `sink`, as the label and the text that `fields_of` finds in it. Returns the names of the
/// wanted columns.
///
/// # Errors
/// When the file has no line, a wanted column is neither `label` nor `text`, or a line isn't UTF-8; and the errors of `sink`.
pub(super) fn read_lines(
    request: &Request<'_>,
    buffer: Buffer<'_>,
    sink: Sink<'_>,
    mut fields_of: impl FnMut(&str) -> [Field<'_>; 2],
) -> Result<Vec<String>, Error> {
    let names = COLUMNS.map(str::to_owned);
    let wanted = column::positions(request.path, request.columns, &names)?;
    let mut lines = Lines::new(request.path, buffer);
    let mut rows = 0;
    while let Some(length) = lines.next()? {
        // Concatenated files have byte order marks in the middle.
        let line = lines.text(length)?.trim_start_matches('\u{feff}').trim_end_matches('\r');
        if !line.trim().is_empty() {
            rows += 1;
            let found = fields_of(line);
            let fields: Vec<Field<'_>> = wanted.iter().map(|&at| found[at].clone()).collect();
            sink(Row {
                unit: Unit::Line,
                number: lines.number(),
                fields: &fields,
                names: &names,
                original: Original::Line,
                quoting: Quoting::None,
            })?;
        }
        lines.take(length);
    }
    let path = || request.path.to_owned();
    match rows {
        0 if lines.number() == 0 => Err(Error::Empty { path: path() }),
        0 => Err(Error::NoRows { path: path(), header: false }),
        _ => Ok(wanted.iter().map(|&at| names[at].clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_words_with_the_prefix() {
        let found = |line| {
            let (labels, text) = parts(line);
            (labels.join("|"), text)
        };
        assert_eq!(found("__label__a __label__b What  is\tit ?"), ("a|b".into(), "What is it ?".into()));
        assert_eq!(found("at the end __label__z"), ("z".into(), "at the end".into()));
        assert_eq!(found("none here, __label"), (String::new(), "none here, __label".into()));
        assert_eq!(found("__label__ x"), (String::new(), "x".into()), "an empty label");
        assert_eq!(
            found("__label__caf\u{e9}\u{a0}x y"),
            ("caf\u{e9}\u{a0}x".into(), "y".into()),
            "only ASCII white space"
        );
    }
}
