//! Writes small files of every format, for the readers to read.

use std::io::{Cursor, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// All compressions, by their endings.
pub(crate) const PACKINGS: [&str; 4] = ["", ".gz", ".zst", ".zip"];

/// A cell of a table; all of a column are of one kind.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Option<Vec<String>>),
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Int(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
            Self::List(values) => values.clone().into(),
        }
    }
}

/// A table of texts; nulls are empty.
pub(crate) fn csv(names: &[&str], rows: &[Vec<Value>], delimiter: u8) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(names).expect("written");
    for row in rows {
        let fields = row.iter().map(|value| match value {
            Value::Text(text) => text.clone().unwrap_or_default(),
            other => panic!("not a text: {other:?}"),
        });
        writer.write_record(fields).expect("written");
    }
    writer.into_inner().expect("flushed")
}

/// One object per row.
pub(crate) fn jsonl(names: &[&str], rows: &[Vec<Value>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        let object: serde_json::Map<_, _> =
            names.iter().map(|n| (*n).to_owned()).zip(row.iter().map(Value::json)).collect();
        serde_json::to_writer(&mut bytes, &object).expect("written");
        bytes.push(b'\n');
    }
    bytes
}

/// Two row groups, Snappy; texts and lists are optional columns. Without rows: columns of texts.
pub(crate) fn parquet(names: &[&str], rows: &[Vec<Value>]) -> Vec<u8> {
    let column = |(at, name): (usize, &&str)| match rows.first().map(|row| &row[at]) {
        None | Some(Value::Text(_)) => format!("optional binary {name} (UTF8);"),
        Some(Value::Int(_)) => format!("required int64 {name};"),
        Some(Value::Float(_)) => format!("required double {name};"),
        Some(Value::Bool(_)) => format!("required boolean {name};"),
        Some(Value::List(_)) => {
            format!("optional group {name} (LIST) {{ repeated group list {{ optional binary element (UTF8); }} }}")
        }
    };
    let columns: String = names.iter().enumerate().map(column).collect();
    let schema = parse_message_type(&format!("message schema {{ {columns} }}")).expect("a schema");
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).expect("a writer");
    for rows in rows.chunks(rows.len().div_ceil(2).max(1)) {
        let mut group = writer.next_row_group().expect("a group");
        for at in 0..names.len() {
            let values: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
            write_column(&mut group, &values);
        }
        group.close().expect("closed");
    }
    writer.into_inner().expect("closed")
}

/// A column of texts, each the same or null: a run of one number, however many rows there are.
pub(crate) fn parquet_of_one_run(rows: usize, text: Option<&str>) -> Vec<u8> {
    let properties = WriterProperties::builder().set_data_page_row_count_limit(usize::MAX).build();
    parquet_of_texts(&vec![text; rows], properties)
}

/// One column and one row group, written as the properties say.
pub(crate) fn parquet_of_texts(rows: &[Option<&str>], properties: WriterProperties) -> Vec<u8> {
    let schema = parse_message_type("message schema { optional binary text (UTF8); }").expect("a schema");
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("a column").expect("one more");
    let texts: Vec<ByteArray> = rows.iter().flatten().map(|text| ByteArray::from(*text)).collect();
    let definitions: Vec<i16> = rows.iter().map(|text| i16::from(text.is_some())).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&definitions), None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.into_inner().expect("closed")
}

fn write_column(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[&Value]) {
    let mut column = group.next_column().expect("a column").expect("one more");
    let (mut texts, mut ints, mut floats, mut bools) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Text(text) => {
                definitions.push(i16::from(text.is_some()));
                texts.extend(text.as_deref().map(ByteArray::from));
            }
            Value::Int(number) => ints.push(*number),
            Value::Float(number) => floats.push(*number),
            Value::Bool(value) => bools.push(*value),
            Value::List(None) => (definitions.push(0), repetitions.push(0)).0,
            Value::List(Some(list)) if list.is_empty() => (definitions.push(1), repetitions.push(0)).0,
            Value::List(Some(list)) => {
                for (at, text) in list.iter().enumerate() {
                    definitions.push(3);
                    repetitions.push(i16::from(at > 0));
                    texts.push(ByteArray::from(text.as_str()));
                }
            }
        }
    }
    let repetitions = (!repetitions.is_empty()).then_some(repetitions.as_slice());
    let written = match values[0] {
        Value::Text(_) | Value::List(_) => {
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&definitions), repetitions)
        }
        Value::Int(_) => column.typed::<Int64Type>().write_batch(&ints, None, None),
        Value::Float(_) => column.typed::<DoubleType>().write_batch(&floats, None, None),
        Value::Bool(_) => column.typed::<BoolType>().write_batch(&bools, None, None),
    };
    written.expect("written");
    column.close().expect("closed");
}

/// The bytes in a packing; `inner`: the name within an archive.
pub(crate) fn packed(bytes: &[u8], packing: &str, inner: &str) -> Vec<u8> {
    match packing {
        ".gz" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(bytes).expect("written");
            writer.finish().expect("finished")
        }
        ".zst" => {
            let mut writer = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
            writer.include_checksum(true).expect("set");
            writer.write_all(bytes).expect("written");
            writer.finish().expect("finished")
        }
        ".zip" => zip(&[(inner, bytes)]),
        _ => bytes.to_vec(),
    }
}

/// A zip archive of these files, deflated.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
        writer.write_all(bytes).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}
