//! finalfusion (`.fifu`), version 0, as the packages `finalfusion` for Rust and Python write it.
//!
//! | field | type | content |
//! |---|---|---|
//! | magic, version | `FiFu`, u32 | 0 |
//! | chunks | u32, then u32 each | their kinds, in the order in which they follow |
//! | each chunk | u32, u64, content | its kind, the length of its content |
//!
//! | chunk | kind | read by |
//! |---|---|---|
//! | vocabulary: words; with n-grams in buckets (finalfusion's hash, fastText's); with listed n-grams | 1; 3, 7; 8 | `vocabulary.rs` |
//! | storage: floats; quantised | 2; 4 | `storage.rs` |
//! | metadata (TOML) | 5 | skipped |
//! | norms of the words' vectors | 6 | `storage.rs` |
//!
//! Metadata comes first if there is any, then vocabulary, storage and norms. Some writers store a wrong length of a
//! chunk's content, so that only the metadata's is used.
//!
//! The vectors of words are stored scaled to length 1; if their norms are stored too, they are multiplied back. The
//! vector of an unknown word is composed of the rows of its n-grams: their mean if there are norms (as in fastText,
//! and on the scale of the known words), otherwise their sum scaled to length 1, as in the finalfusion packages.

mod ngrams;
mod storage;
mod vocabulary;

use self::ngrams::Ngrams;
use self::vocabulary::Vocabulary;
use crate::compose::{Composer, GatheredRows, Loaded, Model, NeededRows, plan};
use crate::error::Error;
use crate::fields::Fields;
use crate::query::Query;
use crate::stream::Stream;

/// The first bytes of a file: the magic and the first byte of the version.
pub(crate) const MAGIC: &[u8] = b"FiFu\0";

/// The maximum number of chunks of a file: metadata, vocabulary, storage, norms.
const MAX_CHUNKS: u32 = 4;
const METADATA: u32 = 5;
const LENGTHS: u32 = 6;

/// Reads a file from its magic number to its end.
pub(crate) fn read(stream: &mut Stream, query: &dyn Query) -> Result<Loaded, Error> {
    let path = stream.path().to_owned();
    let mut fields = Fields { stream, query };
    let mut chunks = header(&mut fields)?.into_iter();
    let mut next = chunks.next();
    if next == Some(METADATA) {
        let length = chunk(&mut fields, METADATA)?;
        fields.skip(length, "the metadata")?;
        next = chunks.next();
    }
    let Vocabulary { words, dictionary, used, ngrams } = vocabulary::read(&mut fields, next)?;
    let known = match &used {
        Some(used) => NeededRows::Rows(used.known.iter().map(|&(row, _)| row).collect()),
        None => NeededRows::All,
    };
    let rows = words.checked_add(ngrams.rows()).ok_or_else(|| fields.fault("too many rows; the file is damaged"))?;
    let mut composer = Box::new(Subwords { words, ngrams, lengths: None });
    let (parts, needed) = plan(used, composer.as_ref());
    let gathered = storage::read(&mut fields, chunks.next(), rows, needed)?;
    composer.lengths = match chunks.next() {
        Some(LENGTHS) => Some(storage::lengths(&mut fields, words, known)?),
        Some(kind) => {
            return Err(fields.fault(format!("a chunk of kind {kind} after the vectors, which can't be read")));
        }
        None => None,
    };
    fields.nothing_follows()?;
    let model = Model { path, dictionary, composer, gathered, file_rows: rows, lines: None };
    Ok(Loaded { model, parts })
}

/// Composes vectors: a known word's vector is its own row, an unknown word's is composed of the rows of its n-grams.
#[derive(Debug)]
struct Subwords {
    /// The number of rows of words, which come before those of n-grams.
    words: u64,
    ngrams: Ngrams,
    /// The original norms of the words' vectors.
    lengths: Option<GatheredRows>,
}

impl Composer for Subwords {
    fn parts(&self, word: &[u8], own: Option<u64>, rows: &mut Vec<u64>) {
        match own {
            Some(own) => rows.push(own),
            None => self.ngrams.for_each_row(word, |row| rows.push(self.words + row)),
        }
    }

    fn finish(&self, sum: &mut [f32], rows: &[u64], is_known: bool) {
        match (&self.lengths, is_known) {
            (Some(lengths), true) => scale(sum, lengths.row(rows[0])[0]),
            (None, true) => {}
            (Some(_), false) => scale(sum, (1.0 / rows.len() as f64) as f32),
            (None, false) => normalize(sum),
        }
    }
}

/// Scales a vector to length 1; a vector of zeros stays as it is. The sum of squares is computed in 64 bits.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
    }
}

fn scale(vector: &mut [f32], factor: f32) {
    vector.iter_mut().for_each(|value| *value *= factor);
}

/// Returns the kinds of the chunks.
fn header(fields: &mut Fields<'_>) -> Result<Vec<u32>, Error> {
    let what = "the header";
    fields.u32(what)?;
    let (version, chunks) = (fields.u32(what)?, fields.u32(what)?);
    if version != 0 {
        return Err(fields.fault(format!("a finalfusion file of version {version}; version 0 is read")));
    }
    if chunks > MAX_CHUNKS {
        return Err(fields.fault(format!("{chunks} chunks; at most {MAX_CHUNKS} are read")));
    }
    (0..chunks).map(|_| fields.u32(what)).collect()
}

/// Reads the start of a chunk, which must be of this kind; returns the length of its content.
fn chunk(fields: &mut Fields<'_>, kind: u32) -> Result<u64, Error> {
    let found = fields.u32("a chunk's kind")?;
    if found != kind {
        return Err(fields.fault(format!("a chunk of kind {found}, the header says {kind}; the file is damaged")));
    }
    fields.u64("a chunk's length")
}
