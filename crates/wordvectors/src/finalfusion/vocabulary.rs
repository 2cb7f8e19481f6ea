//! The vocabulary chunk.
//!
//! | kind | content |
//! |---|---|
//! | 1 words | u64 words; the words |
//! | 3 finalfusion's buckets | u64 words, u32 min, u32 max, u32 exponent; the words |
//! | 7 fastText's buckets | u64 words, u32 min, u32 max, u32 buckets; the words |
//! | 8 listed n-grams | u64 words, u64 n-grams, u32 min, u32 max; the words; the n-grams, each followed by its u64 row |
//!
//! A word or n-gram is a u32 length and that many bytes of UTF-8. Rows of listed n-grams are 0, 1, ... without a gap;
//! several n-grams may share one.

use std::collections::HashMap;

use super::chunk;
use super::ngrams::{Ngrams, Rows};
use crate::MAX_WORD;
use crate::compose::{Dictionary, SelectedWords};
use crate::error::Error;
use crate::fields::Fields;

const WORDS: u32 = 1;
const BUCKETS: u32 = 3;
const FASTTEXT: u32 = 7;
const LISTED: u32 = 8;
const FLORET: u32 = 9;

/// The maximum length of an n-gram; up to 6 is usual.
const MAX_NGRAM: u32 = 64;

/// The vocabulary, as far as it concerns the requested words.
pub(super) struct Vocabulary {
    /// The number of all words, whether asked for or not.
    pub(super) words: u64,
    pub(super) dictionary: Dictionary,
    /// `None`: the words aren't known yet.
    pub(super) used: Option<SelectedWords>,
    pub(super) ngrams: Ngrams,
}

/// Reads the chunk, which has this `kind` according to the header.
pub(super) fn read(fields: &mut Fields<'_>, kind: Option<u32>) -> Result<Vocabulary, Error> {
    let kind = match kind {
        Some(kind @ (WORDS | BUCKETS | FASTTEXT | LISTED)) => kind,
        Some(FLORET) => {
            return Err(fields
                .fault("a vocabulary of floret, which can't be read; save the vectors of your words as text (.vec)"));
        }
        _ => return Err(fields.fault("no vocabulary where the header should name one; the file is damaged")),
    };
    chunk(fields, kind)?;
    let what = "the vocabulary";
    let words = fields.u64(what)?;
    let listed = if kind == LISTED { fields.u64(what)? } else { 0 };
    let mut ngrams = if kind == WORDS { Ngrams::none() } else { lengths(fields)? };
    match kind {
        BUCKETS => ngrams.rows = exponent(fields)?,
        FASTTEXT => ngrams.rows = buckets(fields)?,
        _ => {}
    }
    let candidates = fields.query.candidates();
    let are_words_known = candidates.is_some();
    let dictionary = read_words(fields, words, Dictionary::new(candidates))?;
    let used = are_words_known.then(|| dictionary.used(fields.query, false));
    if kind == LISTED {
        ngrams.rows = list(fields, listed, &ngrams, used.as_ref())?;
    }
    Ok(Vocabulary { words, dictionary, used, ngrams })
}

/// Reads the range of the n-grams' lengths.
fn lengths(fields: &mut Fields<'_>) -> Result<Ngrams, Error> {
    let (min, max) = (fields.u32("the vocabulary")?, fields.u32("the vocabulary")?);
    if min == 0 || min > max || max > MAX_NGRAM {
        return Err(fields.fault(format!("n-grams of {min} to {max} characters; 1 to {MAX_NGRAM} are read")));
    }
    Ok(Ngrams { min: min as usize, max: max as usize, ..Ngrams::none() })
}

fn exponent(fields: &mut Fields<'_>) -> Result<Rows, Error> {
    match fields.u32("the vocabulary")? {
        exponent @ 0..=63 => Ok(Rows::Finalfusion { exponent }),
        exponent => Err(fields.fault(format!("2 to the power of {exponent} buckets; the file is damaged"))),
    }
}

fn buckets(fields: &mut Fields<'_>) -> Result<Rows, Error> {
    match fields.u32("the vocabulary")? {
        0 => Err(fields.fault("n-grams without buckets to hash them to; the file is damaged")),
        buckets => Ok(Rows::FastText { buckets }),
    }
}

fn read_words(fields: &mut Fields<'_>, words: u64, mut dictionary: Dictionary) -> Result<Dictionary, Error> {
    // A word takes at least 4 bytes.
    fields.check_left(words.checked_mul(4), "the vocabulary")?;
    for row in 0..words {
        let length = item(fields)?;
        dictionary.insert(fields.peek(length, "the vocabulary")?, row);
        fields.stream.consume(length);
    }
    Ok(dictionary)
}

/// Returns the rows of the listed n-grams that unknown words have; of all listed n-grams if the words aren't known
/// yet.
fn list(fields: &mut Fields<'_>, count: u64, ngrams: &Ngrams, used: Option<&SelectedWords>) -> Result<Rows, Error> {
    // An n-gram takes at least 12 bytes.
    fields.check_left(count.checked_mul(12), "the list of n-grams")?;
    let mut rows = HashMap::<Box<[u8]>, Option<u64>>::new();
    for word in used.iter().flat_map(|used| &used.unknown) {
        ngrams.for_each(word, |ngram, _| {
            rows.insert(ngram.as_bytes().into(), None);
        });
    }
    let mut end = 0;
    for _ in 0..count {
        let length = item(fields)?;
        let bytes = fields.peek(length + 8, "the list of n-grams")?;
        let (ngram, row) = bytes.split_at(length);
        let row = row.iter().rev().fold(0, |row, &byte| row << 8 | u64::from(byte));
        match rows.get_mut(ngram) {
            Some(place) => *place = Some(row),
            None if used.is_none() => drop(rows.insert(ngram.into(), Some(row))),
            None => {}
        }
        if row >= count {
            return Err(fields.fault(format!("an n-gram's row {row} of {count} n-grams; the file is damaged")));
        }
        end = end.max(row + 1);
        fields.stream.consume(length + 8);
    }
    let listed = rows.into_iter().filter_map(|(ngram, row)| Some((ngram, row?))).collect();
    Ok(Rows::Listed { ngrams: listed, rows: end })
}

/// Reads the length of the next word or n-gram.
fn item(fields: &mut Fields<'_>) -> Result<usize, Error> {
    match fields.u32("the vocabulary")? as usize {
        length if length <= MAX_WORD => Ok(length),
        length => Err(fields
            .fault(format!("a word of {length} bytes, the longest that is read is {MAX_WORD}; the file is damaged"))),
    }
}
