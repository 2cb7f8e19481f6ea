//! The order in which rows are divided: by a keyed hash of their text, or of their group, or by time.
//!
//! The hash is BLAKE3 under a key that is derived from the split's seed, of the text as it counts (`normalise`). It depends on
//! nothing else: not on the file, the other rows or the machine. So the same text has the same place everywhere.

use crate::normal::normalise;
use crate::rows::Rows;

/// Says what the key is for, so that no other use of the seed shares it. Part of every recorded split: it never changes.
const CONTEXT: &str = "emberline 2026-11-29 order of rows in a split";

/// What is hashed: one text is not the group of the same name.
#[derive(Clone, Copy)]
enum Kind {
    Text = 0,
    Group = 1,
}

/// Keyed hashes of texts and groups.
pub(crate) struct RowHasher {
    key: [u8; blake3::KEY_LEN],
}

impl RowHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: blake3::derive_key(CONTEXT, &seed.to_le_bytes()) }
    }

    /// Of a text as it counts.
    pub(crate) fn of_text(&self, text: &str) -> u128 {
        let mut bytes = vec![Kind::Text as u8];
        normalise(text, &mut bytes);
        self.of(&bytes)
    }

    /// Of a group by its name.
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
    /// The key of a unit of rows by its hash: that of its group where it has one, else of its text; the smallest, should
    /// it have several.
    pub(crate) fn hash_key(&self, rows: &[u32], hasher: &RowHasher) -> u128 {
        let of_row = |&row: &u32| match self.group_column.name_of(row as usize) {
            Some(name) => hasher.of_group(name),
            None => hasher.of_text(&self.texts[row as usize]),
        };
        // Rows of one text have one hash.
        let different = if self.group_column.is_there() { rows } else { &rows[..1] };
        different.iter().map(of_row).min().unwrap_or_default()
    }

    /// The key of a unit of rows by time: the newest comes first, and the oldest row of a unit counts. Of equal times the
    /// later row is the newer one.
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
