//! What can go wrong with a neural encoder.

use std::path::PathBuf;

use emberline_base::OutOfMemory;
use emberline_base::file::FileError;
use emberline_device::Unavailable;
use emberline_device::memory::Lack;

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder of the model isn't there.
    #[error("{} isn't there{hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What to do, starting with `; `, or nothing.
        hint: String,
    },
    /// A file isn't what it should be: damaged, truncated, of another kind, or hostile.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or byte offset where there is one, and what to do.
        reason: String,
    },
    /// The system gave no more memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// More memory is needed than there is.
    #[error(transparent)]
    Memory(#[from] Lack),
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
}

impl Error {
    /// A fault in a file's content.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}
