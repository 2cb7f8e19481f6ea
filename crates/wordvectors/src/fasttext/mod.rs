//! A model of fastText, `.bin` or quantised `.ftz`, as `FastText::saveModel` of fastText 0.9 writes it.
//!
//! | field | type | content |
//! |---|---|---|
//! | magic, version | i32, i32 | `ba 16 4f 2f`; 11 or 12 |
//! | settings | 12 i32, f64 | dim, ws, epoch, minCount, neg, wordNgrams, loss, model (1 cbow, 2 skip-gram, 3 supervised), bucket, minn, maxn, lrUpdateRate; t |
//! | dictionary | | `dictionary.rs` |
//! | quantised | u8 | 0 or 1 |
//! | input matrix | | the words' rows, then the n-grams': `matrix.rs`, or quantised: `quantised.rs` |
//! | quantised output | u8 | 0 or 1 |
//! | output matrix | | unused here; its size is checked |
//!
//! All numbers are little-endian. A word's vector is the mean of its own row, if the dictionary contains it, and
//! those of its n-grams (`subwords.rs`), added in this order in 32-bit floats: fastText's `getWordVector`, bit for
//! bit. Labels aren't words. Supervised models of version 11 have no character n-grams, whatever their settings say.
//!
//! If a query reads lines, a text of a supervised model is a line, as `FastText::getSentenceVector` reads it: the end
//! of the line, `</s>`, is its last word, and the mean is over the rows of all words. If the model has n-grams of
//! characters or words, fastText's mean is over the rows of these as well, one by one, which a table of words can't
//! reproduce.

mod dictionary;
mod matrix;
mod quantised;
mod subwords;

use self::dictionary::Pruned;
use self::subwords::Ngrams;
pub(crate) use self::subwords::hash;
use crate::compose::{Composer, Dictionary, Loaded, Model, plan};
use crate::error::Error;
use crate::fields::Fields;
use crate::query::Query;
use crate::stream::Stream;
use crate::vectors::{Difference, LINE_END};
use crate::{MAX_DIM, MAX_WORD};

/// The first bytes of a model.
pub(crate) const MAGIC: [u8; 4] = [0xba, 0x16, 0x4f, 0x2f];
/// The value of `model` for a supervised model.
const SUPERVISED: i32 = 3;
/// The maximum length of an n-gram; fastText's own models have up to 6.
const MAX_NGRAM: i32 = 64;

/// The settings of a model that affect its vectors.
#[derive(Debug)]
struct Arguments {
    dim: usize,
    buckets: u32,
    ngrams: Ngrams,
    /// Whether texts of the model are lines.
    is_supervised: bool,
    /// The maximum number of words in an n-gram of words.
    word_ngrams: i32,
}

/// Returns the length of the vectors, from a model's first bytes.
pub(crate) fn dim_of(head: &[u8]) -> Option<usize> {
    let dim = i32::from_le_bytes(*head.get(8..)?.first_chunk()?);
    usize::try_from(dim).ok().filter(|&dim| dim > 0)
}

/// Reads a model from its magic number to its end.
pub(crate) fn read(stream: &mut Stream, query: &dyn Query) -> Result<Loaded, Error> {
    let path = stream.path().to_owned();
    let mut fields = Fields { stream, query };
    let arguments = arguments(&mut fields)?;
    let reads_lines = arguments.is_supervised && query.reads_lines();
    let mut candidates = query.candidates();
    // The end of a line is a word that every text has.
    if let Some(candidates) = candidates.as_mut().filter(|_| reads_lines) {
        candidates.insert(LINE_END.as_bytes().into());
    }
    let are_words_known = candidates.is_some();
    let mut dictionary = Dictionary::new(candidates);
    let header = dictionary::header(&mut fields)?;
    dictionary::words(&mut fields, header, &mut dictionary)?;
    let used = are_words_known.then(|| dictionary.used(query, reads_lines));
    let buckets_of_used = used.as_ref().map(|used| {
        |take: &mut dyn FnMut(u32)| {
            let known = used.known.iter().map(|(_, word)| word);
            known.chain(&used.unknown).for_each(|word| arguments.buckets(word, &mut *take));
        }
    });
    let pruned = dictionary::pruned(&mut fields, header, buckets_of_used)?;
    let is_pruned = pruned.is_pruned();
    let rows = u64::from(header.words) + pruned.rows(arguments.buckets);
    let (dim, lines) = (arguments.dim, reads_lines.then(|| arguments.differs()));
    let composer = Box::new(Mean { words: header.words, arguments, pruned });
    let (parts, needed) = plan(used, composer.as_ref());
    let gathered = match fields.u8("the kind of the input matrix")? {
        0 if is_pruned => {
            return Err(fields.fault(
                "a pruned model that isn't quantised, which fastText refuses too; download the corrected model",
            ));
        }
        0 => matrix::read(&mut fields, rows, dim, needed, "the input matrix")?,
        1 => quantised::read(&mut fields, rows, dim, needed, "the input matrix")?,
        kind => {
            return Err(
                fields.fault(format!("an input matrix of kind {kind}, which isn't 0 or 1; the file is damaged"))
            );
        }
    };
    output(&mut fields, dim)?;
    fields.nothing_follows()?;
    let model = Model { path, dictionary, composer, gathered, file_rows: rows, lines };
    Ok(Loaded { model, parts })
}

/// Composes a word's vector as the mean of its own row and those of its n-grams.
#[derive(Debug)]
struct Mean {
    /// The number of rows of words, which come before those of n-grams.
    words: u32,
    arguments: Arguments,
    pruned: Pruned,
}

impl Composer for Mean {
    fn parts(&self, word: &[u8], own: Option<u64>, rows: &mut Vec<u64>) {
        rows.extend(own);
        self.arguments.buckets(word, |bucket| {
            rows.extend(self.pruned.row(bucket).map(|row| u64::from(self.words) + u64::from(row)));
        });
    }

    fn finish(&self, sum: &mut [f32], rows: &[u64], _: bool) {
        let scale = (1.0 / rows.len() as f64) as f32;
        sum.iter_mut().for_each(|value| *value *= scale);
    }
}

fn arguments(fields: &mut Fields<'_>) -> Result<Arguments, Error> {
    fields.u32("the magic number")?;
    let version = fields.i32("the version")?;
    if !(11..=12).contains(&version) {
        return Err(fields.fault(format!("a fastText model of version {version}; versions 11 and 12 are read")));
    }
    let mut setting = || fields.i32("the settings");
    let (dim, _ws, _epoch, _min_count, _neg) = (setting()?, setting()?, setting()?, setting()?, setting()?);
    let (word_ngrams, _loss, model) = (setting()?, setting()?, setting()?);
    let (buckets, min, max, _rate) = (setting()?, setting()?, setting()?, setting()?);
    fields.u64("the settings")?;
    let is_supervised = model == SUPERVISED;
    let max = if version == 11 && is_supervised { 0 } else { max.max(0) };
    if dim < 1 || dim as u64 > MAX_DIM {
        return Err(fields.fault(format!("vectors of {dim} numbers; 1 to {MAX_DIM} are read")));
    }
    if max > MAX_NGRAM {
        return Err(
            fields.fault(format!("n-grams of up to {max} characters; the longest that are read have {MAX_NGRAM}"))
        );
    }
    let buckets =
        u32::try_from(buckets).map_err(|_| fields.fault(format!("{buckets} buckets; the file is damaged")))?;
    if max > 0 && buckets == 0 {
        return Err(fields.fault("n-grams without buckets to hash them to; the file is damaged"));
    }
    let ngrams = Ngrams { min: min.max(1) as usize, max: max as usize };
    Ok(Arguments { dim: dim as usize, buckets, ngrams, is_supervised, word_ngrams })
}

impl Arguments {
    /// Returns why the mean over the words of a line isn't fastText's vector of it, if it isn't.
    fn differs(&self) -> Option<Difference> {
        if self.word_ngrams > 1 {
            Some(Difference::WordNgrams)
        } else if self.ngrams.max > 0 {
            Some(Difference::CharacterNgrams)
        } else {
            None
        }
    }

    /// Calls `take` with the bucket of each of a word's n-grams.
    fn buckets(&self, word: &[u8], mut take: impl FnMut(u32)) {
        debug_assert!(word.len() <= MAX_WORD);
        if self.ngrams.max > 0 {
            self.ngrams.for_each_hash(word, |hash| take(hash % self.buckets));
        }
    }
}

/// Checks that the output matrix is complete.
fn output(fields: &mut Fields<'_>, dim: usize) -> Result<(), Error> {
    let what = "the output matrix";
    match fields.u8("the kind of the output matrix")? {
        0 => matrix::skip_matrix(fields, dim, what),
        1 => quantised::skip_matrix(fields, dim, what),
        kind => Err(fields.fault(format!("an output matrix of kind {kind}, which isn't 0 or 1; the file is damaged"))),
    }
}
