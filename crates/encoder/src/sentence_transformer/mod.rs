//! Models of the library sentence-transformers (Reimers and Gurevych, 2019), and plain models of `transformers`.
//!
//! Input: a folder and [`EncoderOptions`]. Output: a [`SentenceTransformer`] encoder, which computes text -> token ids
//! (`tokenizer.rs`) -> one vector per token (`transformer`) -> one vector per text (`pooling.rs`) -> Dense and Normalize
//! modules (`stage.rs`).
//!
//! | file | content |
//! |---|---|
//! | `modules.json` | the modules and their folders; without it, the transformer and mean pooling |
//! | `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` | the transformer |
//! | `sentence_bert_config.json` | the maximum length in tokens, lower case |
//! | `1_Pooling/config.json` | the pooling modes |
//! | `2_Dense/config.json`, `2_Dense/model.safetensors` | a linear map and its activation |
//! | `config_sentence_transformers.json` | the prompts by name |
//!
//! The settings for padding and truncation in `tokenizer.json` are ignored: texts are never padded, and the maximum length is
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
use self::tokenizer::{ModelLimits, PromptTokenizer};
use crate::transformer::{self, Config, LazyTransformer, Transformer};
use crate::{EncoderOptions, Error};

/// The version of this computation, which is part of the key of cached vectors. Increase it if the same files and settings
/// give other vectors, even if only in their last bit.
pub const COMPUTATION: u32 = 1;

/// A text encoder of the library sentence-transformers.
pub struct SentenceTransformer {
    transformer: LazyTransformer,
    tokens: PromptTokenizer,
    pooling: Pooling,
    stages: Vec<Stage>,
    hidden: usize,
    dim: usize,
    parameters: u64,
    digest: Digest,
    warnings: Vec<Warning>,
}

impl SentenceTransformer {
    /// Opens a folder. The tokenizer is parsed, and the transformer loaded to the device, when the first text is encoded.
    ///
    /// # Errors
    /// [`Error::Missing`] if the folder or a file is missing; [`Error::Format`] if a file that is read now is corrupt or needs
    /// an unsupported feature.
    pub fn open(folder: &Path, options: &EncoderOptions, device: Device) -> Result<Self, Error> {
        let modules = Modules::read(folder)?;
        let config = Config::read(&modules.transformer)?;
        let weights = transformer::open_weights(&modules.transformer)?;
        let mut shapes = weights.without_values();
        let model = Transformer::read(&config, &mut shapes)?;
        let prompt = prompt::resolve(folder, options.prompt.as_deref())?;
        let bounds =
            ModelLimits { positions: config.max_positions(), most: model.max_tokens(), rows: Some(model.words.rows) };
        let tokens = PromptTokenizer::read(&modules.transformer, bounds, options.max_length, prompt.text)?;
        let hashes = weights.hashes()?;
        let mut parts = vec![b"sentence_transformer/3".to_vec(), config.bytes()?, tokens.digest_part()];
        parts.extend(hashes.iter().map(|hash| hash.to_vec()));
        let mut parameters = shapes.parameters();
        let hidden = model.hidden;
        let pooling = modules.pooling(hidden)?;
        let mut dim = pooling.dim(hidden);
        parts.push(pooling.digest_part().into_bytes());
        let mut stages = Vec::new();
        for module in &modules.after_pooling {
            let Some(stage) = Stage::read(module, &mut dim)? else { continue };
            parameters += stage.parameters();
            parts.push(stage.digest_part());
            stages.push(stage);
        }
        if options.normalize && !matches!(stages.last(), Some(Stage::Normalize)) {
            parts.push(Stage::Normalize.digest_part());
            stages.push(Stage::Normalize);
        }
        let digest = Digest::of_parts(parts.iter().map(Vec::as_slice));
        Ok(Self {
            transformer: LazyTransformer::new(config, weights, hashes, device),
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

    /// Checks that the files of the model in a folder exist. The weights aren't read.
    ///
    /// # Errors
    /// Those of [`Self::open`] for missing files.
    pub fn find_files(folder: &Path) -> Result<(), Error> {
        let transformer = Modules::read(folder)?.transformer;
        transformer::open_weights(&transformer)?;
        let path = transformer.join("tokenizer.json");
        let hint = "; get the model again".to_owned();
        if path.exists() { Ok(()) } else { Err(Error::Missing { path, hint }) }
    }

    /// Returns the dimension of the vectors of the model in a folder, if its configs give it.
    pub fn length(folder: &Path) -> Option<usize> {
        let modules = Modules::read(folder).ok()?;
        let hidden = Config::read(&modules.transformer).ok()?.size(&["hidden_size", "dim"]).ok()?;
        let mut dim = modules.pooling(hidden).ok()?.dim(hidden);
        modules.after_pooling.iter().try_for_each(|module| Stage::read(module, &mut dim).map(drop)).ok()?;
        Some(dim)
    }

    /// Returns the dimension of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the length of a token's vector, before pooling.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Returns the path of the model's tokenizer, and its content as it was read.
    pub fn tokenizer_json(&self) -> (&Path, &[u8]) {
        self.tokens.json()
    }

    /// Returns the number of parameters of the model, without those that aren't used for vectors (a pooler, a head).
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Returns the digest of everything that determines a text's vector.
    pub fn digest(&self) -> Digest {
        self.digest.clone()
    }

    /// Returns the maximum length of a text in tokens.
    pub fn max_tokens(&self) -> usize {
        self.tokens.longest()
    }

    /// Returns whether a text is longer than that, so that a part of it is cut off.
    ///
    /// # Errors
    /// If the tokenizer is corrupt.
    pub fn is_cut(&self, text: &[u8]) -> Result<bool, Error> {
        self.tokens.is_cut(text)
    }

    /// Returns the warnings about the options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
