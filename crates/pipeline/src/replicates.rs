//! Repeats, folds and draws of `[data.split]` as axes of the grid: each is a cell, and together they are the replicates
//! of one setting.

use std::path::Path;

use emberline_base::ReplicateAxis;

use crate::document::Tree;
use crate::settings::Settings;

/// Keys of `[data.split]` that set the number of replicates, and so can't be axes.
const COUNT_KEYS: [&str; 3] = ["data.split.repeats", "data.split.folds", "data.split.rows"];

/// An axis of replicates that the file asks for in `[data.split]` rather than in `[grid]`.
pub(crate) struct Replicates {
    /// The kind of axis.
    pub(crate) axis: ReplicateAxis,
    /// The key that asks for it.
    pub(crate) asked_by: &'static str,
    /// Its values.
    pub(crate) values: Vec<Value>,
}

/// A value of an axis of replicates.
pub(crate) enum Value {
    /// The number of a repeat or a fold.
    Number(u32),
    /// The name of a draw.
    Name(String),
}

/// Returns the replicates that a file asks for, or `None` if it chooses one of them. A file of draws that can't be read
/// gives `None`, too: reading the data reports the error.
pub(crate) fn replicates(settings: &Settings, folder: &Path) -> Option<Replicates> {
    let split = &settings.data.split;
    let numbers = |count: u32| (1..=count).map(Value::Number).collect();
    let (axis, asked_by, values): (_, _, Vec<Value>) = match (split.repeats, split.folds, &split.rows) {
        (Some(repeats), ..) if split.repeat.is_none() => (ReplicateAxis::Repeat, COUNT_KEYS[0], numbers(repeats)),
        (_, Some(folds), _) if split.fold.is_none() => (ReplicateAxis::Fold, COUNT_KEYS[1], numbers(folds)),
        (.., Some(rows)) if split.draw.is_none() => {
            let names = emberline_dataset::draw_names(&folder.join(rows)).ok()?;
            (ReplicateAxis::Draw, COUNT_KEYS[2], names.into_iter().map(Value::Name).collect())
        }
        _ => return None,
    };
    Some(Replicates { axis, asked_by, values }).filter(|replicates| !replicates.values.is_empty())
}

impl Replicates {
    /// Returns the values as a file would write them, positioned at the key that asks for them.
    pub(crate) fn written(&self, file: &Tree) -> Vec<Tree> {
        let place = file.locate(self.asked_by.split('.'));
        let written = |value: &Value| match value {
            Value::Number(number) => Tree::of_integer(place.clone(), i64::from(*number)),
            Value::Name(name) => Tree::of_text(place.clone(), name),
        };
        self.values.iter().map(written).collect()
    }
}

/// Returns whether a key sets the number of replicates.
pub(crate) fn sets_number_of_replicates(key: &str) -> bool {
    COUNT_KEYS.contains(&key)
}
