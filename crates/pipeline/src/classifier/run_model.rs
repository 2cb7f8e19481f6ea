//! A trained model of a run folder, chosen but not yet opened: [`Classifier`](super::Classifier) and bundles read it.
//!
//! A cell's files are read from the folder of the attempt that counts, those of the refit from `refit/`. Each is read
//! once, and its content is compared with `SHA256SUMS`.

use std::path::{Path, PathBuf};

use emberline_base::record::Refit;
use emberline_base::{file, record, run_files};
use emberline_embedding::{FittedEmbedding, LearnedState, Source};
use emberline_report::{Chosen, ChosenModel, ModelChoice, Run, SummedFolder};
use emberline_train::Model;

use super::{ClassifierOptions, Parts, TunedEncoder, reopen};
use crate::Error;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run::ENCODER_HASH;
use crate::run_folder::RunFolder;

/// A trained model of a run folder.
pub(crate) struct RunModel {
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// Whether it is the model of a cell or the refit, with the record.
    pub(crate) trained: Trained,
    /// Which model was chosen, and why.
    pub(crate) choice: ModelChoice,
    /// The settings that it was trained with.
    pub(crate) cell: Cell,
    /// The folder that the source's paths are relative to.
    pub(crate) base: PathBuf,
    folder: RunFolder,
    files: SummedFolder,
}

/// The bytes of what training made of the embedding.
#[derive(Clone, Copy, Default)]
pub(crate) struct Learned<'l> {
    /// What the embedding learned from the training texts; `None` if it learned nothing.
    pub(crate) state: Option<&'l [u8]>,
    /// The weights of its encoder; `None` if they weren't trained.
    pub(crate) encoder: Option<&'l [u8]>,
}

/// What a model was trained for, with its record.
pub(crate) enum Trained {
    /// A cell of the grid.
    Cell(Box<record::Cell>),
    /// The refit: the best setting, trained on all rows.
    Refit(Box<Refit>),
}

impl RunModel {
    /// Chooses a model of a run, as [`Run::choose`] does, and reads its settings.
    ///
    /// # Errors
    /// If the folder holds no run, the cell isn't done, or its settings are missing or damaged.
    pub(crate) fn choose(folder: &RunFolder, named: Option<&str>, options: &ClassifierOptions) -> Result<Self, Error> {
        let run = Run::load(folder.path())?;
        let Chosen { model, choice } = run.choose(folder.path(), named)?;
        let (trained, path) = match model {
            ChosenModel::Cell(cell) => {
                let path = folder.files_of(&cell.id).unwrap_or_else(|| folder.cell(&cell.id));
                (Trained::Cell(Box::new(cell.clone())), path)
            }
            ChosenModel::Refit(refit) => (Trained::Refit(refit), folder.refit()),
        };
        let base = options.assets.clone().map_or_else(|| folder.pipeline_folder(), Ok)?;
        let files = SummedFolder::open(path)?;
        let cell = cell_of(&files, &base)?;
        let (pipeline, folder) = (run.summary.name, folder.clone());
        Ok(Self { pipeline, trained, choice, cell, base, folder, files })
    }

    /// Reads the bytes of `model.safetensors`.
    ///
    /// # Errors
    /// If the file can't be read or is damaged.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(self.files.read(run_files::MODEL)?)
    }

    /// Parses these [`bytes`](Self::bytes) of the model.
    ///
    /// # Errors
    /// If they have another version; the error names the file.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Model, Error> {
        let path = self.files.path_of(run_files::MODEL);
        Ok(Model::from_safetensors(bytes).map_err(|why| emberline_train::Error::ModelFile { path, why })?)
    }

    /// Reads the bytes of what the embedding learned from the training texts; `None` if it learned nothing.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) fn learned(&self, model: &Model) -> Result<Option<Vec<u8>>, Error> {
        let path = self.learned_path(model);
        Ok(path.exists().then(|| emberline_base::file::read(&path)).transpose()?)
    }

    /// Reads the bytes of the weights of a fine-tuned encoder; `None` if the encoder wasn't trained.
    ///
    /// # Errors
    /// If they weren't kept, can't be read, or aren't those of the model.
    pub(crate) fn encoder(&self, model: &Model) -> Result<Option<Vec<u8>>, Error> {
        let Some(hash) = model.description().provenance.get(ENCODER_HASH) else { return Ok(None) };
        let path = self.files.path_of(run_files::ENCODER);
        if !path.exists() {
            return Err(Error::EncoderNotKept { cell: self.cell_id().to_owned() });
        }
        let bytes = file::read(&path)?;
        if file::sha256(&bytes) == *hash { Ok(Some(bytes)) } else { Err(Error::EncoderDamaged { path }) }
    }

    /// Returns the id of the cell, `refit` for the refit.
    fn cell_id(&self) -> &str {
        match &self.trained {
            Trained::Cell(cell) => &cell.id,
            Trained::Refit(_) => run_files::REFIT,
        }
    }

    /// Returns the settings of the source that it was trained with.
    pub(crate) fn source(&self) -> Source {
        self.cell.settings.embedding.source.of_repeat(self.cell.repeat())
    }

    /// Opens the embedding, with what it learned and the rows or the encoder's weights that training changed.
    ///
    /// # Errors
    /// If a file of the source is missing, or the source isn't the one that the model was trained with.
    pub(crate) fn embedding(
        &self,
        model: &Model,
        Learned { state, encoder }: Learned<'_>,
        options: &ClassifierOptions,
    ) -> Result<FittedEmbedding, Error> {
        let path = self.learned_path(model);
        let tuned = encoder.map(TunedEncoder::from_safetensors).transpose()?;
        let learned = state.map(|bytes| LearnedState::from_safetensors(bytes, &path)).transpose();
        let opened = learned.and_then(|learned| {
            let learned = Parts { learned: learned.as_ref(), encoder: tuned.as_ref() };
            reopen(&self.source(), &self.base, learned, model, options.device)
        });
        opened.map_err(|source| self.named(model, source))
    }

    /// Writes the fine-tuned encoder as a folder of sentence-transformers, which doesn't exist yet.
    ///
    /// # Errors
    /// If the encoder wasn't trained or its weights weren't kept, or a file can't be read or written.
    pub(crate) fn export_encoder(&self, folder: &Path, options: &ClassifierOptions) -> Result<(), Error> {
        let model = self.parse(&self.bytes()?)?;
        let source = self.source();
        let (Some(encoder), Some(scope)) = (self.encoder(&model)?, source.fine_tuning()) else {
            return Err(Error::FrozenEncoder { cell: self.cell_id().to_owned() });
        };
        let tuned = TunedEncoder::from_safetensors(&encoder)?;
        let frozen = Parts { learned: None, encoder: None };
        let opened = reopen(&source, &self.base, frozen, &model, options.device);
        let exported = opened.and_then(|opened| opened.export_tuned_encoder(scope, &tuned.arrays(), folder));
        exported.map_err(|source| self.named(&model, source))
    }

    /// Names the embedding in an error, or the file if the error is of what the embedding learned.
    pub(crate) fn named(&self, model: &Model, source: emberline_embedding::Error) -> Error {
        match source {
            emberline_embedding::Error::NotLearned { what } => Error::Learned { path: self.learned_path(model), what },
            source => Error::Embedding { name: self.cell.embedding().to_owned(), source },
        }
    }

    fn learned_path(&self, model: &Model) -> PathBuf {
        self.folder.learned_path(&model.description().embedding.digest)
    }
}

/// Reads the cell as it was trained from the `cell.toml` among its files. Paths are relative to `base`.
fn cell_of(files: &SummedFolder, base: &Path) -> Result<Cell, Error> {
    let bytes = files.read(run_files::SETTINGS)?;
    let name = files.path_of(run_files::SETTINGS).display().to_string();
    let pipeline = Pipeline::parse(&name, &String::from_utf8_lossy(&bytes), base, &[])?;
    let mut plan = Plan::of(&pipeline);
    if plan.cells.is_empty() { Err(crate::run::no_cells(&plan)) } else { Ok(plan.cells.swap_remove(0)) }
}
