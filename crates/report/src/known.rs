//! `inputs/<rows>.<embedding>.known`: how many words of each row of validation or test an embedding's table knows. Written once
//! for all cells that share the rows and the embedding, since it depends on these two alone; the layout is that of
//! [`array_file`]. Encoders of whole texts know no words, and `hashing` has a row for every word: they have no such file, nor has a
//! run of a program that didn't write it yet.
//!
//! What a word is and when it is known: [`KnownShare`](emberline_base::record::KnownShare).
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `words` | U32 `[rows]` | the words of the text, in the order of `inputs/<rows>.rows` |
//! | `known` | U32 `[rows]` | those that the table has a row for |
//! | `composed` | U32 `[rows]` | those that it hasn't, but whose vector is composed of their character n-grams |
//!
//! | metadata | content |
//! |---|---|
//! | `format`, `version` | `emberline known words`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`] |
//! | `rows`, `embedding` | the digests of the split's rows and of the embedding, as predictions and records name them |

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{Digest, OutOfMemory};

use crate::stored::StoredFormat;

const FORMAT: StoredFormat = StoredFormat {
    name: "emberline known words",
    version: "1",
    holds: "known words",
    cure: "run the pipeline again with --force to write it anew",
};

/// The words of one row's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowWords {
    /// All of them.
    pub words: u32,
    /// Those that the table has a row for.
    pub known: u32,
    /// Those that it hasn't, but whose vector is composed of their character n-grams.
    pub composed: u32,
}

impl RowWords {
    /// The known words as a share of all words, from 0 to 1; 1 where there is no word.
    pub fn share(self) -> f64 {
        if self.words == 0 { 1.0 } else { f64::from(self.known) / f64::from(self.words) }
    }
}

/// The bytes of a file: the words of each row of the split with the digest `rows`, for the embedding with the digest `embedding`.
///
/// # Errors
/// When there is no memory for them.
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

/// The words of each row that a file holds. `rows` and `embedding` are the digests that it must be of.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub fn from_bytes(bytes: &[u8], rows: &Digest, embedding: &Digest) -> Result<Vec<RowWords>, String> {
    let stored = FORMAT.open(bytes)?;
    if (stored.entry("rows")?, stored.entry("embedding")?) != (rows.as_str(), embedding.as_str()) {
        return Err("is of other rows or of another embedding".to_owned());
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
