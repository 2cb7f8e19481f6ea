//! Content addresses, shown as lower-case hex: SHA-256; of what is large, BLAKE3, which takes a quarter of the time.

use std::{fmt, io};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The hash of some content. Two equal digests mean equal content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of one byte string.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// The digest of several byte strings, each preceded by its length, so that no two
    /// different lists of parts share a digest.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hex(&hasher.finalize()))
    }

    /// The first eight hex digits, for names that people read.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// All 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes that are gathered before they are hashed: millions of short parts cost more one by one, and BLAKE3 hashes many
/// blocks of 1 KiB side by side.
const GATHERED: usize = 1 << 16;

/// The digest of very many or very large byte strings, one after the other, each preceded by its length.
#[derive(Clone, Debug)]
pub struct Parts {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

impl Parts {
    /// Before the first part.
    #[expect(clippy::new_without_default, reason = "a digest of nothing is nobody's default")]
    pub fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), gathered: Vec::new() }
    }

    /// Adds a part, preceded by its length.
    pub fn add(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        if self.gathered.len() + length.len() + part.len() > GATHERED {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
        self.gathered.extend_from_slice(&length);
        if part.len() < GATHERED / 2 {
            self.gathered.extend_from_slice(part);
        } else {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
            self.hasher.update(part);
        }
    }

    /// The digest of the parts so far.
    pub fn digest(mut self) -> Digest {
        self.hasher.update(&self.gathered);
        Digest(self.hasher.finalize().to_hex().to_string())
    }
}

/// Bytes as lower-case hex.
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

/// The plain SHA-256 of a file's bytes, as `sha256sum` prints it (no length prefix).
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The plain SHA-256 of byte strings, one after the other.
pub(crate) fn sha256_hex_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

/// The first 16 bytes of the plain SHA-256 of some bytes: enough to tell texts apart where millions of digests are kept.
pub fn sha256_start(bytes: &[u8]) -> [u8; 16] {
    *Sha256::digest(bytes).first_chunk().expect("a SHA-256 has 32 bytes")
}

/// The same of what a reader gives.
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
        let long = vec![7; 3 * GATHERED];
        let mut all: Vec<&[u8]> = vec![&long, b"", &long[..GATHERED / 2], &long[..GATHERED - 9], b"a"];
        all.extend((0..20_000).map(|at| &long[..at % 11]));
        let mut hasher = blake3::Hasher::new();
        let mut parts = Parts::new();
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
