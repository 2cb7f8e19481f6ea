//! Compares two values of one type (settings, facts about inputs, results) and lists what changed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Keys of settings that no result depends on: they say where files are, what is shown, or what is kept.
pub const IGNORED_KEYS: [&str; 6] = ["path", "url", "sha256", "rows", "epoch_dots", "keep_encoders"];

/// One value that differs between the old and the new side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Change {
    /// The dotted key of the value, as in the pipeline file, a record or the lock.
    pub what: String,
    /// The old value; `None` if the key was added.
    pub old: Option<String>,
    /// The new value; `None` if the key was removed.
    pub new: Option<String>,
}

/// Lists the differences between two values of one type, one per dotted key, sorted by key.
pub fn changes(old: &impl Serialize, new: &impl Serialize) -> Vec<Change> {
    let mut leaves: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    let values = [serde_json::to_value(old).unwrap_or_default(), serde_json::to_value(new).unwrap_or_default()];
    for (side, value) in values.iter().enumerate() {
        flatten(String::new(), value, &mut |key, value| leaves.entry(key).or_default()[side] = Some(value));
    }
    let changed = leaves.into_iter().filter(|(_, [old, new])| old != new);
    changed.map(|(what, [old, new])| Change { what, old, new }).collect()
}

/// Calls `visit` with the dotted key and the text of every leaf of a value. An array is one leaf.
fn flatten(path: String, value: &Value, visit: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(child, value, visit);
            }
        }
        Value::String(text) => visit(path, text.clone()),
        other => visit(path, other.to_string()),
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
