//! What can go wrong with an embedding source.

use std::path::PathBuf;

use emberline_base::file::FileError;
use emberline_base::sniff::{self, Kind};
use emberline_base::{Digest, OutOfMemory};
use emberline_device::Unavailable;
use emberline_device::memory::Lack;

/// Why a source can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder that the pipeline names isn't there.
    #[error("{} isn't there{hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What to do, starting with `; `, or nothing.
        hint: String,
    },
    /// A file's content has another hash than the pipeline says.
    #[error("{}: its sha256 is {found}, the pipeline says {expected}; download it again, or correct `sha256`", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// What the pipeline says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file isn't what it should be: damaged, truncated, of another kind, or hostile.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or byte offset where there is one, and what to do.
        reason: String,
    },
    /// The settings ask for what this source can't do.
    #[error("{0}")]
    Unsupported(String),
    /// A source is opened again for later texts, without what it learned from the training texts.
    #[error(
        "{what}: learned from the training texts, and there is no file with it; restore the run's `inputs` folder, or run the \
         cell again with --force"
    )]
    NotLearned {
        /// What is missing, as a noun phrase.
        what: &'static str,
    },
    /// A source was opened that isn't the one that a model was trained with.
    #[error(
        "the embedding `{kind}` isn't the one that the model was trained with: its digest is {found}, the model's is \
         {expected}; restore its files and settings, or train again"
    )]
    OtherSource {
        /// The kind of source.
        kind: &'static str,
        /// The digest that the model names.
        expected: Digest,
        /// The digest of what was opened.
        found: Digest,
    },
    /// Fine-tuned rows don't fit the embedding that they are put into.
    #[error(
        "the model's fine-tuned rows don't fit its embedding: {reason}; the model is damaged, or belongs to another embedding"
    )]
    TunedRows {
        /// What doesn't fit.
        reason: String,
    },
    /// A format can't say what the embedding does.
    #[error("{format} can't hold this embedding: {reason}; use `export --bundle`, which holds every embedding")]
    Export {
        /// The format.
        format: &'static str,
        /// What it can't say.
        reason: String,
    },
    /// The device can't be used.
    #[error(transparent)]
    Device(#[from] Unavailable),
    /// The system gave no more memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// More memory is needed than there is.
    #[error(transparent)]
    Memory(#[from] Lack),
    /// The encoding was asked to end before its time; what it goes on from is in the cache.
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
    /// Whether memory lacked: the source isn't at fault.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::OutOfMemory(_) | Self::Memory(_) => true,
            Self::File(error) => error.is_out_of_memory(),
            _ => false,
        }
    }

    /// A fault in a file's content.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }

    /// The same error, unless the first bytes of the file show that it is of another kind than its name says: then that is
    /// what is wrong with it, whatever its reader met. `also_read`: the kinds that the reader takes under any name.
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
