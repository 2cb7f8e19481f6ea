//! Makes a lock from a finished run.

use std::collections::BTreeMap;

use emberline_base::record::{self, MadeFrom};
use emberline_base::{Digest, IGNORED_KEYS};
use emberline_device::Device;
use emberline_train::COMPUTATION;

use super::{Lock, LockedCell, LockedFailure, LockedRefit, LockedResult, VERSION};
use crate::Error;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run::{RefitDecision, RefitState, State, groups, no_cells, state, summary_of};
use crate::run_folder::RunFolder;

/// Makes the lock of a finished run. `tolerance` is how far a metric may be off on another kind of device.
///
/// # Errors
/// When cells or the refit are left to run, an input can't be read, or the records are damaged.
pub fn lock(pipeline: &Pipeline, folder: &RunFolder, tolerance: f64) -> Result<Lock, Error> {
    folder.check(&pipeline.file)?;
    let plan = Plan::of(pipeline);
    if plan.cells.is_empty() {
        return Err(no_cells(&plan));
    }
    let mut lock = Lock {
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
    };
    // The digest of an input doesn't depend on the device.
    let mut inputs = Inputs::new(pipeline.folder.clone(), Device::Cpu, None);
    let (mut pending, mut records) = (Vec::new(), Vec::new());
    for at in groups(&plan).into_iter().flat_map(|group| group.cells) {
        let cell = &plan.cells[at];
        match state(&mut inputs, folder, cell) {
            (State::Done | State::Failed(_), Some(record)) => {
                lock.add(cell, &record, &mut inputs)?;
                records.push(record);
            }
            (state, _) => pending.push((cell.id.clone(), state)),
        }
    }
    if !pending.is_empty() {
        return Err(Error::WorkPending(pending));
    }
    if pipeline.settings.asks_for_refit() {
        lock.refit = Some(refit(pipeline, &plan, folder, records, &mut inputs)?);
    }
    lock.checksum = lock.sum();
    Ok(lock)
}

/// Returns what the lock records of the refit. The refit must exist and be made of the results in `records`.
fn refit(
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    records: Vec<record::Cell>,
    inputs: &mut Inputs,
) -> Result<LockedRefit, Error> {
    let data = inputs.data(&plan.cells[0])?.dataset.data.clone();
    let summary = summary_of(pipeline, plan, &data, records);
    let decided = RefitDecision::by(plan, &summary)?;
    match decided.state(folder, inputs)? {
        RefitState::Made(refit) => Ok(LockedRefit::of(&refit, &decided.cell)),
        state => Err(Error::RefitPending(state)),
    }
}

impl Lock {
    fn add(&mut self, cell: &Cell, record: &record::Cell, inputs: &mut Inputs) -> Result<(), Error> {
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
    // No result depends on what is stored for reports.
    table.remove("report");
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
