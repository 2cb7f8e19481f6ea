//! What can go wrong with a file of word vectors.

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
        /// What the system said.
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
    /// The system gave no more memory.
    #[error("{bytes} bytes of memory could not be had")]
    OutOfMemory {
        /// How many were asked for.
        bytes: u64,
    },
    /// The query refused to have so much decoded.
    #[error("{0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fault in a file's content.
    pub(crate) fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}
