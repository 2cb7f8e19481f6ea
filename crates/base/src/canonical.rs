//! Canonical JSON of settings, from which stored digests are computed.
//!
//! Digests in locks, records and caches must not change if a Rust type or variant is renamed. Therefore they are computed
//! from the names that users write (serde's names) and never from `{:?}`.

use serde::Serialize;
use serde_json::{Map, Value};

/// Returns the canonical JSON of a value: object keys are sorted, there is no white space, and each number has one spelling
/// (`-0.0` is `0.0`). Equal settings have equal texts, whatever the order of their fields.
pub fn canonical(value: &impl Serialize) -> String {
    sorted(serde_json::to_value(value).unwrap_or_default()).to_string()
}

/// Returns the serialised name of a unit variant, as users write it.
pub fn variant_name(variant: &impl Serialize) -> String {
    let text = canonical(variant);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map_or(text.clone(), str::to_owned)
}

/// Sorts the keys of all objects in a value, and replaces `-0.0` by `0.0`.
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
        assert_eq!(variant_name(&Combiner::Sqrtn), "sqrtn");
    }
}
