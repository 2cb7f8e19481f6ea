//! A classifier: a trained cell of a run folder, or a bundle, opened to classify new texts.
//!
//! It is made of the cell's `model.safetensors`, the weights of a fine-tuned encoder, its settings, what its embedding learned from the training texts
//! (`inputs/<digest>.safetensors`) and the source's own files, and returns [`Prediction`]s. Texts are embedded exactly
//! as in training, so that on the same kind of device a text of the validation split gets the recorded logits, to the
//! bit. It needs neither the data nor the training engine, except for the nearest training rows ([`TrainingRows`]),
//! which are found in data that are read again.

mod nearest;
mod run_model;
mod training_rows;
mod word_effects;

use std::path::{Path, PathBuf};

use emberline_base::file::TemporaryFolder;
use emberline_base::{CancellationToken, Matrix, Task};
use emberline_cache::Cache;
use emberline_dataset::settings::Column;
use emberline_device::Device;
use emberline_embedding::encode::{Encoding, Event};
use emberline_embedding::{FittedEmbedding, LearnedState, Source};
use emberline_report::ModelChoice;
use emberline_train::{Model, Weights};
use rayon::prelude::*;

pub(crate) use self::run_model::{Learned, RunModel, Trained};
use self::training_rows::Training;
pub use self::training_rows::{Neighbour, TrainingRows};
pub use self::word_effects::WordEffect;
use crate::Error;
use crate::bundle_file::Bundle;
use crate::run_folder::RunFolder;

/// A model and the embedding whose vectors it takes.
pub struct Classifier {
    model: Model,
    embedding: FittedEmbedding,
    label: String,
    choice: ModelChoice,
    text: Column,
    header: Option<bool>,
    options: ClassifierOptions,
    /// The data that it was trained on; `None` for a bundle, which doesn't say.
    training: Option<Training>,
    /// The folder with the source's files of a bundle, kept because an encoder may read them later.
    _unpacked: Option<TemporaryFolder>,
}

/// How a classifier computes, and where it finds files.
#[derive(Clone, Debug)]
pub struct ClassifierOptions {
    /// The device that neural encoders compute on.
    pub device: Device,
    /// The cache of vectors of neural encoders, if there is one.
    pub cache: Option<Cache>,
    /// The folder that the paths of sources are relative to; if left out, the pipeline file's folder.
    pub assets: Option<PathBuf>,
    /// Interrupts a long encoding.
    pub interrupt: CancellationToken,
}

/// The prediction for one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The predicted classes, as indices into the class names: one, or any number for a multi-label task.
    pub classes: Vec<usize>,
    /// The probability of every class.
    pub probabilities: Vec<f64>,
}

impl ClassifierOptions {
    /// Returns options for a device, without a cache, with the source's files where the pipeline file names them.
    pub fn on(device: Device) -> Self {
        Self { device, cache: None, assets: None, interrupt: CancellationToken::default() }
    }
}

impl Classifier {
    /// Opens a model of a run: that of the cell that is named; without a name, the refit if there is one, else the best
    /// cell of the best setting.
    ///
    /// # Errors
    /// If the folder holds no run, the cell isn't done, a file of it is missing or damaged, or the source isn't the one
    /// that it was trained with.
    pub fn of_run(folder: &RunFolder, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        let chosen = RunModel::choose(folder, cell, &options)?;
        let model = chosen.parse(&chosen.bytes()?)?;
        let (state, encoder) = (chosen.learned(&model)?, chosen.encoder(&model)?);
        let learned = Learned { state: state.as_deref(), encoder: encoder.as_deref() };
        let embedding = chosen.embedding(&model, learned, &options)?;
        let RunModel { choice, cell, trained, .. } = chosen;
        let label = format!("{} {}", cell.settings.embedding.source.kind(), cell.embedding());
        let (text, header) = (cell.settings.data.text_column(), cell.settings.data.header);
        let training = Some(Training::new(folder.pipeline_folder()?, cell, &trained)?);
        Ok(Self { model, embedding, label, choice, text, header, options, training, _unpacked: None })
    }

    /// Opens a bundle, which `emberline export --bundle` writes.
    ///
    /// # Errors
    /// If the file can't be read, isn't a bundle, is damaged or has another version, or if its files can't be unpacked.
    pub fn of_bundle(path: &Path, options: ClassifierOptions) -> Result<Self, Error> {
        let Bundle { model, learned, encoder, source, folder, text, header, description } = Bundle::open(path)?;
        let name = &model.description().embedding.name;
        let named = |source| Error::Embedding { name: name.clone(), source };
        let parts = Parts { learned: learned.as_ref(), encoder: encoder.as_ref() };
        let embedding = reopen(&source, folder.path(), parts, &model, options.device).map_err(named)?;
        let label = format!("{} {name}", source.kind());
        let choice = ModelChoice { description, warning: None };
        Ok(Self { model, embedding, label, choice, text, header, options, training: None, _unpacked: Some(folder) })
    }

    /// Opens the bundle or the run folder at a path.
    ///
    /// # Errors
    /// Those of [`of_bundle`](Self::of_bundle) and [`of_run`](Self::of_run); and if a cell of a bundle is named, since
    /// a bundle has only one.
    pub fn open(path: &Path, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        if !path.is_file() {
            return Self::of_run(&RunFolder::new(path), cell, options);
        }
        match cell {
            Some(asked) => Err(Error::NoSuchCell { asked: asked.to_owned(), hint: None }),
            None => Self::of_bundle(path, options),
        }
    }

    /// Returns which model was chosen and why, in one line.
    pub fn description(&self) -> &str {
        &self.choice.description
    }

    /// Returns which model was chosen and why, with any warning about it.
    pub fn choice(&self) -> &ModelChoice {
        &self.choice
    }

    /// Returns the trained model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the embedding whose vectors the model takes, with the rows of a fine-tuned table.
    pub fn embedding(&self) -> &FittedEmbedding {
        &self.embedding
    }

    /// Returns the column of the texts that it was trained on.
    pub fn text_column(&self) -> &Column {
        &self.text
    }

    /// Returns whether the first row of the training files holds names, if the pipeline says so (`data.header`).
    pub fn header(&self) -> Option<bool> {
        self.header
    }

    /// Returns the task.
    pub fn task(&self) -> Task {
        self.model.description().task
    }

    /// Returns the names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.model.description().classes
    }

    /// Classifies texts. The prediction for one text doesn't depend on the others.
    ///
    /// # Errors
    /// If an encoder fails or is interrupted, or there is too little memory.
    pub fn classify<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Prediction>, Error> {
        self.classify_vectors(&self.vectors(texts, on_event)?)
    }

    /// Classifies texts by their [`vectors`](Self::vectors), `[texts, dim]`.
    ///
    /// # Errors
    /// If the vectors have another length than the model takes, or there is too little memory.
    pub fn classify_vectors(&self, vectors: &Matrix) -> Result<Vec<Prediction>, Error> {
        let logits = self.model.logits_of_vectors(vectors).map_err(emberline_train::Error::from)?;
        let rows: Vec<usize> = (0..logits.rows()).collect();
        Ok(rows.into_par_iter().map(|row| self.prediction(logits.row(row))).collect())
    }

    /// Returns the logits of texts, `[texts, outputs]`.
    ///
    /// # Errors
    /// Those of [`classify`](Self::classify).
    pub fn logits<T: AsRef<str> + Sync>(&self, texts: &[T], on_event: &mut dyn FnMut(Event)) -> Result<Matrix, Error> {
        let vectors = self.vectors(texts, on_event)?;
        Ok(self.model.logits_of_vectors(&vectors).map_err(emberline_train::Error::from)?)
    }

    /// Returns the vectors of texts as they enter the head, `[texts, dim]`: pooled and shortened, with the fine-tuned
    /// rows of a fine-tuned table. A text without a word that a table knows has zeros.
    ///
    /// # Errors
    /// Those of [`classify`](Self::classify).
    pub fn vectors<T: AsRef<str> + Sync>(&self, texts: &[T], on_event: &mut dyn FnMut(Event)) -> Result<Matrix, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let ClassifierOptions { device, cache, interrupt, .. } = &self.options;
        let mut encoding = Encoding {
            cache: cache.as_ref(),
            device: *device,
            label: &self.label,
            on_event,
            interrupt: interrupt.clone(),
        };
        let failed = |source| Error::Embedding { name: self.label.clone(), source };
        // A fine-tuned table has the rows that training changed in place of the source's.
        let features = self.embedding.features(&texts, &mut encoding).map_err(failed)?;
        Ok(self.model.head_inputs(features).map_err(emberline_train::Error::from)?)
    }

    fn prediction(&self, logits: &[f32]) -> Prediction {
        let of_outputs = self.model.probabilities(logits);
        let classes = self.model.decide(logits);
        let probabilities = match (self.task(), of_outputs.as_slice()) {
            (Task::Binary, &[positive]) => vec![1.0 - positive, positive],
            _ => of_outputs,
        };
        Prediction { classes, probabilities }
    }
}

/// What training made of an embedding.
#[derive(Clone, Copy)]
struct Parts<'p> {
    /// What it learned from the training texts; `None` if it learned nothing.
    learned: Option<&'p LearnedState>,
    /// The weights of its encoder; `None` if they weren't trained.
    encoder: Option<&'p TunedEncoder>,
}

/// The weights of a fine-tuned encoder, by the names of its checkpoint.
pub(crate) struct TunedEncoder(Weights);

impl TunedEncoder {
    /// Parses the bytes of `encoder.safetensors`.
    ///
    /// # Errors
    /// If they are damaged, or there is too little memory.
    pub(crate) fn from_safetensors(bytes: &[u8]) -> Result<Self, emberline_train::Error> {
        Weights::from_safetensors(bytes).map(Self)
    }

    /// Returns the names and values of the arrays.
    fn arrays(&self) -> Vec<(&str, &[f32])> {
        self.0.0.iter().map(|array| (array.name.as_str(), array.values.as_slice())).collect()
    }
}

/// Opens the embedding that a model was trained with: the source, and what training made of it.
fn reopen(
    source: &Source,
    base: &Path,
    Parts { learned, encoder }: Parts<'_>,
    model: &Model,
    device: Device,
) -> Result<FittedEmbedding, emberline_embedding::Error> {
    let embedding = FittedEmbedding::reopen(source, base, learned, &model.description().embedding.digest, device)?;
    if let (Some(scope), Some(encoder)) = (source.fine_tuning(), encoder) {
        return embedding.with_tuned_encoder(scope, &encoder.arrays());
    }
    let (Some(table), Some(rows)) = (model.table(), model.tuned_rows()) else { return Ok(embedding) };
    let table = Matrix::new(table.shape[0], table.shape[1], table.values.clone());
    embedding.with_tuned(rows.clone(), table)
}
