//! Makes the checks of the data and, if one of them may end the run, of the embeddings, before anything is trained.

use emberline_base::{Warning, record};
use emberline_checks::Checked;

use super::observer::Observer;
use super::options::Options;
use super::survey::groups;
use crate::Error;
use crate::checks::{Checks, check_data, check_embedding};
use crate::inputs::{Data, Inputs};
use crate::plan::{Cell, Plan};

/// The checks before a run.
pub(super) struct InputChecks<'r> {
    pub(super) checks: Checks,
    pub(super) plan: &'r Plan,
    pub(super) options: &'r Options,
}

impl InputChecks<'_> {
    /// Makes the checks, and tells the observer of the data. Returns the description of the data with all warnings about them
    /// that are to be shown.
    ///
    /// # Errors
    /// If a warning was found that `[checks] fatal` names.
    pub(super) fn make(
        &self,
        data: &Data,
        inputs: &mut Inputs,
        observer: &mut dyn Observer,
    ) -> Result<record::Data, Error> {
        let mut description = data.dataset.data.clone();
        description.warnings.extend(check_data(data).iter().filter_map(Checked::warning));
        self.checks.retain(&mut description.warnings);
        observer.data(&description);
        self.checks.refuse(&description.warnings)?;
        if self.checks.is_fatal_of_embeddings() {
            self.checks.refuse(&self.of_embeddings(inputs))?;
        }
        Ok(description)
    }

    /// Opens the embeddings of the cells to run, each once for the same data, and returns the warnings about them. An embedding
    /// that can't be opened fails its cells later.
    fn of_embeddings(&self, inputs: &mut Inputs) -> Vec<Warning> {
        let asked = self.options.asked();
        let is_asked = |cell: &&Cell| asked.contains(&cell.id);
        let first = |cells: Vec<usize>| cells.into_iter().map(|at| &self.plan.cells[at]).find(is_asked);
        let mut warnings: Vec<Warning> = Vec::new();
        for cell in groups(self.plan).into_iter().filter_map(|group| first(group.cells)) {
            if let (Ok(data), Ok(opened)) = (inputs.data(cell), inputs.opened(cell)) {
                let new = check_embedding(cell.embedding(), &opened, &data.dataset);
                warnings.extend(new.into_iter().filter(|new| !warnings.contains(new)).collect::<Vec<_>>());
            }
        }
        warnings
    }
}
