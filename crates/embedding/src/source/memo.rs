//! A cache of the token ids of text pieces: a piece that occurs again costs one look-up.
//!
//! Bytes and ids are stored contiguously, without an allocation per piece, as there may be millions.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Pieces with their token ids, and a further value per piece.
#[derive(Debug, Default)]
pub(super) struct Memo<V = ()> {
    bytes: Vec<u8>,
    ids: Vec<u32>,
    found: HashTable<Entry<V>>,
    state: FixedState,
}

/// Where the bytes and ids of a piece are.
#[derive(Debug)]
struct Entry<V> {
    bytes: Range<usize>,
    ids: Range<usize>,
    value: V,
}

impl<V: Copy> Memo<V> {
    /// Returns the ids of a stored piece, and its value.
    pub(super) fn get(&self, piece: &str) -> Option<(&[u32], V)> {
        let is_piece = |entry: &Entry<V>| &self.bytes[entry.bytes.clone()] == piece.as_bytes();
        let entry = self.found.find(self.state.hash_one(piece.as_bytes()), is_piece)?;
        Some((&self.ids[entry.ids.clone()], entry.value))
    }

    /// Returns the total length of all stored pieces, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Stores a piece that isn't stored yet.
    pub(super) fn insert(&mut self, piece: &str, of_piece: &[u32], value: V) {
        let (bytes, ids) = (self.bytes.len(), self.ids.len());
        self.bytes.extend_from_slice(piece.as_bytes());
        self.ids.extend_from_slice(of_piece);
        let entry = Entry { bytes: bytes..self.bytes.len(), ids: ids..self.ids.len(), value };
        let (state, all) = (&self.state, &self.bytes);
        let hash = |entry: &Entry<V>| state.hash_one(&all[entry.bytes.clone()]);
        self.found.insert_unique(hash(&entry), entry, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_in_is_found() {
        let mut memo = Memo::default();
        for number in 0..1000 {
            let piece = format!("piece {number}");
            assert_eq!(memo.get(&piece), None);
            memo.insert(&piece, &(0..number % 3).collect::<Vec<u32>>(), number);
        }
        assert_eq!(memo.get("piece 2"), Some((&[0, 1][..], 2)));
        assert_eq!(memo.get("piece 999"), Some((&[][..], 999)));
        assert_eq!(memo.get("piece"), None);
    }
}
