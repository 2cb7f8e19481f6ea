//! Reads Apache Parquet (format 2.x) with the record reader of the `parquet` crate.
//!
//! | column | value |
//! |---|---|
//! | BYTE_ARRAY (string, or bytes that are UTF-8) | a text |
//! | BOOLEAN, INT32, INT64, FLOAT, DOUBLE | a scalar; whole floats without a point |
//! | LIST of one of these | a list |
//! | null, NaN | a missing value (`missing.rs`) |
//!
//! Only the wanted columns are decoded. The crate trusts some numbers in the file: those that could cost much time or memory are
//! checked in [`footer`], [`pages`] and [`claims`] before. Panics in each call into the crate are caught, so that a panic on a
//! damaged file becomes an error.

mod claims;
mod footer;
mod json;
mod pages;
mod thrift;

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use emberline_base::sniff::{HEAD, Kind, kind};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::{Field as Value, Row as Record};
use parquet::schema::types::Type;

use self::claims::{Budget, Group};
use self::json::json;
use super::compression::{Input, cap, explained};
use super::{Field, Original, Quoting, Request, Row, Sink, column};
use crate::error::{Error, Place, Unit};
use crate::missing::{of_list, of_number};

/// Reads a whole file; see [`super::read`].
pub(super) fn read(request: &Request<'_>, input: &mut Input<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    let path = request.path;
    let Opened { reader, check, bytes } = catch_panic(path, || open(path, input))??;
    let schema = reader.metadata().file_metadata().schema().clone();
    let columns = Columns::of(request, &schema)?;
    let projection = projection(path, &schema, &columns.projected)?;
    let budget = Budget::of(bytes);
    let mut cap = TextCap::of(path, bytes);
    let mut number = 0;
    for at in 0..reader.num_row_groups() {
        let group = reader.metadata().row_group(at);
        catch_panic(path, || columns.chunks(group).try_for_each(&check))?
            .map_err(|fault| refused_page(path, bytes, fault))?;
        let inner = catch_panic(path, || reader.get_row_group(at))?.map_err(|e| damaged(path, &e))?;
        let group = Group { inner, budget: budget.clone() };
        let rows = catch_panic(path, || group.get_row_iter(Some(projection.clone())))?;
        let mut rows = rows.map_err(|e| damaged(path, &e))?;
        while let Some(row) = catch_panic(path, || rows.next())? {
            number += 1;
            let row = row.map_err(|e| damaged(path, &e))?;
            let values: Vec<serde_json::Value> = if request.originals {
                row.get_column_iter().map(|(_, value)| json(value)).collect()
            } else {
                Vec::new()
            };
            let fields = columns.fields(row, number)?;
            cap.take(&fields, &values)?;
            let original = match request.originals {
                true => Original::Values { names: &columns.names, values: &values },
                false => Original::Line,
            };
            sink(Row {
                unit: Unit::Row,
                number,
                fields: &fields,
                names: &columns.names,
                original,
                quoting: Quoting::None,
            })?;
        }
    }
    if number == 0 {
        return Err(Error::NoRows { path: path.to_owned(), header: false });
    }
    Ok(columns.wanted())
}

/// The columns that are decoded, and the wanted ones among them.
struct Columns<'a> {
    path: &'a Path,
    /// The names of all columns.
    names: Vec<String>,
    /// The positions of the decoded columns in the file, ascending.
    projected: Vec<usize>,
    /// The positions of the wanted columns in `projected`, in the order of the request.
    order: Vec<usize>,
}

impl<'a> Columns<'a> {
    fn of(request: &Request<'a>, schema: &Type) -> Result<Self, Error> {
        let path = request.path;
        let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let wanted = column::positions(path, request.columns, &names)?;
        for (&at, is_text) in wanted.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            refuse_type(path, &schema.get_fields()[at], is_text)?;
        }
        let mut projected = if request.originals { (0..names.len()).collect() } else { wanted.clone() };
        projected.sort_unstable();
        let order = wanted.iter().filter_map(|at| projected.binary_search(at).ok()).collect();
        Ok(Self { path, names, projected, order })
    }

    /// Returns the chunks of the decoded columns in a row group.
    fn chunks<'g>(&self, group: &'g RowGroupMetaData) -> impl Iterator<Item = &'g ColumnChunkMetaData> {
        let names: Vec<&String> = self.projected.iter().map(|&at| &self.names[at]).collect();
        let is_wanted = move |column: &&ColumnChunkMetaData| {
            column.column_path().parts().first().is_some_and(|name| names.contains(&name))
        };
        group.columns().iter().filter(is_wanted)
    }

    /// Returns the names of the wanted columns, in the order of the request.
    fn wanted(&self) -> Vec<String> {
        self.order.iter().map(|&at| self.names[self.projected[at]].clone()).collect()
    }

    /// Returns the wanted fields of a row, in the order of the request.
    fn fields(&self, row: Record, number: u64) -> Result<Vec<Field<'static>>, Error> {
        let mut columns: Vec<Value> = row.into_columns().into_iter().map(|(_, value)| value).collect();
        let take = |&at: &usize| {
            let value = columns.get_mut(at).map_or(Value::Null, |value| std::mem::replace(value, Value::Null));
            field(value).map_err(|found| {
                let place = Place { path: self.path.to_owned(), unit: Unit::Row, number };
                let column = format!("`{}`", self.names[self.projected[at]]);
                Error::Value { place, column, found, expected: "UTF-8 text, a number, a boolean or a list" }
            })
        };
        self.order.iter().map(take).collect()
    }
}

/// Limits the total size of the texts relative to the file: a long dictionary entry may be referenced a million times.
struct TextCap<'a> {
    path: &'a Path,
    packed: u64,
    unpacked: u64,
}

impl<'a> TextCap<'a> {
    fn of(path: &'a Path, bytes: u64) -> Self {
        Self { path, packed: bytes, unpacked: 0 }
    }

    /// Counts the size of a row: its wanted fields, and all its values if they are passed too.
    fn take(&mut self, fields: &[Field<'_>], values: &[serde_json::Value]) -> Result<(), Error> {
        let length = |field: &Field<'_>| match field {
            Field::Missing => 0,
            Field::Text(text) => text.len(),
            Field::Scalar(text) => text.len(),
            Field::List(texts) => texts.iter().map(String::len).sum(),
        };
        let whole: usize = values.iter().map(json::size).sum();
        self.unpacked += (fields.iter().map(length).sum::<usize>() + whole) as u64;
        let Self { packed, unpacked, .. } = *self;
        let oversized = || Error::Oversized { path: self.path.to_owned(), packed, unpacked };
        if unpacked > cap(packed) { Err(oversized()) } else { Ok(()) }
    }
}

/// Checks the pages of a column before they are decoded.
type PageCheck = Box<dyn Fn(&ColumnChunkMetaData) -> Result<(), pages::Fault>>;

/// An open file.
struct Opened {
    reader: Box<dyn FileReader>,
    /// Checks the pages of a column before they are decoded.
    check: PageCheck,
    /// The size of the file in bytes.
    bytes: u64,
}

/// Opens a file. A compressed one is decompressed whole into memory, because reading begins with the footer at its end.
fn open(path: &Path, input: &mut Input<'_>) -> Result<Opened, Error> {
    match input {
        Input::File(file) => {
            let [file, again] = [file.try_clone(), file.try_clone()].map(|file| file.map_err(explained(path)));
            let file = file?;
            let length = file.metadata().map_err(explained(path))?.len();
            if length == 0 {
                return Err(Error::Empty { path: path.to_owned() });
            }
            checked(path, file, again?, length)
        }
        Input::Packed(reader) => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(explained(path))?;
            let length = bytes.len() as u64;
            let bytes = Bytes::from(bytes);
            checked(path, bytes.clone(), bytes, length)
        }
    }
}

/// Checks the first bytes and the footer, and opens a reader. A file of `length` bytes is: magic, row groups, footer, length of
/// the footer (u32 LE), magic. `again` is a second handle of the same file.
fn checked<R: ChunkReader + 'static>(path: &Path, file: R, again: R, length: u64) -> Result<Opened, Error> {
    let head = file.get_bytes(0, length.min(HEAD as u64) as usize).map_err(|e| damaged(path, &e))?;
    if let Some(found) = kind(&head).filter(|found| *found != Kind::Parquet) {
        return Err(Error::other_kind(path, found, "Parquet"));
    }
    let footer = || {
        let tail = file.get_bytes(length.checked_sub(8)?, 8).ok()?;
        let size = u32::from_le_bytes(*tail.first_chunk()?);
        file.get_bytes(length.checked_sub(8 + u64::from(size))?, size as usize).ok()
    };
    // If there is no footer, the crate reports it.
    if footer().is_some_and(|footer| footer::claims_too_much(&footer)) {
        let reason = "its footer claims more than it holds".to_owned();
        return Err(Error::Damaged { path: path.to_owned(), reason });
    }
    let reader = Box::new(SerializedFileReader::new(file).map_err(|e| damaged(path, &e))?);
    let check = Box::new(move |column: &ColumnChunkMetaData| pages::check(&again, length, column));
    Ok(Opened { reader, check, bytes: length })
}

fn refused_page(path: &Path, packed: u64, fault: pages::Fault) -> Error {
    match fault {
        pages::Fault::Oversized(unpacked) => Error::Oversized { path: path.to_owned(), packed, unpacked },
        pages::Fault::OutOfMemory(error) => error.into(),
    }
}

/// Converts a panic of the crate to an error.
fn catch_panic<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, Error> {
    emberline_base::catch_panic(call)
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

/// Returns the schema with only the columns at these positions.
fn projection(path: &Path, schema: &Type, at: &[usize]) -> Result<Type, Error> {
    let fields = at.iter().map(|&at| Arc::clone(&schema.get_fields()[at])).collect();
    Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(|e| damaged(path, &e))
}

/// Refuses a column of an unsupported type: texts must be strings; labels strings, numbers, booleans or lists of them.
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

/// Returns the primitive type of a column, or of the elements of a list column, which has three levels, or two from older
/// writers.
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

/// Converts a value to a field.
///
/// # Errors
/// When the type is not supported; the error describes the value.
fn field(value: Value) -> Result<Field<'static>, String> {
    Ok(match value {
        Value::Null => Field::Missing,
        Value::Str(text) => Field::Text(Cow::Owned(text)),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Field::Text(Cow::Owned(text.to_owned())),
            Err(_) => return Err("bytes that are not UTF-8".to_owned()),
        },
        Value::ListInternal(list) => {
            let elements: Vec<Field<'_>> = list.elements().iter().cloned().map(field).collect::<Result<_, _>>()?;
            of_list(elements)?
        }
        // The shortest decimal number that rounds to the same 32-bit float.
        Value::Float(number) if number.is_finite() && number.fract() != 0.0 => Field::Scalar(number.to_string()),
        Value::Float(number) => of_number(f64::from(number)),
        Value::Double(number) => of_number(number),
        Value::Group(_) | Value::MapInternal(_) => return Err("a group".to_owned()),
        scalar => Field::Scalar(scalar.to_string()),
    })
}
