//! CSV and TSV: rows of fields between delimiters.
//!
//! CSV follows RFC 4180 and what real files do beyond it: a field that begins with `"` runs to
//! the next single `"`, `""` in it is one quote, and line ends in it belong to it; a quote
//! elsewhere is an ordinary character. In TSV quotes are always ordinary characters.
//!
//! A row ends at LF, CR LF, or CR; any run of CRs before an LF belongs to the same line end
//! (spreadsheets write CR CR LF). Lines without a character are no rows. A byte order mark is
//! passed over. Every row must have as many fields as the first. The scanner is this crate's
//! own because a quote that is never closed, text behind a closing quote and the exact line of
//! each row have to be known.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use memchr::{memchr, memchr_iter, memchr3};

use super::buffer::Buffer;
use super::compression::explained;
use super::{Field, Format, Request, Row, Sink, column};
use crate::error::{Error, Place, Unit};

/// How fields are told apart.
#[derive(Clone, Copy)]
struct Dialect {
    delimiter: u8,
    quotes: bool,
}

/// Where a field stands in the bytes of its row, without its quotes.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    range: Range<usize>,
    /// Whether it holds doubled quotes.
    doubled: bool,
}

/// What a look at the next row gave.
#[derive(Debug, PartialEq)]
enum Scan {
    /// It ends after so many bytes and lines.
    Row { bytes: usize, lines: u64 },
    /// It may go on beyond the bytes at hand.
    More,
    /// The stream ends within the quotes that open at this byte.
    OpenQuote { at: usize },
    /// Text follows the closing quote at this byte; the field's opening quote stands at `opened`.
    TextAfterQuote { at: usize, opened: usize },
}

/// Reads a whole file; see [`super::read`].
pub(super) fn read(
    request: &Request<'_>,
    format: Format,
    input: &mut dyn Read,
    sink: Sink<'_>,
) -> Result<Vec<String>, Error> {
    let delimiter = request.delimiter.or(format.delimiter()).unwrap_or(b',');
    let mut rows = Rows {
        path: request.path,
        dialect: Dialect { delimiter, quotes: format == Format::Csv },
        buffer: Buffer::new(input),
        line: 1,
        spans: Vec::new(),
    };
    rows.buffer.begin().map_err(explained(request.path))?;
    rows.refuse_utf16()?;
    let Some(first) = rows.next()? else {
        return Err(Error::Empty { path: request.path.to_owned() });
    };
    let width = rows.spans.len();
    let has_header = request.has_header();
    let names: Vec<String> = match has_header {
        true => (0..width).map(|at| rows.text(at).map(|name| name.trim().to_owned())).collect::<Result<_, _>>()?,
        false => (1..=width).map(|number| number.to_string()).collect(),
    };
    let wanted = column::positions(request.path, request.columns, &names)?;
    let mut pending = Some(first);
    if has_header {
        rows.pass(first);
        pending = rows.next()?;
        if pending.is_none() {
            return Err(Error::NoRows { path: request.path.to_owned(), header: true });
        }
    }
    while let Some(extent) = pending {
        rows.refuse_other_width(width)?;
        let field = |at: usize| rows.text(at).map(Field::Text);
        let row = |fields| Row { unit: Unit::Line, number: rows.line, fields };
        // A text and a label, as in most files, need no memory of their own.
        match wanted.as_slice() {
            [text, label] => sink(row(&mut [field(*text)?, field(*label)?]))?,
            wanted => sink(row(&mut wanted.iter().map(|&at| field(at)).collect::<Result<Vec<_>, _>>()?))?,
        }
        rows.pass(extent);
        pending = rows.next()?;
    }
    Ok(wanted.iter().map(|&at| names[at].clone()).collect())
}

/// The bytes and lines that a row takes.
#[derive(Clone, Copy)]
struct Extent {
    bytes: usize,
    lines: u64,
}

/// The rows of a stream, one at a time.
struct Rows<'r> {
    path: &'r Path,
    dialect: Dialect,
    buffer: Buffer<'r>,
    /// The line in which the row at hand begins.
    line: u64,
    /// The fields of the row at hand.
    spans: Vec<Span>,
}

impl Rows<'_> {
    /// Finds the next row that has a character; it stays at hand until it is passed.
    fn next(&mut self) -> Result<Option<Extent>, Error> {
        loop {
            match scan(self.buffer.bytes(), self.buffer.ended(), self.dialect, &mut self.spans) {
                Scan::Row { bytes: 0, .. } => return Ok(None),
                Scan::Row { bytes, lines } if self.is_blank() => self.pass(Extent { bytes, lines }),
                Scan::Row { bytes, lines } => return Ok(Some(Extent { bytes, lines })),
                Scan::More => self.buffer.fill().map_err(explained(self.path))?,
                Scan::OpenQuote { at } => return Err(Error::OpenQuote { place: self.place(at) }),
                Scan::TextAfterQuote { at, opened } => {
                    return Err(Error::TextAfterQuote { place: self.place(at), opened: self.place(opened).number });
                }
            }
        }
    }

    /// Moves past the row at hand.
    fn pass(&mut self, extent: Extent) {
        self.buffer.take(extent.bytes);
        self.line += extent.lines;
    }

    /// Whether the row at hand is a line without a character.
    fn is_blank(&self) -> bool {
        matches!(self.spans.as_slice(), [only] if only.range == (0..0))
    }

    /// One field of the row at hand.
    fn text(&self, at: usize) -> Result<Cow<'_, str>, Error> {
        let span = &self.spans[at];
        let text = std::str::from_utf8(&self.buffer.bytes()[span.range.clone()])
            .map_err(|error| self.not_utf8(span.range.start + error.valid_up_to()))?;
        Ok(if span.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }

    /// The place of a byte of the row at hand.
    fn place(&self, at: usize) -> Place {
        let number = self.line + memchr_iter(b'\n', &self.buffer.bytes()[..at]).count() as u64;
        Place { path: self.path.to_owned(), unit: Unit::Line, number }
    }

    fn not_utf8(&self, at: usize) -> Error {
        let byte = self.buffer.bytes()[at];
        let offset = self.buffer.position() + at as u64 + 1;
        Error::NotUtf8 { place: self.place(at), byte, offset, charset: "WINDOWS-1252" }
    }

    /// A UTF-16 file says so in its first two bytes.
    fn refuse_utf16(&self) -> Result<(), Error> {
        match self.buffer.bytes() {
            [byte @ 0xFF, 0xFE, ..] | [byte @ 0xFE, 0xFF, ..] => {
                Err(Error::NotUtf8 { place: self.place(0), byte: *byte, offset: 1, charset: "UTF-16" })
            }
            _ => Ok(()),
        }
    }

    fn refuse_other_width(&self, expected: usize) -> Result<(), Error> {
        let found = self.spans.len();
        if found == expected {
            return Ok(());
        }
        let delimiter = char::from(self.dialect.delimiter);
        let cure = match (found < expected, self.dialect.quotes) {
            (true, _) => "the row is cut off, or a delimiter is missing".to_owned(),
            (false, true) => format!("put double quotes around texts that hold a {delimiter:?}"),
            (false, false) => format!("replace each {delimiter:?} in a text by a space"),
        };
        Err(Error::FieldCount { place: self.place(0), found, expected, cure })
    }
}

/// Finds the fields and the end of the row that begins with `bytes`.
fn scan(bytes: &[u8], ended: bool, dialect: Dialect, spans: &mut Vec<Span>) -> Scan {
    spans.clear();
    let mut at = 0;
    let mut lines_inside = 0;
    loop {
        let start = at;
        if dialect.quotes && bytes.get(at) == Some(&b'"') {
            let Some((close, doubled)) = closing_quote(bytes, at + 1, ended) else {
                return if ended { Scan::OpenQuote { at } } else { Scan::More };
            };
            lines_inside += memchr_iter(b'\n', &bytes[at..close]).count() as u64;
            spans.push(Span { range: at + 1..close, doubled });
            at = close + 1;
        } else {
            match memchr3(dialect.delimiter, b'\n', b'\r', &bytes[at..]) {
                Some(length) => at += length,
                None => at = bytes.len(),
            }
            spans.push(Span { range: start..at, doubled: false });
        }
        match bytes.get(at) {
            None if ended => return Scan::Row { bytes: at, lines: lines_inside },
            None => return Scan::More,
            Some(&byte) if byte == dialect.delimiter => at += 1,
            Some(b'\n' | b'\r') => return line_end(bytes, at, ended, lines_inside),
            Some(_) => return Scan::TextAfterQuote { at, opened: start },
        }
    }
}

/// The first quote from `at` on that isn't doubled, and whether doubled ones precede it. `None`:
/// not within these bytes, or it can't be told yet.
fn closing_quote(bytes: &[u8], mut at: usize, ended: bool) -> Option<(usize, bool)> {
    let mut doubled = false;
    loop {
        at += memchr(b'"', &bytes[at..])?;
        match bytes.get(at + 1) {
            Some(b'"') => doubled = true,
            None if !ended => return None,
            _ => return Some((at, doubled)),
        }
        at += 2;
    }
}

/// The end of a row at a line end: `\r*\n`, or `\r`s that are each a line end.
fn line_end(bytes: &[u8], start: usize, ended: bool, lines_inside: u64) -> Scan {
    let returns = bytes[start..].iter().take_while(|&&byte| byte == b'\r').count();
    let at = start + returns;
    match bytes.get(at) {
        Some(b'\n') => Scan::Row { bytes: at + 1, lines: lines_inside + 1 },
        None if !ended => Scan::More,
        _ => Scan::Row { bytes: at, lines: lines_inside + returns as u64 },
    }
}

#[cfg(test)]
mod tests;
