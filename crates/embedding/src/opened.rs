//! What an opened source is: a table with token ids, or an encoder of whole texts.

use emberline_base::{Combiner, Digest, Matrix, Warning};

use crate::{Error, Words};

/// An opened source.
pub enum Opened {
    /// Rows of a table, which training may move.
    Table(Box<dyn Lookup>),
    /// Vectors of whole texts, fixed.
    Encoder(Box<dyn Encoder>),
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

    /// What a person should know of the source's settings before trusting its vectors; `cells` is empty.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Self::Table(table) => table.warnings(),
            Self::Encoder(encoder) => encoder.warnings(),
        }
    }
}
