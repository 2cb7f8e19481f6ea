//! What can go wrong with an embedding source.

use std::path::PathBuf;

use emberline_base::file::FileError;
use emberline_device::Unavailable;

/// Why a source can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder that the pipeline names isn't there.
    #[error("{} isn't there{hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What to do, starting with `; `, or nothing.
        hint: String,
    },
    /// A file's content has another hash than the pipeline says.
    #[error("{}: its sha256 is {found}, the pipeline says {expected}; download it again, or correct `sha256`", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// What the pipeline says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file isn't what it should be: damaged, truncated, of another kind, or hostile.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or byte offset where there is one, and what to do.
        reason: String,
    },
    /// The settings ask for what this source can't do.
    #[error("{0}")]
    Unsupported(String),
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// The encoding was asked to end before its time; what it goes on from is in the cache.
    #[error("interrupted")]
    Interrupted,
}

impl From<emberline_encoder::Error> for Error {
    fn from(error: emberline_encoder::Error) -> Self {
        match error {
            emberline_encoder::Error::File(error) => Self::File(error),
            emberline_encoder::Error::Missing { path, hint } => Self::Missing { path, hint },
            emberline_encoder::Error::Format { path, reason } => Self::Format { path, reason },
            emberline_encoder::Error::Device(error) => Self::Device(error),
        }
    }
}

impl Error {
    /// A fault in a file's content.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}
