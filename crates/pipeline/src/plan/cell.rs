//! A cell: one combination of the grid, its settings shared with the cells that agree on them.

use std::sync::Arc;

use emberline_base::{record, run_files, seed_of_repeat};
use emberline_embedding::Source;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Train};

use super::choice::Choice;
use super::identity::{self, Identity};
use crate::pipeline::to_toml;
use crate::settings::Settings;

/// One cell: settings with a single embedding and no grid.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Readable and stable, for example `swivel-20-frozen-s1-3f9a1c2b`: unique in the plan, and its folder's name.
    pub id: String,
    /// What makes it this cell: ids that end alike may be of different cells, identities are not.
    pub identity: Identity,
    /// The value of each axis, by dotted key.
    pub axes: Choice,
    /// All settings; one embedding.
    pub settings: CellSettings,
}

/// The settings of a cell, section by section.
#[derive(Clone, Debug)]
pub struct CellSettings {
    /// The pipeline's name.
    pub(super) name: Arc<str>,
    /// The seed of initialisation, order and dropout.
    pub seed: u64,
    /// The texts, their labels and how they are divided.
    pub data: Arc<emberline_dataset::Settings>,
    /// Where its vectors come from.
    pub embedding: Arc<Embedding>,
    /// The layers between embedding and output.
    pub head: Arc<Head>,
    /// How the head is fitted.
    pub train: Arc<Train>,
    /// What watches the epochs.
    pub callbacks: Arc<Callbacks>,
}

/// The embedding of a cell.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its kind and options.
    pub source: Source,
    /// Why it can't be done, where only its files can tell.
    pub(super) impossible: Option<String>,
}

impl Cell {
    /// The embedding's name.
    pub fn embedding(&self) -> &str {
        &self.settings.embedding.name
    }

    /// The embedding's name and settings.
    pub fn source(&self) -> (&str, &Source) {
        (self.embedding(), &self.settings.embedding.source)
    }

    /// The canonical text of the source's settings, as identities are made of it: without defaults and places of files.
    pub(crate) fn source_settings(&self) -> String {
        identity::text_of(&self.settings.embedding.source, &[])
    }

    /// Which repeat of the pipeline it is, 1 for the first and where there are no repeats.
    pub(crate) fn repeat(&self) -> u32 {
        self.settings.data.split.repeat.unwrap_or(1)
    }

    /// The seed that rows are placed by: that of its repeat.
    pub(crate) fn split_seed(&self) -> u64 {
        self.settings.data.split.effective_seed(self.settings.seed)
    }

    /// The seed of initialisation, order and dropout: that of its repeat.
    pub(crate) fn training_seed(&self) -> u64 {
        seed_of_repeat(self.settings.seed, self.repeat())
    }

    /// The source as it is opened, for frozen and tuned cells alike: with random tables of its repeat.
    pub(crate) fn opened_source(&self) -> Source {
        self.settings.embedding.source.without_tuning().of_repeat(self.repeat())
    }

    /// The cell that trains this one's setting once more: on all rows, for a fixed number of epochs, without callbacks.
    pub(crate) fn refit(&self, epochs: u32) -> Self {
        let train = Train { epochs, ..self.settings.train.as_ref().clone() };
        let settings = CellSettings { train: Arc::new(train), callbacks: Arc::default(), ..self.undivided().settings };
        let identity = Identity::of(&format!(r#"{{"refit":"{}","epochs":{epochs}}}"#, self.identity));
        Self { id: run_files::REFIT.to_owned(), identity, axes: self.axes.clone(), settings }
    }

    /// The same cell on all rows, whatever its settings say of splits.
    pub(crate) fn undivided(&self) -> Self {
        let data = self.settings.data.as_ref();
        let data = emberline_dataset::Settings { split: data.split.undivided(), ..data.clone() };
        let settings = CellSettings { data: Arc::new(data), ..self.settings.clone() };
        Self { settings, ..self.clone() }
    }

    /// The cell's settings as a file, every default filled in.
    pub(crate) fn to_toml(&self) -> String {
        let CellSettings { name, seed, data, embedding, head, train, callbacks } = &self.settings;
        to_toml(Settings {
            name: name.to_string(),
            seed: *seed,
            data: data.as_ref().clone(),
            embedding: [(embedding.name.clone(), embedding.source.clone())].into_iter().collect(),
            head: head.as_ref().clone(),
            train: train.as_ref().clone(),
            callbacks: callbacks.as_ref().clone(),
            report: None,
            decide: None,
            grid: Default::default(),
        })
    }

    /// What is recorded of the cell before it has run.
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
