//! The errors of reading and using models.

use emberline_base::OutOfMemory;

use super::file::VERSION;
use crate::engine::FeatureMismatch;

/// Why a model can't be read or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file isn't a model.
    #[error(
        "this isn't a model file: its metadata lack `format`; give the `model.safetensors` of a finished cell (older \
         versions wrote `head.safetensors`, which can't be used alone: run the pipeline again)"
    )]
    NotAModel,
    /// The file has a version that this program doesn't support.
    #[error("the model file has version {found}, and this program reads version {VERSION}; use a newer emberline")]
    OtherVersion {
        /// The version that the file states.
        found: String,
    },
    /// The file is damaged.
    #[error("the model file is damaged: {why}; copy it again, or train the cell again")]
    Damaged {
        /// How the damage was detected.
        why: String,
    },
    /// A metadata entry is missing or invalid.
    #[error("the model file's metadata entry `{key}` can't be used: {why}; train the cell again")]
    Metadata {
        /// The key of the entry.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// An array is missing.
    #[error("the model lacks the array `{name}`; train the cell again")]
    MissingArray {
        /// The name of the array.
        name: String,
    },
    /// The file holds an array that no layer uses.
    #[error("the model holds an array `{name}` that none of its layers uses; train the cell again")]
    UnknownArray {
        /// The name of the array.
        name: String,
    },
    /// An array has the wrong type or shape.
    #[error("the array `{name}` has {found}, and the model needs {expected}; train the cell again")]
    WrongArray {
        /// The name of the array.
        name: String,
        /// The element type or shape that it has.
        found: String,
        /// The element type or shape that it must have.
        expected: String,
    },
    /// The classes, thresholds or row names don't fit the task or the arrays.
    #[error("the model is inconsistent: {why}")]
    Description {
        /// What doesn't fit.
        why: String,
    },
    /// The features aren't of the kind or length that the model was trained on.
    #[error("the model takes {expected}, not {found}; embed the texts with the embedding that it was trained with")]
    Features {
        /// The features that the model was trained on.
        expected: String,
        /// The given features.
        found: String,
    },
    /// The table is too large for an ONNX file.
    #[error(
        "an ONNX file holds at most 2 GiB, and this one would take {bytes} bytes; export the head alone with \
         `--onnx-input vectors`, or train with a smaller `dim`"
    )]
    OnnxTooLarge {
        /// The size of the file, in bytes.
        bytes: u64,
    },
    /// The model's probabilities are calibrated by functions that an ONNX file of ours doesn't hold.
    #[error(
        "an ONNX file can't hold the isotonic calibration of this model; export a bundle with `--bundle`, which does, or train \
         with `decide.calibration = \"temperature\"`, or without"
    )]
    OnnxCalibration,
    /// An allocation failed.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl From<FeatureMismatch> for ModelError {
    fn from(mismatch: FeatureMismatch) -> Self {
        Self::Features { expected: mismatch.expected, found: mismatch.found }
    }
}
