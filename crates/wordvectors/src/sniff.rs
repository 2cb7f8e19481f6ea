//! Recognises a file's format by its first bytes.
//!
//! | first bytes | format |
//! |---|---|
//! | `ba 16 4f 2f` | fastText model (`.bin`, `.ftz`) |
//! | `FiFu` | finalfusion |
//! | two integers and a line feed | word2vec; binary unless text follows |
//! | a word and numbers | GloVe |

use crate::error::Error;
use crate::stream::Stream;
use crate::{MAX_DIM, Shape, fasttext, finalfusion, text};

/// A format, and the content of its header if it has one. The header is consumed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// word2vec binary.
    Binary(Shape),
    /// word2vec text.
    Text(Shape),
    /// GloVe text, which has no header.
    Glove,
    /// A fastText model; its magic number isn't consumed.
    FastText,
    /// finalfusion; its magic number isn't consumed.
    Finalfusion,
}

/// The number of bytes after a header by which binary and text are distinguished.
pub(crate) const SAMPLE: usize = 4096;
/// The maximum length of a header: two numbers of 20 digits, with some slack.
const MAX_HEADER: usize = 128;

/// Recognises the file.
///
/// # Errors
/// When it is of another kind, or its header can't be true.
pub(crate) fn format(stream: &mut Stream) -> Result<Format, Error> {
    stream.fill(SAMPLE)?;
    if stream.window().is_empty() {
        return Err(stream.format("the file is empty; download it again"));
    }
    if stream.window().starts_with(&fasttext::MAGIC) {
        return Ok(Format::FastText);
    }
    if stream.window().starts_with(finalfusion::MAGIC) {
        return Ok(Format::Finalfusion);
    }
    if stream.window().starts_with(b"\xef\xbb\xbf") {
        stream.consume(3);
    }
    let Some((header, length)) = header(stream.window()) else {
        let is_text = text::dim_of(first_line(stream)?).is_some() || looks_like_text(stream.window());
        return if is_text { Ok(Format::Glove) } else { Err(unknown(stream)) };
    };
    stream.consume(length);
    stream.fill(SAMPLE)?;
    let is_text = text::is_row(first_line(stream)?, header.dim) || looks_like_text(stream.window());
    let shape = checked(stream, header, is_text)?;
    Ok(if is_text { Format::Text(shape) } else { Format::Binary(shape) })
}

fn unknown(stream: &Stream) -> Error {
    stream.format(
        "neither word2vec, GloVe, fastText nor finalfusion: line 1 is neither two counts nor a word and its numbers; of a model of gensim or an old fastText take the vectors as text (.vec)",
    )
}

/// The numbers on line 1, saturated to 64 bits.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    rows: u64,
    pub(crate) dim: u64,
}

/// Parses exactly two integers on line 1; returns them and the number of bytes that they take with the line feed
/// (`None` if the file is truncated there).
fn header(window: &[u8]) -> Option<(Header, usize)> {
    let line_feed = window.iter().take(MAX_HEADER).position(|&byte| byte == b'\n');
    let end = line_feed.or_else(|| (window.len() < MAX_HEADER).then_some(window.len()))?;
    let line = std::str::from_utf8(&window[..end]).ok()?;
    let mut fields = line.split([' ', '\t', '\r']).filter(|field| !field.is_empty());
    let (rows, dim) = (integer(fields.next()?)?, integer(fields.next()?)?);
    fields.next().is_none().then_some((Header { rows, dim }, window.len().min(end + 1)))
}

/// Parses digits as a number; a number that is too large becomes the largest one.
fn integer(field: &str) -> Option<u64> {
    field.bytes().all(|byte| byte.is_ascii_digit()).then(|| field.parse().unwrap_or(u64::MAX))
}

/// Returns the bytes before the next line feed, or as many as a line may have.
pub(crate) fn first_line(stream: &mut Stream) -> Result<&[u8], Error> {
    let end = stream.find(b'\n', text::MAX_LINE)?;
    let window = stream.window();
    Ok(&window[..end.unwrap_or(window.len().min(text::MAX_LINE))])
}

/// Returns whether a sample is UTF-8 (its end may be truncated) without control characters.
fn looks_like_text(window: &[u8]) -> bool {
    let sample = &window[..window.len().min(SAMPLE)];
    let valid = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !sample.iter().any(|&byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// Checks that all rows that a header states fit into the file.
fn checked(stream: &Stream, header: Header, is_text: bool) -> Result<Shape, Error> {
    let Header { rows, dim } = header;
    if rows == 0 || dim == 0 {
        return Err(stream.format(format!("line 1 says {rows} rows of {dim} numbers; there must be some of both")));
    }
    if dim > MAX_DIM {
        return Err(stream.format(format!("line 1 says {dim} numbers a row, the longest that is read is {MAX_DIM}")));
    }
    // Text: a separator and at least a digit per number, and a line feed, which the last row may lack. Binary: a
    // space.
    let row = if is_text { 2 * dim + 1 } else { 4 * dim + 1 };
    let least = (u128::from(rows) * u128::from(row)).saturating_sub(u128::from(is_text));
    let limit = stream.limit().saturating_sub(stream.offset());
    if least > u128::from(limit) {
        let size = if stream.size_is_known() { format!("{limit} follow") } else { "it holds fewer".to_owned() };
        return Err(stream.format(format!(
            "line 1 says {rows} rows of {dim} numbers, which take at least {least} bytes, but {size}: the file is cut off or damaged; download it again"
        )));
    }
    Ok(Shape { rows, dim: dim as usize })
}
