//! An opened source: a table with token ids, or an encoder of whole texts.

use emberline_base::{Combiner, Digest, Matrix, TextList, Warning};
use emberline_encoder::fine_tune::{HostEncoder, Scope};
use emberline_encoder::sentence_transformer::SentenceTransformer;

use crate::case::{self, Case};
use crate::learned::Learned;
use crate::{Error, WordCounts};

/// An opened source.
pub enum Opened {
    /// A table, whose rows training may update.
    Table(Box<dyn Lookup>),
    /// An encoder of whole texts.
    Encoder(Box<dyn Encoder>),
}

/// How a row of a table is identified after the source has been reopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// By its id, which is the same whenever the source is opened.
    Id,
    /// By its word, because ids depend on the texts that the source was opened for.
    Word,
}

/// A tokenizer in the form that a model2vec folder stores.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFile {
    /// The content of `tokenizer.json`; ids are the rows of the table.
    pub json: String,
    /// The maximum number of tokens of a text. `None`: there is no limit.
    pub max_length: Option<usize>,
    /// Whether the last id is that of unknown words, which the table has no row for.
    pub adds_unknown: bool,
}

/// A source that is a table: it has the token ids of a text, and rows.
///
/// Ids are stable for the opened source and always below [`rows`](Lookup::rows).
pub trait Lookup: Send + Sync {
    /// Returns the length of a row.
    fn dim(&self) -> usize;

    /// Returns the number of rows of the whole table as its file holds it, including rows for out-of-vocabulary
    /// words: the number of parameters that Keras counts, divided by `dim`. It may exceed [`rows`](Lookup::rows) if
    /// only the rows that occur were loaded.
    fn table_rows(&self) -> u64;

    /// Returns the loaded rows, one after another, `[rows, dim]`.
    fn table(&self) -> &[f32];

    /// Returns the number of loaded rows.
    fn rows(&self) -> usize {
        self.table().len().checked_div(self.dim()).unwrap_or(0)
    }

    /// Appends the row of every token of a text to `ids`, in order; returns how many words were found and how many
    /// are known. Texts are bytes and need not be UTF-8.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts;

    /// Returns one row, `[dim]`.
    fn row(&self, id: u32) -> &[f32] {
        &self.table()[id as usize * self.dim()..][..self.dim()]
    }

    /// Returns how the rows of a text become one vector.
    fn combiner(&self) -> Combiner;

    /// Returns whether that vector is then scaled to length 1; a vector of zeros stays as it is.
    fn normalize(&self) -> bool {
        false
    }

    /// Returns whether rows are summed one after another, as NumPy does, instead of in TensorFlow's groups.
    fn one_by_one(&self) -> bool {
        false
    }

    /// Returns the content address of everything that decides a text's vector: file contents and settings, never
    /// paths or times.
    fn digest(&self) -> Digest;

    /// Returns the digest without the training texts that the source learned from: it can be computed again without
    /// them.
    fn origin(&self) -> Digest {
        self.digest()
    }

    /// Returns what the source learned from the training texts, if it learned anything.
    fn learned(&self) -> Option<Learned> {
        None
    }

    /// Returns how a row is identified after the source has been reopened.
    fn row_key(&self) -> RowKey {
        RowKey::Id
    }

    /// Returns the word that a row belongs to. `None` for rows that belong to no word, to several words, or to a word
    /// that isn't UTF-8.
    fn row_word(&self, _id: u32) -> Option<String> {
        None
    }

    /// Returns whether there can be unknown words: hash buckets have a row for every word.
    fn has_vocabulary(&self) -> bool {
        true
    }

    /// Appends the text of every token of a text to `tokens`, in the order of [`token_ids`](Self::token_ids); returns
    /// whether the source can tell. Only sources whose rows have no words need to implement it.
    fn token_texts(&self, _text: &[u8], _tokens: &mut Vec<String>) -> bool {
        false
    }

    /// Returns the tokenizer that gives the same token ids in a model2vec folder.
    ///
    /// # Errors
    /// When a model2vec folder can't represent it; the reason follows the name of the source.
    fn tokenizer_file(&self) -> Result<TokenizerFile, String> {
        Err("cuts texts into tokens by rules of its own, which `tokenizer.json` can't say".to_owned())
    }

    /// Returns the same source with the rows of these texts, if rows are only computed for given texts, as vectors
    /// composed of the parts of a word are. `None` if the source already has every row.
    ///
    /// # Errors
    /// When a row can't be computed because the file is damaged, or there is too little memory.
    fn for_texts(&self, _texts: &dyn TextList) -> Result<Option<Box<dyn Lookup>>, Error> {
        Ok(None)
    }

    /// Returns how the case of letters matters to the look-up. `words` are frequent words of the texts, in lower case.
    fn case(&self, words: &[String]) -> Case {
        if self.has_vocabulary() { case::probe(&|text, ids| self.token_ids(text, ids), words) } else { Case::Unknown }
    }

    /// Returns warnings about the settings that users should see before they trust the vectors.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// A source that computes the vector of a whole text: a neural encoder.
pub trait Encoder: Send + Sync {
    /// Returns the length of a vector, all of its layers together.
    fn dim(&self) -> usize;

    /// Returns the number of layers that are concatenated in a vector, each of `dim / layers` numbers.
    fn layers(&self) -> usize {
        1
    }

    /// Returns whether every vector is scaled to length 1; truncated ones are then scaled to it again. Layers that are combined
    /// to a vector don't give one of length 1.
    fn is_unit(&self) -> bool {
        false
    }

    /// Returns the number of parameters of the whole model.
    fn parameters(&self) -> u64;

    /// Returns one vector per text, `[texts, dim]`. A text's vector is the same, bit for bit, whatever other texts
    /// are in the call, in whatever order. Texts are bytes and need not be UTF-8.
    ///
    /// # Errors
    /// When the model can't compute: a device that fails, or an operation out of range.
    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error>;

    /// Returns the content address of everything that decides a text's vector: file contents and settings, never
    /// paths, times or the device.
    fn digest(&self) -> Digest;

    /// Returns the maximum length of a text in tokens. `None`: there is no limit.
    fn max_tokens(&self) -> Option<usize> {
        None
    }

    /// Returns whether a text is longer than that, so that a part of it is cut off.
    ///
    /// # Errors
    /// When the tokenizer is damaged.
    fn is_cut(&self, _text: &[u8]) -> Result<bool, Error> {
        Ok(false)
    }

    /// Returns the version of the computation. It is raised when the numbers change that the same files and settings
    /// give; vectors of another version are never taken from the cache.
    fn computation(&self) -> u32;

    /// Returns warnings about the settings that users should see before they trust the vectors.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Returns the encoder as one whose weights may be fine-tuned. `None` for other kinds.
    fn as_sentence_transformer(&self) -> Option<&SentenceTransformer> {
        None
    }
}

impl Opened {
    /// Returns the number of parameters of the whole model, as its files hold it; for a table, after its rows have
    /// been reduced to `dim` numbers.
    pub fn parameters(&self, dim: usize) -> u64 {
        match self {
            Self::Table(table) => table.table_rows() * dim as u64,
            Self::Encoder(encoder) => encoder.parameters(),
        }
    }

    /// Returns the bytes of the whole table, as its files hold it, in 32 bits and after its rows have been reduced to `dim`
    /// numbers. `None` for an encoder.
    pub fn table_bytes(&self, dim: usize) -> Option<u64> {
        match self {
            Self::Table(table) => Some(4 * table.table_rows() * dim as u64),
            Self::Encoder(_) => None,
        }
    }

    /// Returns the content address of everything that decides a text's vector.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Table(table) => table.digest(),
            Self::Encoder(encoder) => encoder.digest(),
        }
    }

    /// Returns the digest without the training texts that the source learned from.
    pub fn origin(&self) -> Digest {
        match self {
            Self::Table(table) => table.origin(),
            Self::Encoder(encoder) => encoder.digest(),
        }
    }

    /// Returns what the source learned from the training texts, if it learned anything.
    pub fn learned(&self) -> Option<Learned> {
        match self {
            Self::Table(table) => table.learned(),
            Self::Encoder(_) => None,
        }
    }

    /// Returns the encoder in the form whose weights are trained.
    ///
    /// # Errors
    /// If it isn't one whose weights can be trained, or the scope doesn't fit the model.
    pub fn fine_tune(&self, scope: Scope) -> Result<HostEncoder, Error> {
        let encoder = match self {
            Self::Table(_) => None,
            Self::Encoder(encoder) => encoder.as_sentence_transformer(),
        };
        let lacks = || Error::Unsupported("only a sentence encoder's weights can be fine-tuned so".into());
        Ok(encoder.ok_or_else(lacks)?.fine_tune(scope)?)
    }

    /// Returns the words of rows of the table, `""` for a row without one. `None` if no row of the source has a word.
    pub fn row_words(&self, rows: &[u32]) -> Option<Vec<String>> {
        let Self::Table(table) = self else { return None };
        let words: Vec<Option<String>> = rows.iter().map(|&row| table.row_word(row)).collect();
        let any = words.iter().any(Option::is_some) || table.row_key() == RowKey::Word;
        any.then(|| words.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Returns warnings about the source's settings that users should see before they trust its vectors; `cells` is
    /// empty.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Self::Table(table) => table.warnings(),
            Self::Encoder(encoder) => encoder.warnings(),
        }
    }
}
