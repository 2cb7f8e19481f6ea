//! What can go wrong with a SavedModel.

use std::io;
use std::path::PathBuf;

/// Why a model can't be read or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the model isn't there.
    #[error("{}: isn't there; the model is incomplete, get it again", path.display())]
    Missing {
        /// Its name below the model's folder, with `/` between.
        file: String,
        /// Its path.
        path: PathBuf,
    },
    /// A file is damaged, truncated or hostile, or holds what isn't read here.
    #[error("{}: {reason}", path.display())]
    Format {
        /// Its name below the model's folder, with `/` between.
        file: String,
        /// Its path.
        path: PathBuf,
        /// What is wrong, with the byte, line, node or variable where there is one.
        reason: String,
    },
    /// The system gave no more memory.
    #[error("{bytes} bytes of memory could not be had")]
    OutOfMemory {
        /// How many were asked for.
        bytes: u64,
    },
    /// A function can't be run on these inputs.
    #[error("{reason}")]
    Run {
        /// The node that failed, and why.
        reason: String,
    },
}
