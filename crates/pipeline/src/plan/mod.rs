//! The plan: expands a pipeline's grid into cells, each combination typed and named.

mod cell;
mod choice;
mod identity;
mod name;
mod pattern;
mod section;
mod sections;
mod subset;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use self::cell::{Cell, CellSettings, Embedding};
use self::choice::Axes;
pub use self::choice::Choice;
pub use self::identity::Identity;
use self::name::CellNames;
use self::sections::Sections;
use crate::Error;
use crate::diagnostics::Diagnostics;
use crate::document::check;
use crate::grid::EMBEDDING;
use crate::pipeline::Pipeline;
use crate::settings::Settings;

/// A combination of the grid that can't be run.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The value of each axis, by dotted key.
    pub axes: Choice,
    /// Why it can't be run.
    pub reason: String,
}

/// All combinations of a grid: the cells, and the combinations that are left out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cells, in the order of the axes: the first axis changes last.
    pub cells: Vec<Cell>,
    /// The combinations that are left out.
    pub left_out: Vec<LeftOut>,
}

impl Plan {
    /// Makes the plan of a pipeline.
    pub fn of(pipeline: &Pipeline) -> Self {
        Self::made_by(Sections::new(pipeline))
    }

    /// Makes the plan as far as the pipeline file alone decides it, without a look at the files that it names. It may
    /// have cells that [`of`](Self::of) leaves out, such as those that ask a table for more numbers than it has.
    pub fn of_settings(pipeline: &Pipeline) -> Self {
        Self::made_by(Sections::without_files(pipeline))
    }

    fn made_by(mut sections: Sections<'_>) -> Self {
        let pipeline = sections.pipeline;
        let mut plan = Self { cells: Vec::new(), left_out: Vec::new() };
        let axes = Arc::new(Axes::of(&pipeline.axes));
        for number in 0..pipeline.combinations() {
            let choice = Choice::new(axes.clone(), number);
            let cell = sections.cell(&choice);
            match cell.unwrap_or_else(|| Err(faults_of(pipeline, sections.source_name(&choice), &choice))) {
                Ok(cell) => plan.cells.push(cell),
                Err(reason) => plan.left_out.push(LeftOut { axes: choice, reason }),
            }
        }
        plan.leave_out_repeated();
        plan.lengthen_equal_ids(&sections.names);
        plan.tell_equal_logs_apart();
        plan
    }

    /// Leaves out cells that have the same settings as an earlier one: for example, `1` and `1.0` of one axis, or a
    /// value that is the default beside a combination that leaves it out. The reason names no cell, so that many such
    /// cells share one.
    fn leave_out_repeated(&mut self) {
        let mut seen: HashSet<Identity> = HashSet::with_capacity(self.cells.len());
        let (kept, repeated): (Vec<Cell>, Vec<Cell>) =
            std::mem::take(&mut self.cells).into_iter().partition(|cell| seen.insert(cell.identity));
        self.cells = kept;
        self.left_out.extend(repeated.into_iter().map(|cell| {
            let reason = format!("`{}` has the settings of an earlier combination again", cell.embedding());
            LeftOut { axes: cell.axes, reason }
        }));
    }

    /// Uses the whole identity in ids that several cells would share.
    fn lengthen_equal_ids(&mut self, names: &CellNames<'_>) {
        let mut cells_of: HashMap<&str, usize> = HashMap::with_capacity(self.cells.len());
        self.cells.iter().for_each(|cell| *cells_of.entry(&cell.id).or_default() += 1);
        let shared: Vec<usize> = (0..self.cells.len()).filter(|&at| cells_of[self.cells[at].id.as_str()] > 1).collect();
        for at in shared {
            let cell = &mut self.cells[at];
            cell.id = names.name(&cell.settings, &cell.axes, &cell.identity.to_string());
        }
    }

    /// Adds the beginning of the identity to names of logs that several cells would share.
    fn tell_equal_logs_apart(&mut self) {
        let mut cells_of: HashMap<&str, usize> = HashMap::with_capacity(self.cells.len());
        self.cells.iter().for_each(|cell| *cells_of.entry(&cell.log_name).or_default() += 1);
        let shared: Vec<usize> =
            (0..self.cells.len()).filter(|&at| cells_of[self.cells[at].log_name.as_str()] > 1).collect();
        for at in shared {
            let cell = &mut self.cells[at];
            cell.log_name.clone_from(&cell.id);
        }
    }

    /// Returns the ids of the cells that any of `patterns` names, in the order of the plan; none for no patterns, which stands for
    /// all cells. A pattern is an id, in which `*` stands for any characters and `?` for one.
    ///
    /// # Errors
    /// [`Error::NoSuchCell`] if a pattern names no cell.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<String>, Error> {
        pattern::select(self.cells.iter().map(|cell| cell.id.as_str()), patterns)
    }

    /// Returns the cell with this id.
    pub fn find(&self, id: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.id == id)
    }
}

/// Returns all faults of a combination whose sections have faults, by typing it as a whole.
fn faults_of(pipeline: &Pipeline, source: &str, choice: &Choice) -> String {
    let mut tree = pipeline.tree.clone();
    for (at, axis) in pipeline.axes.iter().enumerate().filter(|(_, axis)| axis.key != EMBEDDING) {
        let path = axis.path(source, &pipeline.settings);
        let value = &axis.written[choice.chosen(at)];
        if tree.set(&path, &value.span, value.clone()).is_err() {
            return format!("there is no key `{}`", axis.key);
        }
    }
    let embedding = tree.table_mut().and_then(|file| file.get_mut(EMBEDDING));
    if let Some(sources) = embedding.and_then(|entry| entry.value.table_mut()) {
        sources.retain(|name, _| *name == source);
    }
    let faults = check::<Settings>(&tree, Settings::faults).err().unwrap_or_default();
    reason(source, &faults)
}

fn reason(source: &str, faults: &Diagnostics) -> String {
    let with_cure =
        |fault: &crate::diagnostic::Diagnostic| match (fault.message.strip_prefix("unknown key"), &fault.hint) {
            (Some(key), _) => format!("has no key{key}"),
            (None, Some(hint)) => format!("{}; {hint}", fault.message),
            (None, None) => fault.message.clone(),
        };
    let mut messages: Vec<String> = faults.iter().map(with_cure).collect();
    messages.dedup();
    format!("`{source}` {}", messages.join("; "))
}
