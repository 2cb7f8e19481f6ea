//! Finds the training rows that are nearest to a text, by cosine similarity of the vectors that enter the head.
//!
//! The data are read and split again by the cell's settings, and must be those that it was trained on: their digest is
//! compared with the recorded one. The vectors of all training rows are computed once, as for any other text, and kept
//! in memory.

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

/// The data that a model was trained on.
pub(super) struct Training {
    /// The folder that the paths of the data are relative to.
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
    /// The line in which the row begins, or its number in a file without lines, from 1.
    pub row: u64,
    /// Its classes, as indices into the class names.
    pub classes: &'t [u32],
    /// The cosine similarity of the two vectors, from -1 to 1, rounded to millionths.
    pub similarity: f64,
    /// Its text.
    pub text: &'t str,
}

impl Training {
    /// Returns the data that a cell was trained on, as recorded. A refit was trained on all rows, whatever the settings
    /// say.
    ///
    /// # Errors
    /// If the cell isn't done.
    pub(super) fn new(folder: PathBuf, cell: Cell, trained: &Trained) -> Result<Self, Error> {
        let (cell, digests) = match trained {
            Trained::Cell(record) => (cell, record.outcome.as_ref().map(|outcome| &outcome.digests)),
            Trained::Refit(record) => (cell.on_all_rows(), Some(&record.digests)),
        };
        let digest = digests.map(|digests| digests.data.clone());
        let digest = digest.ok_or_else(|| emberline_report::Error::NotDone { cell: cell.id.clone() })?;
        Ok(Self { folder, cell, digest })
    }

    /// Reads and splits the data again.
    fn read(&self) -> Result<Arc<Data>, Error> {
        let mut inputs = Inputs::new(self.folder.clone(), Device::Cpu, None);
        let data = inputs.data(&self.cell).map_err(|error| match error {
            Error::Data(source) => Error::TrainingData { source: Box::new(source) },
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
    /// Reads the rows that the model was trained on and computes their vectors. `on_event` is notified of an encoding
    /// that takes long.
    ///
    /// # Errors
    /// If the model is a bundle's, which holds no training text; if the data are missing, or aren't those that the
    /// model was trained on; if an encoder fails, or there is too little memory.
    pub fn training_rows(&self, on_event: &mut dyn FnMut(Event)) -> Result<TrainingRows, Error> {
        let data = self.training.as_ref().ok_or(Error::NoTrainingText)?.read()?;
        let texts: Vec<&str> = data.dataset.texts_of(SplitName::Train).collect();
        // The vectors take twice their size while they are pooled or shortened.
        let bytes = 8 * (texts.len() as u64).saturating_mul(self.model.dim() as u64);
        memory::require(bytes).map_err(emberline_train::Error::from)?;
        let vectors = self.vectors(&texts, on_event)?;
        let vectors = UnitVectors::new(vectors).map_err(emberline_train::Error::from)?;
        Ok(TrainingRows { data, vectors })
    }
}

impl TrainingRows {
    /// Returns the number of training rows.
    pub fn count(&self) -> usize {
        self.data.dataset.splits.train.len()
    }

    /// Returns the `count` nearest rows of each text, nearest first; among equal ones, the earlier row. `vectors` come
    /// from [`Classifier::vectors`], `[texts, dim]`. `None` for a text whose vector is 0, because it holds no word that
    /// the table knows. Rows without such a word are near nothing.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If the vectors have another length than those of the training rows.
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
