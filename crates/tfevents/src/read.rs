//! Reads scalars back, to check logs that this crate wrote; TensorBoard itself reads much more.
//!
//! A folder of event files enters; the points of its curves leave.

use std::fs;
use std::path::Path;

use prost::Message as _;

use crate::error::Error;
use crate::file_name;
use crate::proto::{Content, Event, Value};
use crate::record::{RecordError, records};

/// A point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The curve's name.
    pub tag: String,
    /// The step of the point.
    pub step: u64,
    /// The value at the step.
    pub value: f32,
}

/// Returns the scalars of all event files in `folder`, in TensorBoard's order of reading. The last record of a file
/// may be truncated: it may still be in the middle of being written.
///
/// # Errors
/// When a file can't be read, is damaged, or contains something other than events.
pub fn scalars(folder: &Path) -> Result<Vec<Scalar>, Error> {
    let mut scalars = Vec::new();
    for name in file_name::event_files(folder)? {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        for (index, record) in records(&bytes).enumerate() {
            let data = match record {
                Ok(data) => data,
                Err(RecordError::Truncated { .. }) => break,
                Err(source) => return Err(Error::Record { path, source }),
            };
            let Ok(event) = Event::decode(data) else { return Err(Error::Event { path, number: index + 1 }) };
            scalars.extend(of_event(event));
        }
    }
    Ok(scalars)
}

/// Returns the scalars of one event.
fn of_event(event: Event) -> Vec<Scalar> {
    let Some(Content::Summary(summary)) = event.content else { return Vec::new() };
    summary.value.into_iter().filter_map(|value| scalar(event.step, value)).collect()
}

/// Returns the value, if its plugin is `scalars` and its tensor is one float.
fn scalar(step: u64, value: Value) -> Option<Scalar> {
    value.metadata?.plugin.filter(|plugin| plugin.name == "scalars")?;
    let number = value.tensor?.content.try_into().ok().map(f32::from_le_bytes)?;
    Some(Scalar { tag: value.tag, step, value: number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_file::EventFile;

    #[test]
    fn a_file_that_breaks_off_gives_what_it_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path(), "tests").expect("a file");
        events.scalar(0, "loss", 0.5).and_then(|()| events.scalar(1, "loss", 0.25)).expect("written");
        events.plugin_data(1, "notes", "text", Vec::new()).and_then(|()| events.flush()).expect("written");
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
        let path = EventFile::create(folder.path(), "tests").expect("a file").path().to_owned();
        let mut bytes = fs::read(&path).expect("readable");
        bytes[20] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let error = scalars(folder.path()).expect_err("damaged").to_string();
        assert!(error.ends_with(".v2: the checksum of the record at byte 0 is wrong: the file is damaged"), "{error}");

        let mut bytes = Vec::new();
        crate::record::push_record(&mut bytes, b"\x2a\x7f");
        fs::write(&path, &bytes).expect("written");
        let error = scalars(folder.path()).expect_err("no event").to_string();
        assert!(error.ends_with(".v2: record 1 is not an event"), "{error}");
    }
}
