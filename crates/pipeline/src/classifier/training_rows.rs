//! The training rows that are nearest to a text, by cosine similarity of the vectors that enter the head.
//!
//! The data are read and divided again, as the cell's settings say, and must be those that it was trained on: their digest is
//! compared with the recorded one. The vectors of all training rows are made once, as for any other text, and held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::{Digest, Matrix, SplitName};
use emberline_dataset::RowOrigin;
use emberline_device::{Device, memory};
use emberline_embedding::encode::Event;

use super::nearest::{Found, UnitVectors};
use super::{Classifier, Trained};
use crate::Error;
use crate::inputs::{Data, Inputs};
use crate::plan::Cell;

/// What a cell was trained on.
pub(super) struct Training {
    /// The folder that the paths of the data count from.
    folder: PathBuf,
    cell: Cell,
    /// The digest of the data.
    digest: Digest,
}

/// The training rows of a model, with their vectors.
pub struct TrainingRows {
    data: Arc<Data>,
    vectors: UnitVectors,
}

/// A training row that is near a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour<'t> {
    /// The row's file, as the pipeline names it.
    pub file: &'t Path,
    /// Its line, or its number in a file without lines; 1 is the first.
    pub row: u64,
    /// Its classes, as positions among the class names.
    pub classes: &'t [u32],
    /// The cosine similarity of the two vectors, from -1 to 1, rounded to millionths.
    pub similarity: f64,
    /// Its text.
    pub text: &'t str,
}

impl Training {
    /// What a cell was trained on, by its record; a refit on all rows, whatever its settings say.
    ///
    /// # Errors
    /// When the cell isn't done.
    pub(super) fn new(folder: PathBuf, cell: Cell, trained: &Trained) -> Result<Self, Error> {
        let (cell, digests) = match trained {
            Trained::Cell(record) => (cell, record.outcome.as_ref().map(|outcome| &outcome.digests)),
            Trained::Refit(record) => (cell.undivided(), Some(&record.digests)),
        };
        let digest = digests.map(|digests| digests.data.clone());
        let digest = digest.ok_or_else(|| emberline_report::Error::NotDone { cell: cell.id.clone() })?;
        Ok(Self { folder, cell, digest })
    }

    /// Reads and divides the data again.
    fn read(&self) -> Result<Arc<Data>, Error> {
        let mut inputs = Inputs::new(self.folder.clone(), Device::Cpu, None);
        let data = inputs.data(&self.cell).map_err(|error| match error {
            Error::Data(source) => Error::TrainingData { source },
            error => error,
        })?;
        if data.digest == self.digest {
            return Ok(data);
        }
        let paths = self.cell.settings.data.all_paths();
        let files: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        Err(Error::OtherTrainingData { files: files.join(", ") })
    }
}

impl Classifier {
    /// Reads the rows that the model was trained on and makes their vectors; `on_event` hears of an encoding that takes its time.
    ///
    /// # Errors
    /// When the model is a bundle's, which holds no training text; when the data are away, or aren't those that the model was
    /// trained on; when an encoder can't compute, or there is too little memory.
    pub fn training_rows(&self, on_event: &mut dyn FnMut(Event)) -> Result<TrainingRows, Error> {
        let data = self.training.as_ref().ok_or(Error::NoTrainingText)?.read()?;
        let texts: Vec<&str> = data.dataset.texts_of(SplitName::Train).collect();
        // Vectors, and once more while they are pooled or shortened.
        let bytes = 8 * (texts.len() as u64).saturating_mul(self.model.dim() as u64);
        memory::require(bytes).map_err(emberline_train::Error::from)?;
        let vectors = self.vectors(&texts, on_event)?;
        let vectors = UnitVectors::new(vectors).map_err(emberline_train::Error::from)?;
        Ok(TrainingRows { data, vectors })
    }
}

impl TrainingRows {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.data.dataset.splits.train.len()
    }

    /// The `count` rows nearest to each text, the nearest first; of equal ones, the earlier row. `vectors` are those that
    /// [`Classifier::vectors`] gives, `[texts, dim]`. None for a text whose vector is 0: it holds no word that the table knows. Rows
    /// without such a word are near nothing.
    ///
    /// # Errors
    /// When there is too little memory.
    ///
    /// # Panics
    /// When the vectors have another length than those of the training rows.
    pub fn nearest(&self, vectors: Matrix, count: usize) -> Result<Vec<Option<Vec<Neighbour<'_>>>>, Error> {
        let found = self.vectors.nearest(vectors, count).map_err(emberline_train::Error::from)?;
        let each = |found: Option<Vec<Found>>| Some(found?.into_iter().map(|found| self.neighbour(found)).collect());
        Ok(found.into_iter().map(each).collect())
    }

    fn neighbour(&self, found: Found) -> Neighbour<'_> {
        let row = self.data.dataset.splits.train[found.row()];
        let RowOrigin { file, number, .. } = self.data.origin(row);
        Neighbour {
            file,
            row: number,
            classes: self.data.dataset.labels.of_row(row),
            similarity: found.similarity(),
            text: &self.data.dataset.texts[row],
        }
    }
}
