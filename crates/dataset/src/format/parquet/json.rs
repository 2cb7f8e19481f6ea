//! Converts Parquet values to JSON, for rows that are passed with all their fields.

use parquet::record::Field as Value;
use serde_json::{Map, Number, Value as Json};

/// Converts a value of any type. NaN and infinities become null, invalid UTF-8 is replaced by U+FFFD, and dates and times are
/// written as the `parquet` crate displays them.
pub(super) fn json(value: &Value) -> Json {
    let float = |number: f64| Number::from_f64(number).map_or(Json::Null, Json::Number);
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Byte(value) => (*value).into(),
        Value::Short(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Long(value) => (*value).into(),
        Value::UByte(value) => (*value).into(),
        Value::UShort(value) => (*value).into(),
        Value::UInt(value) => (*value).into(),
        Value::ULong(value) => (*value).into(),
        // The shortest digits of the 32-bit float: 0.1, not 0.10000000149011612.
        Value::Float(value) => value.to_string().parse().map_or(Json::Null, float),
        Value::Double(value) => float(*value),
        Value::Str(value) => Json::String(value.clone()),
        Value::Bytes(value) => Json::String(String::from_utf8_lossy(value.data()).into_owned()),
        Value::ListInternal(list) => Json::Array(list.elements().iter().map(json).collect()),
        Value::Group(row) => {
            Json::Object(row.get_column_iter().map(|(name, value)| (name.clone(), json(value))).collect::<Map<_, _>>())
        }
        Value::MapInternal(map) => {
            let key = |value: &Value| match json(value) {
                Json::String(key) => key,
                other => other.to_string(),
            };
            Json::Object(map.entries().iter().map(|(name, value)| (key(name), json(value))).collect::<Map<_, _>>())
        }
        other => Json::String(other.to_string().trim_matches('"').to_owned()),
    }
}

/// Estimates the size of a value in bytes.
pub(super) fn size(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len(),
        Json::Array(values) => values.iter().map(size).sum::<usize>() + 8,
        Json::Object(object) => object.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() + 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(json(&Value::Float(0.1)).to_string(), "0.1");
        assert_eq!(json(&Value::Double(f64::NAN)), Json::Null);
        assert_eq!(json(&Value::Long(i64::MIN)).to_string(), i64::MIN.to_string());
        assert_eq!(json(&Value::Bytes(vec![b'a', 0xff].into())), Json::String("a\u{fffd}".into()));
        assert!(size(&serde_json::json!({"a": ["long text", 1]})) > 10);
    }
}
