//! Writes word2vec, binary and text.
//!
//! | format | header | row |
//! |---|---|---|
//! | text | `ROWS DIM` | the word and its numbers, separated by single spaces; a line feed |
//! | binary | the same | the word, a space, the numbers as 32-bit floats, little-endian; a line feed |

use std::io::{self, Write};

/// Writes word2vec text: words and their vectors, each as long as the first. Numbers are written with enough digits
/// to be read back exactly.
///
/// # Errors
/// When `out` can't be written to; [`io::ErrorKind::InvalidInput`] when a word is empty or contains white space, or
/// vectors have different lengths.
pub fn write_text(out: &mut impl Write, words: &[(&str, &[f32])]) -> io::Result<()> {
    header(out, words)?;
    for (word, row) in words {
        write!(out, "{word}")?;
        row.iter().try_for_each(|value| write!(out, " {value}"))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Writes word2vec binary: words and their vectors, each as long as the first.
///
/// # Errors
/// Those of [`write_text`].
pub fn write_binary(out: &mut impl Write, words: &[(&str, &[f32])]) -> io::Result<()> {
    header(out, words)?;
    for (word, row) in words {
        write!(out, "{word} ")?;
        row.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))?;
        writeln!(out)?;
    }
    Ok(())
}

fn header(out: &mut impl Write, words: &[(&str, &[f32])]) -> io::Result<()> {
    let dim = words.first().map_or(0, |(_, row)| row.len());
    let fault = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    for (word, row) in words {
        if word.is_empty() || word.contains(char::is_whitespace) {
            return fault(format!("the word {word:?} can't be written: it is empty or holds white space"));
        }
        if row.len() != dim {
            return fault(format!("the vector of {word:?} has {} numbers, the first {dim}", row.len()));
        }
    }
    writeln!(out, "{} {dim}", words.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{All, read};

    const WORDS: [(&str, &[f32]); 3] = [("the", &[0.1, -2.5]), ("Fluß", &[1e-30, 3e7]), ("?", &[0.0, -0.0])];

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut text, mut binary) = (Vec::new(), Vec::new());
        write_text(&mut text, &WORDS).and_then(|()| write_binary(&mut binary, &WORDS)).expect("in memory");
        assert!(text.starts_with(b"3 2\nthe 0.1 -2.5\n"));
        for bytes in [text, binary] {
            let path = folder.path().join("vectors");
            std::fs::write(&path, bytes).expect("written");
            let vectors = read(&path, &All).expect("read");
            assert_eq!((vectors.dim, vectors.file_rows, vectors.ids.len()), (2, 3, 3));
            for (word, row) in WORDS {
                assert_eq!(vectors.get(word), Some(row), "{word}");
            }
        }
    }

    #[test]
    fn what_can_not_be_read_back_is_refused() {
        for (words, message) in [
            (&[("a b", &[1.0][..])][..], "white space"),
            (&[("", &[1.0])], "is empty"),
            (&[("a", &[1.0]), ("b", &[1.0, 2.0])], "has 2 numbers, the first 1"),
        ] {
            let error = write_text(&mut Vec::new(), words).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
