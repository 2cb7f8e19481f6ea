//! Makes a lock one side of a comparison.

use emberline_base::Task;
use emberline_base::record::MadeFrom;
use emberline_report::compare::{Side, SideCell};
use indexmap::IndexMap;
use serde_json::Value;

use super::{Lock, LockedCell};

impl Lock {
    /// Returns the lock's cells, to be compared with a run or another lock. `name` is the lock's name in the
    /// comparison.
    pub fn side(&self, name: &str) -> Side {
        let settings = as_json(&self.settings);
        let cells = self.cells.iter().map(|(id, cell)| self.side_cell(id, cell, settings.clone())).collect();
        Side { name: name.to_owned(), task: self.task(), cells, run: None }
    }

    fn side_cell(&self, id: &str, cell: &LockedCell, settings: Value) -> SideCell {
        let axes: IndexMap<String, Value> =
            cell.axes.iter().map(|(key, value)| (key.clone(), as_json(value))).collect();
        let embedding = self.embedding.get(&cell.embedding);
        let name = embedding.map(|facts| facts.name.as_str()).unwrap_or_default();
        let result = cell.result.as_ref().map(|result| (&result.device, &result.arithmetic));
        let device = result.or(cell.failure.as_ref().map(|failure| (&failure.device, &failure.arithmetic)));
        let inputs = self.data.get(&cell.data).zip(embedding).zip(device);
        let made_from = inputs.map(|((data, embedding), (device, arithmetic))| MadeFrom {
            data: data.digest.clone(),
            embedding: embedding.digest.clone(),
            computation: self.pipeline.computation,
            device: device.clone(),
            arithmetic: arithmetic.clone(),
        });
        let metrics = cell.result.as_ref().map(|result| result.metrics.clone()).unwrap_or_default();
        SideCell { settings: SideCell::settings_of(settings, name, &axes), id: id.to_owned(), axes, metrics, made_from }
    }

    /// Derives the task from the locked settings: a binary task has a positive class, and a multi-label one has a
    /// `separator` or several label columns.
    fn task(&self) -> Task {
        let data = self.settings.get("data").and_then(toml::Value::as_table);
        let is_multi_label = data
            .is_some_and(|data| data.contains_key("separator") || data.get("label").is_some_and(toml::Value::is_array));
        match self.data.values().any(|facts| facts.positive.is_some()) {
            true => Task::Binary,
            false if is_multi_label => Task::MultiLabel,
            false => Task::MultiClass,
        }
    }
}

fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("a lock is plain data with text keys")
}
