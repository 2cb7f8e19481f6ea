//! Why a fit can't be finished.

use emberline_base::Monitor;
use emberline_base::file::FileError;
use emberline_device::Unavailable;
use emberline_device::memory::Lack;

/// Why a fit can't be finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A callback can't write its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The loss became NaN or infinite.
    #[error("the loss became {value} in epoch {epoch}; lower the learning rate, or look for NaN in the embedding")]
    Diverged {
        /// 1 for the first.
        epoch: u32,
        /// What the loss became.
        value: f64,
    },
    /// A callback watches what isn't measured.
    #[error("`{monitor}` isn't measured here: {why}")]
    Unmeasured {
        /// What was to be watched.
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
    /// The fit was asked to end before its time; what it goes on from is kept.
    #[error("interrupted")]
    Interrupted,
    /// A weights file isn't one.
    #[error("the weights are damaged: {0}")]
    Weights(String),
}
