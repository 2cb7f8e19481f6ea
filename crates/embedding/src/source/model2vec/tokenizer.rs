//! A model's tokenizer: `tokenizer.json`, read and run by the crate `tokenizers`.
//!
//! As in the reference, no special tokens are added, and the padding and truncation that the file asks for are
//! removed (the model has its own truncation), like the other parts that don't affect token ids.

use emberline_base::json;
use serde_json::Value;
use tokenizers::ModelWrapper;

use super::cuts::Cuts;

/// The parts of a tokenizer that don't affect the token ids of a text.
const LEFT_OUT: [&str; 4] = ["truncation", "padding", "post_processor", "decoder"];

/// A tokenizer, with the characters at which it may be given a text in pieces.
#[derive(Debug)]
pub(super) struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    unknown: Option<u32>,
    tokens: Tokens,
    cuts: Cuts,
}

/// The size of a vocabulary, added tokens included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    /// The number of tokens.
    pub(super) number: usize,
    /// The largest id.
    pub(super) largest_id: u32,
    /// The median of the tokens' lengths in characters, rounded down.
    pub(super) median_length: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub(super) fn new(json: &[u8]) -> Result<Self, String> {
        let mut file: Value = serde_json::from_slice(json).map_err(|e| json::describe_error_at(&e))?;
        let parts = file.as_object_mut().ok_or("not a JSON object")?;
        for part in LEFT_OUT {
            parts.insert(part.to_owned(), Value::Null);
        }
        let tokenizer = catch_panic(|| tokenizers::Tokenizer::from_bytes(file.to_string()))?
            .map_err(|e| format!("not a supported tokenizer: {e}"))?;
        if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
            && bpe.dropout.is_some_and(|dropout| dropout > 0.0)
        {
            return Err("its tokens are random (`dropout`)".to_owned());
        }
        let tokens = Tokens::of(&tokenizer).ok_or("has no tokens")?;
        let unknown = unknown(&tokenizer, &file);
        let cuts = Cuts::of(&tokenizer);
        Ok(Self { tokenizer, unknown, tokens, cuts })
    }

    /// Returns the id of the token for unknown words.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Returns the file that it was read from, without the parts that don't affect token ids.
    pub(super) fn json(&self) -> Result<String, String> {
        self.tokenizer.to_string(false).map_err(|error| format!("has a tokenizer that can't be written: {error}"))
    }

    /// Returns the token of an id.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// Returns the size of the vocabulary.
    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Returns the characters at which texts may be split.
    pub(super) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// Appends the token ids of a text, unknown ones included.
    pub(super) fn token_ids(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), String> {
        let encoding = catch_panic(|| self.tokenizer.encode_fast(text, false))?.map_err(|e| e.to_string())?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

/// Turns a panic into an error: some steps of the crate panic if their part of the file is damaged.
fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    emberline_base::catch_panic(call).map_err(|_| "doesn't hold together; it is damaged, get it again".to_owned())
}

impl Tokens {
    fn of(tokenizer: &tokenizers::Tokenizer) -> Option<Self> {
        let vocabulary = tokenizer.get_vocab(true);
        let mut lengths: Vec<usize> = vocabulary.keys().map(|token| token.chars().count()).collect();
        lengths.sort_unstable();
        let middle = lengths.len() / 2;
        let median_length = match lengths.len() % 2 {
            _ if lengths.is_empty() => return None,
            0 => usize::midpoint(lengths[middle - 1], lengths[middle]),
            _ => lengths[middle],
        };
        Some(Self { number: vocabulary.len(), largest_id: vocabulary.values().copied().max()?, median_length })
    }
}

/// Returns the id of the unknown token, which most models name and Unigram numbers.
fn unknown(tokenizer: &tokenizers::Tokenizer, file: &Value) -> Option<u32> {
    match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) => bpe.unk_token.as_ref().and_then(|token| tokenizer.token_to_id(token)),
        ModelWrapper::WordPiece(pieces) => tokenizer.token_to_id(&pieces.unk_token),
        ModelWrapper::WordLevel(words) => tokenizer.token_to_id(&words.unk_token),
        ModelWrapper::Unigram(_) => file["model"]["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok()),
    }
}
