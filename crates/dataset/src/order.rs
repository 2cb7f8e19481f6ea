//! Sort keys of rows for the split: a keyed hash of their text or group, or their time.
//!
//! The hash is BLAKE3, keyed by the split's seed, of the normalised text (`normalise`). It depends on nothing else: not on the
//! file, the other rows or the machine. So the same text has the same key everywhere.

use std::cell::RefCell;

use crate::normal::normalise;
use crate::rows::Rows;

/// The context of the key derivation, so that no other use of the seed has the same key. Every recorded split depends on it: it
/// must never change.
const CONTEXT: &str = "emberline 2026-11-29 order of rows in a split";

/// The first hashed byte: a text and a group of the same name have different hashes.
#[derive(Clone, Copy)]
enum Kind {
    Text = 0,
    Group = 1,
}

thread_local! {
    /// What is hashed. It is kept, since a million texts are.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Computes keyed hashes of texts and groups.
pub(crate) struct RowHasher {
    key: [u8; blake3::KEY_LEN],
}

impl RowHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: blake3::derive_key(CONTEXT, &seed.to_le_bytes()) }
    }

    /// Hashes a text in its normalised form.
    pub(crate) fn of_text(&self, text: &str) -> u128 {
        BUFFER.with_borrow_mut(|bytes| {
            bytes.clear();
            bytes.push(Kind::Text as u8);
            normalise(text, bytes);
            self.of(bytes)
        })
    }

    /// Hashes the name of a group.
    fn of_group(&self, name: &str) -> u128 {
        self.of(&[&[Kind::Group as u8], name.as_bytes()].concat())
    }

    fn of(&self, bytes: &[u8]) -> u128 {
        let hash = blake3::keyed_hash(&self.key, bytes);
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u128::from_be_bytes(*first)
    }
}

impl Rows {
    /// Returns the sort key of a unit of rows by hash: that of its group if it has one, else of its text. If it has several, the
    /// smallest counts.
    pub(crate) fn hash_key(&self, rows: &[u32], hasher: &RowHasher) -> u128 {
        let of_row = |&row: &u32| match self.group_column.name_of(row as usize) {
            Some(name) => hasher.of_group(name),
            None => hasher.of_text(&self.texts[row as usize]),
        };
        // Rows of one text have one hash.
        let different = if self.group_column.exists() { rows } else { &rows[..1] };
        different.iter().map(of_row).min().unwrap_or_default()
    }

    /// Returns the sort key of a unit of rows by time: the newest comes first, and the oldest row of a unit counts. Of rows with
    /// equal times, the later one in the file is newer.
    pub(crate) fn time_key(&self, rows: &[u32]) -> u128 {
        let newest_first = |&row: &u32| !(u64::from(self.times[row as usize]) << 32 | u64::from(row));
        u128::from(rows.iter().map(newest_first).max().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: recorded splits depend on these numbers.
    #[test]
    fn hashes_never_change() {
        let hasher = RowHasher::new(42);
        let hashes = [hasher.of_text("Why?"), hasher.of_group("why?")].map(|hash| format!("{hash:032x}"));
        assert_eq!(hashes, ["d1e06e5b982b0b47f6617eb8f25a6f41", "da7468631a13854d8177504c47a7cc78"]);
    }

    #[test]
    fn what_counts_as_the_same_text_has_one_hash_and_every_seed_its_own() {
        let hasher = RowHasher::new(1);
        assert_eq!(hasher.of_text("A  b\u{A0}"), hasher.of_text("a b"));
        assert_ne!(hasher.of_text("a b"), hasher.of_text("ab"));
        assert_ne!(hasher.of_text("a b"), RowHasher::new(2).of_text("a b"));
        assert_ne!(hasher.of_text("a b"), hasher.of_group("a b"));
    }
}
