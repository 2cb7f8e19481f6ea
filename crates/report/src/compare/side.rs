//! One side of a comparison: the cells of a run or a lock.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::Task;
use emberline_base::record::{Cell, MadeFrom};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::run::read_settings;
use crate::study::RunOfSide;
use crate::{Error, Run};

/// The key of the axis of embeddings.
const EMBEDDING: &str = "embedding";

/// A run or a lock, as one side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The name: the path as the user gave it.
    pub name: String,
    /// The classification task.
    pub task: Task,
    /// The cells, in the order of the plan.
    pub cells: Vec<SideCell>,
    /// The records of the run; `None` for a lock.
    pub run: Option<RunOfSide>,
}

/// A cell of one side.
#[derive(Clone, Debug, PartialEq)]
pub struct SideCell {
    /// The id of the cell.
    pub id: String,
    /// The value of each axis, by dotted key.
    pub axes: IndexMap<String, Value>,
    /// The settings of the cell, with `embedding` as `{name, kind, ...options}`. See [`SideCell::settings_of`].
    pub settings: Value,
    /// The metrics by name; empty unless the cell is done.
    pub metrics: BTreeMap<String, f64>,
    /// The inputs of the cell's result, if it has run.
    pub made_from: Option<MadeFrom>,
}

impl Side {
    /// Reads a run folder.
    ///
    /// # Errors
    /// As [`Run::load`].
    pub fn of_run(folder: &Path) -> Result<Self, Error> {
        let Run { summary, .. } = Run::load(folder)?;
        let cells: Result<Vec<SideCell>, Error> = summary.cells.iter().map(|cell| SideCell::of(folder, cell)).collect();
        let (name, task, cells) = (folder.display().to_string(), summary.data.task, cells?);
        Ok(Self { name, task, cells, run: Some(RunOfSide { summary, dir: folder.to_owned() }) })
    }
}

impl SideCell {
    fn of(folder: &Path, cell: &Cell) -> Result<Self, Error> {
        let written = read_settings(folder, cell)?.map(|file| Self::settings_of(file, &cell.embedding, &cell.settings));
        // A cell that hasn't run has no settings file: its record has the seed and the embedding.
        let embedding = json!({"name": cell.embedding, "kind": cell.source, "trainable": cell.trainable});
        let settings = written.unwrap_or_else(|| json!({"seed": cell.seed, EMBEDDING: embedding}));
        Ok(Self {
            id: cell.id.clone(),
            axes: cell.settings.clone(),
            settings,
            metrics: cell.outcome.as_ref().map(|outcome| outcome.metrics.clone()).unwrap_or_default(),
            made_from: cell.made_from(),
        })
    }

    /// Derives the settings of a cell from its pipeline file: removes the name and the grid, sets the values of the axes, and
    /// replaces the table of embeddings by the cell's own embedding, as `{name, kind, ...options}`.
    pub fn settings_of(mut file: Value, embedding: &str, axes: &IndexMap<String, Value>) -> Value {
        let Some(table) = file.as_object_mut() else { return file };
        ["name", "grid"].into_iter().for_each(|key| drop(table.remove(key)));
        let sources = table.remove(EMBEDDING).unwrap_or_default();
        let source = sources.get(embedding).and_then(Value::as_object).and_then(|source| source.iter().next());
        let (kind, options) = source.map_or((String::new(), Value::Null), |(kind, of)| (kind.clone(), of.clone()));
        let mut own = Map::from_iter([("name".to_owned(), embedding.into()), ("kind".to_owned(), kind.clone().into())]);
        own.extend(options.as_object().cloned().unwrap_or_default());
        table.insert(EMBEDDING.to_owned(), Value::Object(own));
        let longer = format!("{EMBEDDING}.{embedding}.{kind}.");
        for (axis, value) in axes.iter().filter(|(axis, _)| *axis != EMBEDDING) {
            match axis.strip_prefix(&longer) {
                Some(key) => set(&mut file, &format!("{EMBEDDING}.{key}"), value.clone()),
                None => set(&mut file, axis, value.clone()),
            }
        }
        file
    }

    /// Returns the name of the embedding.
    pub(super) fn embedding(&self) -> &str {
        self.settings[EMBEDDING]["name"].as_str().unwrap_or_default()
    }

    /// Returns whether the embedding was fine-tuned.
    pub(super) fn trainable(&self) -> bool {
        self.settings[EMBEDDING]["trainable"] == true
    }

    /// Returns the cell's value of an axis, which may be an axis of the other side's grid; null if it has no value.
    pub(super) fn value(&self, axis: &str) -> Value {
        if axis == EMBEDDING {
            return self.embedding().into();
        }
        let in_settings = || axis.split('.').try_fold(&self.settings, |value, key| value.get(key));
        self.axes.get(axis).or_else(in_settings).cloned().unwrap_or_default()
    }
}

/// Sets the value at a dotted key. A value on the path that isn't a table is replaced by a table.
fn set(table: &mut Value, key: &str, value: Value) {
    let target = key.split('.').fold(table, |table, key| {
        if !table.is_object() {
            *table = Value::Object(Map::new());
        }
        table.as_object_mut().expect("it was just made a table").entry(key).or_insert(Value::Null)
    });
    *target = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cells_settings_follow_from_the_file_and_its_axes() {
        let file = json!({
            "name": "p", "seed": 1, "train": {"epochs": 5}, "grid": {"seed": [1, 2]},
            "embedding": {"a": {"hashing": {"dim": 8, "trainable": false}}, "b": {"corpus": {"dim": 4}}},
        });
        let axes = [
            ("embedding", json!("a")),
            ("embedding.dim", json!(16)),
            ("embedding.a.hashing.buckets", json!(64)),
            ("seed", json!(2)),
            ("train.optimizer.adam.learning_rate", json!(0.1)),
        ];
        let axes: IndexMap<String, Value> = axes.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let expected = json!({
            "seed": 2, "train": {"epochs": 5, "optimizer": {"adam": {"learning_rate": 0.1}}},
            "embedding": {"name": "a", "kind": "hashing", "dim": 16, "trainable": false, "buckets": 64},
        });
        assert_eq!(SideCell::settings_of(file, "a", &axes), expected);
    }
}
