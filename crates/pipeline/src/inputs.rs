//! What cells are made from: data read and divided once, texts embedded once, shared by all cells
//! that need the same.
//!
//! Of every stage the latest result is kept; the run's order puts cells that share beside each other.

use std::path::PathBuf;
use std::sync::Arc;

use emberline_base::{Digest, Features, Matrix, Splits};
use emberline_cache::Cache;
use emberline_dataset::{Dataset, Rows};
use emberline_device::Device;
use emberline_embedding::encode::{Encoding, Event, Progress};
use emberline_embedding::features;
use emberline_embedding::{Opened, Source, Texts};

use crate::Error;
use crate::plan::Cell;

/// Reads and embeds for cells, each thing once.
pub(crate) struct Inputs {
    folder: PathBuf,
    device: Device,
    cache: Option<Cache>,
    rows: Option<(String, Arc<Rows>)>,
    data: Option<(String, Arc<Data>)>,
    opened: Option<(String, Arc<Opened>)>,
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
    fn texts(&self) -> Splits<Vec<&[u8]>> {
        self.dataset.splits.map(|name, _| self.dataset.texts_of(name).map(str::as_bytes).collect())
    }
}

impl Inputs {
    /// Paths in settings are relative to `folder`; neural encoders compute on `device`, and what they made is kept in
    /// `cache`.
    pub(crate) fn new(folder: PathBuf, device: Device, cache: Option<Cache>) -> Self {
        Self { folder, device, cache, rows: None, data: None, opened: None, features: None }
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
    pub(crate) fn opened(&mut self, cell: &Cell) -> Result<Arc<Opened>, Error> {
        let data = self.data(cell)?;
        let (name, source) = cell.source();
        let key = opened_key(cell, source, &data);
        if let Some((known, opened)) = &self.opened
            && *known == key
        {
            return Ok(opened.clone());
        }
        let texts = data.dataset.splits.map(|name, _| data.dataset.texts_of(name).collect::<Vec<_>>());
        let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
        let opened = source.bare().open(&self.folder, Texts { all: &all, train: &texts.train }, self.device);
        let opened = Arc::new(opened.map_err(|source| Error::Embedding { name: name.to_owned(), source })?);
        self.opened = Some((key, opened.clone()));
        Ok(opened)
    }

    /// The content address of everything that decides the cell's vectors.
    pub(crate) fn embedding_digest(&mut self, cell: &Cell) -> Result<Digest, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        Ok(features::digest(&opened, &cell.source().1.wanted(), &data.texts().train))
    }

    /// The vectors, or bags, of the cell's texts; `told` hears of an encoding that takes its time.
    pub(crate) fn features(
        &mut self,
        cell: &Cell,
        told: &mut dyn FnMut(Event),
    ) -> Result<Arc<Splits<Features>>, Error> {
        let data = self.data(cell)?;
        let opened = self.opened(cell)?;
        let (name, source) = cell.source();
        let wanted = source.wanted();
        let key = format!("{wanted:?} {}", opened_key(cell, source, &data));
        if let Some((known, features)) = &self.features
            && *known == key
        {
            return Ok(features.clone());
        }
        let about = about(cell);
        let mut encoding = Encoding { cache: self.cache.as_ref(), device: self.device, about: &about, told };
        let made = features::features(&opened, &data.texts(), &wanted, &mut encoding);
        let made = Arc::new(made.map_err(|source| Error::Embedding { name: name.to_owned(), source })?);
        self.features = Some((key, made.clone()));
        Ok(made)
    }

    /// How many of the cell's texts a neural encoder has to encode; none for other sources.
    pub(crate) fn encodings(&mut self, cell: &Cell) -> Result<Option<Progress>, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let Opened::Encoder(encoder) = opened.as_ref() else { return Ok(None) };
        let (texts, about) = (data.texts(), about(cell));
        let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
        let told = &mut |_| {};
        let mut encoding = Encoding { cache: self.cache.as_ref(), device: self.device, about: &about, told };
        Ok(Some(encoding.survey(encoder.as_ref(), &all)))
    }
}

/// What the cache says of a source to people.
fn about(cell: &Cell) -> String {
    let (name, source) = cell.source();
    format!("{} {name}", source.kind())
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

/// What decides an opened source: settings without `trainable` and the reduction, and the texts.
fn opened_key(cell: &Cell, source: &Source, data: &Data) -> String {
    format!("{} {:?} {}", cell.embedding(), source.bare(), data.digest)
}
