//! The errors of a download.

use std::path::PathBuf;

use emberline_base::file::FileError;

/// Why a file or model can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL can't be fetched.
    #[error("{url}: {reason}")]
    Address {
        /// The URL, as written in the pipeline.
        url: String,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// The server refused the request.
    #[error("{url}: the server answered {status}{hint}")]
    Status {
        /// The URL that was requested.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the status means here and what to do, starting with `; `, or empty.
        hint: String,
    },
    /// The connection couldn't be made, or broke too often.
    #[error("{url}: {reason}")]
    Network {
        /// The URL that was requested.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server's response isn't what was requested, or is larger than permitted.
    #[error("{url}: {reason}")]
    Answer {
        /// The URL that was requested.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive can't or mustn't be unpacked.
    #[error("{url}: {reason}")]
    Archive {
        /// The URL that it came from.
        url: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The downloaded or existing content has another SHA-256 than the pipeline states.
    #[error("{}: its sha256 is {found}, the pipeline says {expected}; {cure}", path.display())]
    Hash {
        /// The file or folder.
        path: PathBuf,
        /// The SHA-256 that the pipeline states.
        expected: String,
        /// The SHA-256 of the content.
        found: String,
        /// What was done about it, and what to do.
        cure: String,
    },
    /// An environment variable has an invalid value.
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
    /// Returns whether the error concerns this machine's disk, rather than the content to fetch.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
