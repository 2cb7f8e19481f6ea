//! Fills a lock with the inputs and the results of cells and of the refit.

use std::collections::{BTreeMap, HashSet};

use emberline_base::record::{self, MadeFrom, Refit};
use emberline_base::{Digest, canonical};
use emberline_train::COMPUTATION;

use super::settings::settings;
use super::text::readable;
use super::{
    Lock, LockedCell, LockedData, LockedFailure, LockedFile, LockedLeftOut, LockedPipeline, LockedRefit, LockedResult,
};
use crate::Error;
use crate::facts::DataFacts;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Identity, Plan};

impl Lock {
    /// Returns the lock of a pipeline, still without cells. `plan` is the pipeline's.
    pub(crate) fn without_cells(pipeline: &Pipeline, plan: &Plan, tolerance: f64) -> Self {
        let name = pipeline.settings.name.clone();
        Self {
            pipeline: LockedPipeline { name, tolerance, computation: COMPUTATION },
            settings: settings(pipeline),
            files: BTreeMap::new(),
            data: BTreeMap::new(),
            embedding: BTreeMap::new(),
            cells: BTreeMap::new(),
            left_out: left_out(pipeline, plan),
            refit: None,
        }
    }

    /// Adds a cell that ended, and its inputs.
    pub(crate) fn add(&mut self, cell: &Cell, record: &record::Cell, inputs: &mut Inputs) -> Result<(), Error> {
        let made_from = record.made_from().expect("only records of cells that ended are locked");
        let known = self.data.iter().find(|(_, data)| data.digest == made_from.data).map(|(key, _)| key.clone());
        let data = match known {
            Some(key) => key,
            None => {
                let facts = inputs.data_facts(cell)?;
                let key = key(&format!("{}-", rows_of(&facts)), &made_from.data);
                let locked = self.locked_data(facts);
                self.data.insert(key.clone(), locked);
                key
            }
        };
        let embedding = key(&format!("{}-", cell.embedding()), &made_from.embedding);
        if !self.embedding.contains_key(&embedding) {
            self.embedding.insert(embedding.clone(), inputs.embedding_facts(cell)?);
        }
        let result = record.outcome.as_ref().map(LockedResult::of);
        let failure = result.is_none().then(|| LockedFailure::of(record, made_from));
        let value = |value| toml::Value::try_from(value).expect("an axis's value was read from TOML");
        let axes = cell.axes.iter().map(|(key, of)| (key.to_owned(), value(of))).collect();
        let identity = record.identity.clone();
        self.cells.insert(cell.id.clone(), LockedCell { identity, data, embedding, axes, result, failure });
        Ok(())
    }

    /// Adds the files of a dataset, and returns what the lock says of the dataset itself.
    fn locked_data(&mut self, facts: DataFacts) -> LockedData {
        let DataFacts { digest, rows_read, files, mut rows, positive, splits } = facts;
        let mut keys = Vec::new();
        for (path, sha256) in files {
            let file = LockedFile { content: rows.remove(&path), path, sha256 };
            let key = key(&format!("{}-", file.path), &Digest::of(canonical(&file).as_bytes()));
            self.files.insert(key.clone(), file);
            keys.push(key);
        }
        LockedData { digest, files: keys, rows_read, positive, splits }
    }

    /// Adds the refit, which trained `cell`.
    pub(crate) fn add_refit(&mut self, refit: &Refit, cell: &Cell) {
        self.refit = Some(LockedRefit::of(refit, cell));
    }
}

impl LockedFailure {
    pub(super) fn of(record: &record::Cell, made_from: MadeFrom) -> Self {
        let reason = record.error.clone().unwrap_or_default();
        Self { device: made_from.device, arithmetic: made_from.arithmetic, reason }
    }
}

/// Returns the key of an input in the lock: a name for people, and 16 hexadecimal digits of its digest, enough to tell
/// all inputs of a lock apart.
fn key(name: &str, digest: &Digest) -> String {
    format!("{name}{}", &digest.as_str()[..16])
}

/// Returns the rows of every split, such as `1000-400-400`.
fn rows_of(facts: &DataFacts) -> String {
    let rows: Vec<String> = facts.splits.iter().map(|(_, split)| split.rows.to_string()).collect();
    rows.join("-")
}

/// Returns the combinations that only a file rules out: without a look at files, they would be cells.
fn left_out(pipeline: &Pipeline, plan: &Plan) -> BTreeMap<String, LockedLeftOut> {
    let cells: HashSet<Identity> = plan.cells.iter().map(|cell| cell.identity).collect();
    let of_settings = Plan::of_settings(pipeline).cells.into_iter().filter(|cell| !cells.contains(&cell.identity));
    let entry = |cell: Cell| {
        let identity = cell.identity.to_string();
        (readable(&cell.id, &identity).to_owned(), LockedLeftOut { identity })
    };
    of_settings.map(entry).collect()
}
