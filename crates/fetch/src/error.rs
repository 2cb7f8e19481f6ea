//! What can go wrong with a download.

use std::path::PathBuf;

use emberline_base::file::FileError;

/// Why something can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The url is none that can be fetched from.
    #[error("{url}: {reason}")]
    Address {
        /// The url, as the pipeline says it.
        url: String,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// The server said no.
    #[error("{url}: the server answered {status}{hint}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it means here and what to do, starting with `; `, or nothing.
        hint: String,
    },
    /// The connection couldn't be made, or broke too often.
    #[error("{url}: {reason}")]
    Network {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server's answer isn't what was asked for, or larger than it may be.
    #[error("{url}: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive that can't or mustn't be unpacked.
    #[error("{url}: {reason}")]
    Archive {
        /// Where it came from.
        url: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// What arrived, or what lies there, has another hash than the pipeline says.
    #[error("{}: its sha256 is {found}, the pipeline says {expected}; {cure}", path.display())]
    Hash {
        /// The file or folder.
        path: PathBuf,
        /// What the pipeline says.
        expected: String,
        /// What it has.
        found: String,
        /// What was done about it, and what to do.
        cure: String,
    },
    /// An environment variable that can't be obeyed.
    #[error("{variable}: {reason}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Error {
    /// Whether it is about this machine's disk, rather than about what is to be fetched.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
