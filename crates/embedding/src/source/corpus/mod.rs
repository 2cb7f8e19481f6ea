//! Source `corpus`: word vectors learned from the pipeline's own training texts, without their labels.
//!
//! The training texts enter; a [`Lookup`] leaves. The method is that of Levy, Goldberg and Dagan, "Improving
//! Distributional Similarity with Lessons Learned from Word Embeddings" (TACL 2015):
//!
//! 1. count words (in lower case, by `words.rs`) and their weighted co-occurrences (`counts.rs`);
//! 2. weight each pair by positive pointwise mutual information, with smoothed contexts (`ppmi.rs`);
//! 3. factorise by truncated SVD, `M ~ U S V'` (`svd.rs`, `orthonormal.rs`, `eigen.rs`), and take `U sqrt(S)`;
//! 4. scale all numbers by one factor, so that the vector of a word drawn from the training texts has the root mean
//!    square 0.5: the scale of trained text modules, which heads learn well from.
//!
//! Words that aren't in the vocabulary have no row and don't count in a mean. Every sum has a fixed order that
//! depends on neither threads nor platform, counts are whole numbers, and `ln` and `pow` come from `libm`: the same
//! texts and settings give the same bytes everywhere.

mod counts;
mod eigen;
mod orthonormal;
mod ppmi;
mod svd;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use emberline_base::{Combiner, Digest, Fault, Matrix, Substream, variant_name};
use emberline_device::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::counts::Vocabulary;
use super::{SourceSettings, Texts, tuning, words};
use crate::learned::{Learned, LearnedTable};
use crate::{Error, LearnedState, Lookup, Opened, Quantize, TokenizerFile, WordCounts};

/// The maximum length of a vector: the work grows with its square, that of the eigenvalues with its cube.
const MAX_DIM: usize = 2048;
/// The maximum window.
const MAX_WINDOW: usize = 100;
/// The maximum size of a table, in numbers.
const MAX_VALUES: usize = 1 << 30;
/// The root mean square of the vector of a word drawn from the texts. On one split of real questions, under a head of
/// 256 and 64 units, half of it and twice of it did no better.
const SCALE: f64 = 0.5;

/// `[embedding.NAME.corpus]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The length of a vector.
    #[serde(default = "dim")]
    #[schemars(range(min = 1, max = MAX_DIM))]
    pub dim: usize,
    /// How many words on either side count as a word's context.
    #[serde(default = "window")]
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub window: usize,
    /// Words that occur less often in the training texts have no vector.
    #[serde(default = "min_count")]
    #[schemars(range(min = 1, max = u32::MAX))]
    pub min_count: usize,
    /// At most so many words, the most frequent ones.
    #[serde(default = "max_words")]
    #[schemars(range(min = 1, max = MAX_VALUES))]
    pub max_words: usize,
    /// How the vectors of a text's words become one.
    #[serde(default = "sqrtn")]
    pub combiner: Combiner,
    /// The seed of the factorisation; the pipeline's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What the numbers of a text's vector are stored in: f16, i8 (with a scale per vector) or bit (the sign); f32 when left
    /// out. Only of a frozen embedding.
    #[serde(default, skip_serializing_if = "Quantize::is_f32")]
    pub quantize: Quantize,
    /// Whether training moves the vectors.
    #[serde(default)]
    pub trainable: bool,
}

fn dim() -> usize {
    64
}

fn window() -> usize {
    5
}

fn min_count() -> usize {
    2
}

fn max_words() -> usize {
    50_000
}

fn sqrtn() -> Combiner {
    Combiner::Sqrtn
}

impl SourceSettings for Settings {
    fn name(&self) -> &'static str {
        "corpus"
    }

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut range = |key, value: usize, most: usize, what: &str| {
            if value == 0 || value > most {
                faults.push(Fault::new(key, format!("{what} of {value}"), format!("1 to {most}")).related_to("dim"));
            }
        };
        range("dim", self.dim, MAX_DIM, "a vector length");
        range("window", self.window, MAX_WINDOW, "a window");
        range("min_count", self.min_count, u32::MAX as usize, "a count");
        range("max_words", self.max_words, MAX_VALUES / self.dim.clamp(1, MAX_DIM), "a vocabulary");
        if self.max_words > 0 && self.dim > self.max_words && self.dim <= MAX_DIM {
            let message = format!("vectors of {} numbers for at most {} words", self.dim, self.max_words);
            faults.push(Fault::new("dim", message, "set `dim` to at most `max_words`").related_to("max_words"));
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

    fn reads_texts(&self) -> bool {
        true
    }

    /// Some matrices `[words, dim]` in 64 bits; a word of the texts takes at least two bytes, including the space
    /// after it.
    fn memory(&self, _: &Path, texts: Texts<'_>) -> u64 {
        let most = texts.train.iter().map(|text| text.len() as u64 / 2 + 1).sum::<u64>();
        most.min(self.max_words as u64).saturating_mul((self.dim as u64).saturating_add(10)).saturating_mul(4 * 8)
    }

    fn open(&self, _: &Path, texts: Texts<'_>, _: Device) -> Result<Opened, Error> {
        Ok(Opened::Table(Box::new(open(self, texts)?)))
    }

    fn reopen(&self, _: &Path, state: Option<&LearnedState>, _: Device) -> Result<Opened, Error> {
        match state.and_then(|state| Some((state.source.clone()?, &state.content))) {
            Some((Learned::Table(learned), content)) => {
                Ok(Opened::Table(Box::new(with_learned(self, learned, content.clone())?)))
            }
            Some((Learned::Weights(_), _)) | None => Err(Error::NotLearned { what: "the vectors of `corpus`" }),
        }
    }
}

/// A table of learned vectors, with one row per word of the vocabulary.
#[derive(Debug)]
pub(crate) struct Corpus {
    settings: Settings,
    ids: HashMap<String, u32>,
    /// The words and their vectors, the most frequent word first.
    learned: LearnedTable,
    digest: Digest,
}

/// Learns vectors from `texts.train`. A seed that was left out is 0; the pipeline fills in its own before.
///
/// # Errors
/// When the settings have faults, or the texts contain too few words for `dim`.
fn open(settings: &Settings, texts: Texts<'_>) -> Result<Corpus, Error> {
    if let Some(fault) = settings.faults().into_iter().next() {
        return Err(Error::Unsupported(format!("corpus: `{}`: {}; {}", fault.key, fault.message, fault.hint)));
    }
    let vocabulary = Vocabulary::of(texts.train, settings.min_count, settings.max_words);
    if vocabulary.len() < settings.dim {
        return Err(too_few(settings, vocabulary.len(), "words"));
    }
    let pairs = counts::co_occurrences(texts.train, &vocabulary, settings.window);
    let matrix = ppmi::weigh(&pairs, vocabulary.len());
    let mut stream = Substream::new(settings.seed.unwrap_or_default(), "embedding/corpus");
    let vectors = svd::left_vectors(&matrix, settings.dim, &mut stream)
        .map_err(|rank| too_few(settings, rank, "directions of co-occurrence among the words"))?;
    let values = scaled(&vectors, settings.dim, vocabulary.counts());
    let table = Arc::new(Matrix::new(vocabulary.len(), settings.dim, values));
    let learned = LearnedTable { words: vocabulary.into_words(), table };
    with_learned(settings, learned, digest(settings, texts.train))
}

/// Returns the source with vectors learned before.
///
/// # Errors
/// When the learned vectors have another length.
fn with_learned(settings: &Settings, learned: LearnedTable, digest: Digest) -> Result<Corpus, Error> {
    let (dim, found) = (settings.dim, learned.table.cols());
    if found != dim {
        return Err(Error::Unsupported(format!(
            "corpus: `dim` is {dim}, but vectors of {found} numbers were learned; set `dim` to {found}, or train again"
        )));
    }
    let ids = learned.words.iter().cloned().zip(0..).collect();
    Ok(Corpus { settings: settings.clone(), ids, learned, digest })
}

fn too_few(settings: &Settings, found: usize, what: &str) -> Error {
    let Settings { dim, min_count, .. } = settings;
    let cure = match found {
        0 => format!("lower `min_count`, or give it more texts (`dim` is {dim})"),
        _ => format!("set `dim` ({dim}) to at most {found}, or lower `min_count`"),
    };
    Error::Unsupported(format!(
        "corpus: there are only {found} {what} that occur at least {min_count} times in the training texts; {cure}"
    ))
}

/// Scales the vectors to the root mean square [`SCALE`], each word weighted by its count.
fn scaled(vectors: &[f64], dim: usize, counts: &[u64]) -> Vec<f32> {
    let (mut squares, mut numbers) = (0.0, 0.0);
    for (row, &count) in vectors.chunks_exact(dim).zip(counts) {
        squares += count as f64 * row.iter().map(|v| v * v).sum::<f64>();
        numbers += count as f64 * dim as f64;
    }
    let factor = if squares > 0.0 { SCALE / (squares / numbers).sqrt() } else { 0.0 };
    vectors.iter().map(|v| (v * factor) as f32).collect()
}

fn digest(settings: &Settings, train: &[&str]) -> Digest {
    let Settings { dim, window, min_count, max_words, combiner, seed, quantize: _, trainable: _ } = settings;
    let seed = seed.unwrap_or_default();
    let combiner = variant_name(combiner);
    let settings = format!(
        "corpus/2 dim={dim} window={window} min_count={min_count} max_words={max_words} combiner={combiner} seed={seed}"
    );
    let head = [settings.as_bytes(), words::RULES.as_bytes()];
    Digest::of_parts(head.into_iter().chain(train.iter().map(|text| text.as_bytes())))
}

impl Lookup for Corpus {
    fn dim(&self) -> usize {
        self.settings.dim
    }

    fn table_rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// A word that occurs fewer than `min_count` times in the training texts is unknown.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
        let mut found = WordCounts::default();
        words::for_each_lower(text, &mut |word| {
            let id = self.ids.get(word);
            found.count_token(word.as_bytes(), id.is_some());
            ids.extend(id);
        });
        found
    }

    fn table(&self) -> &[f32] {
        self.learned.table.values()
    }

    fn combiner(&self) -> Combiner {
        self.settings.combiner
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn origin(&self) -> Digest {
        digest(&self.settings, &[])
    }

    fn learned(&self) -> Option<Learned> {
        Some(Learned::Table(self.learned.clone()))
    }

    fn tokenizer_file(&self) -> Result<TokenizerFile, String> {
        Ok(TokenizerFile { json: words::tokenizer_json(&self.learned.words), max_length: None, adds_unknown: true })
    }

    fn row_word(&self, id: u32) -> Option<String> {
        self.learned.words.get(id as usize).cloned()
    }
}

#[cfg(test)]
mod tests;
