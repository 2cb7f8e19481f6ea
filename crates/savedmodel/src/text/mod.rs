//! TensorFlow's operations on strings, which are bytes and need not be UTF-8: splits, replacements, hashes,
//! vocabularies.

mod fingerprint;
mod pattern;
mod punctuation;
mod split;
mod vocabulary;

pub use fingerprint::fingerprint64;
pub use pattern::{Piece, Replace};
pub use punctuation::{RANGES as PUNCTUATION, removed as without_punctuation};
pub use split::{Split, split};
pub use vocabulary::Tokens;
