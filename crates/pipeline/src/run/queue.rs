//! The cells that a run is going to train, as observers are told of them: what each is called, why it runs, and how long it may train.

use std::collections::HashMap;

use emberline_base::Monitor;
use emberline_report::cell_labels;
use emberline_train::settings::Optimizer;

use super::survey::State;
use crate::plan::{Cell, Plan};

/// The cells that a run is going to train.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The cells, in the order in which they begin.
    pub cells: Vec<Queued>,
    /// The number of cells that are done already, and stay.
    pub kept: usize,
}

/// A cell that waits to be trained.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The cell's id.
    pub id: String,
    /// What the cell is called for people: the axes that vary. It contains text of the user.
    pub label: String,
    /// Why the cell runs.
    pub state: State,
    /// Cells with the same kind take about the same time: they have one embedding, frozen or fine-tuned.
    pub kind: String,
    /// The maximum number of epochs; none for a fit that isn't made of epochs.
    pub epochs: Option<u32>,
    /// Whether the fit may end before the last epoch.
    pub may_stop_early: bool,
    /// The metric by which the best epoch is chosen.
    pub monitor: Monitor,
}

impl Queue {
    /// Describes cells of a plan, each with the reason why it runs. `has_valid`: whether there are validation rows.
    pub(super) fn of(plan: &Plan, cells: &[(&Cell, State)], kept: usize, has_valid: bool) -> Self {
        let records: Vec<_> = plan.cells.iter().map(Cell::pending).collect();
        let labels = cell_labels(&records);
        let labels: HashMap<&str, String> = plan.cells.iter().map(|cell| cell.id.as_str()).zip(labels).collect();
        let queued = |(cell, state): &(&Cell, State)| {
            let label = labels.get(cell.id.as_str()).cloned().unwrap_or_else(|| cell.id.clone());
            Queued::of(cell, state.clone(), label, has_valid)
        };
        Self { cells: cells.iter().map(queued).collect(), kept }
    }
}

impl Queued {
    fn of(cell: &Cell, state: State, label: String, has_valid: bool) -> Self {
        let (name, source) = cell.source();
        let callbacks = &cell.settings.callbacks;
        let train = &cell.settings.train;
        Self {
            id: cell.id.clone(),
            label,
            state,
            kind: format!("{name} {}", source.trainable()),
            epochs: (!matches!(train.optimizer, Optimizer::Lbfgs(_))).then_some(train.epochs),
            may_stop_early: callbacks.early_stopping.is_some(),
            monitor: callbacks.monitor(has_valid),
        }
    }
}
