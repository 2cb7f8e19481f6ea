//! One event file: created under a name that sorts last; events are appended record by record.
//!
//! Steps, tags and values enter; `events.out.tfevents.*` files that TensorBoard reads leave. Specification:
//! `tensorflow/core/util/event.proto` and `events_writer.cc`.
//!
//! | field of an event | content |
//! |---|---|
//! | 1 double | wall time, seconds since 1970 |
//! | 2 int64 | step, left out if 0 |
//! | 3 string | `brain.Event:2`, in the first event only |
//! | 5 message | the summary: field 1, a value (see `summary.rs`) |
//! | 7 message | session log: field 1, status; 1 = START |
//! | 10 message | source metadata: field 1, the writer; in the first event only |

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use prost::Message as _;

use crate::clock::Clock;
use crate::error::Error;
use crate::file_name;
use crate::proto::{Content, Event, SessionLog, SourceMetadata, Summary, Value};
use crate::record;
use crate::summary::{self, PluginTensor};

/// The value of `SessionLog.status` for a start.
const START: i32 = 1;

/// The maximum number of buffered bytes: more are written without a call of [`EventFile::flush`].
const PENDING_LIMIT: usize = 1 << 16;

/// A growing event file. A run (a folder) must have only one writer at a time.
///
/// Only whole records are written, by [`flush`](Self::flush) and whenever enough of them have accumulated, so that a
/// concurrent reader never waits for the rest of a record.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    clock: Clock,
    /// Whole records that aren't in the file yet.
    pending: Vec<u8>,
    /// The file's length, up to which it consists of whole records.
    length: u64,
}

impl EventFile {
    /// Creates the folder if it is missing, and in it a new event file whose name sorts after those of all existing
    /// event files: TensorBoard reads the files of a folder in the order of their names and never returns to an
    /// earlier one. `writer` is the program that the file names as its source.
    ///
    /// # Errors
    /// When the folder or the file can't be created or written.
    pub fn create(folder: &Path, writer: &str) -> Result<Self, Error> {
        Self::create_at(folder, writer, Clock::System)
    }

    /// Like [`create`](Self::create), with the times of `clock`.
    ///
    /// # Errors
    /// When the folder or the file can't be created or written.
    pub fn create_at(folder: &Path, writer: &str, clock: Clock) -> Result<Self, Error> {
        Self::of(file_name::create_last(folder, None, clock)?, writer, clock)
    }

    /// Like [`create_at`](Self::create_at), under a name that also sorts after those of the event files in `other`, a folder that may be
    /// missing: linked there, the file is read last.
    ///
    /// # Errors
    /// When the folder or the file can't be created or written, or `other` can't be listed.
    pub fn create_after(other: &Path, folder: &Path, writer: &str, clock: Clock) -> Result<Self, Error> {
        Self::of(file_name::create_last(folder, Some(other), clock)?, writer, clock)
    }

    fn of((path, file): (PathBuf, File), writer: &str, clock: Clock) -> Result<Self, Error> {
        let mut events = Self { path, file, clock, pending: Vec::new(), length: 0 };
        let version = Content::FileVersion("brain.Event:2".to_owned());
        events.push(0, version, Some(SourceMetadata { writer: writer.to_owned() }))?;
        events.flush()?;
        Ok(events)
    }

    /// Opens the last event file of a folder, to append events to it; creates one as [`create_at`](Self::create_at) does if there is
    /// none. The file must not have another writer.
    ///
    /// # Errors
    /// When the folder can't be listed, or the file can't be opened.
    pub fn append_at(folder: &Path, writer: &str, clock: Clock) -> Result<Self, Error> {
        let last = if folder.exists() { file_name::event_files(folder)?.pop() } else { None };
        let Some(name) = last else { return Self::create_at(folder, writer, clock) };
        let path = folder.join(name);
        let failed = |source| Error::File { action: "open", path: path.clone(), source };
        let mut file = File::options().write(true).open(&path).map_err(failed)?;
        let length = file.seek(std::io::SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path, file, clock, pending: Vec::new(), length })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a point of a curve, as a 32-bit float.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<(), Error> {
        self.summary(step, summary::scalar(tag, value as f32))
    }

    /// Writes a tensor that a plugin shows.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn tensor(&mut self, step: u64, tag: &str, tensor: &PluginTensor<'_>) -> Result<(), Error> {
        self.summary(step, summary::tensor(tag, tensor))
    }

    /// Writes data of a plugin that takes them as metadata, without a tensor. The plugin HParams, for example, takes
    /// messages as `content`.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn plugin_data(&mut self, step: u64, tag: &str, plugin: &str, content: Vec<u8>) -> Result<(), Error> {
        self.summary(step, summary::plugin_data(tag, plugin, content))
    }

    /// Invalidates what earlier files of this folder contain at `step` and later, since they were written by an
    /// attempt that did not finish. TensorBoard's own reader drops these events at this one; its data server drops
    /// them at the first event of a tag whose step is not later than the last.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn restart(&mut self, step: u64) -> Result<(), Error> {
        // TensorBoard takes the first start of a run as its beginning; only the next one invalidates earlier events.
        (0..2).try_for_each(|_| self.push(step, Content::SessionLog(SessionLog { status: START }), None))
    }

    /// Writes all records to the file. After an error the file ends with a whole record, and the next call tries
    /// again to write the rest.
    ///
    /// # Errors
    /// When the file can't be written, for example because the disk is full.
    pub fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.pending);
        if let Err(source) = written {
            // Truncating is best effort: the first error is the one to report.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(std::io::SeekFrom::Start(self.length));
            return Err(Error::File { action: "write", path: self.path.clone(), source });
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn summary(&mut self, step: u64, value: Value) -> Result<(), Error> {
        self.push(step, Content::Summary(Summary { value: vec![value] }), None)
    }

    /// Appends an event, with the current time.
    fn push(&mut self, step: u64, content: Content, source_metadata: Option<SourceMetadata>) -> Result<(), Error> {
        let event = Event { wall_time: Some(self.clock.seconds()), step, content: Some(content), source_metadata };
        record::push_record(&mut self.pending, &event.encode_to_vec());
        if self.pending.len() < PENDING_LIMIT { Ok(()) } else { self.flush() }
    }
}

impl Drop for EventFile {
    /// Errors are ignored here; a caller who needs them calls [`flush`](Self::flush) first.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;
    use crate::record::records;

    /// Returns the events of a file without their wall times, in hexadecimal; the first event, with the file's
    /// version, is left out.
    fn written(write: impl FnOnce(&mut EventFile)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create_at(folder.path(), "tests", Clock::Fixed(5.0)).expect("a file");
        write(&mut events);
        events.flush().expect("written");
        let bytes = std::fs::read(events.path()).expect("readable");
        let hex = |data: &[u8]| data[9..].iter().map(|byte| format!("{byte:02x}")).collect();
        records(&bytes).skip(1).map(|data| hex(data.expect("whole"))).collect()
    }

    #[test]
    fn a_file_opens_with_its_version_and_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let events = EventFile::create_at(folder.path(), "tests", Clock::Fixed(1.5)).expect("a file");
        let bytes = std::fs::read(events.path()).expect("readable");
        let first = records(&bytes).next().expect("a record").expect("whole");
        assert_eq!(first, b"\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2R\x07\x0a\x05tests");
    }

    #[test]
    fn a_scalar_is_tensorflows_bytes() {
        let events = written(|events| events.scalar(3, "loss", 0.25).expect("written"));
        assert_eq!(events, ["10032a210a1f0a046c6f7373420a0801120022040000803e4a0b0a090a077363616c617273"]);
    }

    #[test]
    fn data_of_a_plugin_are_metadata_of_an_empty_tensor() {
        let events = written(|events| events.plugin_data(0, "t", "hparams", vec![1, 2]).expect("written"));
        assert_eq!(events, ["2a1e0a1c0a017442060801120212004a0f0a0d0a0768706172616d7312020102"]);
    }

    #[test]
    fn tensors_are_tensorflows_bytes() {
        // What TensorBoard's own protocol buffers encode: [[1], [2]] for the plugin "p", and a tensor of one text.
        let floats =
            PluginTensor { plugin: "p", content: vec![8, 1], shape: &[2, 1], values: Values::Floats(&[1.0, 2.0]) };
        let texts =
            PluginTensor { shape: &[1], values: Values::Texts(&["hi".to_owned()]), content: vec![], ..floats.clone() };
        let events = written(|events| {
            events.tensor(1, "t", &floats).and_then(|()| events.tensor(1, "t", &texts)).expect("written");
        });
        assert_eq!(
            events,
            [
                "10012a280a260a0174421608011208120208021202080122080000803f000000404a090a070a017012020801",
                "10012a1a0a180a0174420c0807120412020801420268694a050a030a0170",
            ]
        );
    }

    #[test]
    fn events_are_appended_to_the_last_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::append_at(folder.path(), "tests", Clock::Fixed(1.0)).expect("created");
        events.scalar(0, "loss", 1.0).and_then(|()| events.flush()).expect("written");
        drop(events);
        let mut again = EventFile::append_at(folder.path(), "tests", Clock::Fixed(2.0)).expect("opened");
        again.scalar(1, "loss", 0.5).and_then(|()| again.flush()).expect("written");
        assert_eq!(file_name::event_files(folder.path()).expect("listed").len(), 1);
        let steps: Vec<u64> = crate::scalars(folder.path()).expect("whole").iter().map(|scalar| scalar.step).collect();
        assert_eq!(steps, [0, 1]);
    }

    #[test]
    fn a_restart_is_two_session_logs() {
        assert_eq!(written(|events| events.restart(7).expect("written")), ["10073a020801"; 2]);
    }

    #[test]
    fn equal_clocks_give_equal_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [1, 2].map(|_| {
            let mut events = EventFile::create_at(folder.path(), "tests", Clock::Fixed(9.0)).expect("a file");
            events.plugin_data(0, "notes", "hparams", vec![1, 2]).expect("written");
            events.flush().expect("written");
            (events.path().to_owned(), std::fs::read(events.path()).expect("readable"))
        });
        assert!(files[0].0 < files[1].0 && files[0].1 == files[1].1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path(), "tests").expect("a file");
        events.file = File::options().write(true).open("/dev/full").expect("a full device");
        events.scalar(0, "loss", 1.0).expect("waits in memory");
        let error = events.flush().expect_err("a full device");
        assert!(error.to_string().starts_with("can't write "), "{error}");
        assert!(matches!(&error, Error::File { source, .. } if source.raw_os_error() == Some(28)), "{error}");
    }
}
