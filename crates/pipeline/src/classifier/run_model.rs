//! A trained model of a run folder, chosen but not yet opened: [`Classifier`](super::Classifier) and bundles read it.
//!
//! A cell's files are read from the folder of the attempt that counts, those of the refit from `refit/`. Each is read
//! once, and its content is compared with `SHA256SUMS`.

use std::path::{Path, PathBuf};

use emberline_base::record::Refit;
use emberline_base::{record, run_files};
use emberline_embedding::{FittedEmbedding, LearnedState, Source};
use emberline_report::{Chosen, ChosenModel, ModelChoice, Run, SummedFolder};
use emberline_train::Model;

use super::{ClassifierOptions, reopen};
use crate::Error;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
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

    /// Returns the settings of the source that it was trained with.
    pub(crate) fn source(&self) -> Source {
        self.cell.settings.embedding.source.of_repeat(self.cell.repeat())
    }

    /// Opens the embedding, with what it learned and the rows that training changed.
    ///
    /// # Errors
    /// If a file of the source is missing, or the source isn't the one that the model was trained with.
    pub(crate) fn embedding(
        &self,
        model: &Model,
        learned: Option<&[u8]>,
        options: &ClassifierOptions,
    ) -> Result<FittedEmbedding, Error> {
        let path = self.learned_path(model);
        let learned = learned.map(|bytes| LearnedState::from_safetensors(bytes, &path)).transpose();
        let opened =
            learned.and_then(|learned| reopen(&self.source(), &self.base, learned.as_ref(), model, options.device));
        opened.map_err(|source| self.named(model, source))
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
