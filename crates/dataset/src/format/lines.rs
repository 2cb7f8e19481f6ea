//! Reads text files: every line is a text, the empty ones too.
//!
//! A line ends at LF; CRs before it belong to the line end. There is no further line after the last line end. Texts are not
//! trimmed.

use std::borrow::Cow;
use std::path::Path;

use memchr::memchr;

use super::buffer::Buffer;
use super::compression::explained;
use super::{Field, Original, Quoting, Request, Row, Sink};
use crate::error::{Error, Place, Unit};
use emberline_base::sniff::cure_of_invalid_utf8;

/// Reads a whole file; see [`super::read`]. The one column is the text.
pub(super) fn read(request: &Request<'_>, buffer: Buffer<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let mut lines = Lines::new(request.path, buffer);
    while let Some(length) = lines.next()? {
        let text = lines.text(length)?.trim_end_matches('\r');
        let fields = [Field::Text(Cow::Borrowed(text))];
        sink(Row {
            unit: Unit::Line,
            number: lines.number(),
            fields: &fields,
            names: &[],
            original: Original::Line,
            quoting: Quoting::default(),
        })?;
        lines.take(length);
    }
    Ok(vec!["text".to_owned()])
}

/// The lines of a stream.
pub(super) struct Lines<'p, 'r> {
    path: &'p Path,
    buffer: Buffer<'r>,
    /// What messages count lines as: the lines of the file, or rows of which a line was made each.
    unit: Unit,
    /// The number of the current line; 0 before the first.
    number: u64,
}

impl<'p, 'r> Lines<'p, 'r> {
    /// Returns a reader before the first line. `buffer` must be past the byte order mark.
    pub(super) fn new(path: &'p Path, buffer: Buffer<'r>) -> Self {
        Self::of(path, Unit::Line, buffer)
    }

    /// As [`Self::new`], with what messages count.
    pub(super) fn of(path: &'p Path, unit: Unit, buffer: Buffer<'r>) -> Self {
        Self { path, buffer, unit, number: 0 }
    }

    /// What messages count.
    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    /// Goes to the next line and returns its length without its LF; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<usize>, Error> {
        let mut searched = 0;
        loop {
            let bytes = self.buffer.bytes();
            let end = memchr(b'\n', &bytes[searched..]).map(|at| searched + at);
            searched = bytes.len();
            match end {
                None if !self.buffer.ended() => self.buffer.fill().map_err(explained(self.path))?,
                None if searched == 0 => return Ok(None),
                end => {
                    self.number += 1;
                    return Ok(Some(end.unwrap_or(searched)));
                }
            }
        }
    }

    /// The number of the current line; 1 is the first, and 0 means that no line has been read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the current line, which has this length.
    pub(super) fn text(&self, length: usize) -> Result<&str, Error> {
        let bytes = self.buffer.bytes();
        std::str::from_utf8(&bytes[..length]).map_err(|error| {
            let at = error.valid_up_to();
            Error::NotUtf8 {
                place: self.place(),
                byte: bytes[at],
                offset: self.buffer.position() + at as u64 + 1,
                cure: cure_of_invalid_utf8(bytes, at),
            }
        })
    }

    /// Moves past the current line, which has this length.
    pub(super) fn take(&mut self, length: usize) {
        self.buffer.take(length + 1);
    }

    /// Returns the place of the current line.
    pub(super) fn place(&self) -> Place {
        Place { path: self.path.to_owned(), unit: self.unit, number: self.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, read_stream};

    fn texts(content: &[u8]) -> Result<Vec<String>, Error> {
        let path = Path::new("a.txt");
        let request =
            Request { path, columns: &[], header: None, delimiter: None, originals: false, needs_text: false };
        let mut texts = Vec::new();
        let mut sink = |row: Row<'_>| {
            let [Field::Text(text)] = row.fields else { panic!("{:?}", row.fields) };
            assert_eq!(row.number, texts.len() as u64 + 1);
            texts.push(text.clone().into_owned());
            Ok(())
        };
        read_stream(&request, Format::Lines, &mut &content[..], &mut sink)?;
        Ok(texts)
    }

    #[test]
    fn every_line_is_a_text() {
        assert_eq!(texts(b"\xEF\xBB\xBFa\n\n b \r\n\r\r\n\xC3\xA4").expect("texts"), ["a", "", " b ", "", "\u{e4}"]);
        assert_eq!(texts(b"").expect("none"), [""; 0]);
        assert_eq!(texts(b"\n").expect("one"), [""]);
        assert_eq!(texts(b"<html> is a tag\n").expect("one"), ["<html> is a tag"]);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for (content, expected) in [
            (&b"\x1f\x8b\x08\0\0"[..], "gzip"),
            (b"PK\x03\x04\0", "zip"),
            (b"\xff\xfea\0\n\0", "iconv -f UTF-16"),
            (b"a\0b\0c\0d\0e\0\n\0", "iconv -f UTF-16LE"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"<!DOCTYPE html>\n", "a web page"),
            (b"a\ncaf\xe9\n", "line 2: byte 0xE9"),
        ] {
            let error = texts(content).expect_err(expected).to_string();
            assert!(error.starts_with("a.txt") && error.contains(expected), "{error}");
        }
    }
}
