//! Finds the differences between the results of a lock and those of cells that were trained again.

use std::collections::BTreeMap;
use std::fmt;

use emberline_base::number::shortened;
use emberline_base::{Change, changes, record};
use serde::Serialize;

use super::stale::Subject;
use super::verified::Proof;
use super::{Lock, LockedCell, LockedFailure, LockedResult};

/// The key of the digest of all digits of the metrics.
const EXACT: &str = "exact";

/// One difference of a result from the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The subject.
    pub subject: Subject,
    /// The name of what differs, with the old and the new value.
    #[serde(flatten)]
    pub change: Change,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { what, old, new } = &self.change;
        if self.is_beyond_six_digits() {
            return write!(f, "{}: the metrics differ beyond their sixth digit", self.subject);
        }
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), shortened);
        write!(f, "{}: {what}: {} -> {}", self.subject, shown(old), shown(new))?;
        match self.distance() {
            Some(by) => write!(f, " (by {by:.2e})"),
            None => Ok(()),
        }
    }
}

impl Difference {
    /// Returns the difference for a reader who doesn't know the program: what was expected, what came out, and how far off
    /// it may be.
    pub fn explained(&self, proof: Proof, tolerance: f64) -> String {
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), shortened);
        let rule = match proof {
            Proof::Bytes => "on the same kind of device, results are equal to the byte".to_owned(),
            Proof::Tolerance => format!("tolerance {tolerance}"),
        };
        if self.is_beyond_six_digits() {
            return format!("metrics: expected other digits after the sixth; {rule}");
        }
        let (what, old, new) = (&self.change.what, shown(&self.change.old), shown(&self.change.new));
        let off = self.distance().map(|by| format!(", off by {:.2e}", by.abs())).unwrap_or_default();
        format!("{what}: expected {old}, got {new}{off}; {rule}")
    }

    /// Returns whether only the digest of all digits of the metrics differs.
    pub(super) fn is_beyond_six_digits(&self) -> bool {
        self.change.what == EXACT
    }

    /// Returns the difference of two numbers, unless both are whole.
    pub(super) fn distance(&self) -> Option<f64> {
        let (old, new) = (self.change.old.as_deref()?, self.change.new.as_deref()?);
        let by = new.parse::<f64>().ok()? - old.parse::<f64>().ok()?;
        (old.contains(['.', 'e']) || new.contains(['.', 'e'])).then_some(by)
    }
}

impl Lock {
    /// Compares a cell that was trained again. Returns the differences, and whether the results had to be equal to the
    /// byte.
    pub(super) fn compare_result(&self, cell: &record::Cell) -> Option<(Vec<Difference>, bool)> {
        let locked = self.cells.get(&cell.id)?;
        let subject = Subject::Cell(cell.id.clone());
        let (Some(old), Some(outcome)) = (&locked.result, &cell.outcome) else {
            return Some((differences_of(&subject, locked.compare_failure(cell)), true));
        };
        let new = LockedResult::comparable_with(outcome, old);
        let same_kind = (&old.device, &old.arithmetic) == (&new.device, &new.arithmetic);
        let found = if same_kind { exact_changes(old, &new) } else { self.outside(&old.metrics, &new.metrics) };
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
            (old - new).abs() <= self.pipeline.tolerance * old.abs().max(1.0)
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

/// Lists the changes between two results of one kind of device. That the digests of all digits differ is only said if no
/// metric shows it.
pub(super) fn exact_changes(old: &impl Serialize, new: &impl Serialize) -> Vec<Change> {
    let mut found = changes(old, new);
    if found.iter().any(|change| change.what.starts_with("metrics.")) {
        found.retain(|change| change.what != EXACT);
    }
    found
}

pub(super) fn differences_of(subject: &Subject, changes: impl IntoIterator<Item = Change>) -> Vec<Difference> {
    changes.into_iter().map(|change| Difference { subject: subject.clone(), change }).collect()
}
