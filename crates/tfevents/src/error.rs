//! The errors of writing and reading event files.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::RecordError;

/// Why an event file can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be created, written, listed or read.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// The failed action, for example `write` or `make the folder`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A record is damaged.
    #[error("{}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Where the record is, and how it is damaged.
        source: RecordError,
    },
    /// A record is intact, but it is not an event.
    #[error("{}: record {number} is not an event", path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// The number of the record, 1 for the first.
        number: usize,
    },
}

impl Error {
    /// Returns a function for `map_err`, which adds the action and the path.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
