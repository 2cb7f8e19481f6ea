//! The format of a bundle, and its reader. A bundle is one file that classifies new texts, without the run folder, the data or the source's files.
//!
//! It is a safetensors file of [`byte_arrays`](emberline_base::byte_arrays) (each array is the content of a file, type U8). It
//! holds no training text.
//!
//! | array | content |
//! |---|---|
//! | `model.safetensors` | the model of a cell or of the refit |
//! | `learned.safetensors` | what the embedding learned from the training texts, if it learned something |
//! | `encoder.safetensors` | the weights of a fine-tuned encoder, if it was trained |
//! | `source/...` | each file that the embedding's source reads |
//!
//! | metadata entry | content |
//! |---|---|
//! | `format`, `version` | `emberline bundle`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`](emberline_base::array_file) |
//! | `embedding`, `embedding_kind`, `embedding_digest` | the embedding's name and kind, and the digest of what decides its vectors |
//! | `source` | the settings of the source, JSON as in `[embedding.NAME]`; its paths are names of arrays |
//! | `text` | the column of the texts in the training data, JSON |
//! | `header` | whether the first row of the training data holds names, JSON, if the pipeline says so |
//! | `pipeline`, `cell` | the pipeline's name and the cell's id, `refit` for the refit |
//! | `refit` | what the refit is, in words; absent for a cell |
//! | `task`, `classes`, `positive_class`, `thresholds` | what the model decides, as in `model.safetensors`; for readers |
//! | `metrics` | the metrics of the cell, or of the refit on its training rows, JSON; for readers |
//! | `program` | the version of the program that wrote it; for readers |
//!
//! [`Classifier::of_bundle`](crate::Classifier::of_bundle) unpacks the source's files into a temporary folder that only
//! the user can read, and removes the folder with the classifier. So formats that are read by their paths, in pieces,
//! or after opening need no second reader. It takes as much memory as opening the same source from its own files.

mod open;

use std::path::PathBuf;

use emberline_base::OutOfMemory;
use emberline_base::file::FileError;

pub(crate) use self::open::Bundle;

pub(crate) const FORMAT: &str = "emberline bundle";
pub(crate) const VERSION: &str = "1";
pub(crate) const MODEL: &str = "model.safetensors";
pub(crate) const LEARNED: &str = "learned.safetensors";
pub(crate) const ENCODER: &str = "encoder.safetensors";
/// The prefix of the names of the source's files.
pub(crate) const SOURCE: &str = "source/";

/// Why a bundle can't be written or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file is something else, or ends within its header.
    #[error(
        "this is neither a run folder nor a whole bundle: {why}; name a run folder, or a file that `emberline export --bundle` \
         wrote"
    )]
    NotABundle {
        /// What is wrong.
        why: String,
    },
    /// The file has a version that this program doesn't know.
    #[error("the bundle has version {found}, and this program reads version {VERSION}; use a newer emberline")]
    OtherVersion {
        /// The version that the file states.
        found: String,
    },
    /// The file was changed after it was written, or is incomplete.
    #[error("the bundle is damaged: {why}; copy it again, or export it again")]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// The bundle that was just written can't be opened.
    #[error("the source's files don't suffice to open it elsewhere: {why}; this is a fault of the program")]
    Incomplete {
        /// The error of opening it.
        why: Box<crate::Error>,
    },
    /// There is a file of that name already.
    #[error("it exists already; give another name, or --force to replace it")]
    Exists,
    /// There is too little memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl BundleError {
    /// Returns a function for `map_err` that adds the path of the bundle.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(Self) -> crate::Error {
        let path = path.into();
        move |why| crate::Error::Bundle { path, why }
    }
}

/// A failed operation of the system, or a fault of the file's content.
enum Fault {
    System(FileError),
    Content(BundleError),
}

fn damaged(why: impl std::fmt::Display) -> BundleError {
    BundleError::Damaged { why: why.to_string() }
}
