//! CSV and TSV: rows of fields between delimiters.
//!
//! CSV follows RFC 4180 and what real files do beyond it: a field that begins with `"` runs to
//! the next single `"`, `""` in it is one quote, and line ends in it belong to it; a quote
//! elsewhere is an ordinary character. In TSV quotes are always ordinary characters.
//!
//! A row ends at LF, CR LF, or CR; any run of CRs before an LF belongs to the same line end
//! (spreadsheets write CR CR LF). Lines without a character are no rows, unless the file has one column: there such a line is a
//! row with an empty field, as spreadsheets write it, but for those above the header. A byte order mark at the
//! beginning of a row is passed over: files that were put together have one in the middle. Every row must have as many fields as the first. The scanner is this crate's
//! own because a quote that is never closed, text behind a closing quote and the exact line of
//! each row have to be known.

mod dialect;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use emberline_base::masks::{BLOCK, masks, u8x16};
use emberline_base::sniff::cure_of_invalid_utf8;
use memchr::memchr_iter;

use super::buffer::Buffer;
use super::compression::explained;
use super::{Field, Format, Original, Quoting, Request, Row, Sink, column};
use crate::error::{Error, Place, Unit};

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How fields are told apart.
#[derive(Clone, Copy)]
struct Dialect {
    delimiter: u8,
    quotes: bool,
}

/// Reads a whole file; see [`super::read`].
pub(super) fn read(
    request: &Request<'_>,
    format: Format,
    buffer: Buffer<'_>,
    sink: Sink<'_>,
) -> Result<Vec<String>, Error> {
    let path = request.path;
    let delimiter = request.delimiter.or(format.delimiter()).unwrap_or(b',');
    let dialect = Dialect { delimiter, quotes: format == Format::Csv };
    let mut columns: Option<Columns> = None;
    let mut is_empty = true;
    let mut blank = 0;
    each(path, dialect, buffer, |rows| {
        if rows.is_blank() && columns.as_ref().is_none_or(|columns| columns.width > 1) {
            blank += 1;
            return Ok(());
        }
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let first = columns.insert(Columns::of(rows, request)?);
                if request.has_header() {
                    return Ok(());
                }
                if first.width == 1 {
                    (1..=blank).try_for_each(|line| sink(first.blank_row(line, request)))?;
                }
                first
            }
        };
        is_empty = false;
        rows.refuse_other_width(columns)?;
        // A text and a label, as in most files, need no memory of their own.
        let (mut two, mut more);
        let fields: &mut [Field<'_>] = if columns.wanted.len() == 2 {
            two = [const { Field::Missing }; 2];
            &mut two
        } else {
            more = vec![Field::Missing; columns.wanted.len()];
            &mut more
        };
        rows.fill(&columns.wanted, fields)?;
        rows.refuse_blank_before_quote(columns, fields)?;
        let quoting = if dialect.quotes { Quoting::None } else { quoting(fields) };
        let all;
        let original = if request.originals {
            all = rows.texts()?;
            Original::Fields { names: &columns.names, fields: &all }
        } else {
            Original::Line
        };
        sink(Row { unit: Unit::Line, number: rows.line, fields, names: columns.header(), original, quoting })
    })?;
    let columns = columns.ok_or_else(|| Error::Empty { path: path.to_owned() })?;
    if is_empty {
        return Err(Error::NoRows { path: path.to_owned(), header: true });
    }
    Ok(columns.wanted.iter().map(|&at| columns.names[at].clone()).collect())
}

/// What the first row tells.
struct Columns {
    /// Fields a row.
    width: usize,
    /// Where the wanted ones stand.
    wanted: Vec<usize>,
    /// The names of all columns; their numbers without a header.
    names: Vec<String>,
    /// Whether the first row holds the names.
    has_header: bool,
}

impl Columns {
    fn of(first: &Rows<'_>, request: &Request<'_>) -> Result<Self, Error> {
        let width = first.spans.len();
        let names: Vec<String> = match request.has_header() {
            true => (0..width).map(|at| first.text(at).map(|name| name.trim().to_owned())).collect::<Result<_, _>>()?,
            false => (1..=width).map(|number| number.to_string()).collect(),
        };
        let wanted = column::positions(request.path, request.columns, &names)?;
        Ok(Self { width, wanted, names, has_header: request.has_header() })
    }

    /// The row that a line without a character is in a file of one column.
    fn blank_row(&self, line: u64, request: &Request<'_>) -> Row<'_> {
        const EMPTY: [Field<'_>; 1] = [Field::Text(Cow::Borrowed(""))];
        const FIELDS: [Cow<'_, str>; 1] = [Cow::Borrowed("")];
        let original = match request.originals {
            true => Original::Fields { names: &self.names, fields: &FIELDS },
            false => Original::Line,
        };
        let (unit, quoting) = (Unit::Line, Quoting::None);
        Row { unit, number: line, fields: &EMPTY, names: self.header(), original, quoting }
    }

    /// The names that the first row holds.
    fn header(&self) -> &[String] {
        if self.has_header { &self.names } else { &[] }
    }
}

/// Calls `take` at every row, also at lines without a character.
fn each(
    path: &Path,
    dialect: Dialect,
    mut buffer: Buffer<'_>,
    mut take: impl FnMut(&Rows<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut line = 1;
    loop {
        let mut rows = Rows::new(path, dialect, &buffer, line);
        while rows.next()? {
            take(&rows)?;
        }
        line = rows.line;
        let taken = rows.start;
        if buffer.ended() {
            return Ok(());
        }
        buffer.take(taken);
        buffer.fill().map_err(explained(path))?;
    }
}

/// The rows of a window on the stream, as far as it holds them whole. One of them is at hand; places are counted from the
/// beginning of the window.
struct Rows<'w> {
    path: &'w Path,
    dialect: Dialect,
    bytes: &'w [u8],
    /// The bytes before the first that is not UTF-8.
    text: &'w str,
    /// Where the window begins in the stream.
    position: u64,
    /// Whether the stream ends with the window.
    ended: bool,
    /// What wasn't looked at yet.
    marks: Marks<'w>,
    /// Where the row at hand begins.
    start: usize,
    /// The line in which it begins.
    line: u64,
    /// Where it ends.
    end: usize,
    /// The lines that it takes.
    lines: u64,
    /// Its fields.
    spans: Vec<Span>,
}

/// Where a field stands, without its quotes.
struct Span {
    range: Range<usize>,
    /// Whether it holds doubled quotes.
    doubled: bool,
}

impl<'w> Rows<'w> {
    /// Before the first row. `line`: that in which the window begins.
    fn new(path: &'w Path, dialect: Dialect, buffer: &'w Buffer<'_>, line: u64) -> Self {
        let bytes = buffer.bytes();
        Self {
            path,
            dialect,
            bytes,
            text: utf8_before_fault(bytes),
            position: buffer.position(),
            ended: buffer.ended(),
            marks: Marks::new(bytes, dialect),
            start: 0,
            line,
            end: 0,
            lines: 0,
            spans: Vec::new(),
        }
    }

    /// Goes on to the next row. Whether there is a whole one; if not, `start` is where that begins which is left.
    fn next(&mut self) -> Result<bool, Error> {
        self.start = self.end;
        self.line += self.lines;
        self.lines = 0;
        self.spans.clear();
        if self.start == self.bytes.len() {
            return Ok(false);
        }
        let mut at = self.start + if self.bytes[self.start..].starts_with(MARK) { MARK.len() } else { 0 };
        loop {
            let is_quoted = self.dialect.quotes && self.bytes.get(at) == Some(&b'"');
            let Some(end) = (if is_quoted { self.quoted(at)? } else { Some(self.unquoted(at)) }) else {
                return Ok(false);
            };
            match self.bytes.get(end) {
                Some(&byte) if byte == self.dialect.delimiter => at = end + 1,
                Some(b'\n' | b'\r') => return Ok(self.line_end(end)),
                Some(_) => {
                    return Err(Error::TextAfterQuote {
                        place: self.place(end),
                        opened: self.place(at).number,
                        cure: dialect::cure_after_quote(&self.bytes[..end], &self.bytes[end..]),
                    });
                }
                None => {
                    self.end = end;
                    return Ok(self.ended);
                }
            }
        }
    }

    /// Passes a field without quotes; where it ends.
    fn unquoted(&mut self, start: usize) -> usize {
        let is_quote = |at: &usize| self.dialect.quotes && self.bytes[*at] == b'"';
        let end = self.marks.find(|at| !is_quote(at)).unwrap_or(self.bytes.len());
        self.spans.push(Span { range: start..end, doubled: false });
        end
    }

    /// Passes a field that begins with a quote; where it ends, unless the window doesn't tell.
    fn quoted(&mut self, start: usize) -> Result<Option<usize>, Error> {
        let mut doubled = false;
        let mut after_opening = self.marks.by_ref().skip(1);
        while let Some(at) = after_opening.next() {
            match self.bytes[at] {
                b'\n' => self.lines += 1,
                b'"' => match self.bytes.get(at + 1) {
                    Some(b'"') => {
                        doubled = true;
                        after_opening.next();
                    }
                    None if !self.ended => return Ok(None),
                    _ => {
                        // The delimiter or line end that has to follow.
                        after_opening.next();
                        self.spans.push(Span { range: start + 1..at, doubled });
                        return Ok(Some(at + 1));
                    }
                },
                _ => {}
            }
        }
        if self.ended { Err(Error::OpenQuote { place: self.place(start) }) } else { Ok(None) }
    }

    /// Ends the row at a line end: `\r*\n`, or `\r`s that are each a line end. Whether it is whole.
    fn line_end(&mut self, start: usize) -> bool {
        let returns = self.bytes[start..].iter().take_while(|&&byte| byte == b'\r').count();
        let at = start + returns;
        (self.end, self.lines) = match self.bytes.get(at) {
            Some(b'\n') => (at + 1, self.lines + 1),
            None if !self.ended => return false,
            _ => (at, self.lines + returns as u64),
        };
        (start + 1..self.end).for_each(|_| _ = self.marks.next());
        true
    }

    /// Whether the row at hand is a line without a character, a byte order mark aside.
    fn is_blank(&self) -> bool {
        let is_blank = |range: &Range<usize>| range.is_empty() && matches!(range.start - self.start, 0 | 3);
        matches!(self.spans.as_slice(), [only] if is_blank(&only.range))
    }

    /// Sets fields to those of the row at hand that are wanted.
    #[inline]
    fn fill(&self, wanted: &[usize], fields: &mut [Field<'w>]) -> Result<(), Error> {
        for (field, &at) in fields.iter_mut().zip(wanted) {
            let span = &self.spans[at];
            *field = Field::Text(match self.text.get(span.range.clone()) {
                Some(text) if !span.doubled => Cow::Borrowed(text),
                _ => self.text(at)?,
            });
        }
        Ok(())
    }

    /// The text of one field, whatever it holds.
    fn text(&self, at: usize) -> Result<Cow<'w, str>, Error> {
        let Span { range, doubled } = &self.spans[at];
        let text = std::str::from_utf8(&self.bytes[range.clone()])
            .map_err(|error| self.not_utf8(range.start + error.valid_up_to()))?;
        if !doubled {
            return Ok(Cow::Borrowed(text));
        }
        // Quotes stand in pairs here, with nothing between the two.
        Ok(Cow::Owned(text.split('"').step_by(2).collect::<Vec<_>>().join("\"")))
    }

    /// The place of a byte of the row at hand.
    fn place(&self, at: usize) -> Place {
        let number = self.line + memchr_iter(b'\n', &self.bytes[self.start..at]).count() as u64;
        Place { path: self.path.to_owned(), unit: Unit::Line, number }
    }

    fn not_utf8(&self, at: usize) -> Error {
        let offset = self.position + at as u64 + 1;
        let cure = cure_of_invalid_utf8(self.bytes, at);
        Error::NotUtf8 { place: self.place(at), byte: self.bytes[at], offset, cure }
    }

    /// All fields of the row at hand.
    fn texts(&self) -> Result<Vec<Cow<'w, str>>, Error> {
        (0..self.spans.len()).map(|at| self.text(at)).collect()
    }

    fn refuse_other_width(&self, columns: &Columns) -> Result<(), Error> {
        let (found, expected) = (self.spans.len(), columns.width);
        if found == expected {
            return Ok(());
        }
        let fields: Vec<&[u8]> = self.spans.iter().map(|span| &self.bytes[span.range.clone()]).collect();
        let cure = dialect::cure_of_width(&fields, expected, self.dialect);
        Err(Error::FieldCount { place: self.place(self.start), found, expected, cure })
    }

    /// Refuses a wanted field that stands between quotes, but behind a blank: its quotes would become part of it.
    #[inline]
    fn refuse_blank_before_quote(&self, columns: &Columns, fields: &[Field<'_>]) -> Result<(), Error> {
        if !self.dialect.quotes {
            return Ok(());
        }
        let is_quoted = |field: &Field<'_>| match field {
            Field::Text(text) => text.starts_with(' ') && dialect::is_quoted_behind_blanks(text.as_bytes()),
            _ => false,
        };
        let Some(at) = fields.iter().position(is_quoted) else { return Ok(()) };
        // A quoted field may hold a blank and quotes, which are doubled in the file then.
        if self.spans[columns.wanted[at]].doubled {
            return Ok(());
        }
        let column = format!("`{}`", columns.names[columns.wanted[at]]);
        let delimiter = char::from(self.dialect.delimiter);
        Err(Error::BlankBeforeQuote { place: self.place(self.start), column, delimiter })
    }
}

/// How a row's fields would read if quotes meant something.
fn quoting(fields: &[Field<'_>]) -> Quoting {
    let of = |field: &Field<'_>| match field {
        Field::Text(text) if text.starts_with('"') => Quoting::of(text),
        _ => Quoting::None,
    };
    fields.iter().map(of).max().unwrap_or_default()
}

/// The bytes before the first that is not UTF-8: many rows are looked at together faster than field by field.
fn utf8_before_fault(bytes: &[u8]) -> &str {
    let before = |end| std::str::from_utf8(&bytes[..end]);
    before(bytes.len()).or_else(|fault| before(fault.valid_up_to())).unwrap_or_default()
}

/// Where delimiters, line ends and, where they mean something, quotes stand.
struct Marks<'w> {
    bytes: &'w [u8],
    kinds: [u8; 4],
    /// Where the block at hand begins.
    base: usize,
    /// What is left of it.
    mask: u64,
}

impl<'w> Marks<'w> {
    fn new(bytes: &'w [u8], Dialect { delimiter, quotes }: Dialect) -> Self {
        let kinds = [delimiter, b'\n', b'\r', if quotes { b'"' } else { delimiter }];
        let mut marks = Self { bytes, kinds, base: 0, mask: 0 };
        marks.look(bytes);
        marks
    }

    /// Looks at the block that is the beginning of these bytes.
    fn look(&mut self, bytes: &[u8]) {
        let kinds = self.kinds.map(u8x16::splat);
        let is_mark = |bytes: u8x16| kinds.map(|kind| bytes.cmp_eq(kind)).into_iter().reduce(|a, b| a | b);
        [self.mask] = masks(bytes, |bytes| [is_mark(bytes).unwrap_or_default()]);
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.base += BLOCK;
            let rest = self.bytes.get(self.base..).filter(|rest| !rest.is_empty())?;
            self.look(rest);
        }
        let at = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests;
