//! word2vec binary, as `word2vec -binary 1` and gensim write it. The header is read by `sniff.rs`.
//!
//! | bytes | content |
//! |---|---|
//! | ASCII `V D\n` | the number of rows, and of numbers per row |
//! | then V times: any number of bytes except 0x20 | a word; line feeds before it end the row above |
//! | 0x20 | |
//! | 4 D | D floats, little-endian |
//! | 0x0a | after each row or none (Google's tool writes it, GoogleNews lacks it) |
//!
//! Words may be truncated in the middle of a UTF-8 sequence: they are compared as bytes.

use crate::collector::{RowCollector, display_word};
use crate::error::Error;
use crate::stream::Stream;
use crate::vectors::Vectors;
use crate::{MAX_WORD, Shape};

/// Reads `shape.rows` rows and nothing after them.
pub(crate) fn read(stream: &mut Stream, shape: Shape, mut collector: RowCollector) -> Result<Vectors, Error> {
    for row in 1..=shape.rows {
        let space = word_length(stream, row, shape)?;
        let length = space + 1 + 4 * shape.dim;
        if !stream.fill(length)? {
            return Err(cut_off(stream, row, shape));
        }
        let bytes = &stream.window()[..length];
        let word = without_line_feeds(&bytes[..space]);
        if collector.is_open(word) {
            let numbers = bytes[space + 1..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            if let Err(at) = collector.keep(word, numbers) {
                let (word, offset) = (display_word(word), stream.offset());
                return Err(stream.format(format!(
                    "row {row} ({word}, byte {offset}): number {} isn't finite; the file is damaged",
                    at + 1
                )));
            }
        }
        stream.consume(length);
    }
    nothing_follows(stream, shape)?;
    Ok(collector.into_vectors(shape.dim, shape.rows))
}

/// Returns the number of bytes before the space that ends the word, including line feeds of the row above.
fn word_length(stream: &mut Stream, row: u64, shape: Shape) -> Result<usize, Error> {
    if let Some(length) = stream.find(b' ', MAX_WORD)? {
        return Ok(length);
    }
    if stream.fill(MAX_WORD)? {
        let offset = stream.offset();
        return Err(stream.format(format!(
            "row {row} (byte {offset}): a word of more than {MAX_WORD} bytes; the file is damaged, or no word2vec file of {} numbers a row",
            shape.dim
        )));
    }
    Err(cut_off(stream, row, shape))
}

fn cut_off(stream: &Stream, row: u64, shape: Shape) -> Error {
    let (rows, offset) = (shape.rows, stream.offset());
    stream.format(format!(
        "cut off in row {row} of {rows} (byte {offset}): the download is incomplete; download it again"
    ))
}

/// Checks that after the last row there is at most its line feed.
fn nothing_follows(stream: &mut Stream, shape: Shape) -> Result<(), Error> {
    stream.fill(2)?;
    match stream.window() {
        [] | [b'\n'] => Ok(()),
        _ => Err(stream.format(format!(
            "more follows after the {} rows that line 1 says (byte {}); the file is damaged",
            shape.rows,
            stream.offset()
        ))),
    }
}

/// Removes the line feed of the row above from a word.
fn without_line_feeds(word: &[u8]) -> &[u8] {
    let start = word.iter().position(|&byte| byte != b'\n').unwrap_or(word.len());
    &word[start..]
}
