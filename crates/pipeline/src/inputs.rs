//! What cells are made from: data read and divided once, texts embedded once, shared by all cells
//! that need the same.
//!
//! Of every stage the latest result is kept; the run's order puts cells that share beside each other.

use std::path::PathBuf;
use std::sync::Arc;

use emberline_base::{Digest, Features, Matrix, Splits};
use emberline_dataset::{Dataset, Rows};
use emberline_embedding::{Lookup, Source, Texts, features::features};

use crate::Error;
use crate::plan::Cell;

/// Reads and embeds for cells, each thing once.
pub(crate) struct Inputs {
    folder: PathBuf,
    rows: Option<(String, Arc<Rows>)>,
    data: Option<(String, Arc<Data>)>,
    opened: Option<(String, Arc<dyn Lookup>)>,
    features: Option<(String, Arc<Splits<Features>>)>,
}

/// A divided dataset, ready for training.
pub(crate) struct Data {
    pub(crate) dataset: Dataset,
    pub(crate) targets: Splits<Matrix>,
    pub(crate) digest: Digest,
}

impl Data {
    /// The texts of every split, in order.
    fn texts(&self) -> Splits<Vec<&str>> {
        self.dataset.splits.map(|name, _| self.dataset.texts_of(name).collect())
    }
}

impl Inputs {
    /// Paths in settings are relative to `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, rows: None, data: None, opened: None, features: None }
    }

    /// The cell's data.
    pub(crate) fn data(&mut self, cell: &Cell) -> Result<Arc<Data>, Error> {
        let settings = &cell.settings.data;
        let key = data_key(cell);
        if let Some((known, data)) = &self.data
            && *known == key
        {
            return Ok(data.clone());
        }
        let files = rows_key(cell);
        let rows = match &self.rows {
            Some((known, rows)) if *known == files => rows.clone(),
            Some(_) | None => Arc::new(emberline_dataset::read(settings, &self.folder)?),
        };
        self.rows = Some((files, rows.clone()));
        let dataset = rows.split(&settings.split, settings.split.seed.unwrap_or(cell.settings.seed))?;
        let targets = dataset.splits.map(|_, rows| dataset.labels.matrix(rows));
        let digest = dataset.digest();
        let data = Arc::new(Data { dataset, targets, digest });
        self.data = Some((key, data.clone()));
        Ok(data)
    }

    /// The cell's embedding, opened for its texts.
    pub(crate) fn lookup(&mut self, cell: &Cell) -> Result<Arc<dyn Lookup>, Error> {
        let data = self.data(cell)?;
        let (name, source) = cell.source();
        let key = lookup_key(cell, source, &data);
        if let Some((known, lookup)) = &self.opened
            && *known == key
        {
            return Ok(lookup.clone());
        }
        let texts = data.texts();
        let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
        let opened = source.open(&self.folder, Texts { all: &all, train: &texts.train });
        let lookup: Arc<dyn Lookup> =
            opened.map_err(|source| Error::Embedding { name: name.to_owned(), source })?.into();
        self.opened = Some((key, lookup.clone()));
        Ok(lookup)
    }

    /// The vectors, or bags, of the cell's texts.
    pub(crate) fn features(&mut self, cell: &Cell) -> Result<Arc<Splits<Features>>, Error> {
        let data = self.data(cell)?;
        let lookup = self.lookup(cell)?;
        let source = cell.source().1;
        let key = format!("{} {}", source.trainable(), lookup_key(cell, source, &data));
        if let Some((known, features)) = &self.features
            && *known == key
        {
            return Ok(features.clone());
        }
        let made = Arc::new(features(lookup.as_ref(), &data.texts(), source.trainable()));
        self.features = Some((key, made.clone()));
        Ok(made)
    }
}

/// What decides which rows are read.
fn rows_key(cell: &Cell) -> String {
    let mut settings = cell.settings.data.clone();
    settings.split = Default::default();
    format!("{settings:?}")
}

/// What decides a dataset: cells with equal keys share it.
pub(crate) fn data_key(cell: &Cell) -> String {
    format!("{:?} {}", cell.settings.data, cell.settings.data.split.seed.unwrap_or(cell.settings.seed))
}

/// What decides an opened source: settings without `trainable`, and the texts.
fn lookup_key(cell: &Cell, source: &Source, data: &Data) -> String {
    format!("{} {:?} {}", cell.embedding(), source.frozen(), data.digest)
}
