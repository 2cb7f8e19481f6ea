//! The embedding sources. To add one: add a file here with an `impl SourceSettings`, and a variant of [`Source`] with
//! its arms.

mod ascii;
pub mod corpus;
pub mod elmo;
mod file_settings;
pub mod hashing;
mod location;
mod memo;
pub mod model2vec;
pub mod onnx;
mod portable;
pub mod published;
pub mod sentence_transformer;
pub mod tfhub;
mod token_encoder;
mod tuning;
pub mod word_vectors;
mod words;

use std::path::Path;

use emberline_base::{Fault, seed_of_repeat, sniff};
use emberline_device::{Device, memory};
use emberline_encoder::fine_tune::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::location::Location;
pub use self::portable::{PortableFile, PortableSource};
use crate::features::FeatureSpec;
use crate::layers::Layers;
use crate::opened::Opened;
use crate::quantize::Quantize;
use crate::reduce::Reduction;
use crate::{Error, LearnedState};

/// `[embedding.NAME.KIND]`: where vectors come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A text module of TensorFlow Hub, read from its SavedModel.
    Tfhub(tfhub::Settings),
    /// Word vectors: word2vec, GloVe, fastText, finalfusion.
    WordVectors(word_vectors::Settings),
    /// A table of a chosen size, words hashed to its rows.
    Hashing(hashing::Settings),
    /// Vectors of a chosen size, learned from the pipeline's own training texts.
    Corpus(corpus::Settings),
    /// A folder of sentence-transformers: BERT and its kin, as encoders of whole texts.
    SentenceTransformer(sentence_transformer::Settings),
    /// A static model of model2vec: a vector a token, weighted and averaged.
    Model2vec(model2vec::Settings),
    /// ELMo: layers of two language models over characters, the mean over a text's words.
    Elmo(elmo::Settings),
    /// An encoder of whole texts as an ONNX graph, in builds with the feature `onnx`.
    Onnx(onnx::Settings),
}

/// The texts that a source is opened for.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Every text that will be embedded.
    pub all: &'a [&'a str],
    /// The training texts alone: what a source may learn from.
    pub train: &'a [&'a str],
}

/// The settings of one kind of source, and how it is opened.
pub(crate) trait SourceSettings {
    /// Returns the kind's name in a pipeline file.
    fn name(&self) -> &'static str;

    /// Returns what is wrong with the settings that only this kind has, independent of files and texts.
    fn own_faults(&self) -> Vec<Fault>;

    /// Returns what is wrong with the settings, independent of files and texts.
    fn faults(&self) -> Vec<Fault> {
        let location = self.location().map_or_else(Vec::new, |location| location.faults());
        let reduction = self.reduction().map_or_else(Vec::new, Reduction::faults);
        [location, reduction, self.own_faults()].concat()
    }

    /// Returns whether training updates the table.
    fn trainable(&self) -> bool;

    /// Returns whether the mix of its layers is learned along with the head, whatever `trainable` says.
    fn learns_mix(&self) -> bool {
        false
    }

    /// Returns which weights of an encoder training updates; `None` if it updates no encoder.
    fn fine_tuning(&self) -> Option<Scope> {
        None
    }

    /// Returns the keys that are set and that say which weights of an encoder are trained.
    fn scope_keys(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Returns the bytes of the weights of an encoder that training updates, as far as the files (relative to `base`) show them at
    /// little cost; 0 if it updates none.
    fn tuned_bytes(&self, _base: &Path) -> u64 {
        0
    }

    /// Removes the settings of [`scope_keys`](Self::scope_keys).
    fn remove_scope(&mut self) {}

    /// Returns why its files (relative to `base`) don't allow the settings, as far as they show it at little cost; the reason
    /// follows the source's name.
    fn unsupported_by_files(&self, _base: &Path) -> Option<String> {
        None
    }

    /// Returns the type that a text's vector is stored in.
    fn quantize(&self) -> Quantize;

    /// Freezes the table, and removes the reduction and the quantisation of vectors.
    fn remove_tuning(&mut self);

    /// Returns whether its vectors are random and no seed is given; the pipeline then sets its own.
    fn lacks_seed(&self) -> bool {
        false
    }

    /// Returns the seed of its vectors, if they are random.
    fn seed_mut(&mut self) -> Option<&mut Option<u64>> {
        None
    }

    /// Returns where its files are. `None` if it has no files.
    fn location(&self) -> Option<Location<'_>> {
        None
    }

    /// Returns the names that its ONNX graph may have in its folder; the first that exists is used.
    fn graphs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns how its vectors are reduced. `None`: they keep their length.
    fn reduction(&self) -> Option<Reduction> {
        None
    }

    /// Returns how the layers of its vectors become one vector.
    fn layers(&self) -> Layers {
        Layers::All
    }

    /// Returns whether the opened source depends on the texts.
    fn reads_texts(&self) -> bool {
        false
    }

    /// Returns whether it is a neural encoder of whole texts, as far as the files (relative to `base`) show it at
    /// little cost.
    fn encodes(&self, _base: &Path) -> bool {
        false
    }

    /// Returns the length of its vectors before reduction, as far as the files (relative to `base`) show it at little
    /// cost.
    fn length(&self, _base: &Path) -> Option<usize> {
        None
    }

    /// Returns why this build can't read it, if it can't.
    fn missing_feature(&self) -> Option<&'static str> {
        None
    }

    /// Returns the approximate memory in bytes that opening it takes, estimated from the settings and the sizes of
    /// its files (relative to `base`).
    fn memory(&self, _base: &Path, _texts: Texts<'_>) -> u64 {
        0
    }

    /// Checks that the files (relative to `base`) that [`SourceSettings::open`] needs exist, without reading large
    /// ones.
    fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.location().map_or(Ok(()), |location| location.find(base))
    }

    /// Returns the kinds of files that it reads whatever the file's extension.
    fn accepted_formats(&self) -> &'static [sniff::Kind] {
        &[]
    }

    /// Reads the files (paths relative to `base`), or learns the vectors, for these texts. A neural encoder runs on
    /// `device`.
    fn open(&self, base: &Path, texts: Texts<'_>, device: Device) -> Result<Opened, Error>;

    /// Reads the files (paths relative to `base`) for texts that aren't known yet, with what the source learned from
    /// the training texts.
    fn reopen(&self, base: &Path, _state: Option<&LearnedState>, device: Device) -> Result<Opened, Error> {
        self.open(base, Texts { all: &[], train: &[] }, device)
    }
}

impl Source {
    fn settings(&self) -> &dyn SourceSettings {
        match self {
            Self::Tfhub(s) => s,
            Self::WordVectors(s) => s,
            Self::Hashing(s) => s,
            Self::Corpus(s) => s,
            Self::SentenceTransformer(s) => s,
            Self::Model2vec(s) => s,
            Self::Elmo(s) => s,
            Self::Onnx(s) => s,
        }
    }

    fn settings_mut(&mut self) -> &mut dyn SourceSettings {
        match self {
            Self::Tfhub(s) => s,
            Self::WordVectors(s) => s,
            Self::Hashing(s) => s,
            Self::Corpus(s) => s,
            Self::SentenceTransformer(s) => s,
            Self::Model2vec(s) => s,
            Self::Elmo(s) => s,
            Self::Onnx(s) => s,
        }
    }

    /// Returns the kind's name in a pipeline file.
    pub fn kind(&self) -> &'static str {
        self.settings().name()
    }

    /// Returns whether training updates the table, or the mix of an encoder's layers.
    pub fn trainable(&self) -> bool {
        self.settings().trainable() || self.settings().learns_mix()
    }

    /// Returns which weights of an encoder training updates; `None` if it updates no encoder.
    pub fn fine_tuning(&self) -> Option<Scope> {
        self.settings().fine_tuning()
    }

    /// Returns the keys that are set and that say which weights of an encoder are trained; without `trainable` they have no
    /// effect.
    pub fn scope_keys(&self) -> Vec<&'static str> {
        self.settings().scope_keys()
    }

    /// Returns the bytes of the weights of an encoder that training updates, as far as the files (relative to `base`) show them at
    /// little cost; 0 if it updates none.
    pub fn tuned_bytes(&self, base: &Path) -> u64 {
        self.settings().tuned_bytes(base)
    }

    /// Returns the same source without [settings that say which weights are trained](Self::scope_keys).
    #[must_use]
    pub fn without_scope(&self) -> Self {
        let mut source = self.clone();
        source.settings_mut().remove_scope();
        source
    }

    /// Returns whether its vectors are random and no seed is given; the pipeline then sets its own.
    pub fn lacks_seed(&self) -> bool {
        self.settings().lacks_seed()
    }

    /// Returns where its files are. `None` if it has no files.
    pub fn location(&self) -> Option<Location<'_>> {
        self.settings().location()
    }

    /// Returns the names that its ONNX graph may have in its folder; the first that exists is used. Empty if its
    /// weights are in other files.
    pub fn graphs(&self) -> Vec<String> {
        self.settings().graphs()
    }

    /// Returns how features are derived from its vectors.
    pub fn feature_spec(&self) -> FeatureSpec {
        let settings = self.settings();
        FeatureSpec {
            layers: settings.layers(),
            reduction: settings.reduction(),
            quantize: settings.quantize(),
            trainable: self.trainable(),
            fine_tuning: self.fine_tuning(),
        }
    }

    /// Returns what is wrong with the settings, independent of files and texts.
    pub fn faults(&self) -> Vec<Fault> {
        self.settings().faults()
    }

    /// Returns why the combination of settings isn't supported, if only the build or the files (relative to `base`)
    /// can tell. Missing and damaged files are reported when the source is opened.
    pub fn unsupported_reason(&self, base: &Path) -> Option<String> {
        if let Some(reason) = self.settings().missing_feature() {
            return Some(reason.to_owned());
        }
        let FeatureSpec { layers, reduction, quantize: _, trainable, fine_tuning } = self.feature_spec();
        let trains_table = trainable && !matches!(layers, Layers::Mix { .. }) && fine_tuning.is_none();
        if trains_table && self.encodes(base) {
            return Some("is a neural encoder, whose weights can't be trained here; leave `trainable` out".to_owned());
        }
        if let Some(reason) = self.settings().unsupported_by_files(base) {
            return Some(reason);
        }
        let (dim, length) = (reduction?.dim, self.settings().length(base)?);
        (dim > length).then(|| {
            format!("has vectors of {length} numbers, which can't be made {dim}; set `dim` to at most {length}")
        })
    }

    /// Checks that the files (relative to `base`) that the source is read from exist. No large file is read: a
    /// damaged one, or one with another hash, is only noticed when the source is opened.
    ///
    /// # Errors
    /// When a file is missing, or a folder contains none of the expected files.
    pub fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.settings().find_files(base)
    }

    /// Returns the length of its vectors before reduction, as far as the files (relative to `base`) show it at little cost.
    pub fn length(&self, base: &Path) -> Option<usize> {
        self.settings().length(base)
    }

    /// Returns whether it is a neural encoder of whole texts, as far as the files (relative to `base`) show it at
    /// little cost.
    pub fn encodes(&self, base: &Path) -> bool {
        self.settings().encodes(base)
    }

    /// Returns the same source with a frozen table and without reduction and quantisation: it is opened once for frozen
    /// and fine-tuned cells, and for all lengths and types.
    #[must_use]
    pub fn without_tuning(&self) -> Self {
        let mut source = self.clone();
        source.settings_mut().remove_tuning();
        source
    }

    /// Returns the same source with the random numbers of a repeat (1 for the first), derived from its own seed.
    #[must_use]
    pub fn of_repeat(&self, repeat: u32) -> Self {
        let mut source = self.clone();
        if let Some(seed) = source.settings_mut().seed_mut() {
            *seed = seed.map(|seed| seed_of_repeat(seed, repeat));
        }
        source
    }

    /// Returns whether the opened source depends on the texts; if it doesn't, none need to be given.
    pub fn reads_texts(&self) -> bool {
        self.settings().reads_texts()
    }

    /// Reads the source's files (paths relative to `base`), or learns its vectors, for these texts. A neural encoder
    /// runs on `device`.
    ///
    /// # Errors
    /// When a file is missing, damaged or of another kind, or there is too little memory.
    pub fn open(&self, base: &Path, texts: Texts<'_>, device: Device) -> Result<Opened, Error> {
        memory::require(self.settings().memory(base, texts))?;
        let settings = self.settings();
        settings.open(base, texts, device).map_err(|error| error.explained(settings.accepted_formats()))
    }

    /// Opens the source for texts that aren't known yet, with what it learned from the training texts: it then finds
    /// the words of any text as it did in training. [`FittedEmbedding::reopen`](crate::FittedEmbedding::reopen) also
    /// checks that it is the source of the training.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and when `state` isn't what this kind of source learns.
    pub fn reopen(&self, base: &Path, state: Option<&LearnedState>, device: Device) -> Result<Opened, Error> {
        memory::require(self.settings().memory(base, Texts { all: &[], train: &[] }))?;
        let settings = self.settings();
        settings.reopen(base, state, device).map_err(|error| error.explained(settings.accepted_formats()))
    }
}
