//! Finds the differences between a lock and the present inputs and results.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use emberline_base::number::shortened;
use emberline_base::{Change, changes, record, run_files};
use emberline_train::COMPUTATION;
use serde::Serialize;

use super::make::settings;
use super::{Lock, LockedCell, LockedFailure, LockedResult};
use crate::Error;
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};

/// The subject of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The settings in the pipeline file.
    Settings,
    /// The list of cells.
    Cells,
    /// A dataset, by the names of its files.
    Data(String),
    /// An embedding, by its name.
    Embedding(String),
    /// The result of a cell, by its id.
    Cell(String),
    /// The model of all rows.
    Refit,
}

/// One difference from the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The subject.
    pub subject: Subject,
    /// The name of what differs, with the old and the new value.
    #[serde(flatten)]
    pub change: Change,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Cells => f.write_str("cells"),
            Self::Data(files) => write!(f, "data {files}"),
            Self::Embedding(name) => write!(f, "embedding `{name}`"),
            Self::Cell(id) => f.write_str(id),
            Self::Refit => f.write_str(run_files::REFIT),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { what, old, new } = &self.change;
        if self.subject == Subject::Cells {
            let there = match (old, new) {
                (Some(_), Some(_)) => "has other settings than in the lock",
                (None, _) => "isn't in the lock",
                (Some(_), None) => "is in the lock alone",
            };
            return write!(f, "cells: {what} {there}");
        }
        if self.subject == Subject::Refit && *what == run_files::REFIT {
            return f.write_str("refit: it isn't in the lock, and `[decide] refit` asks for it");
        }
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), shortened);
        write!(f, "{}: {what}: {} -> {}", self.subject, shown(old), shown(new))?;
        match distance(old.as_deref(), new.as_deref()) {
            Some(by) => write!(f, " (by {by:.2e})"),
            None => Ok(()),
        }
    }
}

/// Returns the difference of two numbers, unless both are whole.
fn distance(old: Option<&str>, new: Option<&str>) -> Option<f64> {
    let number = |text: Option<&str>| text?.parse::<f64>().ok();
    let by = number(new)? - number(old)?;
    (old?.contains(['.', 'e']) || new?.contains(['.', 'e'])).then_some(by)
}

impl Lock {
    /// Compares the inputs with the lock: the settings, the list of cells, and the data and embeddings of the cells in
    /// `cells`.
    ///
    /// # Errors
    /// When an input can't be read.
    pub(crate) fn compare_inputs(
        &self,
        pipeline: &Pipeline,
        plan: &Plan,
        cells: &[&Cell],
        inputs: &mut Inputs,
    ) -> Result<Vec<Difference>, Error> {
        let mut found = differences_of(&Subject::Settings, changes(&self.settings, &settings(pipeline)));
        found.extend(differences_of(&Subject::Cells, self.compare_cells(plan)));
        found.extend(differences_of(&Subject::Settings, changes_of_computation(self.computation)));
        found.extend(differences_of(&Subject::Refit, self.missing_refit(pipeline)));
        // Datasets that were compared, by their keys in the lock, and whether they are unchanged. Each is compared
        // once.
        let mut is_same: HashMap<&str, bool> = HashMap::new();
        let mut compared: HashSet<&str> = HashSet::new();
        for cell in cells {
            let Some(locked) = self.cells.get(&cell.id) else { continue };
            let (Some(data), Some(embedding)) = (self.data.get(&locked.data), self.embedding.get(&locked.embedding))
            else {
                continue;
            };
            if !is_same.contains_key(locked.data.as_str()) {
                let same = inputs.data(cell)?.digest == data.digest;
                is_same.insert(&locked.data, same);
                if !same {
                    let files: Vec<&str> = data.files.keys().map(String::as_str).collect();
                    let subject = Subject::Data(files.join(", "));
                    found.extend(differences_of(&subject, changes(data, &inputs.data_facts(cell)?)));
                }
            }
            // If the data changed, so does an embedding that learned from them; that is no difference of its own.
            if is_same[locked.data.as_str()]
                && compared.insert(&locked.embedding)
                && inputs.embedding_digest(cell)? != embedding.digest
            {
                let subject = Subject::Embedding(embedding.name.clone());
                found.extend(differences_of(&subject, changes(embedding, &inputs.embedding_facts(cell)?)));
            }
        }
        Ok(found)
    }

    /// Reports the refit as missing if the pipeline asks for one, now and when the lock was written, and the lock has
    /// none.
    fn missing_refit(&self, pipeline: &Pipeline) -> Option<Change> {
        let is_missing = pipeline.settings.asks_for_refit() && self.refit.is_none();
        let change = |what: &str| Change { what: what.to_owned(), old: None, new: Some("asked for".to_owned()) };
        is_missing.then(|| change(run_files::REFIT))
    }

    /// Reports cells that only the lock or only the plan has, and cells whose settings aren't those of the lock.
    fn compare_cells(&self, plan: &Plan) -> Vec<Change> {
        let old: BTreeMap<&str, String> =
            self.cells.iter().map(|(id, cell)| (id.as_str(), cell.identity.clone())).collect();
        let new: BTreeMap<&str, String> =
            plan.cells.iter().map(|cell| (cell.id.as_str(), cell.identity.to_string())).collect();
        changes(&old, &new)
    }

    /// Compares a cell that was trained again. Returns the differences, and whether the results had to be equal to the
    /// byte.
    pub(super) fn compare_result(&self, cell: &record::Cell) -> Option<(Vec<Difference>, bool)> {
        let locked = self.cells.get(&cell.id)?;
        let subject = Subject::Cell(cell.id.clone());
        let (Some(old), Some(outcome)) = (&locked.result, &cell.outcome) else {
            return Some((differences_of(&subject, locked.compare_failure(cell)), true));
        };
        let mut new = LockedResult::of(outcome);
        // A metric that a later version of the program measures too is no difference.
        new.metrics.retain(|name, _| old.metrics.contains_key(name));
        let same_kind = (&old.device, &old.arithmetic) == (&new.device, &new.arithmetic);
        let found = if same_kind { changes(old, &new) } else { self.outside(&old.metrics, &new.metrics) };
        Some((differences_of(&subject, found), same_kind))
    }

    /// Reports metrics that are off by more than the tolerance. The threshold is skipped, since it is no measure of
    /// quality.
    pub(super) fn outside(&self, old: &BTreeMap<String, f64>, new: &BTreeMap<String, f64>) -> Vec<Change> {
        let metrics = |metrics: &BTreeMap<String, f64>| {
            let mut metrics = metrics.clone();
            metrics.retain(|name, _| !name.ends_with("threshold"));
            BTreeMap::from([("metrics", metrics)])
        };
        let is_near = |change: &Change| {
            let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
            let (Some(old), Some(new)) = (number(&change.old), number(&change.new)) else { return false };
            (old - new).abs() <= self.tolerance * old.abs().max(1.0)
        };
        let mut changes = changes(&metrics(old), &metrics(new));
        changes.retain(|change| !is_near(change));
        changes
    }
}

impl LockedCell {
    /// Compares two results of which at least one is a failure. Failures are equal if both are the cell's own and have
    /// the same reason; on another kind of device, whose numbers differ, if both are the cell's own.
    fn compare_failure(&self, cell: &record::Cell) -> Vec<Change> {
        let failed = |why: &str| format!("failed: {why}");
        let now = cell.error.as_deref().map_or_else(|| "done".to_owned(), failed);
        let then = self.failure.as_ref().map_or_else(|| "done".to_owned(), |failure| failed(&failure.reason));
        if let (Some(locked), Some(made_from), None) = (&self.failure, cell.made_from(), &cell.outcome) {
            let failure = LockedFailure::of(cell, made_from);
            let same_kind = (&failure.device, &failure.arithmetic) == (&locked.device, &locked.arithmetic);
            if !same_kind || failure == *locked {
                return Vec::new();
            }
        }
        vec![Change { what: "status".to_owned(), old: Some(then), new: Some(now) }]
    }
}

fn changes_of_computation(locked: u32) -> Vec<Change> {
    let number = |computation: u32| Some(computation.to_string());
    let change = Change { what: "computation".to_owned(), old: number(locked), new: number(COMPUTATION) };
    if locked == COMPUTATION { Vec::new() } else { vec![change] }
}

pub(super) fn differences_of(subject: &Subject, changes: impl IntoIterator<Item = Change>) -> Vec<Difference> {
    changes.into_iter().map(|change| Difference { subject: subject.clone(), change }).collect()
}
