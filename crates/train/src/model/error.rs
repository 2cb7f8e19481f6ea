//! Why a model can't be read or used.

use emberline_base::OutOfMemory;

use super::file::VERSION;

/// Why a model can't be read or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file holds something else.
    #[error(
        "this isn't a model file: its metadata lack `format`; give the `model.safetensors` of a finished cell (older \
         versions wrote `head.safetensors`, which can't be used alone: run the pipeline again)"
    )]
    NotAModel,
    /// The file has a version that this program doesn't know.
    #[error("the model file has version {found}, and this program reads version {VERSION}; use a newer emberline")]
    OtherVersion {
        /// As the file says.
        found: String,
    },
    /// The file isn't what was written.
    #[error("the model file is damaged: {why}; copy it again, or train the cell again")]
    Damaged {
        /// What shows it.
        why: String,
    },
    /// A metadata entry is missing or has no meaning.
    #[error("the model file's metadata entry `{key}` can't be used: {why}; train the cell again")]
    Metadata {
        /// The entry.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// An array is missing.
    #[error("the model lacks the array `{name}`; train the cell again")]
    MissingArray {
        /// Its name.
        name: String,
    },
    /// An array is there that nothing uses.
    #[error("the model holds an array `{name}` that none of its layers uses; train the cell again")]
    UnknownArray {
        /// Its name.
        name: String,
    },
    /// An array doesn't fit the layers.
    #[error("the array `{name}` has {found}, and the model needs {expected}; train the cell again")]
    WrongArray {
        /// Its name.
        name: String,
        /// The element type and shape that it has.
        found: String,
        /// Those that it must have.
        expected: String,
    },
    /// The classes, thresholds or row names don't fit the task or the arrays.
    #[error("a model can't be made: {why}")]
    Description {
        /// What doesn't fit.
        why: String,
    },
    /// The features aren't of the kind or length that the model was trained on.
    #[error("the model takes {expected}, not {found}; embed the texts with the embedding that it was trained with")]
    Features {
        /// What it was trained on.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// A table is larger than an ONNX file can be.
    #[error(
        "an ONNX file holds at most 2 GiB, and this one would take {bytes} bytes; export the head alone with \
         `--onnx-input vectors`, or train with a smaller `dim`"
    )]
    OnnxTooLarge {
        /// What it would take.
        bytes: u64,
    },
    /// The system gave no more memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}
