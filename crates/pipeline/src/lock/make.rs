//! Fills a lock with the inputs and the results of cells and of the refit.

use std::collections::BTreeMap;

use emberline_base::record::{self, MadeFrom, Refit};
use emberline_base::{Digest, IGNORED_KEYS};
use emberline_train::COMPUTATION;

use super::{Lock, LockedCell, LockedFailure, LockedRefit, LockedResult, VERSION};
use crate::Error;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::Cell;

impl Lock {
    /// Returns the lock of a pipeline, still without cells.
    pub(crate) fn without_cells(pipeline: &Pipeline, tolerance: f64) -> Self {
        Self {
            version: VERSION,
            checksum: String::new(),
            name: pipeline.settings.name.clone(),
            tolerance,
            computation: COMPUTATION,
            settings: settings(pipeline),
            data: BTreeMap::new(),
            embedding: BTreeMap::new(),
            cells: BTreeMap::new(),
            refit: None,
        }
    }

    /// Adds a cell that ended, and its inputs.
    pub(crate) fn add(&mut self, cell: &Cell, record: &record::Cell, inputs: &mut Inputs) -> Result<(), Error> {
        let made_from = record.made_from().expect("only records of cells that ended are locked");
        let data = key("", &made_from.data);
        if !self.data.contains_key(&data) {
            self.data.insert(data.clone(), inputs.data_facts(cell)?);
        }
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

    /// Adds the refit, which trained `cell`.
    pub(crate) fn add_refit(&mut self, refit: &Refit, cell: &Cell) {
        self.refit = Some(LockedRefit::of(refit, cell));
    }

    /// Returns the lock with the checksum of its content.
    pub(crate) fn sealed(self) -> Self {
        Self { checksum: self.sum(), ..self }
    }
}

impl LockedFailure {
    pub(super) fn of(record: &record::Cell, made_from: MadeFrom) -> Self {
        let reason = record.error.clone().unwrap_or_default();
        Self { device: made_from.device, arithmetic: made_from.arithmetic, reason }
    }
}

/// Returns the key of an input in the lock: 32 hexadecimal digits of its digest, enough to tell all inputs apart.
fn key(name: &str, digest: &Digest) -> String {
    format!("{name}{}", &digest.as_str()[..32])
}

/// Returns the settings that a result can depend on, with defaults filled in and keys sorted.
pub(super) fn settings(pipeline: &Pipeline) -> toml::Table {
    let mut table: toml::Table = pipeline.resolved().parse().expect("what was written as TOML is TOML");
    // No result depends on what is stored for reports, nor on what was published.
    table.remove("report");
    table.remove("expect");
    sorted(table)
}

fn sorted(table: toml::Table) -> toml::Table {
    let mut entries: Vec<(String, toml::Value)> =
        table.into_iter().filter(|(key, _)| !IGNORED_KEYS.contains(&key.as_str())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let deep = |value| match value {
        toml::Value::Table(table) => toml::Value::Table(sorted(table)),
        other => other,
    };
    entries.into_iter().map(|(key, value)| (key, deep(value))).collect()
}
