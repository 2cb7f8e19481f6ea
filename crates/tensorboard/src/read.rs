//! Reads scalars back, for checks of one's own logs; TensorBoard reads much more.
//!
//! Enters: a folder of event files. Leaves: the points of its curves.

use std::path::Path;

use emberline_base::file::{self, FileError};

use crate::file_name;
use crate::record::{RecordError, records};
use crate::wire::{Value, fields};

/// A point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The curve's name.
    pub tag: String,
    /// Where the point is.
    pub step: u64,
    /// What it says.
    pub value: f32,
}

/// Why a folder's events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be read at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record is broken.
    #[error("{path}: {source}")]
    Record {
        /// The file.
        path: String,
        /// Where, and how.
        source: RecordError,
    },
    /// A record is whole, but no event.
    #[error("{path}: record {number} is no event")]
    Event {
        /// The file.
        path: String,
        /// 1 for the first.
        number: usize,
    },
}

/// The scalars of all event files in `folder`, in TensorBoard's order of reading. The last record
/// of a file may break off: it is still being written, or never will be.
///
/// # Errors
/// When a file can't be read, is damaged, or holds something other than events.
pub fn scalars(folder: &Path) -> Result<Vec<Scalar>, ReadError> {
    let mut scalars = Vec::new();
    for name in file_name::names(folder)? {
        let path = folder.join(name);
        let bytes = file::read(&path)?;
        let path = || path.display().to_string();
        for (index, record) in records(&bytes).enumerate() {
            let data = match record {
                Ok(data) => data,
                Err(RecordError::Truncated { .. }) => break,
                Err(source) => return Err(ReadError::Record { path: path(), source }),
            };
            scalars.extend(event(data).ok_or_else(|| ReadError::Event { path: path(), number: index + 1 })?);
        }
    }
    Ok(scalars)
}

/// The scalars of one event.
fn event(data: &[u8]) -> Option<Vec<Scalar>> {
    let mut step = 0;
    let mut scalars = Vec::new();
    for (field, value) in fields(data)? {
        match (field, value) {
            (2, Value::Varint(number)) => step = number,
            (5, Value::Bytes(summary)) => {
                for (field, value) in fields(summary)? {
                    let Value::Bytes(value) = value else { continue };
                    scalars.extend(if field == 1 { scalar(value)? } else { None });
                }
            }
            _ => {}
        }
    }
    scalars.iter_mut().for_each(|scalar| scalar.step = step);
    Some(scalars)
}

/// The value where its plugin is `scalars`, without its step.
fn scalar(value: &[u8]) -> Option<Option<Scalar>> {
    let mut tag = String::new();
    let mut number = None;
    let mut is_scalar = false;
    for (field, value) in fields(value)? {
        match (field, value) {
            (1, Value::Bytes(name)) => tag = String::from_utf8(name.to_vec()).ok()?,
            (8, Value::Bytes(tensor)) => number = content(tensor)?,
            (9, Value::Bytes(metadata)) => {
                is_scalar = fields(metadata)?.contains(&(1, Value::Bytes(b"\x0a\x07scalars")))
            }
            _ => {}
        }
    }
    Some(number.filter(|_| is_scalar).map(|value| Scalar { tag, step: 0, value }))
}

/// The number of a tensor of one float.
fn content(tensor: &[u8]) -> Option<Option<f32>> {
    let content = |(field, value)| match (field, value) {
        (4, Value::Bytes(content)) => content.try_into().ok().map(f32::from_le_bytes),
        _ => None,
    };
    Some(fields(tensor)?.into_iter().find_map(content))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event_file::EventFile;

    #[test]
    fn a_file_that_breaks_off_gives_what_it_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path()).expect("a file");
        events.scalar(0, "loss", 0.5).and_then(|()| events.scalar(1, "loss", 0.25)).expect("written");
        events.text(1, "notes", "no scalar").and_then(|()| events.flush()).expect("written");
        let path = events.path().to_owned();
        let whole = fs::read(&path).expect("readable");
        let mut counts = Vec::new();
        for end in 0..=whole.len() {
            fs::write(&path, &whole[..end]).expect("written");
            counts.push(scalars(folder.path()).expect("a whole beginning").len());
        }
        assert!(counts.is_sorted() && counts.last() == Some(&2));
    }

    #[test]
    fn damage_is_told_with_the_file_and_the_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = EventFile::create(folder.path()).expect("a file").path().to_owned();
        let mut bytes = fs::read(&path).expect("readable");
        bytes[20] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let error = scalars(folder.path()).expect_err("damaged").to_string();
        assert!(error.ends_with(".v2: the checksum of the record at byte 0 is wrong: the file is damaged"), "{error}");

        let mut bytes = Vec::new();
        crate::record::push(&mut bytes, b"\x2a\x7f");
        fs::write(&path, &bytes).expect("written");
        let error = scalars(folder.path()).expect_err("no event").to_string();
        assert!(error.ends_with(".v2: record 1 is no event"), "{error}");
    }
}
