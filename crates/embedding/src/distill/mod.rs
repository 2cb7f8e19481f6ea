//! Distils a sentence encoder into a static table: one vector per token, computed once, whose mean is a text's vector.
//!
//! The folder of a sentence encoder enters ([`Distiller::open`]); a [`StaticTable`] leaves, which is written as a folder
//! that the source `model2vec` and the Python package of that name read. The method is that of model2vec 0.10.0
//! (`model2vec.distill`):
//!
//! 1. the vocabulary: every token of the encoder's tokenizer, or the whole words of a list (`vocabulary.rs`);
//! 2. a token's vector: the mean of the encoder's token vectors for the token between the special tokens; the encoder's
//!    own pooling and normalisation are left out;
//! 3. principal component analysis of all of them, with the mean subtracted (`pca.rs`);
//! 4. weights by frequency, estimated from a token's rank (`weights.rs`);
//! 5. the numbers' type in the file (`file.rs`).

mod file;
mod vocabulary;
mod weights;

use std::path::Path;

use emberline_base::Matrix;
use emberline_device::Device;
use emberline_encoder::EncoderOptions;
use emberline_encoder::sentence_transformer::SentenceTransformer;

pub use self::file::StoredType;
use self::vocabulary::{ModelTokenizer, Vocabulary};
pub use self::weights::TokenWeights;
use crate::encode::{Event, Progress};
use crate::{Error, Source, pca};

/// The length of a vector if none is asked for, as in model2vec.
const DIM: usize = 256;
/// Tokens per encoding, after each of which the progress is reported.
const CHUNK_TOKENS: usize = 2048;

/// How a table is distilled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DistillOptions {
    /// The length of a vector; 256, or the encoder's own if that is shorter, when left out.
    pub dim: Option<usize>,
    /// How tokens are weighed by their frequency.
    pub weights: TokenWeights,
    /// The words that have a row, the most frequent first. `None`: all tokens of the encoder's tokenizer.
    pub words: Option<Vec<String>>,
}

/// An opened sentence encoder that can be distilled.
pub struct Distiller {
    model: SentenceTransformer,
    tokenizer: ModelTokenizer,
}

/// A distilled table with its tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticTable {
    /// The vectors, `[tokens, dim]`.
    pub rows: Matrix,
    /// Entries of the word list that have no row.
    pub left_out: LeftOut,
    weights: TokenWeights,
    /// The content of `tokenizer.json`, whose token ids are the rows.
    tokenizer: String,
}

/// Entries of a word list that have no row of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Entries that the tokenizer cuts into several words.
    pub split: usize,
    /// Entries that are equal to an earlier one once the tokenizer has normalised them.
    pub repeated: usize,
}

impl Distiller {
    /// Opens the encoder of a source; paths are relative to `base`.
    ///
    /// # Errors
    /// When the source isn't a sentence encoder, or a file is missing or damaged.
    pub fn open(source: &Source, base: &Path, device: Device) -> Result<Self, Error> {
        let Source::SentenceTransformer(settings) = source else {
            let message = format!(
                "`{}` can't be distilled: only a sentence encoder can, as `sentence_transformer`; `export` writes the table of a \
                 trained cell",
                source.kind()
            );
            return Err(Error::Unsupported(message));
        };
        source.find_files(base)?;
        let model = SentenceTransformer::open(&base.join(&settings.path), &EncoderOptions::default(), device)?;
        let (path, json) = model.tokenizer_json();
        let tokenizer = ModelTokenizer::read(json, model.max_tokens()).map_err(|reason| Error::format(path, reason))?;
        Ok(Self { model, tokenizer })
    }

    /// Returns the distinct words of texts, as the encoder's tokenizer finds them, the most frequent first.
    ///
    /// # Errors
    /// When the tokenizer doesn't cut texts into words, or is damaged.
    pub fn words_of(&self, texts: &[String]) -> Result<Vec<String>, Error> {
        self.tokenizer.words_of(texts).map_err(|reason| self.tokenizer_fault(reason))
    }

    /// Computes the table. `on_event` is notified of the progress.
    ///
    /// # Errors
    /// When the words have no rows, `dim` is longer than the encoder's vectors or the tokens vary along fewer directions,
    /// the encoder fails, or there is too little memory.
    pub fn distill(&self, options: &DistillOptions, on_event: &mut dyn FnMut(Event)) -> Result<StaticTable, Error> {
        let vocabulary = match &options.words {
            None => self.tokenizer.all_tokens(),
            Some(words) => self.tokenizer.whole_words(words),
        };
        let Vocabulary { ids, json, adds_unknown, left_out } =
            vocabulary.map_err(|reason| self.tokenizer_fault(reason))?;
        if ids.is_empty() {
            let message = "no entry of the list is one word to the encoder's tokenizer; one word per line is expected";
            return Err(Error::Unsupported(message.to_owned()));
        }
        let dim = self.dim(options.dim, ids.len())?;
        let vectors = self.encode(&ids, on_event)?;
        let mut rows = self.scores(&vectors, dim)?;
        options.weights.apply(&mut rows, dim);
        let mut rows: Vec<f32> = rows.into_iter().map(|number| number as f32).collect();
        if adds_unknown {
            rows.extend(std::iter::repeat_n(0.0, dim));
        }
        let rows = Matrix::new(rows.len() / dim, dim, rows);
        Ok(StaticTable { rows, left_out, weights: options.weights, tokenizer: json })
    }

    /// Returns the length of a vector, given the number of tokens.
    fn dim(&self, asked: Option<usize>, tokens: usize) -> Result<usize, Error> {
        let hidden = self.model.hidden();
        let dim = asked.unwrap_or(DIM.min(hidden));
        if dim == 0 || dim > hidden {
            let message =
                format!("a length of {dim}: the encoder's token vectors have {hidden} numbers; 1 to {hidden}");
            return Err(Error::Unsupported(message));
        }
        if dim >= tokens {
            let message = format!("{tokens} tokens are too few for vectors of {dim} numbers; ask for fewer numbers");
            return Err(Error::Unsupported(message));
        }
        Ok(dim)
    }

    /// Returns the vector of every token, `[tokens, hidden]`.
    fn encode(&self, ids: &[Vec<u32>], on_event: &mut dyn FnMut(Event)) -> Result<Matrix, Error> {
        let bytes = ids.len() as u64;
        let mut progress = Progress { texts: ids.len(), bytes, ..Progress::default() };
        on_event(Event::Progress(progress));
        let hidden = self.model.hidden();
        let mut values = Vec::new();
        for chunk in ids.chunks(CHUNK_TOKENS) {
            values.extend(self.model.token_means(chunk)?.into_values());
            progress.encoded += chunk.len();
            progress.encoded_bytes += chunk.len() as u64;
            on_event(Event::Progress(progress));
        }
        Ok(Matrix::new(ids.len(), hidden, values))
    }

    /// Returns the principal components of the tokens' vectors, `[tokens, dim]`. In each column the number with the largest
    /// magnitude is positive.
    fn scores(&self, vectors: &Matrix, dim: usize) -> Result<Vec<f64>, Error> {
        let directions = pca::leading(vectors, dim).map_err(|rank| {
            let tokens = vectors.rows();
            Error::Unsupported(format!(
                "the vectors of the {tokens} tokens vary along {rank} directions only; ask for {rank}"
            ))
        })?;
        let mut scores = pca::scores(vectors, &directions, dim);
        for column in 0..dim {
            let of_column = scores.iter().skip(column).step_by(dim);
            let largest = of_column.fold(0.0_f64, |largest, x| if x.abs() > largest.abs() { *x } else { largest });
            if largest < 0.0 {
                scores.iter_mut().skip(column).step_by(dim).for_each(|x| *x = -*x);
            }
        }
        Ok(scores)
    }

    fn tokenizer_fault(&self, reason: String) -> Error {
        Error::format(self.model.tokenizer_json().0, reason)
    }
}
