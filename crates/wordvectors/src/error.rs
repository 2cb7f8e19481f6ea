//! The errors of reading and writing word vectors.

use std::io;
use std::path::PathBuf;

/// Why word vectors can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened or read.
    #[error("can't read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is damaged, truncated, hostile, or of another kind.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line, row or byte, and what to do.
        reason: String,
    },
    /// The system refused to allocate memory.
    #[error("{bytes} bytes of memory could not be had")]
    OutOfMemory {
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// The query refused to decode so many bytes.
    #[error("{0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns an error about a file's content.
    pub(crate) fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}
