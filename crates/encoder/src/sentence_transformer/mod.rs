//! Folders of the library sentence-transformers (Reimers and Gurevych, 2019), and plain ones of `transformers`.
//!
//! A folder and [`Options`] enter, a [`SentenceTransformer`] leaves, which makes a vector of a text:
//! text -> token ids (`tokenizer.rs`) -> a vector a token (`transformer`) -> one vector (`pooling.rs`) -> Dense
//! and Normalize (`stage.rs`).
//!
//! | file | what it says |
//! |---|---|
//! | `modules.json` | the steps, each with its folder; without it: the transformer, then the mean of its tokens |
//! | `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` | the transformer |
//! | `sentence_bert_config.json` | the longest text in tokens, lower case |
//! | `1_Pooling/config.json` | how tokens' vectors become one |
//! | `2_Dense/config.json`, `2_Dense/model.safetensors` | a linear map and its activation |
//! | `config_sentence_transformers.json` | texts to put before a text, by name |
//!
//! Settings of `tokenizer.json` for padding and truncation are not taken: texts are never padded, and the longest one is
//! that of `sentence_bert_config.json`.

mod encode;
pub(crate) mod modules;
pub(crate) mod pooling;
pub(crate) mod prompt;
pub(crate) mod stage;
#[cfg(test)]
mod tests;
pub(crate) mod tokenizer;

use std::path::Path;

use emberline_base::{Digest, Warning};
use emberline_device::Device;

use self::modules::Modules;
use self::pooling::Pooling;
use self::stage::Stage;
use self::tokenizer::{Bounds, Tokens};
use crate::Error;
use crate::transformer::{self, Config, Deferred, Transformer};

/// The version of this computation, which is part of the key that vectors are cached by. Raise it when the numbers change
/// that the same files and settings give, if only in their last bit.
pub const COMPUTATION: u32 = 1;

/// What a person may set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What stands before every text: the name of a prompt of the model, or a text. When left out, the model's default
    /// prompt, where it has one.
    pub prompt: Option<String>,
    /// Scales vectors to length 1, even where the model doesn't.
    pub normalize: bool,
    /// The longest text in tokens, special ones included; when left out, the model's own.
    pub max_length: Option<usize>,
}

/// An encoder of texts.
pub struct SentenceTransformer {
    transformer: Deferred,
    tokens: Tokens,
    pooling: Pooling,
    stages: Vec<Stage>,
    hidden: usize,
    dim: usize,
    parameters: u64,
    digest: Digest,
    warnings: Vec<Warning>,
}

impl SentenceTransformer {
    /// Opens a folder, whose transformer is brought onto a device, and its tokenizer parsed, when the first text is encoded.
    ///
    /// # Errors
    /// [`Error::Missing`] when the folder or a file isn't there, [`Error::Format`] when one that is read now is damaged or
    /// asks for what isn't known here.
    pub fn open(folder: &Path, options: &Options, device: Device) -> Result<Self, Error> {
        let modules = Modules::read(folder)?;
        let config = Config::read(&modules.transformer)?;
        let weights = transformer::open_weights(&modules.transformer)?;
        let mut sketch = weights.sketch();
        let model = Transformer::read(&config, &mut sketch)?;
        let prompt = prompt::resolve(folder, options.prompt.as_deref())?;
        let bounds =
            Bounds { positions: config.max_positions(), most: model.max_tokens(), rows: Some(model.words.rows) };
        let tokens = Tokens::read(&modules.transformer, bounds, options.max_length, prompt.text)?;
        let hashes = weights.hashes()?;
        let mut parts = vec![b"sentence_transformer/3".to_vec(), config.bytes()?, tokens.rules()];
        parts.extend(hashes.iter().map(|hash| hash.to_vec()));
        let mut parameters = sketch.parameters();
        let hidden = model.hidden;
        let pooling = modules.pooling(hidden)?;
        let mut dim = pooling.dim(hidden);
        parts.push(pooling.rules().into_bytes());
        let mut stages = Vec::new();
        for module in &modules.behind {
            let Some(stage) = Stage::read(module, &mut dim)? else { continue };
            parameters += stage.parameters();
            parts.push(stage.rules());
            stages.push(stage);
        }
        if options.normalize && !matches!(stages.last(), Some(Stage::Normalize)) {
            parts.push(Stage::Normalize.rules());
            stages.push(Stage::Normalize);
        }
        let digest = Digest::of_parts(parts.iter().map(Vec::as_slice));
        Ok(Self {
            transformer: Deferred::new(config, weights, hashes, device),
            tokens,
            pooling,
            stages,
            hidden,
            dim,
            parameters,
            digest,
            warnings: prompt.warning.into_iter().collect(),
        })
    }

    /// Whether the files of the model in a folder are there. Its weights aren't read.
    ///
    /// # Errors
    /// As [`Self::open`], for what is missing.
    pub fn find_files(folder: &Path) -> Result<(), Error> {
        let transformer = Modules::read(folder)?.transformer;
        transformer::open_weights(&transformer)?;
        let path = transformer.join("tokenizer.json");
        let hint = "; get the model again".to_owned();
        if path.exists() { Ok(()) } else { Err(Error::Missing { path, hint }) }
    }

    /// The length of the vectors of the model in a folder, as far as its settings tell.
    pub fn length(folder: &Path) -> Option<usize> {
        let modules = Modules::read(folder).ok()?;
        let hidden = Config::read(&modules.transformer).ok()?.size(&["hidden_size", "dim"]).ok()?;
        let mut dim = modules.pooling(hidden).ok()?.dim(hidden);
        modules.behind.iter().try_for_each(|module| Stage::read(module, &mut dim).map(drop)).ok()?;
        Some(dim)
    }

    /// The length of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The numbers of the model, what isn't used for vectors (a pooler, a head) aside.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// The content address of everything that decides a text's vector.
    pub fn digest(&self) -> Digest {
        self.digest.clone()
    }

    /// What a person should know of the settings before trusting the vectors.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
