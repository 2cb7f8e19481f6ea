//! The tokens of a distilled table, and the `tokenizer.json` that finds them.
//!
//! In: the encoder's `tokenizer.json`. Out: a [`Vocabulary`]. There are two kinds:
//!
//! - all tokens of the tokenizer but its added ones (`[CLS]`, `[MASK]`) and `[unused0]` to `[unused993]`, as in model2vec;
//!   the padding and the unknown token stay. Texts are cut as the encoder cuts them.
//! - the whole words of a list: a text is normalised and cut into words as the encoder does it, and a word that isn't in the
//!   list is unknown, and doesn't count.
//!
//! As in the reference, the post-processor, padding and truncation are left out, and a byte-level tokenizer puts a space
//! before a text.

use std::collections::{HashMap, HashSet};

use emberline_base::json as json_error;
use serde_json::{Map, Value, json};
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer,
    TruncationParams,
};

use super::LeftOut;

const DAMAGED: &str = "doesn't hold together; it is damaged, get it again";

/// The parts of a tokenizer that a static table has no use for.
const LEFT_OUT: [&str; 4] = ["truncation", "padding", "post_processor", "decoder"];

/// The rows of a table, and the tokenizer that finds them.
pub(super) struct Vocabulary {
    /// The token ids that the encoder is given for each row, special tokens included.
    pub(super) ids: Vec<Vec<u32>>,
    /// The content of `tokenizer.json`.
    pub(super) json: String,
    /// Whether the tokenizer has one more token, the unknown one, after those with ids.
    pub(super) adds_unknown: bool,
    /// The entries of the list without a row.
    pub(super) left_out: LeftOut,
}

/// The tokenizer of an encoder.
pub(super) struct ModelTokenizer {
    tokenizer: Tokenizer,
    /// The file, in the present form of the crate `tokenizers`.
    json: Value,
    ids: HashMap<String, u32>,
}

impl ModelTokenizer {
    /// Reads a `tokenizer.json`. Texts are cut to `max_tokens` tokens.
    pub(super) fn read(bytes: &[u8], max_tokens: usize) -> Result<Self, String> {
        let mut file: Value = serde_json::from_slice(bytes).map_err(|error| json_error::describe_error_at(&error))?;
        if !file.is_object() {
            return Err("not a JSON object".to_owned());
        }
        put_spaces_first(&mut file["pre_tokenizer"]);
        let mut tokenizer = catch_panic(|| Tokenizer::from_bytes(file.to_string()))?
            .map_err(|error| format!("not a supported tokenizer: {error}"))?;
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| error.to_string())?;
        let json = tokenizer.to_string(false).map_err(|error| format!("can't be written: {error}"))?;
        let json = serde_json::from_str(&json).map_err(|error| json_error::describe_error_at(&error))?;
        let ids = tokenizer.get_vocab(true);
        Ok(Self { tokenizer, json, ids })
    }

    /// Returns the vocabulary of all tokens.
    pub(super) fn all_tokens(&self) -> Result<Vocabulary, String> {
        let kept = self.kept_tokens();
        let (before, after) = self.special_ids()?;
        let ids = kept.iter().map(|token| [&before[..], &[self.ids[*token]], &after].concat()).collect();
        let rows: HashMap<&str, usize> = kept.iter().zip(0..).map(|(token, row)| (token.as_str(), row)).collect();
        let mut file = self.without_unused_parts();
        renumber(&mut file, &kept, &rows)?;
        let added = file["added_tokens"].as_array().cloned().unwrap_or_default();
        let added = added.into_iter().filter_map(|mut token| {
            let row = rows.get(token["content"].as_str()?)?;
            token["id"] = (*row).into();
            Some(token)
        });
        file["added_tokens"] = added.collect();
        Ok(Vocabulary { ids, json: file.to_string(), adds_unknown: false, left_out: LeftOut::default() })
    }

    /// Returns the vocabulary of a list of words.
    pub(super) fn whole_words(&self, words: &[String]) -> Result<Vocabulary, String> {
        let (before, after) = self.special_ids()?;
        let mut rows: HashMap<String, usize> = HashMap::new();
        let (mut ids, mut left_out) = (Vec::new(), LeftOut::default());
        for word in words {
            let pieces = self.pieces(word)?;
            let [(piece, _)] = &pieces[..] else {
                left_out.split += 1;
                continue;
            };
            if rows.contains_key(piece) {
                left_out.repeated += 1;
                continue;
            }
            rows.insert(piece.clone(), ids.len());
            ids.push(match self.ids.get(piece) {
                Some(&id) => [&before[..], &[id], &after].concat(),
                None => self.encode(word, true)?,
            });
        }
        let mut unknown = "[UNK]".to_owned();
        while rows.contains_key(&unknown) {
            unknown.push('_');
        }
        rows.insert(unknown.clone(), ids.len());
        let mut file = self.without_unused_parts();
        file["added_tokens"] = json!([]);
        file["model"] = json!({"type": "WordLevel", "vocab": in_order(&rows), "unk_token": unknown});
        Ok(Vocabulary { ids, json: file.to_string(), adds_unknown: true, left_out })
    }

    /// Returns the distinct words of texts, the most frequent first; equally frequent ones in the order of their letters.
    pub(super) fn words_of(&self, texts: &[String]) -> Result<Vec<String>, String> {
        let mut counts: HashMap<String, (u64, String)> = HashMap::new();
        for text in texts {
            for (piece, word) in self.pieces(text)? {
                counts.entry(piece).or_insert((0, word)).0 += 1;
            }
        }
        let mut words: Vec<(String, (u64, String))> = counts.into_iter().collect();
        words.sort_by(|(a, (of_a, _)), (b, (of_b, _))| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        Ok(words.into_iter().map(|(_, (_, word))| word).collect())
    }

    /// Returns the words of a text as the tokenizer has them, each with its place in the text as it is written.
    fn pieces(&self, text: &str) -> Result<Vec<(String, String)>, String> {
        let cut = self.tokenizer.get_pre_tokenizer();
        let cut =
            cut.ok_or("doesn't cut texts into words before it makes tokens of them; leave the list of words out")?;
        let pieces = catch_panic(|| {
            let mut normalised = NormalizedString::from(text);
            if let Some(normaliser) = self.tokenizer.get_normalizer() {
                normaliser.normalize(&mut normalised)?;
            }
            let mut pieces = PreTokenizedString::from(normalised);
            cut.pre_tokenize(&mut pieces)?;
            let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
            let written = |(start, end): (usize, usize)| text.get(start..end).unwrap_or_default().trim().to_owned();
            let splits = splits.into_iter().filter(|(piece, ..)| !piece.is_empty());
            Ok::<_, tokenizers::Error>(splits.map(|(piece, at, _)| (piece.to_owned(), written(at))).collect())
        })?;
        pieces.map_err(|error| error.to_string())
    }

    /// Returns the tokens with a row, in the order of their ids.
    fn kept_tokens(&self) -> Vec<&String> {
        let padding = ["[PAD]", "<pad>"];
        let unknown = self.unknown();
        let added = self.json["added_tokens"].as_array().into_iter().flatten();
        let is_needed = |token: &&str| Some(*token) == unknown || padding.contains(token);
        let added: HashSet<&str> =
            added.filter_map(|token| token["content"].as_str()).filter(|token| !is_needed(token)).collect();
        let is_kept = |token: &&String| !added.contains(token.as_str()) && !is_unused(token);
        let mut kept: Vec<&String> = self.ids.keys().filter(is_kept).collect();
        kept.sort_by_key(|token| self.ids[*token]);
        kept
    }

    fn unknown(&self) -> Option<&str> {
        let model = &self.json["model"];
        let by_id = || model["vocab"].get(model["unk_id"].as_u64()? as usize)?.get(0)?.as_str();
        model["unk_token"].as_str().or_else(by_id)
    }

    /// Returns the ids of the special tokens before and after a text.
    fn special_ids(&self) -> Result<(Vec<u32>, Vec<u32>), String> {
        for text in ["a", "1", "."] {
            let (alone, whole) = (self.encode(text, false)?, self.encode(text, true)?);
            let at = whole.windows(alone.len().max(1)).position(|window| window == alone);
            if let Some(at) = at.filter(|_| !alone.is_empty()) {
                return Ok((whole[..at].to_vec(), whole[at + alone.len()..].to_vec()));
            }
        }
        Err("makes no tokens of letters and digits".to_owned())
    }

    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        let encoded = catch_panic(|| self.tokenizer.encode_fast(text, special))?.map_err(|error| error.to_string())?;
        Ok(encoded.get_ids().to_vec())
    }

    fn without_unused_parts(&self) -> Value {
        let mut file = self.json.clone();
        LEFT_OUT.iter().for_each(|part| file[*part] = Value::Null);
        file
    }
}

/// Turns a panic into an error: some steps of the crate panic if their part of the file is damaged.
fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    emberline_base::catch_panic(call).map_err(|_| DAMAGED.to_owned())
}

/// Returns whether a token is one of BERT's `[unused0]` to `[unused993]`.
fn is_unused(token: &str) -> bool {
    let number = token.strip_prefix("[unused").and_then(|rest| rest.split_once(']')).map(|(number, _)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Makes a byte-level tokenizer put a space before a text, so that its first word is found as all others are.
fn put_spaces_first(pre_tokenizer: &mut Value) {
    if pre_tokenizer["type"] == "ByteLevel" {
        pre_tokenizer["add_prefix_space"] = true.into();
    }
    if let Some(steps) = pre_tokenizer.get_mut("pretokenizers").and_then(Value::as_array_mut) {
        steps.iter_mut().for_each(put_spaces_first);
    }
}

/// Returns the vocabulary in the order of its rows, so that equal vocabularies give equal bytes.
fn in_order(rows: &HashMap<String, usize>) -> Map<String, Value> {
    let mut rows: Vec<(&String, &usize)> = rows.iter().collect();
    rows.sort_by_key(|(_, row)| **row);
    rows.into_iter().map(|(token, row)| (token.clone(), Value::from(*row))).collect()
}

/// Gives the tokens of a `tokenizer.json` new ids, and removes all others. `kept` are the tokens in the order of their new
/// ids.
fn renumber(file: &mut Value, kept: &[&String], rows: &HashMap<&str, usize>) -> Result<(), String> {
    let model = &mut file["model"];
    match model["vocab"].take() {
        Value::Object(_) => {
            let numbered = kept.iter().zip(0_usize..).map(|(token, row)| ((*token).clone(), row.into()));
            model["vocab"] = numbered.collect::<Map<_, _>>().into();
        }
        Value::Array(scored) => {
            let name = |entry: &Value| Some(entry.get(0)?.as_str()?.to_owned());
            let unknown = model["unk_id"].as_u64().and_then(|id| name(scored.get(id as usize)?));
            let scores: HashMap<String, Value> =
                scored.iter().filter_map(|entry| Some((name(entry)?, entry.get(1)?.clone()))).collect();
            let score = |token: &&String| json!([token, scores.get(*token).cloned().unwrap_or_else(|| json!(0.0))]);
            model["vocab"] = kept.iter().map(score).collect();
            model["unk_id"] = unknown.and_then(|token| rows.get(token.as_str()).copied()).into();
        }
        _ => return Err(DAMAGED.to_owned()),
    }
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default().to_owned();
    if let Some(merges) = model.get_mut("merges").and_then(Value::as_array_mut) {
        merges.retain(|merge| {
            let Some((left, right)) = parts(merge) else { return false };
            let joined = format!("{left}{}", right.strip_prefix(prefix.as_str()).unwrap_or(right));
            [left, right, &joined].iter().all(|token| rows.contains_key(*token))
        });
    }
    Ok(())
}

/// Returns the two tokens of a merge: a list of two, or `left right`.
fn parts(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::Array(parts) => Some((parts.first()?.as_str()?, parts.get(1)?.as_str()?)),
        other => other.as_str()?.split_once(' '),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Tokens keep their names, and texts their tokens, whatever the model of the tokenizer is. (The fixture `cased` has added
    /// tokens, which a table has no rows for.)
    #[test]
    fn tokenizers_of_every_model_are_renumbered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model2vec");
        for model in ["bpe", "f32", "unigram", "words"] {
            let bytes = std::fs::read(folder.join(model).join("tokenizer.json")).expect("a file");
            let before = ModelTokenizer::read(&bytes, 512).expect("a tokenizer");
            let Vocabulary { ids, json, .. } = before.all_tokens().expect(model);
            let after = tokenizers::Tokenizer::from_bytes(json.as_bytes()).expect(model);
            assert_eq!(after.get_vocab_size(true), ids.len(), "{model}");
            let tokens = |tokenizer: &tokenizers::Tokenizer| {
                let encoded = tokenizer.encode_fast("hello world, why do people in India (unbelievable) xyzzy", false);
                encoded.expect("tokens").get_ids().iter().map(|id| tokenizer.id_to_token(*id)).collect::<Vec<_>>()
            };
            assert_eq!(tokens(&after), tokens(&before.tokenizer), "{model}");
        }
    }
}
