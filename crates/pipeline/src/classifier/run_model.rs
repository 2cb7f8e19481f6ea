//! A trained model of a run folder, chosen and ready to be read: by [`Classifier`](super::Classifier) and by bundles alike.
//!
//! A cell's files are read in the folder of the attempt that counts, those of the refit in `refit/`. Each is read once, and
//! what was read is compared with `SHA256SUMS`.

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
    /// Whether it is a cell's or that of all rows, with the record.
    pub(crate) trained: Trained,
    /// What to tell of the choice.
    pub(crate) choice: ModelChoice,
    /// The settings that it was trained with.
    pub(crate) cell: Cell,
    /// The folder that the paths of its source count from.
    pub(crate) base: PathBuf,
    folder: RunFolder,
    files: SummedFolder,
}

/// What a model was trained as.
pub(crate) enum Trained {
    /// A cell of the grid.
    Cell(Box<record::Cell>),
    /// The best setting, on all rows.
    Refit(Box<Refit>),
}

impl RunModel {
    /// Chooses a model of a run, as [`Run::choose`] does, and reads its settings.
    ///
    /// # Errors
    /// When the folder holds no run, the cell isn't done, or its settings are missing or aren't what was written.
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

    /// The bytes of its `model.safetensors`.
    ///
    /// # Errors
    /// When the file can't be read, or isn't what was written.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(self.files.read(run_files::MODEL)?)
    }

    /// The model of these [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// When they are another version's; the error names the file.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Model, Error> {
        let path = self.files.path_of(run_files::MODEL);
        Ok(Model::from_safetensors(bytes).map_err(|why| emberline_train::Error::ModelFile { path, why })?)
    }

    /// The bytes of what its embedding learned from the training texts; none if it learned nothing.
    ///
    /// # Errors
    /// When they can't be read.
    pub(crate) fn learned(&self, model: &Model) -> Result<Option<Vec<u8>>, Error> {
        let path = self.learned_path(model);
        Ok(path.exists().then(|| emberline_base::file::read(&path)).transpose()?)
    }

    /// The source that it was trained with.
    pub(crate) fn source(&self) -> Source {
        self.cell.settings.embedding.source.of_repeat(self.cell.repeat())
    }

    /// Opens its embedding, with what was learned and the rows that training moved.
    ///
    /// # Errors
    /// When a file of the source is missing, or the source isn't the one that it was trained with.
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

    /// An error of its embedding, by the embedding's name; of what it learned, by the file.
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

/// A cell as it was trained, by the `cell.toml` among its files; paths count from `base`.
fn cell_of(files: &SummedFolder, base: &Path) -> Result<Cell, Error> {
    let bytes = files.read(run_files::SETTINGS)?;
    let name = files.path_of(run_files::SETTINGS).display().to_string();
    let pipeline = Pipeline::parse(&name, &String::from_utf8_lossy(&bytes), base, &[])?;
    let mut plan = Plan::of(&pipeline);
    if plan.cells.is_empty() { Err(crate::run::no_cells(&plan)) } else { Ok(plan.cells.swap_remove(0)) }
}
