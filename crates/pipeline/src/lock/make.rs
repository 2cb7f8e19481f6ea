//! Making a lock from a finished run.

use std::collections::BTreeMap;

use emberline_base::{Digest, record};
use emberline_device::Device;

use super::{Lock, LockedCell, LockedResult, VERSION};
use crate::Error;
use crate::facts::NO_MATTER;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run::{State, groups, no_cells, state};
use crate::run_folder::RunFolder;

/// The lock of a run. `tolerance`: how far a metric may be off on another kind of device.
///
/// # Errors
/// When cells are left to run, an input can't be read, or the records are damaged.
pub fn lock(pipeline: &Pipeline, folder: &RunFolder, tolerance: f64) -> Result<Lock, Error> {
    let plan = Plan::of(pipeline);
    if plan.cells.is_empty() {
        return Err(no_cells(&plan));
    }
    let mut lock = Lock {
        version: VERSION,
        checksum: String::new(),
        name: pipeline.settings.name.clone(),
        tolerance,
        settings: settings(pipeline),
        data: BTreeMap::new(),
        embedding: BTreeMap::new(),
        cells: BTreeMap::new(),
    };
    // What an input is doesn't depend on the device.
    let mut inputs = Inputs::new(pipeline.folder.clone(), Device::Cpu, None);
    let mut pending = Vec::new();
    for at in groups(&plan).into_iter().flat_map(|group| group.cells) {
        let cell = &plan.cells[at];
        match state(&mut inputs, folder, cell) {
            (State::Done | State::Failed(_), Some(record)) => lock.add(cell, &record, &mut inputs)?,
            (state, _) => pending.push((cell.id.clone(), state)),
        }
    }
    if !pending.is_empty() {
        return Err(Error::WorkPending(pending));
    }
    lock.checksum = lock.sum();
    Ok(lock)
}

impl Lock {
    fn add(&mut self, cell: &Cell, record: &record::Cell, inputs: &mut Inputs) -> Result<(), Error> {
        let locked = match &record.outcome {
            None => LockedCell { data: None, embedding: None, failed: record.error.clone(), result: None },
            Some(outcome) => {
                let data = key("", &outcome.digests.data);
                if !self.data.contains_key(&data) {
                    self.data.insert(data.clone(), inputs.data_facts(cell)?);
                }
                let embedding = key(&format!("{}-", cell.embedding()), &outcome.digests.embedding);
                if !self.embedding.contains_key(&embedding) {
                    self.embedding.insert(embedding.clone(), inputs.embedding_facts(cell)?);
                }
                let result = Some(LockedResult::of(outcome));
                LockedCell { data: Some(data), embedding: Some(embedding), failed: None, result }
            }
        };
        self.cells.insert(cell.id.clone(), locked);
        Ok(())
    }
}

/// What an input is called in the lock.
fn key(name: &str, digest: &Digest) -> String {
    format!("{name}{}", digest.short())
}

/// The pipeline's settings, defaults filled in, sorted, as far as a result can depend on them.
pub(super) fn settings(pipeline: &Pipeline) -> toml::Table {
    let table: toml::Table = pipeline.resolved().parse().expect("what was written as TOML is TOML");
    sorted(table)
}

fn sorted(table: toml::Table) -> toml::Table {
    let mut entries: Vec<(String, toml::Value)> =
        table.into_iter().filter(|(key, _)| !NO_MATTER.contains(&key.as_str())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let deep = |value| match value {
        toml::Value::Table(table) => toml::Value::Table(sorted(table)),
        other => other,
    };
    entries.into_iter().map(|(key, value)| (key, deep(value))).collect()
}
