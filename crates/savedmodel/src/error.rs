//! The errors of reading and running a SavedModel.

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
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file of the model doesn't exist.
    #[error("{}: isn't there; the model is incomplete, get it again", path.display())]
    Missing {
        /// Its name below the model's folder, with `/` between the parts.
        file: String,
        /// Its path.
        path: PathBuf,
    },
    /// A file is damaged, truncated or hostile, or contains something unsupported.
    #[error("{}: {reason}", path.display())]
    Format {
        /// Its name below the model's folder, with `/` between the parts.
        file: String,
        /// Its path.
        path: PathBuf,
        /// What is wrong, with the byte, line, node or variable if there is one.
        reason: String,
    },
    /// The system refused to allocate memory.
    #[error("{bytes} bytes of memory could not be had")]
    OutOfMemory {
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// A function can't be run on these inputs.
    #[error("{reason}")]
    Run {
        /// The node that failed, and why.
        reason: String,
    },
}
