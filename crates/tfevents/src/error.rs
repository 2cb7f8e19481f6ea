//! What can go wrong with event files.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::RecordError;

/// Why an event file can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be made, written, listed or read.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// What was tried, for example `write` or `make the folder`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record is damaged.
    #[error("{}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Where, and how.
        source: RecordError,
    },
    /// A record is whole, but it is not an event.
    #[error("{}: record {number} is not an event", path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// The record, 1 for the first.
        number: usize,
    },
}

impl Error {
    /// For `map_err`: names what was tried with which file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
