//! Keys of the inputs that cells share: cells with equal keys share the input.

use std::collections::HashMap;
use std::sync::Arc;

use emberline_base::Digest;
use emberline_dataset::settings::Split;

use crate::plan::{Cell, Embedding};

/// Returns the key of the rows that are read: all settings of the data except how rows are split.
pub(crate) fn rows_key(data: &emberline_dataset::Settings) -> String {
    let Split { rows, order, .. } = data.split.clone();
    let split = Split { rows, order, ..Split::default() };
    format!("{:?}", emberline_dataset::Settings { split, ..data.clone() })
}

/// The key of an opened source: its settings without `trainable` and the reduction, and the digest of the texts if it
/// reads them.
pub(super) type OpenedKey = (String, Option<Digest>);

/// The key of the vectors of texts, apart from how features are derived: the source's settings, and the digest of the
/// texts.
pub(super) type EmbeddedKey = (String, Digest);

/// Caches the keys of datasets and sources: each is formatted once for all cells that share the settings.
#[derive(Default)]
pub(crate) struct Keys {
    /// By the address of the settings, which stays valid because the settings are kept here, and the seed.
    data: HashMap<(usize, u64), (Arc<emberline_dataset::Settings>, String)>,
    /// By the address of the settings, and the repeat.
    sources: HashMap<(usize, u32), (Arc<Embedding>, String)>,
}

impl Keys {
    /// Returns the key of a cell's dataset.
    pub(crate) fn data(&mut self, cell: &Cell) -> &str {
        let data = &cell.settings.data;
        let seed = cell.split_seed();
        let spelled = || (data.clone(), format!("{data:?} {seed}"));
        &self.data.entry((Arc::as_ptr(data).addr(), seed)).or_insert_with(spelled).1
    }

    /// Returns the key of a cell's opened source, without the texts.
    pub(crate) fn source(&mut self, cell: &Cell) -> &str {
        let embedding = &cell.settings.embedding;
        let spelled = || (embedding.clone(), format!("{} {:?}", embedding.name, cell.opened_source()));
        &self.sources.entry((Arc::as_ptr(embedding).addr(), cell.repeat())).or_insert_with(spelled).1
    }
}
