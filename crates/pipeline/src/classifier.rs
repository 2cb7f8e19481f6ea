//! A trained cell of a run folder, or a bundle of one, opened to classify new texts.
//!
//! The cell's `model.safetensors`, its settings, what its embedding learned from the training texts
//! (`inputs/<digest>.safetensors`) and the source's own files enter; [`Prediction`]s leave. Texts are embedded exactly as
//! training embedded them, so that on the same kind of device a text of the validation split gets the logits that are
//! recorded for it, to the bit. Neither the data nor the training's engine is needed.

mod word_effects;

use std::path::{Path, PathBuf};

use emberline_base::file::TemporaryFolder;
use emberline_base::{Features, Interrupt, Matrix, Task, run_files};
use emberline_cache::Cache;
use emberline_dataset::settings::Column;
use emberline_device::Device;
use emberline_embedding::encode::{Encoding, Event};
use emberline_embedding::{FittedEmbedding, LearnedState, Source, TunedRows};
use emberline_report::{ChosenModel, Run, read_checked};
use emberline_train::Model;
use rayon::prelude::*;

pub use self::word_effects::WordEffect;
use crate::Error;
use crate::bundle::Bundle;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

/// A model and the embedding whose vectors it takes.
pub struct Classifier {
    model: Model,
    embedding: FittedEmbedding,
    label: String,
    description: String,
    text: Column,
    header: Option<bool>,
    options: ClassifierOptions,
    /// Where the source's files of a bundle are: an encoder may read them later.
    _unpacked: Option<TemporaryFolder>,
}

/// What a classifier computes with.
#[derive(Clone, Debug)]
pub struct ClassifierOptions {
    /// What a neural encoder computes on.
    pub device: Device,
    /// Where vectors of neural encoders are kept.
    pub cache: Option<Cache>,
    /// The folder that the paths of sources count from; the pipeline file's if left out.
    pub assets: Option<PathBuf>,
    /// Asks a long encoding to end.
    pub interrupt: Interrupt,
}

/// What a classifier says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The predicted classes, as positions among the class names: one, or for a multi-label task any number.
    pub classes: Vec<usize>,
    /// The probability of every class.
    pub probabilities: Vec<f64>,
}

impl Classifier {
    /// Opens a model of a run: that of the cell that is named; without a name, the refit if there is one, else the best cell of
    /// the best setting.
    ///
    /// # Errors
    /// When the folder holds no run, the cell isn't done, a file of it is missing or isn't what was written, or the source
    /// isn't the one that it was trained with.
    pub fn of_run(folder: &RunFolder, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        let run = Run::load(folder.path())?;
        let ChosenModel { folder: files, description } = run.choose_model(folder.path(), cell)?;
        let base = options.assets.clone().map_or_else(|| folder.pipeline_folder(), Ok)?;
        let trained = settled(&files, &base)?;
        let model = Model::read(&files.join(run_files::MODEL))?;
        let source = trained.settings.embedding.source.of_repeat(trained.repeat());
        let learned = folder.learned_path(&model.description().embedding.digest);
        let named = |source| match source {
            emberline_embedding::Error::NotLearned { what } => Error::Learned { path: learned.clone(), what },
            source => Error::Embedding { name: trained.embedding().to_owned(), source },
        };
        let state = learned.exists().then(|| LearnedState::read(&learned)).transpose().map_err(named)?;
        let embedding = reopen(&source, &base, state.as_ref(), &model, options.device).map_err(named)?;
        let label = format!("{} {}", source.kind(), trained.embedding());
        let (text, header) = (trained.settings.data.text.clone(), trained.settings.data.header);
        Ok(Self { model, embedding, label, description, text, header, options, _unpacked: None })
    }

    /// Opens a bundle, which `emberline export --bundle` writes.
    ///
    /// # Errors
    /// When the file can't be read, is no bundle, is damaged or of another version, or its files can't be unpacked.
    pub fn of_bundle(path: &Path, options: ClassifierOptions) -> Result<Self, Error> {
        let Bundle { model, learned, source, folder, text, header, cell } = Bundle::open(path)?;
        let name = &model.description().embedding.name;
        let named = |source| Error::Embedding { name: name.clone(), source };
        let embedding = reopen(&source, folder.path(), learned.as_ref(), &model, options.device).map_err(named)?;
        let (label, description) = (format!("{} {name}", source.kind()), format!("cell {cell}: the bundle's"));
        Ok(Self { model, embedding, label, description, text, header, options, _unpacked: Some(folder) })
    }

    /// Opens what lies at a path: a bundle, or a run folder.
    ///
    /// # Errors
    /// Those of [`of_bundle`](Self::of_bundle) and [`of_run`](Self::of_run), and when a cell of a bundle is named: it has one.
    pub fn open(path: &Path, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        if !path.is_file() {
            return Self::of_run(&RunFolder::new(path), cell, options);
        }
        match cell {
            Some(asked) => Err(Error::NoSuchCell { asked: asked.to_owned(), hint: None }),
            None => Self::of_bundle(path, options),
        }
    }

    /// Which model it is and why, in one line.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The trained model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The embedding whose vectors the model takes, with the rows of a fine-tuned table.
    pub fn embedding(&self) -> &FittedEmbedding {
        &self.embedding
    }

    /// The column of the texts that it was trained on.
    pub fn text_column(&self) -> &Column {
        &self.text
    }

    /// Whether the first row of the files that it was trained on holds names, if the pipeline says so (`data.header`).
    pub fn header(&self) -> Option<bool> {
        self.header
    }

    /// The task.
    pub fn task(&self) -> Task {
        self.model.description().task
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.model.description().classes
    }

    /// Classifies texts; what is said of one doesn't depend on the others.
    ///
    /// # Errors
    /// When an encoder can't compute, is interrupted, or there is too little memory.
    pub fn classify<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Prediction>, Error> {
        let logits = self.logits(texts, on_event)?;
        let rows: Vec<usize> = (0..logits.rows()).collect();
        Ok(rows.into_par_iter().map(|row| self.prediction(logits.row(row))).collect())
    }

    /// The logits of texts, `[texts, outputs]`.
    ///
    /// # Errors
    /// Those of [`classify`](Self::classify).
    pub fn logits<T: AsRef<str> + Sync>(&self, texts: &[T], on_event: &mut dyn FnMut(Event)) -> Result<Matrix, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let ClassifierOptions { device, cache, interrupt, .. } = &self.options;
        let mut encoding = Encoding {
            cache: cache.as_ref(),
            device: *device,
            about: &self.label,
            told: on_event,
            interrupt: interrupt.clone(),
        };
        let failed = |source| Error::Embedding { name: self.label.clone(), source };
        let logits = match self.embedding.features(&texts, &mut encoding).map_err(failed)? {
            // Their table holds the rows that training moved, put over the source's.
            Features::Tuned(bags) => self.model.logits_of_bags(&bags),
            features => self.model.logits(&features),
        };
        Ok(logits.map_err(emberline_train::Error::from)?)
    }

    fn prediction(&self, logits: &[f32]) -> Prediction {
        let of_outputs = self.model.probabilities(logits);
        let classes = self.model.decide(&of_outputs);
        let probabilities = match (self.task(), of_outputs.as_slice()) {
            (Task::Binary, &[positive]) => vec![1.0 - positive, positive],
            _ => of_outputs,
        };
        Prediction { classes, probabilities }
    }
}

/// A cell as it was trained, by the `cell.toml` among its files; paths count from `base`.
pub(crate) fn settled(files: &Path, base: &Path) -> Result<Cell, Error> {
    let path = files.join(run_files::SETTINGS);
    let bytes = read_checked(files, run_files::SETTINGS)?;
    let text = String::from_utf8_lossy(&bytes);
    let pipeline = Pipeline::parse(&path.display().to_string(), &text, base, &[])?;
    let mut plan = Plan::of(&pipeline);
    if plan.cells.is_empty() { Err(crate::run::no_cells(&plan)) } else { Ok(plan.cells.swap_remove(0)) }
}

/// Opens the embedding that a model was trained with: the source, and what it learned from the training texts.
fn reopen(
    source: &Source,
    base: &Path,
    learned: Option<&LearnedState>,
    model: &Model,
    device: Device,
) -> Result<FittedEmbedding, emberline_embedding::Error> {
    let embedding = FittedEmbedding::reopen(source, base, learned, &model.description().embedding.digest, device)?;
    let (Some(table), Some(rows)) = (model.table(), model.tuned_rows()) else { return Ok(embedding) };
    let table = Matrix::new(table.shape[0], table.shape[1], table.values.clone());
    embedding.with_tuned(TunedRows { ids: rows.ids.clone(), words: rows.words.clone(), table })
}
