//! Reads texts and labels from two files: line N of one belongs to line N of the other, as in `train_text.txt` and
//! `train_labels.txt`.

use std::borrow::Cow;
use std::path::Path;

use super::{Field, Format, Original, Quoting, Request, Row, Sink, column, read};
use crate::error::Error;
use crate::settings::Column;

/// Passes every text of the file of the request to `sink`, with the label in the same line of the file `labels`. Returns the names
/// of the wanted columns.
///
/// # Errors
/// When one of the files can't be read, they haven't equally many lines, or a wanted column is neither `label` nor `text`; and the
/// errors of `sink`.
pub(crate) fn read_with_labels(request: &Request<'_>, labels: &Path, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let names = super::fasttext::COLUMNS.map(str::to_owned);
    let wanted = column::positions(request.path, request.columns, &names)?;
    let of_lines = lines_of(labels)?;
    let mut at = 0;
    let texts = Request { columns: &[], ..*request };
    read(&texts, |_| Some(Format::Lines), &mut |row| {
        let Some(label) = of_lines.get(at) else {
            let place = row.place(request.path);
            return Err(Error::NoLabelLine { place, labels: labels.to_owned(), lines: of_lines.len() });
        };
        at += 1;
        let text = row.fields.first().cloned().unwrap_or_default();
        let found = [Field::Text(Cow::Borrowed(label.as_str())), text];
        let fields: Vec<Field<'_>> = wanted.iter().map(|&at| found[at].clone()).collect();
        sink(Row { fields: &fields, names: &names, original: Original::Line, quoting: Quoting::None, ..row })
    })?;
    match at {
        0 => Err(Error::Empty { path: request.path.to_owned() }),
        texts if texts < of_lines.len() => {
            let (path, labels) = (request.path.to_owned(), labels.to_owned());
            Err(Error::NoTextLine { path, texts, labels, lines: of_lines.len() })
        }
        _ => Ok(wanted.iter().map(|&at| names[at].clone()).collect()),
    }
}

/// Returns the lines of a text file, plain or compressed, without their line ends.
///
/// # Errors
/// When the file can't be read, or isn't text in UTF-8.
pub(crate) fn lines_of(path: &Path) -> Result<Vec<String>, Error> {
    let columns: &[Column] = &[];
    let request = Request { path, columns, header: None, delimiter: None, originals: false, needs_text: false };
    let mut lines = Vec::new();
    read(&request, |_| Some(Format::Lines), &mut |row| {
        if let Some(Field::Text(line)) = row.fields.first() {
            lines.push(line.trim_start_matches('\u{feff}').to_owned());
        }
        Ok(())
    })?;
    Ok(lines)
}
