//! `summary.parquet` and `settings.parquet`: the cells and the settings as tables for data frames, with types.
//!
//! Input: a list of JSON objects, those of `summary.json` and `settings.json`. Output: a file of Apache Parquet (format 2.x), a row per
//! object. Keys of objects within objects are columns by their dotted path, such as `metrics.val_accuracy.mean`.
//!
//! | values of a column | type |
//! |---|---|
//! | whole numbers | INT64 |
//! | other numbers | DOUBLE |
//! | true, false | BOOLEAN |
//! | anything else | STRING; lists, larger whole numbers, and values of several types, as JSON |
//!
//! All columns are optional: null is what an object lacks. Pages are neither compressed nor encoded by dictionary, since tables are small.

use std::sync::Arc;

use indexmap::IndexMap;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;

/// The name of the program in the file.
const CREATED_BY: &str = "emberline";

/// A column: its values by row, null where an object lacks it.
struct Column {
    name: String,
    kind: Physical,
    values: Vec<Value>,
}

/// Returns the table of a list of objects.
///
/// # Errors
/// If the objects can't be written as a table, which only happens if there is no column.
pub(super) fn table(objects: &[Value]) -> Result<Vec<u8>> {
    let columns = columns(objects);
    let fields: Vec<TypePtr> = columns.iter().map(Column::field).collect::<Result<_>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_created_by(CREATED_BY.to_owned()).set_dictionary_enabled(false);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    let mut group = writer.next_row_group()?;
    for column in &columns {
        let mut chunk = group.next_column()?.ok_or_else(|| ParquetError::General("a column is missing".to_owned()))?;
        column.write(chunk.untyped())?;
        chunk.close()?;
    }
    group.close()?;
    writer.into_inner()
}

fn columns(objects: &[Value]) -> Vec<Column> {
    let mut found: IndexMap<String, Vec<Value>> = IndexMap::new();
    for (row, object) in objects.iter().enumerate() {
        flatten("", object, &mut |name, value| {
            let values = found.entry(name).or_default();
            values.resize(row, Value::Null);
            values.push(value.clone());
        });
    }
    let column = |(name, mut values): (String, Vec<Value>)| {
        values.resize(objects.len(), Value::Null);
        Column { kind: kind(&values), name, values }
    };
    found.into_iter().map(column).collect()
}

/// Calls `take` with every value that isn't an object, by its dotted path.
fn flatten(path: &str, value: &Value, take: &mut dyn FnMut(String, &Value)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, take);
            }
        }
        Value::Null => {}
        other => take(path.to_owned(), other),
    }
}

fn kind(values: &[Value]) -> Physical {
    let all = |is: &dyn Fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    match () {
        () if all(&Value::is_i64) => Physical::INT64,
        // A whole number above those of 64 bits with a sign, as a seed may be, would lose digits.
        () if all(&|value| value.is_f64() || value.is_i64()) => Physical::DOUBLE,
        () if all(&Value::is_boolean) => Physical::BOOLEAN,
        () => Physical::BYTE_ARRAY,
    }
}

impl Column {
    fn field(&self) -> Result<TypePtr> {
        let text = (self.kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let field = Type::primitive_type_builder(&self.name, self.kind).with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(field.with_logical_type(text).build()?))
    }

    fn write(&self, writer: &mut ColumnWriter<'_>) -> Result<()> {
        let levels: Vec<i16> = self.values.iter().map(|value| i16::from(!value.is_null())).collect();
        let levels = Some(levels.as_slice());
        let present = || self.values.iter().filter(|value| !value.is_null());
        match writer {
            ColumnWriter::Int64ColumnWriter(writer) => {
                writer.write_batch(&present().filter_map(Value::as_i64).collect::<Vec<_>>(), levels, None)
            }
            ColumnWriter::DoubleColumnWriter(writer) => {
                writer.write_batch(&present().filter_map(Value::as_f64).collect::<Vec<_>>(), levels, None)
            }
            ColumnWriter::BoolColumnWriter(writer) => {
                writer.write_batch(&present().filter_map(Value::as_bool).collect::<Vec<_>>(), levels, None)
            }
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                writer.write_batch(&present().map(text).collect::<Vec<_>>(), levels, None)
            }
            _ => Err(ParquetError::General("a column of another type".to_owned())),
        }
        .map(drop)
    }
}

fn text(value: &Value) -> ByteArray {
    match value {
        Value::String(text) => text.as_bytes().to_vec().into(),
        other => other.to_string().into_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use serde_json::json;

    use super::*;

    fn read(file: Vec<u8>) -> Vec<Value> {
        let reader = SerializedFileReader::new(Bytes::from(file)).expect("a Parquet file");
        let rows = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row"));
        rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()).collect()
    }

    fn value(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Bool(value) => json!(value),
            Field::Long(value) => json!(value),
            Field::Double(value) => json!(value),
            Field::Str(value) => json!(value),
            other => panic!("a column of another type: {other}"),
        }
    }

    #[test]
    fn objects_come_back_with_their_types() {
        let objects = [
            json!({"id": "a", "n": 1, "score": 0.1, "done": true, "m": {"x": {"mean": 2}}, "list": [1, "b"], "seed": u64::MAX}),
            json!({"id": "=b", "n": null, "score": 1, "m": {"x": {"mean": 2.5}}, "more": "c"}),
            json!({}),
        ];
        let rows = read(table(&objects).expect("a table"));
        let expected = [
            json!({"id": "a", "n": 1, "score": 0.1, "done": true, "m.x.mean": 2.0, "list": "[1,\"b\"]", "seed": u64::MAX.to_string(), "more": null}),
            json!({"id": "=b", "n": null, "score": 1.0, "done": null, "m.x.mean": 2.5, "list": null, "seed": null, "more": "c"}),
            json!({"id": null, "n": null, "score": null, "done": null, "m.x.mean": null, "list": null, "seed": null, "more": null}),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn equal_objects_give_equal_bytes() {
        let objects = [json!({"a": 0.1 + 0.2})];
        let file = table(&objects).expect("a table");
        assert_eq!(file, table(&objects).expect("a table"));
        assert_eq!(read(file)[0]["a"], json!(0.1 + 0.2));
    }
}
