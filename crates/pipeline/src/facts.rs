//! What the inputs of cells are, in so many words that a change of them can be named: noted in the run folder for `explain`,
//! and in the lock.

use std::collections::BTreeMap;

use emberline_base::{Digest, Splits};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// Of the texts and labels of every split, in order: what cells depend on.
    pub digest: Digest,
    /// The rows of all files.
    pub rows_read: usize,
    /// The SHA-256 of every file, by its path in the pipeline file.
    pub files: BTreeMap<String, String>,
    /// The positive class of a binary task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// The rows of every split.
    pub splits: Splits<SplitFacts>,
}

/// The rows of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFacts {
    /// All of them.
    pub rows: usize,
    /// Of the texts and labels, in order.
    pub digest: Digest,
    /// Rows a class.
    pub classes: IndexMap<String, usize>,
}

/// An embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFacts {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its kind, such as `tfhub`.
    pub kind: String,
    /// Of everything that decides its vectors: what cells depend on.
    pub digest: Digest,
    /// Of its files and how texts become tokens; where it learns from the training texts, of those.
    pub content: Digest,
}

/// Keys of settings that say where files are, or what is shown: no result depends on them.
pub(crate) const NO_MATTER: [&str; 4] = ["path", "url", "sha256", "epoch_dots"];

/// One thing that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What: dotted, as in the pipeline file, a record or the lock.
    pub what: String,
    /// What it was; none: it wasn't there.
    pub old: Option<String>,
    /// What it is; none: it is gone.
    pub new: Option<String>,
}

/// What differs between two values of one kind, place by place, in the order of the places' names.
pub(crate) fn changes(old: &impl Serialize, new: &impl Serialize) -> Vec<Change> {
    let mut places: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    let values = [serde_json::to_value(old).unwrap_or_default(), serde_json::to_value(new).unwrap_or_default()];
    for (side, value) in values.iter().enumerate() {
        flatten(String::new(), value, &mut |place, value| places.entry(place).or_default()[side] = Some(value));
    }
    let changed = places.into_iter().filter(|(_, [old, new])| old != new);
    changed.map(|(what, [old, new])| Change { what, old, new }).collect()
}

/// Tells every leaf of a value, with its place.
fn flatten(place: String, value: &Value, told: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let below = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                flatten(below, value, told);
            }
        }
        Value::String(text) => told(place, text.clone()),
        other => told(place, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_told_place_by_place() {
        let old = json!({"a": {"b": 1, "c": "x"}, "list": [1, 2], "gone": true});
        let new = json!({"a": {"b": 2, "c": "x"}, "list": [1, 3], "new": null});
        let told: Vec<String> = changes(&old, &new)
            .into_iter()
            .map(|change| format!("{} {:?} {:?}", change.what, change.old.as_deref(), change.new.as_deref()))
            .collect();
        let expected = [
            r#"a.b Some("1") Some("2")"#,
            r#"gone Some("true") None"#,
            r#"list Some("[1,2]") Some("[1,3]")"#,
            r#"new None Some("null")"#,
        ];
        assert_eq!(told, expected);
        assert!(changes(&old, &old).is_empty());
    }
}
