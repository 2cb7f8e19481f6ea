//! Reads CSV and TSV files: rows of fields separated by delimiters.
//!
//! CSV follows RFC 4180, and what real files do beyond it: a field that begins with `"` extends to the next single `"`; inside
//! it, `""` is one quote and line ends are part of the value. A quote anywhere else is an ordinary character. In TSV, quotes
//! are always ordinary characters.
//!
//! A row ends at LF, CR LF or CR; any run of CRs before an LF belongs to the same line end (spreadsheets write CR CR LF). Blank
//! lines are skipped, except in a file of one column: there a blank line is a row with an empty field, as spreadsheets write
//! it, unless it is above the header. A byte order mark at the beginning of a row is skipped, because concatenated files have
//! one in the middle. Every row must have as many fields as the first.
//!
//! A first line `sep=;` names the delimiter, as spreadsheets write and read it: it is skipped, and its delimiter is taken unless
//! the request gives one.
//!
//! This crate has a scanner of its own because its error messages need what the `csv` crate hides: a quote that is never
//! closed, text after a closing quote, and the exact line of each row.

mod dialect;
mod named;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use emberline_base::masks::{BLOCK, masks, u8x16};
use emberline_base::sniff::cure_of_invalid_utf8;
use memchr::memchr_iter;

pub(crate) use self::named::delimiter_line;
use super::buffer::Buffer;
use super::compression::explained;
use super::{Field, Format, Original, Quoting, Request, Row, Sink, column};
use crate::error::{Error, Place, Unit};

/// The byte order mark in UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How fields are separated and quoted.
#[derive(Clone, Copy)]
struct Dialect {
    delimiter: u8,
    /// Whether fields may be quoted, as in RFC 4180.
    quotes: bool,
}

/// Reads a whole file; see [`super::read`].
pub(super) fn read(
    request: &Request<'_>,
    format: Format,
    mut buffer: Buffer<'_>,
    sink: Sink<'_>,
) -> Result<Vec<String>, Error> {
    let named = delimiter_line(buffer.bytes()).filter(|_| format == Format::Csv);
    buffer.take(named.map_or(0, |(_, length)| length));
    let delimiter = request.delimiter.or(named.map(|(delimiter, _)| delimiter)).or(format.delimiter()).unwrap_or(b',');
    let dialect = Dialect { delimiter, quotes: format == Format::Csv };
    let mut table = TableReader::new(request, dialect);
    let first = if named.is_some() { 2 } else { 1 };
    for_each_line(request.path, dialect, (buffer, first), |line| table.read_line(line, sink))?;
    table.finish()
}

/// Turns scanned lines into rows of a table: the first line that isn't blank gives the columns, and blank lines are skipped
/// unless there is only one column.
struct TableReader<'r> {
    request: &'r Request<'r>,
    dialect: Dialect,
    /// None before the first line that isn't blank.
    columns: Option<Columns>,
    /// Blank lines before that line. What they are depends on it: rows if it is a data row of one field, else nothing.
    leading_blank_lines: u64,
    /// Whether there is a data row.
    has_rows: bool,
}

impl<'r> TableReader<'r> {
    fn new(request: &'r Request<'r>, dialect: Dialect) -> Self {
        Self { request, dialect, columns: None, leading_blank_lines: 0, has_rows: false }
    }

    /// Hands the rows that a line gives to `sink`: one, or none, or several if it is the first.
    fn read_line(&mut self, line: &Scanner<'_>, sink: Sink<'_>) -> Result<(), Error> {
        match &self.columns {
            None if line.is_blank() => {
                self.leading_blank_lines += 1;
                Ok(())
            }
            None => {
                let columns = self.columns.insert(Columns::of(line, self.request)?);
                if columns.has_header {
                    return Ok(());
                }
                self.has_rows = true;
                if columns.width == 1 {
                    for number in 1..=self.leading_blank_lines {
                        sink(columns.blank_row(number, self.request))?;
                    }
                }
                read_row(line, columns, self.request, self.dialect, sink)
            }
            Some(columns) if line.is_blank() && columns.width > 1 => Ok(()),
            Some(columns) => {
                self.has_rows = true;
                read_row(line, columns, self.request, self.dialect, sink)
            }
        }
    }

    /// Returns the names of the wanted columns, in the order of the request.
    ///
    /// # Errors
    /// When the file has no line with a character, or no row below its header.
    fn finish(self) -> Result<Vec<String>, Error> {
        let path = || self.request.path.to_owned();
        let columns = self.columns.ok_or_else(|| Error::Empty { path: path() })?;
        if !self.has_rows {
            return Err(Error::NoRows { path: path(), header: true });
        }
        Ok(columns.wanted.iter().map(|&at| columns.names[at].clone()).collect())
    }
}

/// Hands the wanted fields of one data row to `sink`.
#[inline]
fn read_row(
    line: &Scanner<'_>,
    columns: &Columns,
    request: &Request<'_>,
    dialect: Dialect,
    sink: Sink<'_>,
) -> Result<(), Error> {
    line.refuse_other_width(columns)?;
    // Most files have a text and a label column: two fields fit on the stack and need no allocation per row.
    let (mut two, mut more);
    let fields: &mut [Field<'_>] = if columns.wanted.len() == 2 {
        two = [const { Field::Missing }; 2];
        &mut two
    } else {
        more = vec![Field::Missing; columns.wanted.len()];
        &mut more
    };
    line.fill(&columns.wanted, fields)?;
    line.refuse_blank_before_quote(columns, fields)?;
    let quoting = if dialect.quotes { Quoting::None } else { quoting(fields) };
    let all;
    let original = if request.originals {
        all = line.texts()?;
        Original::Fields { names: &columns.names, fields: &all }
    } else {
        Original::Line
    };
    sink(Row { unit: Unit::Line, number: line.line, fields, names: columns.header(), original, quoting })
}

/// The columns of the file, as the first row gives them.
struct Columns {
    /// Fields per row.
    width: usize,
    /// Positions of the wanted columns, in the order of the request.
    wanted: Vec<usize>,
    /// The names of all columns; without a header, their numbers.
    names: Vec<String>,
    /// Whether the first row holds the names.
    has_header: bool,
}

impl Columns {
    fn of(first: &Scanner<'_>, request: &Request<'_>) -> Result<Self, Error> {
        let width = first.spans.len();
        let names: Vec<String> = match request.has_header() {
            true => (0..width).map(|at| first.text(at).map(|name| name.trim().to_owned())).collect::<Result<_, _>>()?,
            false => (1..=width).map(|number| number.to_string()).collect(),
        };
        let wanted = column::positions(request.path, request.columns, &names)?;
        Ok(Self { width, wanted, names, has_header: request.has_header() })
    }

    /// Returns the row that a blank line stands for in a file of one column.
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

    /// Returns the names in the header; none if the file is read without one.
    fn header(&self) -> &[String] {
        if self.has_header { &self.names } else { &[] }
    }
}

/// Calls `visit` for every row of the stream, and for every blank line. `line` is the number of the first line in the buffer.
fn for_each_line(
    path: &Path,
    dialect: Dialect,
    (mut buffer, mut line): (Buffer<'_>, u64),
    mut visit: impl FnMut(&Scanner<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let mut scanner = Scanner::new(path, dialect, &buffer, line);
        while scanner.next()? {
            visit(&scanner)?;
        }
        line = scanner.line;
        let taken = scanner.start;
        if buffer.ended() {
            return Ok(());
        }
        buffer.take(taken);
        buffer.fill().map_err(explained(path))?;
    }
}

/// Scans the rows that are complete within a window of the stream, and holds the current one. Positions count from the
/// beginning of the window.
struct Scanner<'w> {
    path: &'w Path,
    dialect: Dialect,
    bytes: &'w [u8],
    /// The bytes before the first one that is not UTF-8.
    text: &'w str,
    /// The position of the window in the stream.
    position: u64,
    /// Whether the stream ends with the window.
    ended: bool,
    /// The structural bytes that haven't been scanned yet.
    structural: StructuralBytes<'w>,
    /// Where the current row begins.
    start: usize,
    /// The line in which it begins; 1 is the first line of the file.
    line: u64,
    /// Where it ends, with its line end.
    end: usize,
    /// The number of lines that it spans.
    lines: u64,
    /// Its fields.
    spans: Vec<Span>,
}

/// The position of a field, without its quotes.
struct Span {
    range: Range<usize>,
    /// Whether it holds doubled quotes.
    doubled: bool,
}

impl<'w> Scanner<'w> {
    /// Returns a scanner before the first row of a window that begins in line `line`.
    fn new(path: &'w Path, dialect: Dialect, buffer: &'w Buffer<'_>, line: u64) -> Self {
        let bytes = buffer.bytes();
        Self {
            path,
            dialect,
            bytes,
            text: utf8_before_fault(bytes),
            position: buffer.position(),
            ended: buffer.ended(),
            structural: StructuralBytes::new(bytes, dialect),
            start: 0,
            line,
            end: 0,
            lines: 0,
            spans: Vec::new(),
        }
    }

    /// Scans the next row. Returns false if the window holds no further complete row; `start` is then where the incomplete one
    /// begins.
    fn next(&mut self) -> Result<bool, Error> {
        self.start = self.end;
        self.line += self.lines;
        self.lines = 0;
        self.spans.clear();
        if self.start == self.bytes.len() {
            return Ok(false);
        }
        let mut at = self.start + if self.bytes[self.start..].starts_with(BOM) { BOM.len() } else { 0 };
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

    /// Scans a field without quotes, and returns where it ends.
    fn unquoted(&mut self, start: usize) -> usize {
        let is_quote = |at: &usize| self.dialect.quotes && self.bytes[*at] == b'"';
        let end = self.structural.find(|at| !is_quote(at)).unwrap_or(self.bytes.len());
        self.spans.push(Span { range: start..end, doubled: false });
        end
    }

    /// Scans a field that begins with a quote, and returns where it ends; none if the window ends before it is known.
    fn quoted(&mut self, start: usize) -> Result<Option<usize>, Error> {
        let mut doubled = false;
        let mut after_opening = self.structural.by_ref().skip(1);
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
                        // The delimiter or line end that has to follow belongs to this field.
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

    /// Ends the row at a line end: `\r*\n`, or `\r`s that are each a line end. Returns false if the window ends within it.
    fn line_end(&mut self, start: usize) -> bool {
        let returns = self.bytes[start..].iter().take_while(|&&byte| byte == b'\r').count();
        let at = start + returns;
        (self.end, self.lines) = match self.bytes.get(at) {
            Some(b'\n') => (at + 1, self.lines + 1),
            None if !self.ended => return false,
            _ => (at, self.lines + returns as u64),
        };
        // Each byte of the line end is structural. `start` has been scanned already; the rest is skipped here.
        for _ in start + 1..self.end {
            self.structural.next();
        }
        true
    }

    /// Whether the current row is a line without a character, apart from a byte order mark.
    fn is_blank(&self) -> bool {
        let is_blank = |range: &Range<usize>| range.is_empty() && matches!(range.start - self.start, 0 | 3);
        matches!(self.spans.as_slice(), [only] if is_blank(&only.range))
    }

    /// Sets `fields` to the wanted fields of the current row.
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

    /// Returns the text of one field, without its quotes and with doubled quotes as one.
    fn text(&self, at: usize) -> Result<Cow<'w, str>, Error> {
        let Span { range, doubled } = &self.spans[at];
        let text = std::str::from_utf8(&self.bytes[range.clone()])
            .map_err(|error| self.not_utf8(range.start + error.valid_up_to()))?;
        if !doubled {
            return Ok(Cow::Borrowed(text));
        }
        // All quotes are adjacent pairs: splitting `a""b` at quotes gives `a`, an empty text and `b`.
        Ok(Cow::Owned(text.split('"').step_by(2).collect::<Vec<_>>().join("\"")))
    }

    /// Returns the line of a byte of the current row.
    fn place(&self, at: usize) -> Place {
        let number = self.line + memchr_iter(b'\n', &self.bytes[self.start..at]).count() as u64;
        Place { path: self.path.to_owned(), unit: Unit::Line, number }
    }

    fn not_utf8(&self, at: usize) -> Error {
        let offset = self.position + at as u64 + 1;
        let cure = cure_of_invalid_utf8(self.bytes, at);
        Error::NotUtf8 { place: self.place(at), byte: self.bytes[at], offset, cure }
    }

    /// Returns all fields of the current row.
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

    /// Refuses a wanted field whose opening quote follows a space: RFC 4180 would make the quotes part of the value.
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

/// Returns how the fields of a row are quoted, in a format where quotes are ordinary characters.
fn quoting(fields: &[Field<'_>]) -> Quoting {
    let of = |field: &Field<'_>| match field {
        Field::Text(text) if text.starts_with('"') => Quoting::of(text),
        _ => Quoting::None,
    };
    fields.iter().map(of).max().unwrap_or_default()
}

/// Returns the bytes before the first one that is not UTF-8. Validating many rows at once is faster than field by field.
fn utf8_before_fault(bytes: &[u8]) -> &str {
    let before = |end| std::str::from_utf8(&bytes[..end]);
    before(bytes.len()).or_else(|fault| before(fault.valid_up_to())).unwrap_or_default()
}

/// The positions of structural bytes, in order: delimiters, line ends and, in CSV, quotes. A block of 64 bytes is compared at
/// once, which gives a mask with one bit per byte.
struct StructuralBytes<'w> {
    bytes: &'w [u8],
    kinds: [u8; 4],
    /// Where the current block begins.
    base: usize,
    /// The structural bytes of the current block that haven't been returned; bit 0 is the first byte of the block.
    mask: u64,
}

impl<'w> StructuralBytes<'w> {
    fn new(bytes: &'w [u8], Dialect { delimiter, quotes }: Dialect) -> Self {
        let kinds = [delimiter, b'\n', b'\r', if quotes { b'"' } else { delimiter }];
        let mut structural = Self { bytes, kinds, base: 0, mask: 0 };
        structural.scan_block(bytes);
        structural
    }

    /// Sets the mask to that of the block at the beginning of `bytes`.
    fn scan_block(&mut self, bytes: &[u8]) {
        let kinds = self.kinds.map(u8x16::splat);
        let is_structural = |bytes: u8x16| kinds.map(|kind| bytes.cmp_eq(kind)).into_iter().reduce(|a, b| a | b);
        [self.mask] = masks(bytes, |bytes| [is_structural(bytes).unwrap_or_default()]);
    }
}

impl Iterator for StructuralBytes<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.base += BLOCK;
            let rest = self.bytes.get(self.base..).filter(|rest| !rest.is_empty())?;
            self.scan_block(rest);
        }
        let at = self.base + self.mask.trailing_zeros() as usize;
        // Clears the lowest bit that is set: 0b0110_1000 becomes 0b0110_0000.
        self.mask &= self.mask - 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests;
