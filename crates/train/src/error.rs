//! The errors of training and of models.

use std::path::PathBuf;

use emberline_base::file::FileError;
use emberline_base::{Monitor, OutOfMemory};
use emberline_device::Unavailable;
use emberline_device::memory::{InsufficientMemory, human_size};

use crate::divergence::Divergence;
use crate::model::ModelError;

/// Why a fit fails, or a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A callback can't write its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Training diverged, so there are no useful weights.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// A callback monitors a metric that isn't measured.
    #[error("`{monitor}` isn't measured: {why}")]
    Unmeasured {
        /// The monitored metric.
        monitor: Monitor,
        /// Why it isn't measured.
        why: &'static str,
    },
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// The settings don't fit the data.
    #[error("{0}")]
    Unsupported(String),
    /// The fit needs more memory than is available.
    #[error(transparent)]
    Memory(#[from] InsufficientMemory),
    /// Fine-tuning an encoder needs more memory than is available.
    #[error(
        "fine-tuning the encoder takes about {}, and {} are available {}; train fewer of its weights \
         (`lora = {{ rank = 8 }}` or `trainable_layers = 2`), set a smaller `batch_size` (that of `train.contrastive`, if there is one) with `train.accumulate`, cut texts \
         with `max_length`, or provide more memory",
        human_size(_0.needed), human_size(_0.available), _0.limit
    )]
    EncoderMemory(InsufficientMemory),
    /// An encoder that is fine-tuned fails.
    #[error(transparent)]
    Encoder(#[from] emberline_encoder::Error),
    /// An allocation failed.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The fit was interrupted; its checkpoint is saved.
    #[error("interrupted")]
    Interrupted,
    /// A model's file can't be used.
    #[error("{}: {why}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        #[source]
        why: ModelError,
    },
    /// A model can't be created or used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The bytes of a weights file or checkpoint are damaged.
    #[error("the weights are damaged: {0}")]
    Weights(String),
}

impl Error {
    /// Returns whether the error is a lack of memory, so that the settings aren't at fault.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory(_) | Self::EncoderMemory(_) | Self::OutOfMemory(_) => true,
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
