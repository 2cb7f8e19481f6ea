//! Tokenises texts: converts a text to token ids by `tokenizer.json`.

use std::path::{Path, PathBuf};

use emberline_base::{canonical, file};
use once_cell::sync::OnceCell;
use serde_json::Value;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams};

use crate::Error;
use crate::json;

/// The names of the settings file, which depend on the model's family in old versions of the library.
const SETTINGS_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// Maximum length of a text in tokens, if neither a file nor a table of positions limits it.
const MAX_TOKENS: usize = 1 << 15;

/// A tokenizer with its prompt. `tokenizer.json` is parsed when the first text is encoded: if all vectors are cached, parsing
/// it would take half as long as everything else before the first training step.
pub(crate) struct PromptTokenizer {
    path: PathBuf,
    bytes: Vec<u8>,
    settings: TokenizerSettings,
    prompt: String,
    /// The number of rows of the word table, if it is known.
    rows: Option<usize>,
    parsed: OnceCell<Parsed>,
}

/// A parsed tokenizer.
struct Parsed {
    tokenizer: Tokenizer,
    /// The number of tokens of the prompt at the beginning of a text.
    prompt_tokens: usize,
}

/// The limits that a model sets for its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelLimits {
    /// `max_position_embeddings` of its config: the default maximum length in tokens.
    pub(crate) positions: Option<usize>,
    /// The maximum length in tokens that the model can compute.
    pub(crate) most: Option<usize>,
    /// The number of rows of its word table.
    pub(crate) rows: Option<usize>,
}

impl PromptTokenizer {
    /// Reads the tokenizer of a model's folder. `asked`: the maximum length in tokens, if the user sets it.
    pub(crate) fn read(folder: &Path, model: ModelLimits, asked: Option<usize>, prompt: String) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let bytes = bytes(&path)?;
        let settings = TokenizerSettings::read(folder, model, asked)?;
        Ok(Self { path, bytes, settings, prompt, rows: model.rows, parsed: OnceCell::new() })
    }

    /// Returns the token ids of a text, including special tokens. All are rows of the word table, if its size is known.
    ///
    /// # Errors
    /// If the tokenizer is corrupt, or gives a token that isn't in the word table.
    pub(crate) fn ids(&self, text: &[u8]) -> Result<Vec<u32>, Error> {
        self.ids_by(&self.parsed()?.tokenizer, text)
    }

    /// Returns the number of tokens of the prompt at the beginning of a text.
    ///
    /// # Errors
    /// If the tokenizer is corrupt.
    pub(crate) fn prompt_tokens(&self) -> Result<usize, Error> {
        Ok(self.parsed()?.prompt_tokens)
    }

    /// Returns the maximum length of a text in tokens, including special tokens and the prompt.
    pub(crate) fn longest(&self) -> usize {
        self.settings.longest
    }

    /// Returns whether a text is longer than that, so that its end is cut off (or its beginning, if the tokenizer says so).
    ///
    /// # Errors
    /// If the tokenizer is corrupt.
    pub(crate) fn is_cut(&self, text: &[u8]) -> Result<bool, Error> {
        /// More special tokens than any template adds.
        const SPECIAL: usize = 8;
        // No token is shorter than a byte, so that most texts are known to fit before the tokenizer is parsed.
        if text.is_ascii() && text.len() + self.prompt.len() + SPECIAL <= self.settings.longest {
            return Ok(false);
        }
        let tokenizer = &self.parsed()?.tokenizer;
        let text = format!("{}{}", self.prompt, String::from_utf8_lossy(text));
        let encoded = catch_panic(&self.path, || tokenizer.encode_fast(text, true))?;
        let encoded = encoded.map_err(|e| Error::format(&self.path, format!("can't make tokens of a text: {e}")))?;
        Ok(!encoded.get_overflowing().is_empty())
    }

    /// Returns everything that determines token ids, as a part of the digest.
    pub(crate) fn digest_part(&self) -> Vec<u8> {
        let TokenizerSettings { longest, lowercase, direction, .. } = &self.settings;
        let cut = match direction {
            TruncationDirection::Left => "left",
            TruncationDirection::Right => "right",
        };
        let prompt = canonical(&self.prompt);
        let digest_part = format!("prompt={prompt} longest={longest} lowercase={lowercase} cut={cut} ");
        [digest_part.as_bytes(), &self.bytes].concat()
    }

    fn parsed(&self) -> Result<&Parsed, Error> {
        self.parsed.get_or_try_init(|| {
            let tokenizer = self.settings.apply(&self.path, parse(&self.path, &self.bytes)?)?;
            let prompt_tokens = self.count_prompt(&tokenizer)?;
            Ok(Parsed { tokenizer, prompt_tokens })
        })
    }

    fn ids_by(&self, tokenizer: &Tokenizer, text: &[u8]) -> Result<Vec<u32>, Error> {
        let text = String::from_utf8_lossy(text);
        let text = if self.prompt.is_empty() { text } else { format!("{}{text}", self.prompt).into() };
        let encoded = catch_panic(&self.path, || tokenizer.encode_fast(text, true))?;
        let encoded = encoded.map_err(|e| Error::format(&self.path, format!("can't make tokens of a text: {e}")))?;
        let ids = encoded.get_ids();
        if ids.len() > self.settings.longest {
            // The template repeats the text, but the tokenizer truncates it as if it occurred once.
            let reason =
                format!("gives {} tokens for a text that it truncated to {}", ids.len(), self.settings.longest);
            return Err(Error::format(&self.path, reason));
        }
        self.check_rows(ids)?;
        Ok(ids.to_vec())
    }

    /// Returns the text that is prepended to every text.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Returns the path and the content of `tokenizer.json`.
    pub(crate) fn json(&self) -> (&Path, &[u8]) {
        (&self.path, &self.bytes)
    }

    /// Checks that all token ids are rows of the word table, if its size is known.
    ///
    /// # Errors
    /// If one isn't.
    pub(crate) fn check_rows(&self, ids: &[u32]) -> Result<(), Error> {
        let rows = self.rows.unwrap_or(usize::MAX);
        match ids.iter().find(|&&id| id as usize >= rows) {
            None => Ok(()),
            Some(id) => {
                let reason = format!("gives token {id}, but the model has {rows} rows; they don't belong together");
                Err(Error::format(&self.path, reason))
            }
        }
    }

    /// Counts the tokens of the prompt, without a special token at its end.
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

/// The settings of tokenisation in other files than `tokenizer.json`.
struct TokenizerSettings {
    /// Maximum length of a text in tokens, including special tokens.
    longest: usize,
    /// The file that sets the maximum length.
    from: PathBuf,
    lowercase: bool,
    direction: TruncationDirection,
}

impl TokenizerSettings {
    fn read(folder: &Path, model: ModelLimits, asked: Option<usize>) -> Result<Self, Error> {
        let path = Some(settings_file(folder)).filter(|path| path.exists());
        let settings = path.as_ref().map(|path| json::object(path)).transpose()?.unwrap_or_default();
        let of_tokenizer = folder.join("tokenizer_config.json");
        let tokenizer = if of_tokenizer.exists() { json::object(&of_tokenizer)? } else { serde_json::Map::new() };
        let said = settings.get("max_seq_length").and_then(Value::as_u64).map(|most| most as usize);
        // An unknown maximum length is given as a huge number, which `as` saturates.
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

    /// Applies the settings to the tokenizer at `path`.
    fn apply(&self, path: &Path, mut tokenizer: Tokenizer) -> Result<Tokenizer, Error> {
        let Self { longest, from, lowercase, direction } = self;
        let (max_length, direction) = (*longest, *direction);
        let special = tokenizer.get_post_processor().map_or(0, |post| {
            use tokenizers::PostProcessor;
            post.added_tokens(false)
        });
        if max_length <= special {
            return Err(Error::format(
                from,
                format!("at most {longest} tokens per text, but {special} of them are special tokens"),
            ));
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

/// Returns the path of the settings file of a folder, or of the one to write if there is none.
pub(crate) fn settings_file(folder: &Path) -> PathBuf {
    let present = SETTINGS_FILES.iter().map(|name| folder.join(name)).find(|path| path.exists());
    present.unwrap_or_else(|| folder.join(SETTINGS_FILES[0]))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    if path.exists() {
        return Ok(file::read(path)?);
    }
    let hint =
        "; make it with `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` of transformers".to_owned();
    Err(Error::Missing { path: path.to_owned(), hint })
}

/// Parses a tokenizer.
fn parse(path: &Path, bytes: &[u8]) -> Result<Tokenizer, Error> {
    catch_panic(path, || Tokenizer::from_bytes(bytes))?.map_err(|e| damaged(path, &e.to_string()))
}

/// Turns a panic into an error: some steps of the tokenizer library panic if their settings in the file are corrupt.
fn catch_panic<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, Error> {
    emberline_base::catch_panic(call).map_err(|_| damaged(path, "it doesn't hold together"))
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::format(path, format!("not a tokenizer ({reason}); the file is damaged, get it again"))
}
