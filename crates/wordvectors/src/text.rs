//! Text vectors: word2vec's and fastText's `.vec` (with a header, read by `sniff.rs`) and GloVe.
//!
//! There is one line per word: the word, then D numbers, separated by single spaces (tabs, repeated spaces and a
//! space at the end occur too). The **last D fields** are the numbers, because some of GloVe's words contain spaces.
//! Lines end with LF or CRLF, and only there: words may contain any white space of Unicode. Without a header, line 1
//! determines D. Blank lines are skipped.

use crate::collector::{RowCollector, display_word};
use crate::error::Error;
use crate::stream::Stream;
use crate::vectors::Vectors;
use crate::{MAX_DIM, MAX_WORD, Shape};

/// The maximum length of a line: 32 bytes per number, and a word.
pub(crate) const MAX_LINE: usize = 32 * MAX_DIM as usize + MAX_WORD;

/// Reads every line; `header` is the content of line 1, if that was a header.
pub(crate) fn read(stream: &mut Stream, header: Option<Shape>, mut collector: RowCollector) -> Result<Vectors, Error> {
    let mut shape = Shape { rows: 0, dim: header.map_or(0, |shape| shape.dim) };
    let mut number = u64::from(header.is_some());
    while let Some(Line { length, whole }) = next_line(stream, number + 1)? {
        number += 1;
        let line = trimmed(&stream.window()[..length]);
        if !line.is_empty() {
            if shape.dim == 0 {
                shape.dim = dim_of(line).ok_or_else(|| not_a_row(stream))?;
            }
            row(line, shape.dim, whole, &mut collector).map_err(|fault| explain(stream, number, whole, fault))?;
            shape.rows += 1;
        }
        stream.consume(length + usize::from(whole));
        if header.is_some_and(|header| shape.rows > header.rows) {
            let said = header.map_or(0, |header| header.rows);
            return Err(
                stream.format(format!("line {number}: more rows than the {said} that line 1 says; correct line 1"))
            );
        }
    }
    match header {
        Some(Shape { rows, .. }) if shape.rows < rows => Err(stream.format(format!(
            "cut off after line {number}: line 1 says {rows} rows, there are {}: the download is incomplete; download it again",
            shape.rows
        ))),
        None if shape.rows == 0 => Err(not_a_row(stream)),
        _ => Ok(collector.into_vectors(shape.dim, shape.rows)),
    }
}

/// The next line in the window.
struct Line {
    length: usize,
    /// Whether it ends with a line feed.
    whole: bool,
}

fn next_line(stream: &mut Stream, number: u64) -> Result<Option<Line>, Error> {
    if let Some(length) = stream.find(b'\n', MAX_LINE)? {
        return Ok(Some(Line { length, whole: true }));
    }
    match stream.window().len() {
        0 => Ok(None),
        length if length < MAX_LINE => Ok(Some(Line { length, whole: false })),
        _ => Err(stream.format(format!("line {number} is longer than {MAX_LINE} bytes: not a file of word vectors"))),
    }
}

/// Removes the separators and the carriage return at the end of a line.
fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|&byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    &line[..end]
}

/// What is wrong with a row.
enum Fault {
    TooFew { found: usize, dim: usize },
    TooMany { dim: usize },
    Word(usize),
    Number { word: String, field: String },
}

/// Keeps the row if it is asked for; `whole`: the line isn't the file's last one without a line feed.
fn row(line: &[u8], dim: usize, whole: bool, collector: &mut RowCollector) -> Result<(), Fault> {
    let Some((word, numbers)) = split(line, dim) else {
        return Err(Fault::TooFew { found: line.split(is_separator).filter(|f| !f.is_empty()).count() - 1, dim });
    };
    if word.len() > MAX_WORD {
        return Err(Fault::Word(word.len()));
    }
    if word.iter().any(is_separator) && word.rsplit(is_separator).next().is_some_and(is_decimal) {
        return Err(Fault::TooMany { dim });
    }
    // A last line without a line feed may be truncated, possibly in the middle of a number.
    if collector.is_open(word) || !whole {
        let parsed = numbers.split(is_separator).filter(|f| !f.is_empty()).map(|f| number(f).unwrap_or(f32::NAN));
        let kept = if collector.is_open(word) { collector.keep(word, parsed) } else { all_finite(parsed) };
        kept.map_err(|at| Fault::Number { word: display_word(word), field: field(numbers, at) })?;
    }
    Ok(())
}

fn all_finite(mut numbers: impl Iterator<Item = f32>) -> Result<(), usize> {
    numbers.position(|number| !number.is_finite()).map_or(Ok(()), Err)
}

/// Splits a line into the word, and the D last fields with their separators; `None` if there are fewer than D after
/// the line's first byte.
fn split(line: &[u8], dim: usize) -> Option<(&[u8], &[u8])> {
    // The fast path for nearly every line: D separators, none next to another.
    if separators(line) == (dim, 0) {
        let end = line.iter().position(is_separator)?;
        return Some((&line[..end], &line[end + 1..]));
    }
    let mut start = line.len();
    for _ in 0..dim {
        let last = line[..start].iter().rposition(|byte| !is_separator(byte))?;
        start = line[..last].iter().rposition(is_separator)? + 1;
    }
    Some((without_separators(&line[..start]), &line[start..]))
}

/// Removes the separators after a word.
fn without_separators(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|byte| !is_separator(byte)).map_or(0, |last| last + 1);
    &word[..end]
}

/// Returns the number of separators of a line, and how many of them directly follow another. Example: `a  1 2` has 3
/// separators, one of which follows another.
fn separators(line: &[u8]) -> (usize, usize) {
    let next = line.get(1..).unwrap_or_default();
    let doubled = line.chunks(BLOCK).zip(next.chunks(BLOCK)).map(|(bytes, next)| {
        let doubled = bytes.iter().zip(next).map(|(a, b)| u8::from(is_separator(a) & is_separator(b)));
        usize::from(doubled.sum::<u8>())
    });
    let all = line.chunks(BLOCK).map(|bytes| usize::from(bytes.iter().map(|b| u8::from(is_separator(b))).sum::<u8>()));
    (all.sum(), doubled.sum())
}

/// The number of bytes whose separators are counted in one byte, which the compiler vectorises sixteen at a time.
const BLOCK: usize = 128;

fn is_separator(byte: &u8) -> bool {
    (*byte == b' ') | (*byte == b'\t')
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Returns whether a field is a number with a fraction or exponent; a word of several fields doesn't end in one.
fn is_decimal(field: &[u8]) -> bool {
    field.iter().any(u8::is_ascii_digit)
        && field.iter().any(|b| matches!(b, b'.' | b'e' | b'E'))
        && number(field).is_some()
}

fn field(numbers: &[u8], at: usize) -> String {
    display_word(numbers.split(is_separator).filter(|f| !f.is_empty()).nth(at).unwrap_or_default())
}

/// Returns whether a line is a word and `dim` numbers.
pub(crate) fn is_row(line: &[u8], dim: u64) -> bool {
    if dim == 0 || dim > MAX_DIM {
        return false;
    }
    split(trimmed(line), dim as usize)
        .is_some_and(|(_, numbers)| numbers.split(is_separator).filter(|f| !f.is_empty()).all(|f| number(f).is_some()))
}

/// Returns the length of a vector from the first line of a file without header: the count of numbers at its end. The
/// first field never counts.
pub(crate) fn dim_of(line: &[u8]) -> Option<usize> {
    let fields = trimmed(line).split(is_separator).filter(|field| !field.is_empty());
    let all = fields.clone().count();
    let numbers = fields.rev().take_while(|field| number(field).is_some()).count();
    Some(numbers.min(all.saturating_sub(1))).filter(|&dim| (1..=MAX_DIM as usize).contains(&dim))
}

fn not_a_row(stream: &Stream) -> Error {
    stream.format("line 1 isn't a word and its numbers: not a word2vec or GloVe file")
}

fn explain(stream: &Stream, line: u64, whole: bool, fault: Fault) -> Error {
    let reason = match fault {
        Fault::TooFew { found, dim } if whole => format!("{found} numbers, {dim} expected; the file is damaged"),
        Fault::TooFew { .. } => "cut off in the middle: the download is incomplete; download it again".to_owned(),
        Fault::TooMany { dim } => format!("more than {dim} numbers; the file is damaged"),
        Fault::Word(length) => format!("a word of {length} bytes, the longest that is read is {MAX_WORD}"),
        Fault::Number { word, field } if whole => {
            format!("the row of {word} holds {field}, which isn't a finite number; the file is damaged")
        }
        Fault::Number { word, field } => {
            format!("the row of {word} ends with {field}: the download is incomplete; download it again")
        }
    };
    stream.format(format!("line {line}: {reason}"))
}
