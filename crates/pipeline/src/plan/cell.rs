//! A cell: one combination of the grid. Cells with equal sections of settings share them.

use std::sync::Arc;

use emberline_base::{record, run_files, seed_of_repeat};
use emberline_embedding::Source;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Train};

use super::choice::Choice;
use super::identity::{self, Identity};
use crate::pipeline::to_toml;
use crate::settings::{Decide, Settings};

/// One cell: settings with a single embedding and no grid.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The id, for example `swivel-20-frozen-s1-3f9a1c2b`: readable, stable, unique in the plan, and the name of the
    /// cell's folder.
    pub id: String,
    /// What the cell's TensorBoard log is called: the id in words, without the identity unless another cell would have the same name.
    pub log_name: String,
    /// The digest of the cell's settings. Ids of different cells may end alike; identities differ.
    pub identity: Identity,
    /// The value of each axis, by dotted key.
    pub axes: Choice,
    /// All settings, with a single embedding.
    pub settings: CellSettings,
}

/// The settings of a cell, section by section.
#[derive(Clone, Debug)]
pub struct CellSettings {
    /// The pipeline's name.
    pub(super) name: Arc<str>,
    /// The seed of initialisation, shuffling and dropout.
    pub seed: u64,
    /// The texts, their labels and how they are divided.
    pub data: Arc<emberline_dataset::Settings>,
    /// The source of its vectors.
    pub embedding: Arc<Embedding>,
    /// The layers between embedding and output.
    pub head: Arc<Head>,
    /// How the head is fitted.
    pub train: Arc<Train>,
    /// The callbacks, notified after every epoch.
    pub callbacks: Arc<Callbacks>,
    /// How probabilities become decisions.
    pub decide: Decide,
}

/// The embedding of a cell.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its kind and options.
    pub source: Source,
    /// Why the source's files can't be used as the settings ask, if so.
    pub(super) impossible: Option<String>,
}

impl Cell {
    /// Returns the embedding's name.
    pub fn embedding(&self) -> &str {
        &self.settings.embedding.name
    }

    /// Returns the embedding's name and settings.
    pub fn source(&self) -> (&str, &Source) {
        (self.embedding(), &self.settings.embedding.source)
    }

    /// Returns the source's part of the identity: the canonical text of its settings, without defaults and paths of
    /// files.
    pub(crate) fn source_settings(&self) -> String {
        identity::text_of(&self.settings.embedding.source, &[])
    }

    /// Returns the number of the repeat, from 1; 1 if there are no repeats.
    pub(crate) fn repeat(&self) -> u32 {
        self.settings.data.split.repeat.unwrap_or(1)
    }

    /// Returns the seed that assigns rows to splits, which is that of the repeat.
    pub(crate) fn split_seed(&self) -> u64 {
        self.settings.data.split.effective_seed(self.settings.seed)
    }

    /// Returns the seed of initialisation, shuffling and dropout, which is that of the repeat.
    pub(crate) fn training_seed(&self) -> u64 {
        seed_of_repeat(self.settings.seed, self.repeat())
    }

    /// Returns the settings with which the source is opened, which are the same for frozen and fine-tuned cells; random
    /// tables are those of the repeat.
    pub(crate) fn opened_source(&self) -> Source {
        self.settings.embedding.source.without_tuning().of_repeat(self.repeat())
    }

    /// Returns the cell that trains this cell's setting once more: on all rows, for a fixed number of epochs, without
    /// callbacks.
    pub(crate) fn refit(&self, epochs: u32) -> Self {
        let train = Train { epochs, ..self.settings.train.as_ref().clone() };
        let settings =
            CellSettings { train: Arc::new(train), callbacks: Arc::default(), ..self.on_all_rows().settings };
        let identity = Identity::of(&format!(r#"{{"refit":"{}","epochs":{epochs}}}"#, self.identity));
        let (id, log_name) = (run_files::REFIT.to_owned(), run_files::REFIT.to_owned());
        Self { id, log_name, identity, axes: self.axes.clone(), settings }
    }

    /// Returns the same cell with all rows as training rows, whatever its settings say about splits.
    pub(crate) fn on_all_rows(&self) -> Self {
        let data = self.settings.data.as_ref();
        let data = emberline_dataset::Settings { split: data.split.training_on_all(), ..data.clone() };
        let settings = CellSettings { data: Arc::new(data), ..self.settings.clone() };
        Self { settings, ..self.clone() }
    }

    /// Returns the cell's settings as a TOML file, with every default filled in.
    pub(crate) fn to_toml(&self) -> String {
        let CellSettings { name, seed, data, embedding, head, train, callbacks, decide } = &self.settings;
        to_toml(Settings {
            name: name.to_string(),
            seed: *seed,
            data: data.as_ref().clone(),
            embedding: [(embedding.name.clone(), embedding.source.clone())].into_iter().collect(),
            head: head.as_ref().clone(),
            train: train.as_ref().clone(),
            callbacks: callbacks.as_ref().clone(),
            report: None,
            decide: Some(decide.clone()).filter(|decide| *decide != Decide::default()),
            expect: None,
            checks: None,
            grid: Default::default(),
        })
    }

    /// Returns the record of the cell before it has run.
    pub(crate) fn pending(&self) -> record::Cell {
        let (name, source) = self.source();
        record::Cell {
            id: self.id.clone(),
            identity: self.identity.to_string(),
            status: record::Status::Pending,
            settings: self.axes.to_map(),
            embedding: name.to_owned(),
            source: source.kind().to_owned(),
            trainable: source.trainable(),
            seed: self.settings.seed,
            outcome: None,
            error: None,
            cause: None,
        }
    }
}
