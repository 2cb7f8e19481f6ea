//! What an opened source is: a table with token ids, or an encoder of whole texts.

use emberline_base::{Combiner, Digest, Matrix, TextList, Warning};

use crate::learned::Learned;
use crate::{Error, Words};

/// An opened source.
pub enum Opened {
    /// Rows of a table, which training may move.
    Table(Box<dyn Lookup>),
    /// Vectors of whole texts, fixed.
    Encoder(Box<dyn Encoder>),
}

/// What names a row of a table after the source has been opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// Its id, which is the same whenever the source is opened.
    Id,
    /// Its word: ids depend on the texts that the source was opened for.
    Word,
}

/// A tokenizer as a folder of model2vec holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFile {
    /// The content of `tokenizer.json`; ids are the rows of the table.
    pub json: String,
    /// The most tokens of a text that count; none: all.
    pub max_length: Option<usize>,
    /// Whether the last id is that of unknown words, for which the table has no row.
    pub adds_unknown: bool,
}

/// A source that is a table: token ids of a text, and rows.
///
/// Ids are stable for the opened source and always below [`rows`](Lookup::rows).
pub trait Lookup: Send + Sync {
    /// The length of a row.
    fn dim(&self) -> usize;

    /// The rows of the whole table as its file holds it, out-of-vocabulary rows included: what
    /// Keras counts as parameters, divided by `dim`. May exceed [`rows`](Lookup::rows) where only the
    /// rows that occur were loaded.
    fn table_rows(&self) -> u64;

    /// The rows that can be asked for, one after another, `[rows, dim]`.
    fn table(&self) -> &[f32];

    /// How many they are.
    fn rows(&self) -> usize {
        self.table().len().checked_div(self.dim()).unwrap_or(0)
    }

    /// The row of every token of a text, in order, appended to `ids`; returns how many words were met and known. Texts are
    /// bytes: they need not be UTF-8.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> Words;

    /// One row, `[dim]`.
    fn row(&self, id: u32) -> &[f32] {
        &self.table()[id as usize * self.dim()..][..self.dim()]
    }

    /// How a text's rows become one vector.
    fn combiner(&self) -> Combiner;

    /// Whether that vector is then scaled to length 1; the vector 0 stays.
    fn normalize(&self) -> bool {
        false
    }

    /// Whether rows are summed one after another, as NumPy does, and not in TensorFlow's groups.
    fn one_by_one(&self) -> bool {
        false
    }

    /// The content address of everything that decides a text's vector: file contents and settings,
    /// never paths or times.
    fn digest(&self) -> Digest;

    /// The digest without the training texts that the source learned from: what can be computed again without them.
    fn origin(&self) -> Digest {
        self.digest()
    }

    /// What the source learned from the training texts, if it learned anything.
    fn learned(&self) -> Option<Learned> {
        None
    }

    /// What names a row.
    fn row_key(&self) -> RowKey {
        RowKey::Id
    }

    /// The word that a row belongs to. None for rows that belong to no word, or to several, or to one that isn't UTF-8.
    fn row_word(&self, _id: u32) -> Option<String> {
        None
    }

    /// Whether there are words that the source doesn't know: hash buckets have a row for every word.
    fn has_vocabulary(&self) -> bool {
        true
    }

    /// Appends the text of every token of a text, in the order of [`token_ids`](Self::token_ids), to `tokens`; returns whether the
    /// source can tell. Only sources whose rows have no words need to.
    fn token_texts(&self, _text: &[u8], _tokens: &mut Vec<String>) -> bool {
        false
    }

    /// How the token ids of a text are said in a folder of model2vec.
    ///
    /// # Errors
    /// When such a folder can't say it; the reason follows the name of the source.
    fn tokenizer_file(&self) -> Result<TokenizerFile, String> {
        Err("cuts texts into tokens by rules of its own, which `tokenizer.json` can't say".to_owned())
    }

    /// The same source with the rows of these texts, if rows are only made for the texts at hand: vectors that are composed of
    /// the parts of a word. None if the source already has every row.
    ///
    /// # Errors
    /// When a row can't be made because the file is damaged, or there is too little memory.
    fn for_texts(&self, _texts: &dyn TextList) -> Result<Option<Box<dyn Lookup>>, Error> {
        Ok(None)
    }

    /// What a person should know of the settings before trusting the vectors.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// A source that makes a text's vector as a whole: a neural encoder.
pub trait Encoder: Send + Sync {
    /// The length of a vector, all of its layers together.
    fn dim(&self) -> usize;

    /// The layers that lie one behind another in a vector, each of `dim / layers` numbers.
    fn layers(&self) -> usize {
        1
    }

    /// The numbers of the whole model.
    fn parameters(&self) -> u64;

    /// A vector a text, `[texts, dim]`. A text's vector is the same, bit for bit, whatever texts stand beside it, in
    /// whatever order. Texts are bytes: they need not be UTF-8.
    ///
    /// # Errors
    /// When the model can't compute: a device that fails, an operation out of range.
    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error>;

    /// The content address of everything that decides a text's vector: file contents and settings,
    /// never paths, times or the device.
    fn digest(&self) -> Digest;

    /// The version of the computation that makes vectors of the files: raised when the numbers change that the same files
    /// and settings give. Vectors of another version are never taken from the cache.
    fn computation(&self) -> u32;

    /// What a person should know of the settings before trusting the vectors.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

impl Opened {
    /// The numbers of the whole model, as its files hold it; of a table whose rows have been reduced to `dim` numbers.
    pub fn parameters(&self, dim: usize) -> u64 {
        match self {
            Self::Table(table) => table.table_rows() * dim as u64,
            Self::Encoder(encoder) => encoder.parameters(),
        }
    }

    /// The content address of everything that decides a text's vector.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Table(table) => table.digest(),
            Self::Encoder(encoder) => encoder.digest(),
        }
    }

    /// The digest without the training texts that the source learned from.
    pub fn origin(&self) -> Digest {
        match self {
            Self::Table(table) => table.origin(),
            Self::Encoder(encoder) => encoder.digest(),
        }
    }

    /// What the source learned from the training texts, if it learned anything.
    pub fn learned(&self) -> Option<Learned> {
        match self {
            Self::Table(table) => table.learned(),
            Self::Encoder(_) => None,
        }
    }

    /// The words of rows of the table, `""` for a row without one. None if no row of the source has a word.
    pub fn row_words(&self, rows: &[u32]) -> Option<Vec<String>> {
        let Self::Table(table) = self else { return None };
        let words: Vec<Option<String>> = rows.iter().map(|&row| table.row_word(row)).collect();
        let any = words.iter().any(Option::is_some) || table.row_key() == RowKey::Word;
        any.then(|| words.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// What a person should know of the source's settings before trusting its vectors; `cells` is empty.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Self::Table(table) => table.warnings(),
            Self::Encoder(encoder) => encoder.warnings(),
        }
    }
}
