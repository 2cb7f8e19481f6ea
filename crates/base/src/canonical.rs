//! Canonical text of settings, for digests that are stored.
//!
//! Digests that lie in locks, records and caches must not change when a Rust type or variant is renamed. So they are made
//! of the names that users write (serde's names) and never of `{:?}`.

use serde::Serialize;
use serde_json::{Map, Value};

/// The canonical JSON of a value: the keys of objects sorted, no white space, and one spelling for each number
/// (`-0.0` is `0.0`). Two values with equal settings have equal texts, whatever the order of their fields.
pub fn canonical(value: &impl Serialize) -> String {
    sorted(serde_json::to_value(value).unwrap_or_default()).to_string()
}

/// The name of a variant without fields, as users write it.
pub fn name_of(variant: &impl Serialize) -> String {
    let text = canonical(variant);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map_or(text.clone(), str::to_owned)
}

/// A value with the keys of all its objects sorted.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(0.0) => Value::from(0.0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Combiner;

    #[test]
    fn equal_settings_have_one_text() {
        let (one, other) =
            (json!({"b": [1, {"d": -0.0, "c": 2}], "a": "x"}), json!({"a": "x", "b": [1, {"c": 2, "d": 0.0}]}));
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(canonical(&one), r#"{"a":"x","b":[1,{"c":2,"d":0.0}]}"#);
    }

    #[test]
    fn a_variant_is_named_as_users_write_it() {
        assert_eq!(name_of(&Combiner::Sqrtn), "sqrtn");
    }
}
