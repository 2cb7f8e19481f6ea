//! Why a fit can't be finished.

use std::path::PathBuf;

use emberline_base::file::FileError;
use emberline_base::{Monitor, OutOfMemory};
use emberline_device::Unavailable;
use emberline_device::memory::Lack;

use crate::divergence::Divergence;
use crate::model::ModelError;

/// Why a fit can't be finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A callback can't write its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Training diverged: there are no weights worth keeping.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// A callback watches what isn't measured.
    #[error("`{monitor}` isn't measured here: {why}")]
    Unmeasured {
        /// What was to be request.
        monitor: Monitor,
        /// Why it isn't there.
        why: &'static str,
    },
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// Settings and data don't fit together.
    #[error("{0}")]
    Unsupported(String),
    /// More memory is needed than there is.
    #[error(transparent)]
    Memory(#[from] Lack),
    /// The system gave no more memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The fit was asked to end before its time; what it goes on from is kept.
    #[error("interrupted")]
    Interrupted,
    /// A model's file can't be used.
    #[error("{}: {why}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        why: ModelError,
    },
    /// A model can't be made or used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weights file isn't one.
    #[error("the weights are damaged: {0}")]
    Weights(String),
}

impl Error {
    /// Whether memory lacked: what was to be computed isn't at fault.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory(_) | Self::OutOfMemory(_) => true,
            Self::Model(why) | Self::ModelFile { why, .. } => matches!(why, ModelError::OutOfMemory(_)),
            Self::File(error) => error.is_out_of_memory(),
            _ => false,
        }
    }
}

impl From<emberline_tensorboard::Error> for Error {
    fn from(error: emberline_tensorboard::Error) -> Self {
        let emberline_tensorboard::Error::File(error) = error;
        Self::File(error)
    }
}
