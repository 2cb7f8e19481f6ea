//! `inputs/<rows>.<embedding>.known`: the number of known words of each validation or test row, for the table of an embedding.
//! All cells with the same rows and the same embedding share one file. The layout is that of [`array_file`]. Encoders of whole
//! texts have no table of words, and `hashing` has a row for every word, so they have no such file; neither have runs of earlier
//! versions of the program.
//!
//! [`KnownShare`](emberline_base::record::KnownShare) defines what a word is and when it is known.
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `words` | U32 `[rows]` | the number of words of the text, in the order of `inputs/<rows>.rows` |
//! | `known` | U32 `[rows]` | the number of words that have a row in the table |
//! | `composed` | U32 `[rows]` | the number of words without a row whose vector is composed of their character n-grams |
//!
//! | metadata | content |
//! |---|---|
//! | `format`, `version` | `emberline known words`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`] |
//! | `rows`, `embedding` | the digests of the split's rows and of the embedding, as in predictions and records |

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{Digest, OutOfMemory};

use crate::stored::StoredFormat;

const FORMAT: StoredFormat = StoredFormat {
    name: "emberline known words",
    version: "1",
    holds: "known words",
    cure: "run the pipeline again with --force to recreate it",
};

/// The word counts of one row's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowWords {
    /// The number of words.
    pub words: u32,
    /// The number of words that have a row in the table.
    pub known: u32,
    /// The number of words without a row whose vector is composed of their character n-grams.
    pub composed: u32,
}

impl RowWords {
    /// Returns the share of known words, from 0 to 1; 1 if there is no word.
    pub fn share(self) -> f64 {
        if self.words == 0 { 1.0 } else { f64::from(self.known) / f64::from(self.words) }
    }
}

/// Returns the bytes of a file with the word counts of each row. `rows` and `embedding` are the digests of the split's rows and of
/// the embedding.
///
/// # Errors
/// If there is not enough memory.
pub fn to_bytes(rows: &Digest, embedding: &Digest, words: &[RowWords]) -> Result<Vec<u8>, OutOfMemory> {
    let mut metadata = FORMAT.metadata();
    metadata
        .extend([("rows", rows), ("embedding", embedding)].map(|(key, of)| (key.to_owned(), of.as_str().to_owned())));
    let array = |name: &str, of_row: fn(&RowWords) -> u32| Array {
        name: name.to_owned(),
        element: ElementType::U32,
        shape: vec![words.len()],
        bytes: words.iter().flat_map(|words| of_row(words).to_le_bytes()).collect::<Vec<u8>>().into(),
    };
    let arrays =
        vec![array("words", |row| row.words), array("known", |row| row.known), array("composed", |row| row.composed)];
    array_file::to_bytes(&metadata, arrays)
}

/// Parses a file and returns the word counts of each row. `rows` and `embedding` are the digests that the file must have.
///
/// # Errors
/// What is wrong with the file, as a phrase that follows its path.
pub fn from_bytes(bytes: &[u8], rows: &Digest, embedding: &Digest) -> Result<Vec<RowWords>, String> {
    let stored = FORMAT.open(bytes)?;
    if (stored.entry("rows")?, stored.entry("embedding")?) != (rows.as_str(), embedding.as_str()) {
        return Err("belongs to other rows or to another embedding".to_owned());
    }
    let integers = |name: &str| stored.integers(name)?.ok_or_else(|| stored.damaged());
    let (words, known, composed) = (integers("words")?, integers("known")?, integers("composed")?);
    if [known.len(), composed.len()] != [words.len(); 2] {
        return Err(stored.damaged());
    }
    let each = words.into_iter().zip(known).zip(composed);
    Ok(each.map(|((words, known), composed)| RowWords { words, known, composed }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [RowWords; 3] = [
        RowWords { words: 4, known: 3, composed: 1 },
        RowWords { words: 0, known: 0, composed: 0 },
        RowWords { words: 70_000, known: 0, composed: 0 },
    ];

    fn digests() -> [Digest; 2] {
        [Digest::of(b"rows"), Digest::of(b"embedding")]
    }

    #[test]
    fn words_come_back_and_give_shares() {
        let [rows, embedding] = digests();
        let bytes = to_bytes(&rows, &embedding, &WORDS).expect("memory");
        assert_eq!(from_bytes(&bytes, &rows, &embedding).expect("whole"), WORDS);
        assert_eq!(WORDS.map(RowWords::share), [0.75, 1.0, 0.0]);
        let refused = from_bytes(&bytes, &embedding, &rows).expect_err("others");
        assert!(refused.contains("other rows"), "{refused}");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let [rows, embedding] = digests();
        let bytes = to_bytes(&rows, &embedding, &WORDS).expect("memory");
        for at in 0..bytes.len() {
            assert!(from_bytes(&bytes[..at], &rows, &embedding).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(from_bytes(&damaged, &rows, &embedding).is_err(), "flipped at {at}");
        }
    }
}
