//! The errors of embedding sources.

use std::path::PathBuf;

use emberline_base::file::FileError;
use emberline_base::sniff::{self, Kind};
use emberline_base::{Digest, OutOfMemory};
use emberline_device::Unavailable;
use emberline_device::memory::InsufficientMemory;

/// Why a source can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder that the pipeline names doesn't exist.
    #[error("{} isn't there{hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What to do, starting with `; `, or an empty string.
        hint: String,
    },
    /// A file's SHA-256 differs from the one in the pipeline.
    #[error("{}: its sha256 is {found}, the pipeline says {expected}; download it again, or correct `sha256`", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash in the pipeline.
        expected: String,
        /// The hash of the file.
        found: String,
    },
    /// A file isn't what it should be: it is damaged, truncated, of another kind, or hostile.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or byte offset if there is one, and what to do.
        reason: String,
    },
    /// The settings ask for something that this source can't do.
    #[error("{0}")]
    Unsupported(String),
    /// A source is reopened for later texts without the state that it learned from the training texts.
    #[error(
        "{what}: learned from the training texts, and there is no file with it; restore the run's `inputs` folder, or run the \
         cell again with --force"
    )]
    NotLearned {
        /// What is missing, as a noun phrase.
        what: &'static str,
    },
    /// The opened source isn't the one that the model was trained with.
    #[error(
        "the embedding `{kind}` isn't the one that the model was trained with: its digest is {found}, the model's is \
         {expected}; restore its files and settings, or train again"
    )]
    OtherSource {
        /// The kind of source.
        kind: &'static str,
        /// The digest stored in the model.
        expected: Digest,
        /// The digest of the opened source.
        found: Digest,
    },
    /// Fine-tuned weights don't fit the encoder that they belong to.
    #[error(
        "the fine-tuned weights don't fit the encoder: {reason}; their file is damaged, or belongs to another encoder"
    )]
    TunedEncoder {
        /// What doesn't fit.
        reason: String,
    },
    /// Fine-tuned rows don't fit the embedding that they belong to.
    #[error(
        "the model's fine-tuned rows don't fit its embedding: {reason}; the model is damaged, or belongs to another embedding"
    )]
    TunedRows {
        /// What doesn't fit.
        reason: String,
    },
    /// An export format can't represent the embedding.
    #[error("{format} can't hold this embedding: {reason}; use `export --bundle`, which holds every embedding")]
    Export {
        /// The format.
        format: &'static str,
        /// What it can't represent.
        reason: String,
    },
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// The system refused to allocate memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// More memory is needed than is available.
    #[error(transparent)]
    Memory(#[from] InsufficientMemory),
    /// The encoding was cancelled; the vectors finished so far are in the cache.
    #[error("interrupted")]
    Interrupted,
}

impl From<emberline_encoder::Error> for Error {
    fn from(error: emberline_encoder::Error) -> Self {
        let error = match error {
            emberline_encoder::Error::File(error) => Self::File(error),
            emberline_encoder::Error::Missing { path, hint } => Self::Missing { path, hint },
            emberline_encoder::Error::Format { path, reason } => Self::Format { path, reason },
            emberline_encoder::Error::OutOfMemory(error) => Self::OutOfMemory(error),
            emberline_encoder::Error::Memory(error) => Self::Memory(error),
            emberline_encoder::Error::Device(error) => Self::Device(error),
        };
        error.explained(&[])
    }
}

impl Error {
    /// Returns whether memory ran out, in which case the source isn't at fault.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::OutOfMemory(_) | Self::Memory(_) => true,
            Self::File(error) => error.is_out_of_memory(),
            _ => false,
        }
    }

    /// Returns an error about a file's content.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }

    /// Returns the same error, unless the first bytes of the file show that it is of another kind than its name says:
    /// that is then the more useful message, whatever the reader failed on. `also_read`: the kinds of files that the
    /// reader accepts under any name.
    #[must_use]
    pub(crate) fn explained(self, also_read: &[Kind]) -> Self {
        let (Self::Format { path, .. } | Self::Hash { path, .. }) = &self else { return self };
        let head = sniff::head(path).unwrap_or_default();
        match sniff::explain_model_file(path, &head, also_read) {
            Some(reason) => Self::format(path, reason),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_named_whatever_its_reader_met() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").expect("written");
        let error = Error::format(&path, "a bad header").explained(&[]).to_string();
        assert!(error.contains("git lfs pull") && !error.contains("bad header"), "{error}");
        let hash = Error::Hash { path: path.clone(), expected: "a".into(), found: "b".into() };
        assert!(hash.explained(&[]).to_string().contains("git lfs pull"));
        std::fs::write(&path, [0xff; 9]).expect("written");
        assert!(Error::format(&path, "a bad header").explained(&[]).to_string().ends_with("a bad header"));
        let absent = Error::Missing { path: folder.path().join("none"), hint: String::new() };
        assert!(matches!(absent.explained(&[]), Error::Missing { .. }));
    }
}
