//! Reads a file that is one JSON array (RFC 8259) as JSON Lines: each element of the array becomes a line.
//!
//! Input: the bytes of `[{"text": "a"}, {"text": "b"}]`, on one line or on many. Output, through [`Read`]: the bytes of
//! `{"text": "a"}` and `{"text": "b"}`, a line each. Line ends between the values of an element become spaces; nothing else is
//! changed, so that a fault of an element is found where the line is parsed. What is wrong with the array itself is in
//! [`JsonArray::fault`], once all has been read.

use std::io::{self, Read};

use super::buffer::Buffer;

/// Where the reader is in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before `[`.
    Before,
    /// Inside: the number of brackets and braces that are open within the array.
    Inside(u32),
    /// Inside a text in quotes, and whether the character before was an escaping `\`.
    Quoted(u32, bool),
    /// After `]`.
    After,
}

/// The elements of an array, as lines.
pub(super) struct JsonArray<'r> {
    buffer: Buffer<'r>,
    state: State,
    /// Whether something other than white space follows the array.
    has_rest: bool,
}

/// Returns whether the first character that isn't white space opens an array.
pub(super) fn is_array(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

impl<'r> JsonArray<'r> {
    /// Returns a reader of the array with which a buffer begins.
    pub(super) fn new(buffer: Buffer<'r>) -> Self {
        Self { buffer, state: State::Before, has_rest: false }
    }

    /// Returns what is wrong with the array itself, if all of it has been read.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self.state {
            State::After if self.has_rest => Some(
                "the JSON array ends before the file does; write all objects into one array, or one object per line",
            ),
            State::After => None,
            _ => Some("the file ends before its JSON array does; it may have been cut off: write or copy it again"),
        }
    }

    /// Returns what a byte becomes; none if it is left out.
    fn step(&mut self, byte: u8) -> Option<u8> {
        let (state, becomes) = match (self.state, byte) {
            (State::Before, b'[') => (State::Inside(0), None),
            (State::Before, _) => (State::Before, None),
            (State::Inside(0), b',') => (State::Inside(0), Some(b'\n')),
            (State::Inside(0), b']') => (State::After, Some(b'\n')),
            (State::Inside(depth), b'\n' | b'\r') => (State::Inside(depth), Some(b' ')),
            (State::Inside(depth), b'"') => (State::Quoted(depth, false), Some(byte)),
            (State::Inside(depth), b'{' | b'[') => (State::Inside(depth.saturating_add(1)), Some(byte)),
            (State::Inside(depth), b'}' | b']') => (State::Inside(depth.saturating_sub(1)), Some(byte)),
            (State::Inside(depth), _) => (State::Inside(depth), Some(byte)),
            (State::Quoted(depth, false), b'"') => (State::Inside(depth), Some(byte)),
            (State::Quoted(depth, is_escaped), _) => (State::Quoted(depth, byte == b'\\' && !is_escaped), Some(byte)),
            (State::After, _) => {
                self.has_rest |= !byte.is_ascii_whitespace();
                (State::After, None)
            }
        };
        self.state = state;
        becomes
    }
}

impl Read for JsonArray<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.buffer.bytes().is_empty() {
                if self.buffer.ended() {
                    return Ok(0);
                }
                self.buffer.fill()?;
                continue;
            }
            let taken = self.buffer.bytes().len().min(out.len());
            let mut written = 0;
            for at in 0..taken {
                let byte = self.buffer.bytes()[at];
                if let Some(byte) = self.step(byte) {
                    out[written] = byte;
                    written += 1;
                }
            }
            self.buffer.take(taken);
            if written > 0 || out.is_empty() {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Error;
    use crate::format::{Field, Format, Request, Row, read_stream};
    use crate::settings::Column;

    /// Hands out one byte at a time, so that every place is a border of a read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((&first, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            out[0] = first;
            Ok(1)
        }
    }

    fn texts(content: &str) -> Result<Vec<(u64, String)>, Error> {
        let (path, columns) = (Path::new("a.json"), [Column::Name("text".to_owned())]);
        let request =
            Request { path, columns: &columns, header: None, delimiter: None, originals: false, needs_text: true };
        let mut texts = Vec::new();
        let mut sink = |row: Row<'_>| {
            let [Field::Text(text)] = row.fields else { panic!("{:?}", row.fields) };
            texts.push((row.number, text.clone().into_owned()));
            Ok(())
        };
        read_stream(&request, Format::Jsonl, &mut Slow(content.as_bytes()), &mut sink)?;
        Ok(texts)
    }

    #[test]
    fn elements_are_rows() {
        let expected = [(1, "a".to_owned()), (2, "[b], \"{\\".to_owned()), (3, "c".to_owned())];
        let second = r#"{"x": [[1], {"y": []}], "text": "[b], \"{\\"}"#;
        for content in [
            format!(r#"[{{"text": "a"}},{second},{{"text": "c"}}]"#),
            format!("\u{feff} [\r\n  {{\r\n    \"text\": \"a\"\n  }},\n{second}\n,\n {{\"text\":\n\"c\"}}\n]\n\n"),
        ] {
            assert_eq!(texts(&content).expect("rows"), expected, "{content}");
        }
    }

    #[test]
    fn faults_name_the_element_or_the_array() {
        for (content, expected) in [
            ("[]", "there are no rows"),
            ("[{\"text\": \"a\"}, {\"text\": \"b\"}", "a.json: the file ends before its JSON array does"),
            ("[{\"text\": \"a\"}, {\"text\": ", "a.json, row 2: not a JSON object: it ends before the object does"),
            ("[{\"text\": \"a\"}]\n[{\"text\": \"b\"}]", "a.json: the JSON array ends before the file does"),
            ("[{\"text\": \"a\"}, \"b\"]", "a.json, row 2: not a JSON object: it is a text in quotes"),
            ("[{\"text\": \"a\"}, {\"other\": \"b\"}]", "a.json, row 2: the object has no key `text`"),
            ("[{\"text\": \"a\"} {\"text\": \"b\"}]", "a.json, row 1: not a JSON object"),
        ] {
            let error = texts(content).expect_err(content).to_string();
            assert!(error.contains(expected), "{content}: {error}");
        }
    }
}
