//! Reads the JSON files of a model.

use std::path::Path;

use emberline_base::{file, json};
use serde_json::{Map, Value};

use crate::Error;

/// Maximum size of a JSON file in bytes; those of published models have a few KiB.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a JSON file whose value is an object.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>, Error> {
    match read(path)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::format(path, "not a JSON object; the model is damaged, get it again")),
    }
}

/// Reads a JSON file.
pub(crate) fn read(path: &Path) -> Result<Value, Error> {
    let bytes = bytes(path)?;
    let fault = |e: serde_json::Error| {
        Error::format(path, format!("{}; the model is damaged, get it again", json::describe_error_at(&e)))
    };
    serde_json::from_slice(&bytes).map_err(fault)
}

/// Reads the bytes of a JSON file, which must exist.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    if !path.is_file() {
        let hint = "; the model is incomplete, get it again".to_owned();
        return Err(Error::Missing { path: path.to_owned(), hint });
    }
    let length = path.metadata().map_err(emberline_base::file::FileError::new("read", path))?.len();
    if length > MAX_BYTES {
        return Err(Error::format(path, format!("{length} bytes; at most {MAX_BYTES} are read")));
    }
    Ok(file::read(path)?)
}
