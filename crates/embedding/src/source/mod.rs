//! The embedding sources. To add one: a file here with an `impl Kind`, and a variant and its arms in [`Source`].

mod ascii;
pub mod corpus;
pub mod elmo;
pub mod hashing;
mod memo;
pub mod model2vec;
pub mod onnx;
mod place;
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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::place::Place;
pub use self::portable::{PortableFile, PortableSource};
use crate::features::Wanted;
use crate::layers::Layers;
use crate::opened::Opened;
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

/// What the settings of every kind of source say.
pub(crate) trait Kind {
    /// The kind's name in a pipeline file.
    fn name(&self) -> &'static str;

    /// What is wrong with the settings that not every kind has, whatever the files and texts.
    fn own_faults(&self) -> Vec<Fault>;

    /// What is wrong with the settings, whatever the files and texts.
    fn faults(&self) -> Vec<Fault> {
        let place = self.place().map_or_else(Vec::new, |place| place.faults());
        let reduction = self.reduction().map_or_else(Vec::new, Reduction::faults);
        [place, reduction, self.own_faults()].concat()
    }

    /// Whether training moves the table.
    fn trainable(&self) -> bool;

    /// Leaves the table at rest and vectors at their own length.
    fn bare(&mut self);

    /// Whether its vectors are random and no seed is given: the pipeline then gives its own.
    fn lacks_seed(&self) -> bool {
        false
    }

    /// The seed of its vectors, where they are random.
    fn seed_mut(&mut self) -> Option<&mut Option<u64>> {
        None
    }

    /// Where its files are; none where it has no files.
    fn place(&self) -> Option<Place<'_>> {
        None
    }

    /// The names that its ONNX graph may have in its folder, the first that is there counts.
    fn graphs(&self) -> Vec<String> {
        Vec::new()
    }

    /// How its vectors are made shorter, where they are.
    fn reduction(&self) -> Option<Reduction> {
        None
    }

    /// What becomes of the layers of its vectors, where it has several.
    fn layers(&self) -> Layers {
        Layers::All
    }

    /// Whether what is opened depends on the texts.
    fn reads_texts(&self) -> bool {
        false
    }

    /// Whether it is a neural encoder of whole texts, as far as the files (relative to `base`) tell at little cost.
    fn encodes(&self, _base: &Path) -> bool {
        false
    }

    /// The length of its vectors before they are made shorter, as far as the files (relative to `base`) tell at little
    /// cost.
    fn length(&self, _base: &Path) -> Option<usize> {
        None
    }

    /// Why this build can't read it, where that is so.
    fn not_built(&self) -> Option<&'static str> {
        None
    }

    /// The bytes of memory that opening it takes, about, as far as settings and the sizes of its files (relative to `base`)
    /// tell.
    fn memory(&self, _base: &Path, _texts: Texts<'_>) -> u64 {
        0
    }

    /// Whether the files (relative to `base`) are there that [`Kind::open`] needs, without reading what is large.
    fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.place().map_or(Ok(()), |place| place.find(base))
    }

    /// What it reads whatever the file's name ends in.
    fn also_reads(&self) -> &'static [sniff::Kind] {
        &[]
    }

    /// Reads the files (paths relative to `base`), or learns the vectors, for these texts. A neural encoder computes on
    /// `device`.
    fn open(&self, base: &Path, texts: Texts<'_>, device: Device) -> Result<Opened, Error>;

    /// Reads the files (paths relative to `base`) for texts that aren't known yet, with what the source learned from the
    /// training texts.
    fn reopen(&self, base: &Path, _state: Option<&LearnedState>, device: Device) -> Result<Opened, Error> {
        self.open(base, Texts { all: &[], train: &[] }, device)
    }
}

impl Source {
    fn settings(&self) -> &dyn Kind {
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

    fn settings_mut(&mut self) -> &mut dyn Kind {
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

    /// The kind's name in a pipeline file.
    pub fn kind(&self) -> &'static str {
        self.settings().name()
    }

    /// Whether training moves the table.
    pub fn trainable(&self) -> bool {
        self.settings().trainable()
    }

    /// Whether its vectors are random and no seed is given: the pipeline then gives its own.
    pub fn lacks_seed(&self) -> bool {
        self.settings().lacks_seed()
    }

    /// Where its files are; none where it has no files.
    pub fn place(&self) -> Option<Place<'_>> {
        self.settings().place()
    }

    /// The names that its ONNX graph may have in its folder, the first that is there counts; none where its weights are in
    /// other files.
    pub fn graphs(&self) -> Vec<String> {
        self.settings().graphs()
    }

    /// What is made of its vectors.
    pub fn wanted(&self) -> Wanted {
        let settings = self.settings();
        Wanted { layers: settings.layers(), reduction: settings.reduction(), trainable: settings.trainable() }
    }

    /// What is wrong with the settings, whatever the files and texts.
    pub fn faults(&self) -> Vec<Fault> {
        self.settings().faults()
    }

    /// Why the combination of settings can't be done, where only the build or the files (relative to `base`) can tell.
    /// What is missing or damaged is said when it is opened.
    pub fn impossible(&self, base: &Path) -> Option<String> {
        if let Some(reason) = self.settings().not_built() {
            return Some(reason.to_owned());
        }
        let Wanted { layers, reduction, trainable } = self.wanted();
        if trainable && !matches!(layers, Layers::Mix { .. }) && self.encodes(base) {
            return Some("is a neural encoder, whose weights can't be trained here; leave `trainable` out".to_owned());
        }
        let (dim, length) = (reduction?.dim, self.settings().length(base)?);
        (dim > length).then(|| {
            format!("has vectors of {length} numbers, which can't be made {dim}; set `dim` to at most {length}")
        })
    }

    /// Whether the files (relative to `base`) are there that the source is read from. Nothing large is read: one that is
    /// damaged, or has another hash, shows when the source is opened.
    ///
    /// # Errors
    /// When a file is missing, or a folder holds none of what it should.
    pub fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.settings().find_files(base)
    }

    /// Whether it is a neural encoder of whole texts, as far as the files (relative to `base`) tell at little cost.
    pub fn encodes(&self, base: &Path) -> bool {
        self.settings().encodes(base)
    }

    /// The same source with its table at rest and vectors at their own length: what is opened once for frozen and
    /// tuned cells, and for all lengths.
    #[must_use]
    pub fn bare(&self) -> Self {
        let mut bare = self.clone();
        bare.settings_mut().bare();
        bare
    }

    /// The same source with the random numbers of a repeat, 1 for the first: those of its own seed.
    #[must_use]
    pub fn of_repeat(&self, repeat: u32) -> Self {
        let mut source = self.clone();
        if let Some(seed) = source.settings_mut().seed_mut() {
            *seed = seed.map(|seed| seed_of_repeat(seed, repeat));
        }
        source
    }

    /// Whether what is opened depends on the texts; none need to be given where it doesn't.
    pub fn reads_texts(&self) -> bool {
        self.settings().reads_texts()
    }

    /// Reads the source's files (paths relative to `base`), or learns its vectors, for these texts. A neural
    /// encoder computes on `device`.
    ///
    /// # Errors
    /// When a file is missing, damaged or not of the kind, or there is too little memory.
    pub fn open(&self, base: &Path, texts: Texts<'_>, device: Device) -> Result<Opened, Error> {
        memory::require(self.settings().memory(base, texts))?;
        let settings = self.settings();
        settings.open(base, texts, device).map_err(|error| error.explained(settings.also_reads()))
    }

    /// Opens the source for texts that aren't known yet, with what it learned from the training texts: it then finds the words
    /// of any text as it did in training. [`FittedEmbedding::reopen`](crate::FittedEmbedding::reopen) also checks that it is
    /// the source of the training.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and when `state` isn't what this kind of source learns.
    pub fn reopen(&self, base: &Path, state: Option<&LearnedState>, device: Device) -> Result<Opened, Error> {
        memory::require(self.settings().memory(base, Texts { all: &[], train: &[] }))?;
        let settings = self.settings();
        settings.reopen(base, state, device).map_err(|error| error.explained(settings.also_reads()))
    }
}
