//! From text to token ids, by `tokenizer.json`.

use std::path::{Path, PathBuf};

use emberline_base::{canonical, file};
use once_cell::sync::OnceCell;
use serde_json::Value;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams};

use crate::Error;
use crate::json;

/// The names that the library gave the same file.
const SETTINGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// The longest text where nothing says otherwise, and there is no table of positions.
const MAX_TOKENS: usize = 1 << 15;

/// A tokenizer with its prompt. `tokenizer.json` is parsed when the first text has to be encoded: where a cache holds every
/// vector, it was parsed when they were made, and to do so again takes half as long as all else before the first step.
pub(crate) struct Tokens {
    path: PathBuf,
    bytes: Vec<u8>,
    limits: Limits,
    prompt: String,
    /// The rows of the word table, where they are known.
    rows: Option<usize>,
    parsed: OnceCell<Parsed>,
}

/// A tokenizer that is ready.
struct Parsed {
    tokenizer: Tokenizer,
    /// The tokens that the prompt takes at the start of a text.
    prompt_tokens: usize,
}

/// What a model says of its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// `max_position_embeddings` of its configuration: the longest text where nothing else says so.
    pub(crate) positions: Option<usize>,
    /// The longest text that it can compute.
    pub(crate) most: Option<usize>,
    /// The rows of its word table.
    pub(crate) rows: Option<usize>,
}

impl Tokens {
    /// Reads the tokenizer of a model's folder. `asked`: the longest text in tokens, where a person says so.
    pub(crate) fn read(folder: &Path, model: Bounds, asked: Option<usize>, prompt: String) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let bytes = bytes(&path)?;
        let limits = Limits::read(folder, model, asked)?;
        Ok(Self { path, bytes, limits, prompt, rows: model.rows, parsed: OnceCell::new() })
    }

    /// The ids of a text, special tokens included; all are rows of the word table, where its size is known.
    ///
    /// # Errors
    /// When the tokenizer is damaged, or gives a token that the model has no row for.
    pub(crate) fn ids(&self, text: &[u8]) -> Result<Vec<u32>, Error> {
        self.ids_by(&self.parsed()?.tokenizer, text)
    }

    /// The tokens that the prompt takes at the start of a text.
    ///
    /// # Errors
    /// When the tokenizer is damaged.
    pub(crate) fn prompt_tokens(&self) -> Result<usize, Error> {
        Ok(self.parsed()?.prompt_tokens)
    }

    /// What decides ids.
    pub(crate) fn rules(&self) -> Vec<u8> {
        let Limits { longest, lowercase, direction, .. } = &self.limits;
        let cut = match direction {
            TruncationDirection::Left => "left",
            TruncationDirection::Right => "right",
        };
        let prompt = canonical(&self.prompt);
        let rules = format!("prompt={prompt} longest={longest} lowercase={lowercase} cut={cut} ");
        [rules.as_bytes(), &self.bytes].concat()
    }

    fn parsed(&self) -> Result<&Parsed, Error> {
        self.parsed.get_or_try_init(|| {
            let tokenizer = self.limits.of(&self.path, parse(&self.path, &self.bytes)?)?;
            let prompt_tokens = self.count_prompt(&tokenizer)?;
            Ok(Parsed { tokenizer, prompt_tokens })
        })
    }

    fn ids_by(&self, tokenizer: &Tokenizer, text: &[u8]) -> Result<Vec<u32>, Error> {
        let text = String::from_utf8_lossy(text);
        let text = if self.prompt.is_empty() { text } else { format!("{}{text}", self.prompt).into() };
        let encoded = fenced(&self.path, || tokenizer.encode_fast(text, true))?;
        let encoded = encoded.map_err(|e| Error::format(&self.path, format!("can't make tokens of a text: {e}")))?;
        let ids = encoded.get_ids();
        if ids.len() > self.limits.longest {
            // A template that repeats the text, for which the tokenizer cuts it as if it stood there once.
            let reason = format!("makes {} tokens of a text that it cut to {}", ids.len(), self.limits.longest);
            return Err(Error::format(&self.path, reason));
        }
        let rows = self.rows.unwrap_or(usize::MAX);
        match ids.iter().find(|&&id| id as usize >= rows) {
            None => Ok(ids.to_vec()),
            Some(id) => {
                let reason = format!("gives token {id}, but the model has {rows} rows; they don't belong together");
                Err(Error::format(&self.path, reason))
            }
        }
    }

    /// The tokens of the prompt alone, without a special one at its end.
    fn count_prompt(&self, tokenizer: &Tokenizer) -> Result<usize, Error> {
        if self.prompt.is_empty() {
            return Ok(0);
        }
        let ids = self.ids_by(tokenizer, b"")?;
        let special = tokenizer.get_added_tokens_decoder();
        let ends = ids.last().is_some_and(|id| special.get(id).is_some_and(|token| token.special));
        Ok(ids.len() - usize::from(ends))
    }
}

/// What other files say of tokens.
struct Limits {
    /// The most tokens of a text, special ones included.
    longest: usize,
    /// The file that says so.
    from: PathBuf,
    lowercase: bool,
    direction: TruncationDirection,
}

impl Limits {
    fn read(folder: &Path, model: Bounds, asked: Option<usize>) -> Result<Self, Error> {
        let path = SETTINGS.iter().map(|name| folder.join(name)).find(|path| path.exists());
        let settings = path.as_ref().map(|path| json::object(path)).transpose()?.unwrap_or_default();
        let of_tokenizer = folder.join("tokenizer_config.json");
        let tokenizer = if of_tokenizer.exists() { json::object(&of_tokenizer)? } else { serde_json::Map::new() };
        let said = settings.get("max_seq_length").and_then(Value::as_u64).map(|most| most as usize);
        // Absurdly large where it isn't known, which `as` saturates.
        let usual = tokenizer.get("model_max_length").and_then(Value::as_f64).map(|most| most as usize);
        let usual = usual.into_iter().chain(model.positions).min();
        let left = tokenizer.get("truncation_side").and_then(Value::as_str) == Some("left");
        let longest = asked.or(said).or(usual).unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
        Ok(Self {
            longest: longest.min(model.most.unwrap_or(MAX_TOKENS)),
            from: if said.is_some() { path.unwrap_or(of_tokenizer) } else { of_tokenizer },
            lowercase: settings.get("do_lower_case") == Some(&Value::Bool(true)),
            direction: if left { TruncationDirection::Left } else { TruncationDirection::Right },
        })
    }

    /// The tokenizer at `path`, kept within them.
    fn of(&self, path: &Path, mut tokenizer: Tokenizer) -> Result<Tokenizer, Error> {
        let Self { longest, from, lowercase, direction } = self;
        let (max_length, direction) = (*longest, *direction);
        let special = tokenizer.get_post_processor().map_or(0, |post| {
            use tokenizers::PostProcessor;
            post.added_tokens(false)
        });
        if max_length <= special {
            return Err(Error::format(from, format!("at most {longest} tokens a text; {special} of them are special")));
        }
        if *lowercase {
            let mut steps: Vec<NormalizerWrapper> = vec![Lowercase.into()];
            steps.extend(tokenizer.get_normalizer().cloned());
            let with = tokenizer.with_normalizer(Some(Sequence::new(steps)));
            with.map_err(|e| Error::format(path, e.to_string()))?;
        }
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length, direction, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| Error::format(path, e.to_string()))?;
        Ok(tokenizer)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    if path.exists() {
        return Ok(file::read(path)?);
    }
    let hint =
        "; make it with `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` of transformers".to_owned();
    Err(Error::Missing { path: path.to_owned(), hint })
}

/// Reads a tokenizer.
fn parse(path: &Path, bytes: &[u8]) -> Result<Tokenizer, Error> {
    fenced(path, || Tokenizer::from_bytes(bytes))?.map_err(|e| damaged(path, &e.to_string()))
}

/// Turns a panic into an error: some steps of a tokenizer panic where what the file says of them is damaged.
fn fenced<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, Error> {
    emberline_base::fenced(call).map_err(|_| damaged(path, "it doesn't hold together"))
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::format(path, format!("not a tokenizer ({reason}); the file is damaged, get it again"))
}
