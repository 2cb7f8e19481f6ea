//! Content digests in lower-case hex: SHA-256, or BLAKE3 for large inputs, which takes a quarter of the time.

use std::{fmt, io};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The digest of some content, 64 lower-case hex digits. Two equal digests mean equal content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Computes the SHA-256 digest of one byte string, preceded by its length as [`of_parts`](Self::of_parts) does.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// Computes the SHA-256 digest of several byte strings, each preceded by its length (u64, little-endian), so that no
    /// two different lists of parts have the same digest.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hex(&hasher.finalize()))
    }

    /// Returns the first eight hex digits, for names that people read.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// Returns all 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes that are buffered before they are hashed: millions of short parts take longer one by one, and BLAKE3 hashes many
/// blocks of 1 KiB in parallel.
const BUFFER: usize = 1 << 16;

/// An incremental BLAKE3 hasher for very many or very large byte strings, each preceded by its length.
#[derive(Clone, Debug)]
pub struct PartsHasher {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl PartsHasher {
    /// Creates a hasher without parts.
    #[expect(clippy::new_without_default, reason = "the digest of no parts is no sensible default")]
    pub fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), buffer: Vec::new() }
    }

    /// Adds a part, preceded by its length (u64, little-endian).
    pub fn add(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        if self.buffer.len() + length.len() + part.len() > BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(&length);
        if part.len() < BUFFER / 2 {
            self.buffer.extend_from_slice(part);
        } else {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
            self.hasher.update(part);
        }
    }

    /// Returns the digest of the parts that were added.
    pub fn digest(mut self) -> Digest {
        self.hasher.update(&self.buffer);
        Digest(self.hasher.finalize().to_hex().to_string())
    }
}

/// Formats bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Computes the plain SHA-256 of bytes, as `sha256sum` prints it (without a length prefix).
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Computes the plain SHA-256 of the concatenation of byte strings.
pub(crate) fn sha256_hex_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

/// Computes the first 16 bytes of the plain SHA-256: enough to distinguish texts, at half the memory for millions of them.
pub fn sha256_prefix(bytes: &[u8]) -> [u8; 16] {
    *Sha256::digest(bytes).first_chunk().expect("a SHA-256 has 32 bytes")
}

/// Computes the plain SHA-256 of everything that a reader yields.
pub(crate) fn sha256_of(reader: &mut impl io::Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(reader, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundaries_of_parts_count() {
        let split_early = Digest::of_parts([b"a".as_slice(), b"bc"]);
        let split_late = Digest::of_parts([b"ab".as_slice(), b"c"]);
        assert_ne!(split_early, split_late);
    }

    #[test]
    fn how_parts_are_gathered_does_not_show() {
        let long = vec![7; 3 * BUFFER];
        let mut all: Vec<&[u8]> = vec![&long, b"", &long[..BUFFER / 2], &long[..BUFFER - 9], b"a"];
        all.extend((0..20_000).map(|at| &long[..at % 11]));
        let mut hasher = blake3::Hasher::new();
        let mut parts = PartsHasher::new();
        for part in all {
            parts.add(part);
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        assert_eq!(parts.digest().as_str(), hasher.finalize().to_hex().as_str());
    }

    #[test]
    fn plain_sha256_is_that_of_sha256sum() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            (sha256_hex(b"abc"), sha256_of(&mut b"abc".as_slice()).ok()),
            (abc.to_owned(), Some(abc.to_owned()))
        );
    }
}
