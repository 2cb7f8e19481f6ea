//! The token ids of every distinct piece of the texts that a model is opened for.
//!
//! Texts enter once, when the model is opened; each distinct piece is tokenised then, side by side. What a later text
//! brings anew is tokenised when it comes, and remembered up to a limit.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::tokenizer::Tokenizer;
use crate::source::memo::Memo;

/// Pieces that one thread tokenises at a time.
const AT_ONCE: usize = 1024;

/// Bytes of later texts' pieces that are remembered.
const MAX_LATER: usize = 1 << 26;

/// Pieces and their token ids, unknown tokens included.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Those of the texts that the model was opened for.
    known: Memo,
    /// Those that later texts brought.
    later: RwLock<Memo>,
}

impl Pieces {
    /// Tokenises every distinct piece of these texts.
    ///
    /// # Errors
    /// When the tokenizer fails: its vocabulary has no token for what is unknown.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>, tokenizer: &Tokenizer) -> Result<Self, String> {
        let mut known = HashSet::with_hasher(FixedState::default());
        let pieces = texts.flat_map(|text| tokenizer.cuts().pieces(text));
        let distinct: Vec<&str> = pieces.filter(|piece| known.insert(*piece)).collect();
        let parts = distinct.par_chunks(AT_ONCE).map(|pieces| tokenise(pieces, tokenizer));
        let parts: Vec<(Vec<u32>, Vec<usize>)> = parts.collect::<Result<_, String>>()?;
        let mut memo = Memo::default();
        for (pieces, (ids, ends)) in distinct.chunks(AT_ONCE).zip(parts) {
            let mut start = 0;
            for (piece, end) in pieces.iter().zip(ends) {
                memo.insert(piece, &ids[start..end], ());
                start = end;
            }
        }
        Ok(Self { known: memo, later: RwLock::default() })
    }

    /// Appends the token ids of a text, unknown tokens included.
    pub(super) fn token_ids(&self, text: &str, tokenizer: &Tokenizer, ids: &mut Vec<u32>) {
        for piece in tokenizer.cuts().pieces(text) {
            match self.known.get(piece) {
                Some((known, ())) => ids.extend_from_slice(known),
                None => self.later_ids(piece, tokenizer, ids),
            }
        }
    }

    /// Appends the token ids of a piece of a text that the model wasn't opened for. Where the tokenizer fails, nothing of it
    /// is known.
    fn later_ids(&self, piece: &str, tokenizer: &Tokenizer, ids: &mut Vec<u32>) {
        if let Some((known, ())) = self.later.read().unwrap_or_else(PoisonError::into_inner).get(piece) {
            return ids.extend_from_slice(known);
        }
        let start = ids.len();
        if tokenizer.token_ids(piece, ids).is_err() {
            return ids.truncate(start);
        }
        let mut later = self.later.write().unwrap_or_else(PoisonError::into_inner);
        if later.bytes() + piece.len() <= MAX_LATER && later.get(piece).is_none() {
            later.insert(piece, &ids[start..], ());
        }
    }
}

/// The ids of these pieces, one after another, and where each one's end.
fn tokenise(pieces: &[&str], tokenizer: &Tokenizer) -> Result<(Vec<u32>, Vec<usize>), String> {
    let (mut ids, mut ends) = (Vec::new(), Vec::with_capacity(pieces.len()));
    for piece in pieces {
        tokenizer.token_ids(piece, &mut ids)?;
        ends.push(ids.len());
    }
    Ok((ids, ends))
}
