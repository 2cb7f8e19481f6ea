//! Source `hashing`: a table of a chosen size with random rows, which words are hashed to.
//!
//! Settings enter; a [`Lookup`] leaves. No file is read and nothing is learned. This is the hashing trick (Weinberger
//! et al., 2009): a word or word n-gram in lower case (rules: `words.rs`) gets the row `hash % buckets`, and all that
//! get one row share it. Ids come in the order of the last word; of n-grams with the same end, the shorter comes
//! first.
//!
//! The hash is FNV-1a of 64 bits over the UTF-8 bytes, with the words of an n-gram joined by a space, followed by the
//! finaliser of MurmurHash3, because the low bits of FNV-1a alone are poorly mixed.
//!
//! The rows are uniform with standard deviation 0.5, drawn from the substream `embedding/hashing`, row after row.
//! `sqrtn` keeps that deviation for a text of any length: it is the scale of trained text modules (0.3 to 0.5), which
//! a head with Keras's default initialisation and step size learns from. (Keras's own initialisation of a table,
//! 0.03, would leave a frozen one next to no signal.)

use std::ops::Range;
use std::path::Path;

use emberline_base::{Combiner, Digest, Fault, Substream, memory, variant_name};
use emberline_device::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SourceSettings, Texts, ascii, tuning, words};
use crate::{Error, Lookup, Opened, Quantize, WordCounts};

/// The maximum size of a table, in numbers: 8 GiB.
const MAX_VALUES: usize = 1 << 31;
/// The maximum length of a vector.
const MAX_DIM: usize = 1 << 15;
/// The maximum length of an n-gram; a longer one practically never occurs twice.
const MAX_NGRAMS: usize = 16;
/// A uniform distribution over `[-LIMIT, LIMIT)` has the standard deviation `LIMIT / sqrt(3)`, which is 0.5.
const LIMIT: f32 = 0.866_025_4;

/// `[embedding.NAME.hashing]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The length of a vector.
    #[serde(default = "dim")]
    #[schemars(range(min = 1, max = MAX_DIM))]
    pub dim: usize,
    /// The rows of the table; words that hash to one row share it.
    #[serde(default = "buckets")]
    #[schemars(range(min = 1, max = MAX_VALUES))]
    pub buckets: usize,
    /// How the vectors of a text's words become one.
    #[serde(default = "sqrtn")]
    pub combiner: Combiner,
    /// The longest word n-gram that is hashed, 1 for single words.
    #[serde(default = "ngrams")]
    #[schemars(range(min = 1, max = MAX_NGRAMS))]
    pub ngrams: usize,
    /// The seed of the table's numbers; the pipeline's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What the numbers of a text's vector are stored in: f16, i8 (with a scale per vector) or bit (the sign); f32 when left
    /// out. Only of a frozen embedding.
    #[serde(default, skip_serializing_if = "Quantize::is_f32")]
    pub quantize: Quantize,
    /// Whether training moves the table.
    #[serde(default)]
    pub trainable: bool,
}

fn dim() -> usize {
    64
}

fn buckets() -> usize {
    1 << 14
}

fn sqrtn() -> Combiner {
    Combiner::Sqrtn
}

fn ngrams() -> usize {
    1
}

impl SourceSettings for Settings {
    fn name(&self) -> &'static str {
        "hashing"
    }

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.dim == 0 || self.dim > MAX_DIM {
            faults.push(Fault::new("dim", format!("a vector of {} numbers", self.dim), format!("1 to {MAX_DIM}")));
        }
        if self.buckets == 0 {
            faults.push(Fault::new("buckets", "a table without rows", "set at least 1, for example 16384"));
        }
        if self.dim.checked_mul(self.buckets).is_none_or(|values| values > MAX_VALUES) {
            let hint = format!("`dim` times `buckets` is at most {MAX_VALUES} numbers (8 GiB)");
            faults.push(Fault::new("buckets", "the table doesn't fit in memory", hint).related_to("dim"));
        }
        if self.ngrams == 0 || self.ngrams > MAX_NGRAMS {
            let hint = format!("1 for single words, 2 for pairs too, at most {MAX_NGRAMS}");
            faults.push(Fault::new("ngrams", format!("n-grams of up to {} words", self.ngrams), hint));
        }
        faults.extend(tuning::fault(self.trainable, self.combiner));
        faults
    }

    fn trainable(&self) -> bool {
        self.trainable
    }

    fn quantize(&self) -> Quantize {
        self.quantize
    }

    fn remove_tuning(&mut self) {
        (self.trainable, self.quantize) = (false, Quantize::F32);
    }

    fn lacks_seed(&self) -> bool {
        self.seed.is_none()
    }

    fn seed_mut(&mut self) -> Option<&mut Option<u64>> {
        Some(&mut self.seed)
    }

    fn memory(&self, _: &Path, _: Texts<'_>) -> u64 {
        (self.buckets as u64).saturating_mul(4 * self.dim as u64)
    }

    fn open(&self, _: &Path, _: Texts<'_>, _: Device) -> Result<Opened, Error> {
        Ok(Opened::Table(Box::new(open(self)?)))
    }
}

/// A table of random rows.
pub(crate) struct Hashing {
    settings: Settings,
    table: Vec<f32>,
}

/// Draws the table. A seed that was left out is 0; the pipeline fills in its own before.
///
/// # Errors
/// When the settings have faults.
fn open(settings: &Settings) -> Result<Hashing, Error> {
    if let Some(fault) = settings.faults().into_iter().next() {
        return Err(Error::Unsupported(format!("hashing: `{}`: {}; {}", fault.key, fault.message, fault.hint)));
    }
    let mut stream = Substream::new(settings.seed.unwrap_or_default(), "embedding/hashing");
    let numbers = settings.buckets * settings.dim;
    let mut table = memory::with_capacity(numbers)?;
    table.extend((0..numbers).map(|_| stream.symmetric(LIMIT)));
    Ok(Hashing { settings: settings.clone(), table })
}

impl Lookup for Hashing {
    fn dim(&self) -> usize {
        self.settings.dim
    }

    fn table_rows(&self) -> u64 {
        self.settings.buckets as u64
    }

    /// Every token has a bucket, so all of them are known.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
        let (longest, start) = (self.settings.ngrams, ids.len());
        if longest == 1 && ascii::for_each_piece(text, |piece| ids.push(self.bucket(&Fnv::of_lower(text, piece)))) {
            return WordCounts::all_known(ids.len() - start);
        }
        // The n-grams that end with the previous word, shortest first.
        let mut ending: Vec<Fnv> = Vec::with_capacity(longest);
        words::for_each_lower(text, &mut |word| {
            let word = word.as_bytes();
            ending.truncate(longest - 1);
            for ngram in &mut ending {
                *ngram = ngram.add(b" ").add(word);
            }
            ending.insert(0, Fnv::EMPTY.add(word));
            ids.extend(ending.iter().map(|ngram| self.bucket(ngram)));
        });
        WordCounts::all_known(ids.len() - start)
    }

    /// A bucket is shared by many words, so that a token is named by its own text: a word, or several words separated
    /// by spaces.
    fn has_vocabulary(&self) -> bool {
        false
    }

    fn token_texts(&self, text: &[u8], tokens: &mut Vec<String>) -> bool {
        let mut ending: Vec<String> = Vec::new();
        words::for_each_lower(text, &mut |word| {
            ending.truncate(self.settings.ngrams - 1);
            ending.iter_mut().for_each(|ngram| *ngram = format!("{ngram} {word}"));
            ending.insert(0, word.to_owned());
            tokens.extend(ending.iter().cloned());
        });
        true
    }

    fn table(&self) -> &[f32] {
        &self.table
    }

    fn combiner(&self) -> Combiner {
        self.settings.combiner
    }

    fn digest(&self) -> Digest {
        let Settings { dim, buckets, combiner, ngrams, seed, quantize: _, trainable: _ } = &self.settings;
        let seed = seed.unwrap_or_default();
        let combiner = variant_name(combiner);
        let settings = format!("hashing/2 dim={dim} buckets={buckets} combiner={combiner} ngrams={ngrams} seed={seed}");
        Digest::of_parts([settings.as_bytes(), words::RULES.as_bytes()])
    }
}

impl Hashing {
    fn bucket(&self, ngram: &Fnv) -> u32 {
        // Below `buckets`, which is at most MAX_VALUES and so fits.
        (ngram.mixed() % self.settings.buckets as u64) as u32
    }
}

/// FNV-1a, 64 bits.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Returns the hash of a piece of an ASCII text in lower case. Most pieces are short: hashing eight bytes in all
    /// cases, and taking the intermediate hash after the piece's last byte, costs less than branching on its end. Not
    /// inlining it would cost a tenth more time.
    #[inline(always)]
    fn of_lower(text: &[u8], piece: Range<usize>) -> Self {
        // 0x20 is the bit that makes ASCII letters lower case (`A` = 0x41, `a` = 0x61); digits and apostrophes have
        // it set already.
        let lower = if text[piece.start].is_ascii_alphanumeric() { 0x20 } else { 0 };
        if piece.len() > 8 {
            return text[piece].iter().fold(Self::EMPTY, |hash, byte| hash.add(&[byte | lower]));
        }
        let bytes = ascii::eight(text, piece.start) | u64::from_ne_bytes([lower; 8]);
        let mut hashes = [Self::EMPTY; 9];
        for (at, byte) in bytes.to_le_bytes().into_iter().enumerate() {
            hashes[at + 1] = hashes[at].add(&[byte]);
        }
        hashes[piece.len()]
    }

    fn add(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    /// MurmurHash3's `fmix64`.
    fn mixed(self) -> u64 {
        let hash = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dim: usize, buckets: usize, ngrams: usize) -> Settings {
        let (combiner, quantize) = (Combiner::Sqrtn, Quantize::F32);
        Settings { dim, buckets, ngrams, combiner, seed: Some(1), quantize, trainable: false }
    }

    fn ids(settings: &Settings, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        open(settings).expect("good settings").token_ids(text.as_bytes(), &mut ids);
        ids
    }

    /// The published test vectors of FNV-1a, and fmix64(1) of MurmurHash3's source.
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(Fnv::EMPTY.add(b"a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::EMPTY.add(b"foo").add(b"bar").0, 0x8594_4171_f739_67e8);
        assert_eq!(Fnv(1).mixed(), 0xb456_bcfc_34c2_cb2c);
    }

    #[test]
    fn every_token_has_a_text_in_the_order_of_the_rows() {
        let texts = |settings: &Settings, text: &str| {
            let mut texts = Vec::new();
            assert!(open(settings).expect("good settings").token_texts(text.as_bytes(), &mut texts));
            texts
        };
        for text in ["Not a  GOOD film", "Ça n’est pas", ""] {
            for ngrams in [1, 2, 3] {
                let settings = settings(4, 1 << 14, ngrams);
                assert_eq!(texts(&settings, text).len(), ids(&settings, text).len(), "{text} {ngrams}");
            }
        }
        let two = settings(4, 1 << 14, 2);
        let found = texts(&two, "Not GOOD so");
        assert_eq!(found, ["not", "good", "not good", "so", "good so"]);
        // A word has the same row whether it occurs alone or in a text.
        assert_eq!(ids(&two, "Not GOOD so")[3], ids(&two, &found[3])[0]);
    }

    #[test]
    fn words_keep_their_row_in_any_case_and_place() {
        let all = ids(&settings(4, 1 << 14, 1), "Why is WHY so why?");
        assert_eq!((all.len(), all[0], all[0]), (6, all[2], all[4]));
    }

    #[test]
    fn every_word_is_known() {
        for (ngrams, text, tokens) in [(1, "Why is it so?", 5), (2, "Why is it so?", 9), (1, "Übermut", 1), (1, "", 0)]
        {
            let source = open(&settings(4, 64, ngrams)).expect("good settings");
            assert_eq!(source.token_ids(text.as_bytes(), &mut Vec::new()), WordCounts::all_known(tokens), "{text}");
        }
    }

    /// Compares the fast path for single words of ASCII texts with the general rule.
    #[test]
    fn ascii_texts_are_hashed_as_all_are() {
        let source = open(&settings(1, 1 << 20, 1)).expect("good settings");
        let mut stream = Substream::new(1, "texts");
        let characters = b"aZq0'. [@`{Y";
        for length in (0..40).chain(60..70).cycle().take(5000) {
            let text: Vec<u8> = (0..length).map(|_| characters[stream.below(characters.len())]).collect();
            let (mut short, mut by_rule) = (Vec::new(), Vec::new());
            source.token_ids(&text, &mut short);
            words::for_each_lower(&text, &mut |word| by_rule.push(source.bucket(&Fnv::EMPTY.add(word.as_bytes()))));
            assert_eq!(short, by_rule, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn ngrams_come_after_the_words_that_end_them() {
        let three = settings(2, 1 << 20, 3);
        let text = ids(&three, "a b c");
        let (single, pair) = (ids(&settings(2, 1 << 20, 1), "a b c"), ids(&settings(2, 1 << 20, 2), "b c"));
        assert_eq!(text.len(), 6);
        assert_eq!([text[0], text[1], text[3]], single[..]);
        assert_eq!(text[4], pair[2]);
    }

    #[test]
    fn every_id_is_a_row_even_of_one() {
        assert!(ids(&settings(3, 1, 2), "x y z").iter().all(|&id| id == 0));
        let small = open(&settings(3, 7, 2)).expect("good settings");
        let mut found = Vec::new();
        small.token_ids("the quick brown fox jumps over the lazy dog".as_bytes(), &mut found);
        assert!(found.iter().all(|&id| (id as usize) < small.rows()));
        assert_eq!((small.rows(), small.table().len()), (7, 21));
    }

    #[test]
    fn rows_have_the_promised_deviation_and_depend_on_the_seed() {
        let table = open(&settings(64, 1000, 1)).expect("good settings");
        let variance = table.table.iter().map(|v| f64::from(v * v)).sum::<f64>() / table.table.len() as f64;
        assert!((variance.sqrt() - 0.5).abs() < 0.005, "{}", variance.sqrt());
        let other = open(&Settings { seed: Some(2), ..settings(64, 1000, 1) }).expect("good settings");
        assert_ne!(table.table, other.table);
        assert_ne!(table.digest(), other.digest());
    }

    #[test]
    fn absurd_settings_are_faults() {
        let faults = settings(0, 0, 0).faults();
        assert_eq!(faults.iter().map(|f| f.key.as_str()).collect::<Vec<_>>(), ["dim", "buckets", "ngrams"]);
        assert_eq!(settings(1024, usize::MAX / 2, 1).faults()[0].key, "buckets");
        assert!(settings(64, 1 << 14, 1).faults().is_empty());
        let largest = Settings { combiner: Combiner::Max, ..settings(64, 1 << 14, 1) };
        assert!(largest.faults().is_empty());
        assert_eq!(Settings { trainable: true, ..largest }.faults()[0].key, "trainable");
        assert!(matches!(open(&settings(1024, 1 << 40, 1)), Err(Error::Unsupported(_))));
    }
}
