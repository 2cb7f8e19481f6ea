//! The vocabulary of a module: a text file with one token per line, and the line of every token.
//!
//! Lines end with `\n` or `\r\n`; they need not be UTF-8. As in TensorFlow's `InitializeTableFromTextFileV2`, an
//! empty line and a repeated token are faults.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The tokens of a file, found by their bytes.
#[derive(Debug, Default)]
pub struct Tokens {
    bytes: Vec<u8>,
    /// Where each token starts and ends in `bytes`.
    spans: Vec<(u32, u32)>,
    /// The entries by the hash of the token. Never iterated over.
    lines: HashTable<Entry>,
    state: FixedState,
}

/// A token's first bytes and its line. Most tokens are shorter than that, so that the file's content need not be
/// compared.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    len: u32,
    line: u32,
}

/// Loads eight bytes of a text from `start` on, the first in the lowest bits, with zeros past the end. No branch
/// depends on where the token ends, since a processor can't predict that. Example: `eight(b"abc", 1)` is `0x6362`.
#[inline]
fn eight(text: &[u8], start: usize) -> u64 {
    let Some(last) = text.len().checked_sub(8) else {
        let mut bytes = [0; 8];
        bytes[..text.len() - start].copy_from_slice(&text[start..]);
        return u64::from_le_bytes(bytes);
    };
    let at = start.min(last);
    let bytes = text[at..].first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(bytes).unbounded_shr(8 * (start - at) as u32)
}

/// Returns the first eight bytes of a token, with zeros after a shorter one. Example: `ab` is `0x6261`.
#[inline]
fn start(text: &[u8], token: &Range<usize>) -> u64 {
    let others = 8usize.saturating_sub(token.len());
    eight(text, token.start) & u64::MAX.unbounded_shr(8 * others as u32)
}

impl Tokens {
    /// Reads the first `limit` lines of a file, or all.
    ///
    /// # Errors
    /// When there is an empty line, a repeated token or too few lines; the message names the line.
    pub fn new(bytes: Vec<u8>, limit: Option<u64>) -> Result<Self, String> {
        if u32::try_from(bytes.len()).is_err() {
            return Err("is larger than 4 GiB".to_owned());
        }
        let mut tokens = Self { bytes, ..Self::default() };
        tokens.spans = spans(&tokens.bytes, limit)?;
        if let Some(limit) = limit
            && (tokens.spans.len() as u64) < limit
        {
            return Err(format!("has {} lines, but the graph reads {limit}", tokens.spans.len()));
        }
        tokens.index()?;
        Ok(tokens)
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> u32 {
        self.spans.len() as u32
    }

    /// Returns whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns the line of a token, counted from 0.
    #[inline]
    pub fn line(&self, token: &[u8]) -> Option<u32> {
        self.line_of(token, 0..token.len())
    }

    /// Returns the line of the token at this place of a text.
    #[inline]
    pub fn line_of(&self, text: &[u8], token: Range<usize>) -> Option<u32> {
        let start = start(text, &token);
        let is_token = |entry: &Entry| {
            let same = entry.start == start && entry.len as usize == token.len();
            same && (token.len() <= 8 || self.token(entry.line) == &text[token.clone()])
        };
        self.lines.find(self.hash(start, text, &token), is_token).map(|entry| entry.line)
    }

    /// Returns the hash of a token with these first bytes.
    #[inline]
    fn hash(&self, start: u64, text: &[u8], token: &Range<usize>) -> u64 {
        match token.len() {
            length @ ..=8 => self.state.hash_one((start, length)),
            _ => self.state.hash_one(&text[token.clone()]),
        }
    }

    /// Returns the bytes that decide every look-up.
    pub fn content(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the token of a line.
    ///
    /// # Panics
    /// When there is no such line.
    #[inline]
    pub fn token(&self, line: u32) -> &[u8] {
        let (start, end) = self.spans[line as usize];
        &self.bytes[start as usize..end as usize]
    }

    fn index(&mut self) -> Result<(), String> {
        let mut lines = HashTable::with_capacity(self.spans.len());
        for line in 0..self.len() {
            let token = self.token(line);
            if token.is_empty() {
                return Err(format!("line {}: is empty", line + 1));
            }
            let place = 0..token.len();
            let start = start(token, &place);
            let hash = self.hash(start, token, &place);
            if let Some(first) = lines.find(hash, |other: &Entry| self.token(other.line) == token) {
                return Err(format!("line {}: is the token of line {} again", line + 1, first.line + 1));
            }
            let entry = Entry { start, len: token.len() as u32, line };
            lines.insert_unique(hash, entry, |other| {
                self.hash(other.start, self.token(other.line), &(0..other.len as usize))
            });
        }
        self.lines = lines;
        Ok(())
    }
}

fn spans(bytes: &[u8], limit: Option<u64>) -> Result<Vec<(u32, u32)>, String> {
    let mut spans = Vec::new();
    let mut start = 0;
    while start < bytes.len() && limit.is_none_or(|limit| (spans.len() as u64) < limit) {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |len| start + len);
        let carriage = usize::from(bytes[start..end].last() == Some(&b'\r'));
        spans.push((start as u32, (end - carriage) as u32));
        start = end + 1;
    }
    if spans.is_empty() { Err("has no tokens".to_owned()) } else { Ok(spans) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_length_are_told_apart() {
        let tokens = (1..20).map(|length| "x".repeat(length)).collect::<Vec<_>>();
        let of_lengths = Tokens::new(tokens.join("\n").into_bytes(), None).expect("read");
        for (line, token) in tokens.iter().enumerate() {
            assert_eq!(of_lengths.line(token.as_bytes()), Some(line as u32));
            assert_eq!(of_lengths.line(format!("{token}\0").as_bytes()), None);
            assert_eq!(of_lengths.line(format!("{}y", &token[1..]).as_bytes()), None);
        }
    }

    #[test]
    fn lines_are_numbered_as_in_tensorflow() {
        let tokens = Tokens::new(b"a\r\nb c\n\xff\0\n\rd".to_vec(), None).expect("read");
        assert_eq!(tokens.len(), 4);
        for (token, line) in [
            (&b"a"[..], Some(0)),
            (b"b c", Some(1)),
            (b"\xff\0", Some(2)),
            (b"\rd", Some(3)),
            (b"b", None),
            (b"", None),
        ] {
            assert_eq!(tokens.line(token), line, "{token:?}");
        }
    }

    #[test]
    fn empty_and_repeated_lines_are_faults() {
        for (file, message) in [
            (&b"a\n\nb\n"[..], "line 2: is empty"),
            (b"a\n\r\n", "line 2: is empty"),
            (b"a\nb\na\n", "line 3: is the token of line 1 again"),
            (b"", "has no tokens"),
        ] {
            assert_eq!(Tokens::new(file.to_vec(), None).expect_err(message), message);
        }
    }

    #[test]
    fn a_limit_cuts_or_is_a_fault() {
        assert_eq!(Tokens::new(b"a\nb\na\n".to_vec(), Some(2)).expect("cut").len(), 2);
        Tokens::new(b"a\nb\n".to_vec(), Some(3)).expect_err("too short");
    }
}
