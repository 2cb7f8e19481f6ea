//! What is wrong with a lock file, with the line and the cure.

use super::VERSION;

/// Why a lock can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// Its bytes aren't text.
    #[error("line {line}: it is not UTF-8; {RESTORE}")]
    NotUtf8 {
        /// The line of the first byte that isn't.
        line: usize,
    },
    /// A merge left its markers.
    #[error(
        "line {line}: a merge of git left its markers here; delete the lines that begin with `<<<<<<<`, `|||||||`, `=======` or \
         `>>>>>>>` and keep all others, which is what `pipeline.lock merge=union` in .gitattributes does by itself"
    )]
    Marker {
        /// The line of the first marker.
        line: usize,
    },
    /// No line states the version.
    #[error("it has no line that states its version, so that it is no lock, or only a part of one; {RESTORE}")]
    NoVersion,
    /// It was written by a later program.
    #[error("line {line}: its version {found} is newer than this program reads ({VERSION}); update the program")]
    Newer {
        /// The line of the version.
        line: usize,
        /// The version.
        found: u64,
    },
    /// It was written by an earlier program.
    #[error(
        "line {line}: its version {found} is that of an earlier program ({VERSION} is read); `emberline lock` writes it anew from the \
         finished run, and needs the pipeline to be run first if the run folder is gone"
    )]
    Earlier {
        /// The line of the version.
        line: usize,
        /// The version.
        found: u64,
    },
    /// A line has no checksum.
    #[error("line {line}: it doesn't end with its checksum, so that it was cut short or written by hand; {RESTORE}")]
    NoChecksum {
        /// The line.
        line: usize,
    },
    /// A line has the checksum of another.
    #[error("line {line}: it was changed after it was written; {RESTORE}")]
    Changed {
        /// The line.
        line: usize,
    },
    /// A line isn't what is written here.
    #[error("line {line}: {what} isn't as it was written; {RESTORE}")]
    Unlike {
        /// The line.
        line: usize,
        /// The part of the line.
        what: String,
    },
    /// Two lines say different things of one subject.
    #[error(
        "lines {first} and {second} disagree about {subject} ({difference}); run the pipeline, then write the lock anew with \
         `emberline lock`"
    )]
    Disagree {
        /// The line that was read first.
        first: usize,
        /// The other line.
        second: usize,
        /// What both are about.
        subject: String,
        /// A value in which they differ.
        difference: String,
    },
    /// A line names another one that isn't there.
    #[error("line {line}: the line of {missing} is missing; {RESTORE}")]
    Dangling {
        /// The line that names it.
        line: usize,
        /// The subject of the line that is missing.
        missing: String,
    },
    /// The line of the pipeline is missing.
    #[error("the line that begins with `pipeline` is missing; {RESTORE}")]
    NoPipeline,
}

/// The cure of a lock that isn't as it was written.
const RESTORE: &str = "take the lock back from version control, or write it anew with `emberline lock`";

impl LockFault {
    /// Returns the line of the fault, from 1; `None` if something is missing in the file as a whole.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::NotUtf8 { line }
            | Self::Marker { line }
            | Self::Newer { line, .. }
            | Self::Earlier { line, .. }
            | Self::NoChecksum { line }
            | Self::Changed { line }
            | Self::Unlike { line, .. }
            | Self::Disagree { second: line, .. }
            | Self::Dangling { line, .. } => Some(*line),
            Self::NoVersion | Self::NoPipeline => None,
        }
    }
}
