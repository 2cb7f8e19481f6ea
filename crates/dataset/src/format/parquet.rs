//! Apache Parquet (format 2.x), by the `parquet` crate's record reader.
//!
//! | column | gives |
//! |---|---|
//! | BYTE_ARRAY (string, or bytes that are UTF-8) | a text |
//! | BOOLEAN, INT32, INT64, FLOAT, DOUBLE | a scalar; whole floats without a point |
//! | LIST of one of these | a list; nulls in it are passed over |
//! | null | a missing value |
//!
//! Only the wanted columns are decoded. The crate trusts some numbers of the file, so each
//! call into it is fenced: a panic on a damaged file becomes an error.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field as Record;
use parquet::schema::types::Type;

use super::compression::{Input, explained};
use super::{Field, Request, Row, Sink, column, written};
use crate::error::{Error, Place, Unit};

/// Reads a whole file; see [`super::read`].
pub(super) fn read(request: &Request<'_>, input: &mut Input<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let path = request.path;
    let reader = fenced(path, || open(path, input))??;
    let schema = reader.metadata().file_metadata().schema().clone();
    let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let wanted = column::positions(path, request.columns, &names)?;
    for (&at, is_text) in wanted.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
        refuse_type(path, &schema.get_fields()[at], is_text)?;
    }
    let mut projected = wanted.clone();
    projected.sort_unstable();
    let order: Vec<usize> = wanted.iter().filter_map(|at| projected.binary_search(at).ok()).collect();
    let projection = projection(path, &schema, &projected)?;
    let mut rows = fenced(path, || reader.get_row_iter(Some(projection)))?.map_err(|e| damaged(path, &e))?;
    let mut number = 0;
    while let Some(row) = fenced(path, || rows.next())? {
        number += 1;
        let mut columns: Vec<Record> =
            row.map_err(|e| damaged(path, &e))?.into_columns().into_iter().map(|(_, value)| value).collect();
        let place = || Place { path: path.to_owned(), unit: Unit::Row, number };
        let take = |&at: &usize| {
            let value = columns.get_mut(at).map_or(Record::Null, |value| std::mem::replace(value, Record::Null));
            field(value).map_err(|found| {
                let column = format!("`{}`", names[projected[at]]);
                Error::Value { place: place(), column, found, expected: "UTF-8 text, a number, a boolean or a list" }
            })
        };
        let mut fields = order.iter().map(take).collect::<Result<Vec<_>, _>>()?;
        sink(Row { unit: Unit::Row, number, fields: &mut fields })?;
    }
    if number == 0 {
        return Err(Error::NoRows { path: path.to_owned(), header: false });
    }
    Ok(wanted.iter().map(|&at| names[at].clone()).collect())
}

/// A plain file is read where it lies; a packed one must be unpacked whole, since the format
/// begins at its end.
fn open(path: &Path, input: &mut Input<'_>) -> Result<Box<dyn FileReader>, Error> {
    Ok(match input {
        Input::File(file) => {
            let file = file.try_clone().map_err(explained(path))?;
            if file.metadata().map_err(explained(path))?.len() == 0 {
                return Err(Error::Empty { path: path.to_owned() });
            }
            Box::new(SerializedFileReader::new(file).map_err(|e| damaged(path, &e))?)
        }
        Input::Packed(reader) => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(explained(path))?;
            Box::new(SerializedFileReader::new(Bytes::from(bytes)).map_err(|e| damaged(path, &e))?)
        }
    })
}

/// Turns a panic of the crate into an error.
fn fenced<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, Error> {
    emberline_base::fenced(call)
        .map_err(|_| Error::Damaged { path: path.to_owned(), reason: "its numbers contradict each other".to_owned() })
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    let text = error.to_string();
    let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason).to_owned();
    match error {
        ParquetError::NYI(_) => {
            Error::Archive { path: path.to_owned(), reason: format!("this kind of Parquet can't be read: {reason}") }
        }
        _ => Error::Damaged { path: path.to_owned(), reason },
    }
}

/// The schema cut down to the fields at these positions.
fn projection(path: &Path, schema: &Type, at: &[usize]) -> Result<Type, Error> {
    let fields = at.iter().map(|&at| Arc::clone(&schema.get_fields()[at])).collect();
    Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(|e| damaged(path, &e))
}

/// Texts are strings; labels are strings, numbers, booleans or lists of them.
fn refuse_type(path: &Path, field: &Type, is_text: bool) -> Result<(), Error> {
    let expected = if is_text { "a string" } else { "a string, a number, a boolean or a list of them" };
    let element = element(field);
    let fits = match element.map(Type::get_physical_type) {
        Some(Physical::BYTE_ARRAY) => true,
        Some(Physical::BOOLEAN | Physical::INT32 | Physical::INT64 | Physical::FLOAT | Physical::DOUBLE) => !is_text,
        _ => false,
    };
    if fits && (!is_text || field.is_primitive()) {
        return Ok(());
    }
    let found = match (element, field.is_primitive()) {
        (Some(inner), false) => format!("list of {}", inner.get_physical_type()),
        (Some(inner), true) => inner.get_physical_type().to_string(),
        (None, _) => "group".to_owned(),
    };
    Err(Error::ColumnType { path: path.to_owned(), column: field.name().to_owned(), found, expected })
}

/// The primitive type of a column, or of the elements of a list column (three levels, or the
/// two of older writers).
fn element(field: &Type) -> Option<&Type> {
    if field.is_primitive() {
        return Some(field);
    }
    let info = field.get_basic_info();
    let is_list =
        info.converted_type() == ConvertedType::LIST || matches!(info.logical_type_ref(), Some(LogicalType::List));
    let [repeated] = field.get_fields() else { return None };
    if !is_list {
        return None;
    }
    if repeated.is_primitive() {
        return Some(repeated);
    }
    match repeated.get_fields() {
        [inner] if inner.is_primitive() => Some(inner),
        _ => None,
    }
}

/// What a record holds; otherwise words for what it holds instead.
fn field(value: Record) -> Result<Field<'static>, String> {
    Ok(match value {
        Record::Null => Field::Missing,
        Record::Str(text) => Field::Text(Cow::Owned(text)),
        Record::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Field::Text(Cow::Owned(text.to_owned())),
            Err(_) => return Err("bytes that are not UTF-8".to_owned()),
        },
        Record::ListInternal(list) => {
            let mut values = Vec::with_capacity(list.len());
            for element in list.elements() {
                match field(element.clone())? {
                    Field::Missing => {}
                    Field::Text(text) => values.push(text.into_owned()),
                    Field::Scalar(scalar) => values.push(scalar),
                    Field::List(_) => return Err("a list within a list".to_owned()),
                }
            }
            Field::List(values)
        }
        Record::Float(number) if number.fract() != 0.0 => Field::Scalar(number.to_string()),
        Record::Float(number) => Field::Scalar(written(f64::from(number))),
        Record::Double(number) => Field::Scalar(written(number)),
        Record::Group(_) | Record::MapInternal(_) => return Err("a group".to_owned()),
        scalar => Field::Scalar(scalar.to_string()),
    })
}
