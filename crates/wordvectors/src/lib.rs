//! Reads word vectors from one file in one pass.
//!
//! In: a file, and the words that are asked for (a [`Query`]). Out: their vectors ([`Vectors`]), or a [`Model`] that
//! composes the vectors of any words later. The file is read once, from start to end, whatever its size; memory holds
//! the rows that were asked for.
//!
//! ```
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/fasttext/words.bin");
//! let vectors = wordvectors::read(path, &wordvectors::Words(&["the", "river"]))?;
//! assert_eq!(vectors.get("the").map(<[f32]>::len), Some(vectors.dim));
//! # Ok::<(), wordvectors::Error>(())
//! ```
//!
//! | format | recognised by | file |
//! |---|---|---|
//! | word2vec binary | two integers on line 1, then no text | `binary.rs` |
//! | word2vec and fastText `.vec` text | two integers on line 1, then text | `text.rs` |
//! | GloVe text | a word and its numbers on line 1 | `text.rs` |
//! | fastText model, `.bin` or quantised `.ftz` | `ba 16 4f 2f` | `fasttext/` |
//! | finalfusion `.fifu` | `FiFu` | `finalfusion/` |
//!
//! Each may be gzipped (`1f 8b`); the names of files don't matter. If a file contains a word twice, the first row is
//! used. Only rows that are asked for are decoded, and their numbers must be finite; the row structure is checked
//! throughout.

mod binary;
mod collector;
mod compose;
mod error;
mod fasttext;
mod fields;
mod file;
mod finalfusion;
mod memory;
mod query;
mod sniff;
mod stream;
mod text;
mod vectors;
mod write;

pub use compose::{Loaded, Model};
pub use error::Error;
pub use file::{Content, VectorFile, read};
pub use query::{All, Query, Selection, Words};
pub use vectors::{Difference, Ids, LINE_END, Line, Vectors};
pub use write::{write_binary, write_text};

/// The maximum length of a vector; the longest published word vectors have 1,024 numbers.
pub const MAX_DIM: u64 = 1 << 15;
/// The maximum length of a word, in bytes.
pub const MAX_WORD: usize = 1 << 12;

/// The shape that a file's header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rows: u64,
    dim: usize,
}

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
