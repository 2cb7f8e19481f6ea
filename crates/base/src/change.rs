//! What changed between two values of one kind: settings, facts of inputs, results.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Keys of settings that say where files are, or what is shown: no result depends on them.
pub const IGNORED_KEYS: [&str; 5] = ["path", "url", "sha256", "rows", "epoch_dots"];

/// One thing that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Change {
    /// What: dotted, as in the pipeline file, a record or the lock.
    pub what: String,
    /// What it was; none: it wasn't there.
    pub old: Option<String>,
    /// What it is; none: it is gone.
    pub new: Option<String>,
}

/// What differs between two values of one kind, place by place, in the order of the places' names.
pub fn changes(old: &impl Serialize, new: &impl Serialize) -> Vec<Change> {
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
