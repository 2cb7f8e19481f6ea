//! What differs between a lock and what is there now.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use emberline_base::record;
use serde::Serialize;

use super::make::settings;
use super::{Lock, LockedResult};
use crate::Error;
use crate::facts::{Change, changes};
use crate::inputs::Inputs;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};

/// What a difference is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The pipeline file.
    Settings,
    /// Which cells there are.
    Cells,
    /// A dataset, by the names of its files.
    Data(String),
    /// An embedding, by its name.
    Embedding(String),
    /// What a cell came to.
    Cell(String),
}

/// One thing that is not as the lock says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// What differs, with the old and the new.
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
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { what, old, new } = &self.change;
        if self.subject == Subject::Cells {
            let there = if new.is_some() { "isn't in the lock" } else { "is in the lock alone" };
            return write!(f, "cells: {what} {there}");
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}: {what}: {} -> {}", self.subject, shown(old), shown(new))?;
        match distance(old.as_deref(), new.as_deref()) {
            Some(by) => write!(f, " (by {by:.2e})"),
            None => Ok(()),
        }
    }
}

/// How far two numbers that aren't whole are apart.
fn distance(old: Option<&str>, new: Option<&str>) -> Option<f64> {
    let number = |text: Option<&str>| text?.parse::<f64>().ok();
    let by = number(new)? - number(old)?;
    (old?.contains(['.', 'e']) || new?.contains(['.', 'e'])).then_some(by)
}

impl Lock {
    /// What differs in the inputs: the settings, which cells there are, and the data and embeddings of some of them.
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
        let mut found = about(&Subject::Settings, changes(&self.settings, &settings(pipeline)));
        found.extend(about(&Subject::Cells, self.compare_cells(plan)));
        let mut seen = HashSet::new();
        for cell in cells {
            let Some(locked) = self.cells.get(&cell.id) else { continue };
            if let Some(data) = locked.data.as_ref().and_then(|key| self.data.get(key))
                && seen.insert(("data", data.digest.clone()))
                && inputs.data(cell)?.digest != data.digest
            {
                let files: Vec<&str> = data.files.keys().map(String::as_str).collect();
                let subject = Subject::Data(files.join(", "));
                found.extend(about(&subject, changes(data, &inputs.data_facts(cell)?)));
                // Its embeddings may well have been made from the same texts, and nothing more is known of them.
                continue;
            }
            if let Some(embedding) = locked.embedding.as_ref().and_then(|key| self.embedding.get(key))
                && seen.insert(("embedding", embedding.digest.clone()))
                && inputs.embedding_digest(cell)? != embedding.digest
            {
                let subject = Subject::Embedding(embedding.name.clone());
                found.extend(about(&subject, changes(embedding, &inputs.embedding_facts(cell)?)));
            }
        }
        Ok(found)
    }

    /// Cells that the lock or the plan lacks.
    fn compare_cells(&self, plan: &Plan) -> Vec<Change> {
        let there =
            |ids: &mut dyn Iterator<Item = &str>| ids.map(|id| (id.to_owned(), "there")).collect::<BTreeMap<_, _>>();
        let old = there(&mut self.cells.keys().map(String::as_str));
        changes(&old, &there(&mut plan.cells.iter().map(|cell| cell.id.as_str())))
    }

    /// What differs in a cell that was trained again, and whether it had to be equal to the byte.
    pub(super) fn compare_result(&self, cell: &record::Cell) -> Option<(Vec<Difference>, bool)> {
        let locked = self.cells.get(&cell.id)?;
        let subject = Subject::Cell(cell.id.clone());
        let (old, new) = match (&locked.result, &cell.outcome) {
            (Some(old), Some(outcome)) => (old, LockedResult::of(outcome)),
            (None, None) => return Some((Vec::new(), true)),
            (old, _) => {
                let status = |done: bool, why: &Option<String>| {
                    let why = why.as_deref().unwrap_or("for an unknown reason");
                    Some(if done { "done".to_owned() } else { format!("failed: {why}") })
                };
                let (old, new) = (status(old.is_some(), &locked.failed), status(old.is_none(), &cell.error));
                return Some((about(&subject, vec![Change { what: "status".to_owned(), old, new }]), true));
            }
        };
        let same_kind = (&old.device, &old.arithmetic) == (&new.device, &new.arithmetic);
        let found = if same_kind { changes(old, &new) } else { self.outside(old, &new) };
        Some((about(&subject, found), same_kind))
    }

    /// The metrics that are further off than the tolerance. Where a threshold lies is no measure of quality.
    fn outside(&self, old: &LockedResult, new: &LockedResult) -> Vec<Change> {
        let metrics = |result: &LockedResult| {
            let mut metrics = result.metrics.clone();
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

fn about(subject: &Subject, changes: Vec<Change>) -> Vec<Difference> {
    changes.into_iter().map(|change| Difference { subject: subject.clone(), change }).collect()
}
