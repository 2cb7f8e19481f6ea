//! The token ids of every distinct piece of the texts that a model is opened for.
//!
//! When the model is opened, each distinct piece of the texts is tokenised, in parallel. New pieces of later texts
//! are tokenised when they occur, and remembered up to a limit.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::tokenizer::Tokenizer;
use crate::source::memo::Memo;

/// Pieces per parallel work item.
const AT_ONCE: usize = 1024;

/// The maximum size in bytes of remembered pieces of later texts.
const MAX_LATER: usize = 1 << 26;

/// Pieces and their token ids, unknown tokens included.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The pieces of the texts that the model was opened for.
    known: Memo,
    /// The pieces of later texts.
    later: RwLock<Memo>,
}

impl Pieces {
    /// Tokenises every distinct piece of these texts.
    ///
    /// # Errors
    /// When the tokenizer fails because its vocabulary has no token for unknown words.
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

    /// Appends the token ids of a piece of a text that the model wasn't opened for. If the tokenizer fails, nothing
    /// is appended.
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

/// Returns the concatenated ids of these pieces, and the end of each piece's ids.
fn tokenise(pieces: &[&str], tokenizer: &Tokenizer) -> Result<(Vec<u32>, Vec<usize>), String> {
    let (mut ids, mut ends) = (Vec::new(), Vec::with_capacity(pieces.len()));
    for piece in pieces {
        tokenizer.token_ids(piece, &mut ids)?;
        ends.push(ids.len());
    }
    Ok((ids, ends))
}
