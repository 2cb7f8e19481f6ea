//! From a pipeline to its cells: the product of the axes, each combination typed and named.

mod cell;
mod choice;
mod section;
mod sections;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::cell::{Cell, CellSettings, Embedding};
use self::choice::Axes;
pub use self::choice::Choice;
use self::sections::Sections;
use crate::diagnostic::Diagnostic;
use crate::document::Node;
use crate::grid::EMBEDDING;
use crate::pipeline::{Pipeline, check};
use crate::settings::Settings;

/// A combination that can't be done.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The value of each axis, by dotted key.
    pub axes: Choice,
    /// Why.
    pub reason: String,
}

/// All combinations of a grid.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cells, in the order of the axes: the first axis changes last.
    pub cells: Vec<Cell>,
    /// The combinations that are left out.
    pub left_out: Vec<LeftOut>,
}

impl Plan {
    /// The plan of a pipeline.
    pub fn of(pipeline: &Pipeline) -> Self {
        let mut plan = Self { cells: Vec::new(), left_out: Vec::new() };
        let axes = Arc::new(Axes::of(&pipeline.axes));
        let mut sections = Sections::new(pipeline);
        for number in 0..pipeline.combinations() {
            let choice = Choice::new(axes.clone(), number);
            let cell = sections.cell(&choice);
            match cell.unwrap_or_else(|| Err(faults_of(pipeline, sections.source_name(&choice), &choice))) {
                Ok(cell) => plan.cells.push(cell),
                Err(reason) => plan.left_out.push(LeftOut { axes: choice, reason }),
            }
        }
        plan
    }

    /// The cell with that id.
    pub fn find(&self, id: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.id == id)
    }
}

/// All that is wrong with a combination whose sections aren't sound: it is typed as a whole.
fn faults_of(pipeline: &Pipeline, source: &str, choice: &Choice) -> String {
    let mut tree = pipeline.tree.clone();
    for (at, axis) in pipeline.axes.iter().enumerate().filter(|(_, axis)| axis.key != EMBEDDING) {
        let path = axis.path(source, &pipeline.settings);
        if tree.set(&path, axis.written[choice.chosen(at)].clone()).is_err() {
            return format!("there is no key `{}`", axis.key);
        }
    }
    if let Node::Table(entries) = &mut tree.node {
        entries.shift_remove("grid");
        if let Some(Node::Table(sources)) = entries.get_mut("embedding").map(|e| &mut e.value.node) {
            sources.retain(|name, _| *name == source);
        }
    }
    let faults = check::<Settings>(&tree, Settings::faults).err().unwrap_or_default();
    reason(source, &faults)
}

fn reason(source: &str, faults: &[Diagnostic]) -> String {
    let has_no = |message: &str| message.replace("unknown key", "has no key");
    let mut messages: Vec<String> = faults.iter().map(|fault| has_no(&fault.message)).collect();
    messages.dedup();
    format!("`{source}` {}", messages.join("; "))
}
