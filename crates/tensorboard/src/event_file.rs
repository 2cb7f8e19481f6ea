//! One event file: created under a name that sorts last, then events appended record by record.
//!
//! Enters: steps, tags and values. Leaves: `events.out.tfevents.*` files that TensorBoard reads.
//! Specification: `tensorflow/core/util/event.proto` and `events_writer.cc`.
//!
//! | field of an event | what |
//! |---|---|
//! | 1 double | wall time, seconds since 1970 |
//! | 2 int64 | step, left out where 0 |
//! | 3 string | `brain.Event:2`, in the first event alone |
//! | 5 message | the summary: field 1, a value (see `summary.rs`) |
//! | 7 message | session log: field 1, status; 1 = START |
//! | 10 message | source metadata: field 1, the writer; in the first event alone |

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use emberline_base::file::FileError;

use crate::clock::Clock;
use crate::file_name;
use crate::hparams::{self, Experiment, HParam, SessionStatus};
use crate::record;
use crate::summary::{self, Histogram, PrCurve};
use crate::wire::Message;

/// The step-free events of the HParams page stand at step 0.
const NO_STEP: u64 = 0;

/// Whole records are handed to the system at the latest when this many bytes wait.
const PENDING_LIMIT: usize = 1 << 16;

/// A growing event file. One run (a folder) has one writer at a time.
///
/// Whole records are written by [`flush`](Self::flush) (and in between, once some have gathered),
/// so that a reader beside the writer never waits for the rest of one.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    clock: Clock,
    /// Whole records that are not in the file yet.
    pending: Vec<u8>,
    /// The file's length, up to which it holds whole records.
    length: u64,
}

impl EventFile {
    /// Makes the folder where it is missing, and in it a new event file whose name sorts after
    /// those of all event files there: TensorBoard reads the files of a folder in the order of
    /// their names and never returns to an earlier one.
    ///
    /// # Errors
    /// When the folder or the file can't be made or written.
    pub fn create(folder: &Path) -> Result<Self, FileError> {
        Self::create_at(folder, Clock::System)
    }

    /// As [`create`](Self::create), with the times of `clock`.
    ///
    /// # Errors
    /// When the folder or the file can't be made or written.
    pub fn create_at(folder: &Path, clock: Clock) -> Result<Self, FileError> {
        let (path, file) = file_name::create_last(folder, clock)?;
        let mut events = Self { path, file, clock, pending: Vec::new(), length: 0 };
        let source = Message::new().bytes(1, "emberline");
        events.push(Message::new().bytes(3, "brain.Event:2").message(10, source))?;
        events.flush()?;
        Ok(events)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A point of a curve, as a 32-bit float.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<(), FileError> {
        self.summary(step, summary::scalar(tag, value as f32))
    }

    /// The distribution of values at one step.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn histogram(&mut self, step: u64, tag: &str, histogram: &Histogram) -> Result<(), FileError> {
        self.summary(step, histogram.value(tag))
    }

    /// A precision-recall curve at one step.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn pr_curve(&mut self, step: u64, tag: &str, curve: &PrCurve) -> Result<(), FileError> {
        self.summary(step, curve.value(tag))
    }

    /// A text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<(), FileError> {
        self.summary(step, summary::text(tag, markdown))
    }

    /// What the sessions below this folder vary and what they are compared by. Stands in the
    /// folder above the sessions' own.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn hparams_experiment(&mut self, experiment: &Experiment) -> Result<(), FileError> {
        self.summary(NO_STEP, hparams::experiment(experiment))
    }

    /// A session of training begins in this folder. Sessions of one `group` are one row of the
    /// HParams page, with the mean of their metrics; an empty group stands for the session alone.
    /// Of several starts in a folder, TensorBoard keeps the first.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn hparams_start(
        &mut self,
        group: &str,
        hparams: &[(String, HParam)],
        start_secs: f64,
    ) -> Result<(), FileError> {
        self.summary(NO_STEP, hparams::session_start(group, hparams, start_secs))
    }

    /// The session ended. Of several ends in a folder, TensorBoard keeps the first.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn hparams_end(&mut self, status: SessionStatus, end_secs: f64) -> Result<(), FileError> {
        self.summary(NO_STEP, hparams::session_end(status, end_secs))
    }

    /// What earlier files of this folder hold at `step` and later is void: they were written by
    /// an attempt that did not finish. TensorBoard's own reader drops it at this event; its data
    /// server, at the first event of a tag whose step is not later than the last.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn restart(&mut self, step: u64) -> Result<(), FileError> {
        // TensorBoard takes the first start of a run for its beginning: only the next one voids.
        (0..2).try_for_each(|_| self.push(at_step(step).message(7, Message::new().varint(1, 1))))
    }

    /// Hands all records to the operating system. After an error the file ends with a whole
    /// record, and what is missing is tried again by the next call.
    ///
    /// # Errors
    /// When the disk is full, ...
    pub fn flush(&mut self) -> Result<(), FileError> {
        let written = self.file.write_all(&self.pending);
        if let Err(source) = written {
            // Best effort: the first error is the one to tell.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(std::io::SeekFrom::Start(self.length));
            return Err(FileError { action: "write", path: self.path.clone(), source });
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn summary(&mut self, step: u64, value: Message) -> Result<(), FileError> {
        self.push(at_step(step).message(5, Message::new().message(1, value)))
    }

    /// Appends an event; the wall time goes before what it already has.
    fn push(&mut self, event: Message) -> Result<(), FileError> {
        let mut data = Message::new().double(1, self.clock.seconds()).into_bytes();
        data.extend_from_slice(&event.into_bytes());
        record::push(&mut self.pending, &data);
        if self.pending.len() < PENDING_LIMIT { Ok(()) } else { self.flush() }
    }
}

impl Drop for EventFile {
    /// Whoever wants to know of errors has flushed before.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

fn at_step(step: u64) -> Message {
    if step == 0 { Message::new() } else { Message::new().varint(2, step) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::records;

    /// The events of a file after their wall times, in hexadecimal; the first, with the file's
    /// version, left out.
    fn written(write: impl FnOnce(&mut EventFile)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create_at(folder.path(), Clock::Fixed(5.0)).expect("a file");
        write(&mut events);
        events.flush().expect("written");
        let bytes = std::fs::read(events.path()).expect("readable");
        let hex = |data: &[u8]| data[9..].iter().map(|byte| format!("{byte:02x}")).collect();
        records(&bytes).skip(1).map(|data| hex(data.expect("whole"))).collect()
    }

    #[test]
    fn a_file_opens_with_its_version_and_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let events = EventFile::create_at(folder.path(), Clock::Fixed(1.5)).expect("a file");
        let bytes = std::fs::read(events.path()).expect("readable");
        let first = records(&bytes).next().expect("a record").expect("whole");
        assert_eq!(first, b"\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2R\x0b\x0a\x09emberline");
    }

    #[test]
    fn a_scalar_is_tensorflows_bytes() {
        let events = written(|events| events.scalar(3, "loss", 0.25).expect("written"));
        assert_eq!(events, ["10032a210a1f0a046c6f7373420a0801120022040000803e4a0b0a090a077363616c617273"]);
    }

    #[test]
    fn a_session_start_is_tensorflows_bytes() {
        let hparams = [("emb".into(), "nnlm".into()), ("lr".into(), 0.1.into()), ("ft".into(), true.into())];
        let events = written(|events| events.hparams_start("t1", &hparams, 5.0).expect("written"));
        let content = "1a370a0d0a03656d6212061a046e6e6c6d0a0f0a026c721209119a9999999999b93f0a080a0266741202200122027431290000000000001440";
        let tag = "5f68706172616d735f2f73657373696f6e5f73746172745f696e666f"; // _hparams_/session_start_info
        let head = format!("2a700a6e0a1c{tag}42060801120212004a460a440a0768706172616d731239");
        assert_eq!(events, [head + content]);
    }

    #[test]
    fn a_restart_is_two_session_logs() {
        assert_eq!(written(|events| events.restart(7).expect("written")), ["10073a020801"; 2]);
    }

    #[test]
    fn equal_clocks_give_equal_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [1, 2].map(|_| {
            let mut events = EventFile::create_at(folder.path(), Clock::Fixed(9.0)).expect("a file");
            events.text(0, "notes", "# hi").expect("written");
            events.flush().expect("written");
            (events.path().to_owned(), std::fs::read(events.path()).expect("readable"))
        });
        assert!(files[0].0 < files[1].0 && files[0].1 == files[1].1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path()).expect("a file");
        events.file = File::options().write(true).open("/dev/full").expect("a full device");
        events.scalar(0, "loss", 1.0).expect("waits in memory");
        let error = events.flush().expect_err("a full device");
        assert!(
            error.to_string().starts_with("can't write ") && error.to_string().contains("no space left"),
            "{error}"
        );
    }
}
