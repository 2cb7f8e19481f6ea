//! What cells share, spelled out: cells with equal keys share it.

use std::collections::HashMap;
use std::sync::Arc;

use emberline_base::Digest;
use emberline_dataset::settings::Split;

use crate::plan::{Cell, Embedding};

/// What decides which rows are read: all but how they are divided.
pub(crate) fn rows_key(data: &emberline_dataset::Settings) -> String {
    let Split { rows, order, .. } = data.split.clone();
    let split = Split { rows, order, ..Split::default() };
    format!("{:?}", emberline_dataset::Settings { split, ..data.clone() })
}

/// What decides an opened source: its settings without `trainable` and the reduction, and the texts if it reads them.
pub(super) type OpenedKey = (String, Option<Digest>);

/// What decides the vectors of texts, apart from what is asked of them: the source's settings, and the texts.
pub(super) type EmbeddedKey = (String, Digest);

/// The keys of datasets and sources. Each is spelled once for all cells that hold the same settings.
#[derive(Default)]
pub(crate) struct Keys {
    /// By the settings' place in memory, which they keep while they are held here, and the seed.
    data: HashMap<(usize, u64), (Arc<emberline_dataset::Settings>, String)>,
    /// By the place, and the repeat.
    sources: HashMap<(usize, u32), (Arc<Embedding>, String)>,
}

impl Keys {
    /// What decides a dataset.
    pub(crate) fn data(&mut self, cell: &Cell) -> &str {
        let data = &cell.settings.data;
        let seed = cell.split_seed();
        let spelled = || (data.clone(), format!("{data:?} {seed}"));
        &self.data.entry((Arc::as_ptr(data).addr(), seed)).or_insert_with(spelled).1
    }

    /// What decides an opened source, the texts aside.
    pub(crate) fn source(&mut self, cell: &Cell) -> &str {
        let embedding = &cell.settings.embedding;
        let spelled = || (embedding.clone(), format!("{} {:?}", embedding.name, cell.opened_source()));
        &self.sources.entry((Arc::as_ptr(embedding).addr(), cell.repeat())).or_insert_with(spelled).1
    }
}
