//! The dictionary of a fastText model: words, labels, and the n-grams that were kept.
//!
//! | field | type | content |
//! |---|---|---|
//! | size, nwords, nlabels | i32 | number of entries: words first, then labels |
//! | ntokens | i64 | tokens of the training text |
//! | pruneidx_size | i64 | -1: nothing was pruned; otherwise the number of n-grams that were kept |
//! | size times | bytes, 00, i64, i8 | the word or label, how often it occurred, 0 word or 1 label |
//! | pruneidx_size times | i32, i32 | a bucket, and its row among the n-grams' rows |

use std::collections::HashMap;

use crate::MAX_WORD;
use crate::compose::Dictionary;
use crate::error::Error;
use crate::fields::Fields;

/// The counts at the start.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) words: u32,
    labels: u32,
    /// The number of n-grams kept. `None`: nothing was pruned.
    kept: Option<u32>,
}

/// Reads the counts.
pub(super) fn header(fields: &mut Fields<'_>) -> Result<Header, Error> {
    let what = "the dictionary's counts";
    let (size, words, labels) = (fields.i32(what)?, fields.i32(what)?, fields.i32(what)?);
    let (_tokens, kept) = (fields.i64(what)?, fields.i64(what)?);
    let counts = (u32::try_from(words), u32::try_from(labels));
    let (Ok(words), Ok(labels)) = counts else { return Err(odd(fields, size, words, labels)) };
    if i64::from(words) + i64::from(labels) != i64::from(size) {
        return Err(odd(fields, size, words, labels));
    }
    // An entry takes at least 10 bytes, a kept n-gram 8.
    fields.check_left(Some(10 * (u64::from(words) + u64::from(labels))), "the dictionary")?;
    let kept = match kept {
        -1 => None,
        kept => match u32::try_from(kept).ok().filter(|kept| i32::try_from(*kept).is_ok()) {
            Some(kept) => Some(kept),
            None => return Err(fields.fault(format!("{kept} n-grams kept; the file is damaged"))),
        },
    };
    fields.check_left(kept.map_or(Some(0), |kept| Some(8 * u64::from(kept))), "the list of n-grams kept")?;
    Ok(Header { words, labels, kept })
}

fn odd<N: std::fmt::Display>(fields: &Fields<'_>, size: i32, words: N, labels: N) -> Error {
    fields.fault(format!("{size} dictionary entries for {words} words and {labels} labels; the file is damaged"))
}

/// Reads all entries; `dictionary` stores the words that are asked for.
pub(super) fn words(fields: &mut Fields<'_>, header: Header, dictionary: &mut Dictionary) -> Result<(), Error> {
    for entry in 0..header.words + header.labels {
        let what = "the dictionary";
        let Some(length) = fields.stream.find(0, MAX_WORD + 1)? else {
            fields.peek(MAX_WORD + 1, what)?;
            return Err(fields.fault(format!("word {entry} has more than {MAX_WORD} bytes; the file is damaged")));
        };
        let bytes = fields.peek(length + 10, what)?;
        let kind = bytes[length + 9];
        if kind != u8::from(entry >= header.words) {
            return Err(fields.fault(format!("entry {entry} of the dictionary is of kind {kind}; the file is damaged")));
        }
        if kind == 0 {
            dictionary.insert(&bytes[..length], u64::from(entry));
        }
        fields.stream.consume(length + 10);
    }
    Ok(())
}

/// The rows of n-grams.
#[derive(Debug)]
pub(super) enum Pruned {
    /// One row per bucket.
    Nothing,
    /// The rows of the requested buckets that were kept, and how many were kept in all.
    To { rows: HashMap<u32, u32>, kept: u32 },
}

/// Reads which n-grams were kept. `each_bucket` calls its argument with every requested bucket; `None`: all are
/// requested.
pub(super) fn pruned(
    fields: &mut Fields<'_>,
    header: Header,
    each_bucket: Option<impl FnOnce(&mut dyn FnMut(u32))>,
) -> Result<Pruned, Error> {
    let Some(kept) = header.kept else { return Ok(Pruned::Nothing) };
    // No row has been read yet.
    const UNMET: u32 = u32::MAX;
    let mut rows = HashMap::new();
    let all = each_bucket.is_none();
    if let Some(each_bucket) = each_bucket.filter(|_| kept > 0) {
        each_bucket(&mut |bucket| {
            rows.insert(bucket, UNMET);
        });
    }
    for _ in 0..kept {
        let what = "the list of n-grams kept";
        let (bucket, row) = (fields.u32(what)?, fields.u32(what)?);
        if row >= kept {
            return Err(fields.fault(format!("an n-gram's row {row} of {kept}; the file is damaged")));
        }
        if all {
            rows.insert(bucket, row);
        } else {
            rows.entry(bucket).and_modify(|place| *place = row);
        }
    }
    rows.retain(|_, row| *row != UNMET);
    Ok(Pruned::To { rows, kept })
}

impl Pruned {
    /// Returns the row of a bucket among the n-grams' rows; `None` if it was pruned.
    pub(super) fn row(&self, bucket: u32) -> Option<u32> {
        match self {
            Self::Nothing => Some(bucket),
            Self::To { rows, .. } => rows.get(&bucket).copied(),
        }
    }

    /// Returns the number of rows of n-grams.
    pub(super) fn rows(&self, buckets: u32) -> u64 {
        match self {
            Self::Nothing => u64::from(buckets),
            Self::To { kept, .. } => u64::from(*kept),
        }
    }

    pub(super) fn is_pruned(&self) -> bool {
        matches!(self, Self::To { .. })
    }
}
