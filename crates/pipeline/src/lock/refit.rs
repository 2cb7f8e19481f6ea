//! Records the refit in a lock, and compares it with a refit that was trained again.

use std::collections::BTreeMap;

use emberline_base::record::Refit;
use emberline_base::{Change, changes, run_files};

use super::compare::{Difference, differences_of, exact_changes};
use super::stale::Subject;
use super::verified::{Proof, VerifiedCell};
use super::{Lock, LockedRefit};
use crate::plan::Plan;

impl LockedRefit {
    /// Returns what must be equal on every kind of device: the setting, its replicates and the rows.
    fn of_every_device(&self) -> BTreeMap<&str, String> {
        [
            ("setting", self.setting.clone()),
            ("cells", self.cells.join(", ")),
            ("rows", self.rows.to_string()),
            ("data", self.data.to_string()),
            ("embedding", self.embedding.to_string()),
        ]
        .into()
    }
}

impl Lock {
    /// Compares a refit that was trained again with the locked one. Returns `None` if the lock has none.
    pub(crate) fn verified_refit(&self, plan: &Plan, refit: &Refit) -> Option<VerifiedCell> {
        let locked = self.refit.as_ref()?;
        let trained = plan.find(&refit.cells.first()?.id)?.refit(refit.epochs);
        let (found, proof) = self.compare_refit(locked, &LockedRefit::of(refit, &trained));
        let differences: Vec<Difference> = differences_of(&Subject::Refit, found);
        Some(VerifiedCell { id: run_files::REFIT.to_owned(), proof, differences, seconds: refit.seconds })
    }

    /// Compares two refits. On the same kind of device everything must be equal. On another kind, the best epochs may
    /// differ, so only the metrics (within the tolerance) and what decides the rows are compared.
    fn compare_refit(&self, old: &LockedRefit, new: &LockedRefit) -> (Vec<Change>, Proof) {
        if (&old.device, &old.arithmetic) == (&new.device, &new.arithmetic) {
            return (exact_changes(old, new), Proof::Bytes);
        }
        let mut found = changes(&old.of_every_device(), &new.of_every_device());
        found.extend(self.outside(&old.metrics, &new.metrics));
        (found, Proof::Tolerance)
    }
}
