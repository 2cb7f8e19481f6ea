//! Models of the library sentence-transformers (Reimers and Gurevych, 2019), and plain models of `transformers`.
//!
//! Input: a folder and [`EncoderOptions`]. Output: a [`SentenceTransformer`] encoder, which computes text -> token ids
//! (`tokenizer.rs`) -> one vector per token (`transformer`) -> one vector per text (`pooling.rs`) -> Dense and Normalize
//! modules (`stage.rs`).
//!
//! The weights of large models are mapped into memory and not read: no program may write to the files of a model in use.
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

use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::{Digest, Warning};
use emberline_device::Device;

use self::modules::{Module, Modules};
use self::pooling::Pooling;
use self::stage::Stage;
use self::tokenizer::{ModelLimits, PromptTokenizer};
use crate::transformer::{self, Config, CpuModel, LazyTransformer, Transformer};
use crate::{EncoderOptions, Error, Precision};

/// The version of this computation, which is part of the key of cached vectors. Increase it if the same files and settings
/// give other vectors, even if only in their last bit.
pub const COMPUTATION: u32 = 1;

/// The largest size in bytes of a model's weights that are kept in memory; those of a larger model stay in its files, which are
/// mapped into memory.
pub const MAX_PACKED: u64 = CpuModel::MAX_PACKED;

/// A text encoder of the library sentence-transformers.
#[derive(Clone)]
pub struct SentenceTransformer {
    pub(crate) folder: PathBuf,
    pub(crate) transformer: Arc<LazyTransformer>,
    pub(crate) tokens: Arc<PromptTokenizer>,
    pub(crate) pooling: Pooling,
    pub(crate) stages: Vec<Stage>,
    pub(crate) hidden: usize,
    /// The number of layers whose vectors make up a text's, the last of the model: 1 but for [`Self::with_last_layers`].
    last_layers: usize,
    /// The number of layers of the model.
    layers: usize,
    dim: usize,
    parameters: u64,
    pub(crate) digest: Digest,
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
            folder: folder.to_owned(),
            transformer: Arc::new(LazyTransformer::new(config, weights, hashes, device)),
            tokens: Arc::new(tokens),
            pooling,
            stages,
            hidden,
            last_layers: 1,
            layers: model.order.len(),
            dim,
            parameters,
            digest,
            warnings: prompt.warning.into_iter().collect(),
        })
    }

    /// Returns the same encoder, whose vectors consist of those of the `count` last layers, one after another: each is pooled, and
    /// scaled to length 1 if the model ends so. For all but the last layer it's the hidden state as the layer leaves it.
    ///
    /// # Errors
    /// If [`Self::lacks_layers`] says why not.
    pub fn with_last_layers(mut self, count: usize) -> Result<Self, Error> {
        let has_dense = self.stages.iter().any(|stage| matches!(stage, Stage::Dense { .. }));
        if let Some(reason) = lacks_layers(self.layers, count, has_dense) {
            return Err(Error::format(&self.folder, reason));
        }
        self.digest = Digest::of_parts([self.digest.as_str().as_bytes(), format!("last layers={count}").as_bytes()]);
        (self.last_layers, self.dim) = (count, self.dim * count);
        Ok(self)
    }

    /// Returns the same encoder, whose layers are computed in other numbers; those of [`Precision::I8`] on the CPU.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let part: Option<&[u8]> = match precision {
            Precision::F32 => None,
            Precision::I8 => Some(b"precision=i8"),
            Precision::Bf16 => Some(b"precision=bf16"),
        };
        if let Some(part) = part {
            self.digest = Digest::of_parts([self.digest.as_str().as_bytes(), part]);
        }
        self.transformer = Arc::new(self.transformer.with_precision(precision));
        self
    }

    /// Returns why the model in a folder can't give the vectors of its `count` last layers, if its configs say so.
    pub fn lacks_layers(folder: &Path, count: usize) -> Option<String> {
        let modules = Modules::read(folder).ok()?;
        let layers = Config::read(&modules.transformer).ok()?.layer_count().ok()?;
        let has_dense = modules.after_pooling.iter().any(|module| matches!(module, Module::Dense(_)));
        lacks_layers(layers, count, has_dense)
    }

    /// Returns the number of layers whose vectors make up a text's.
    pub fn last_layers(&self) -> usize {
        self.last_layers
    }

    /// Returns whether every vector (of each layer) is scaled to length 1.
    pub fn normalizes(&self) -> bool {
        matches!(self.stages.last(), Some(Stage::Normalize))
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
        let hidden = Config::read(&modules.transformer).ok()?.hidden().ok()?;
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

/// Returns why a model can't give the vectors of its `count` last layers. Dense modules were trained on the last layer alone.
fn lacks_layers(layers: usize, count: usize, has_dense: bool) -> Option<String> {
    if has_dense {
        return Some("has Dense modules, which were trained on the last layer alone".to_owned());
    }
    (layers < count).then(|| format!("has {layers} layers, fewer than {count}"))
}
