//! Vocabulary coverage: how many of the words of a dataset an embedding's table has a vector for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Splits;

/// Vocabulary coverage: the share of words that an embedding's table has a vector for, over all texts and per split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownWords {
    /// The coverage of the texts of all splits.
    #[serde(flatten)]
    pub all: KnownShare,
    /// The coverage of the texts of each split.
    #[serde(flatten)]
    pub splits: Splits<KnownShare>,
}

/// The vocabulary coverage of some texts by an embedding's table, as shares from 0 to 1.
///
/// A word is a token of the source's tokenizer that contains a letter or a digit; for a source with subword tokens, any
/// token. A word is known if the table has a row for it that no other word shares by chance: a bucket for
/// out-of-vocabulary words, the row of an unknown token and a vector composed of character n-grams don't count. (For
/// `hashing`, which has only buckets, every word is known.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownShare {
    /// The share of words that are known; 1 if there are no words.
    pub tokens: f64,
    /// The share of words that are not known but have a vector composed of their character n-grams.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub composed: f64,
    /// The share of texts without a known word.
    pub texts_without: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
