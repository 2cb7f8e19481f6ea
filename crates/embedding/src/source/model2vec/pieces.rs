//! The token ids of every distinct piece of the texts that a model is opened for.
//!
//! Texts enter once, when the model is opened; each distinct piece is tokenised then, side by side, and found by its
//! bytes afterwards. What a later text brings anew is tokenised when it comes.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use rayon::prelude::*;

use super::tokenizer::Tokenizer;

/// Pieces that one thread tokenises at a time.
const AT_ONCE: usize = 1024;

/// Pieces and their token ids, unknown tokens included.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The pieces' bytes, one after another.
    bytes: Vec<u8>,
    /// The token ids of the pieces, one after another.
    ids: Vec<u32>,
    /// Pieces by their hash.
    found: HashTable<Piece>,
    state: FixedState,
}

/// Where a piece's bytes and ids are.
#[derive(Clone, Copy, Debug)]
struct Piece {
    bytes: usize,
    /// The number of the piece until all are tokenised.
    ids: usize,
    length: u32,
    tokens: u32,
}

impl Pieces {
    /// Tokenises every distinct piece of these texts.
    ///
    /// # Errors
    /// When the tokenizer fails: its vocabulary has no token for what is unknown.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>, tokenizer: &Tokenizer) -> Result<Self, String> {
        let mut pieces = Self::default();
        let mut distinct = Vec::new();
        for piece in texts.flat_map(|text| tokenizer.cuts().pieces(text)) {
            pieces.collect(piece, &mut distinct)?;
        }
        let parts: Vec<(Vec<u32>, Vec<u32>)> =
            distinct.par_chunks(AT_ONCE).map(|pieces| tokenise(pieces, tokenizer)).collect::<Result<_, String>>()?;
        // The first id of every piece, and how many it has.
        let mut first = 0;
        let spans = parts.iter().flat_map(|(_, tokens)| tokens).map(|&tokens| {
            first += tokens as usize;
            (first - tokens as usize, tokens)
        });
        let spans: Vec<(usize, u32)> = spans.collect();
        for piece in &mut pieces.found {
            (piece.ids, piece.tokens) = spans[piece.ids];
        }
        pieces.ids = parts.into_iter().flat_map(|(ids, _)| ids).collect();
        Ok(pieces)
    }

    /// Appends the token ids of a text, unknown tokens included.
    pub(super) fn token_ids(&self, text: &str, tokenizer: &Tokenizer, ids: &mut Vec<u32>) {
        for piece in tokenizer.cuts().pieces(text) {
            match self.find(piece, self.state.hash_one(piece.as_bytes())) {
                Some(found) => ids.extend_from_slice(&self.ids[found.ids..][..found.tokens as usize]),
                // A text that the model wasn't opened for. Where its tokenizer fails, nothing of it is known.
                None => tokenizer.token_ids(piece, ids).unwrap_or_default(),
            }
        }
    }

    /// Takes a piece in, where it is new.
    fn collect<'t>(&mut self, piece: &'t str, distinct: &mut Vec<&'t str>) -> Result<(), String> {
        let hash = self.state.hash_one(piece.as_bytes());
        if self.find(piece, hash).is_some() {
            return Ok(());
        }
        let length = u32::try_from(piece.len()).map_err(|_| "a text is longer than 4 GiB")?;
        let new = Piece { bytes: self.bytes.len(), ids: distinct.len(), length, tokens: 0 };
        distinct.push(piece);
        self.bytes.extend_from_slice(piece.as_bytes());
        let (state, bytes) = (&self.state, &self.bytes);
        self.found.insert_unique(hash, new, |other| state.hash_one(other.bytes(bytes)));
        Ok(())
    }

    fn find(&self, piece: &str, hash: u64) -> Option<&Piece> {
        self.found.find(hash, |other| other.bytes(&self.bytes) == piece.as_bytes())
    }
}

impl Piece {
    fn bytes<'b>(&self, all: &'b [u8]) -> &'b [u8] {
        &all[self.bytes..][..self.length as usize]
    }
}

/// The ids of these pieces, one after another, and how many each has.
fn tokenise(pieces: &[&str], tokenizer: &Tokenizer) -> Result<(Vec<u32>, Vec<u32>), String> {
    let (mut ids, mut tokens) = (Vec::new(), Vec::with_capacity(pieces.len()));
    for piece in pieces {
        let start = ids.len();
        tokenizer.token_ids(piece, &mut ids)?;
        tokens.push((ids.len() - start) as u32);
    }
    Ok((ids, tokens))
}
