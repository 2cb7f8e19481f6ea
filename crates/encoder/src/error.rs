//! The errors of opening and running a neural encoder.

use std::path::PathBuf;

use emberline_base::OutOfMemory;
use emberline_base::file::FileError;
use emberline_device::Unavailable;
use emberline_device::memory::InsufficientMemory;

/// The reason why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An I/O error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder of the model is missing.
    #[error("{} isn't there{hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What to do about it, starting with `; `; may be empty.
        hint: String,
    },
    /// A file is invalid: corrupt, truncated, of another format, or malicious.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or byte offset if there is one, and what to do about it.
        reason: String,
    },
    /// An allocation failed.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The model needs more memory than is available.
    #[error(transparent)]
    Memory(#[from] InsufficientMemory),
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
}

impl Error {
    /// Creates the error for an invalid file.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}
