//! The vectors of some words, whatever file they came from.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// The row of each word.
pub type Ids = HashMap<Box<[u8]>, u32, FixedState>;

/// The word for the end of a line in fastText's models.
pub const LINE_END: &str = "</s>";

/// Words and their vectors.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// The length of a vector.
    pub dim: usize,
    /// The number of rows of the file, whether kept or not, including those of n-grams.
    pub file_rows: u64,
    /// The vectors, `[words, dim]`, row-major.
    pub values: Vec<f32>,
    /// The row of each word among the values. Words are bytes: some files truncate them in the middle of a character.
    pub ids: Ids,
    /// Rows below this number belong to words that the file holds; the others to words composed of their n-grams.
    pub known: u32,
    /// Whether the file holds words with capitals. For a file without n-grams this is unknown, and set to true.
    pub is_cased: bool,
    /// How a supervised fastText model reads a text, if the query reads lines.
    pub line: Option<Line>,
}

/// A text as a supervised model of fastText reads it: a line, whose end is a word too. Anything after `</s>` is
/// ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The row of the line's end, if the model has one.
    pub end: Option<u32>,
    /// Why the mean over a text's words is not fastText's vector of the text, if it isn't.
    pub differs: Option<Difference>,
}

/// Why the mean over a text's words is not fastText's vector of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The model was trained with n-grams of words (`wordNgrams`), which aren't read here.
    WordNgrams,
    /// The model has n-grams of characters (`maxn`), which fastText counts one by one, not as parts of their word.
    CharacterNgrams,
}

impl Vectors {
    /// Returns the vector of a word.
    pub fn get(&self, word: impl AsRef<[u8]>) -> Option<&[f32]> {
        let row = *self.ids.get(word.as_ref())? as usize;
        self.values.get(row * self.dim..(row + 1) * self.dim)
    }
}
