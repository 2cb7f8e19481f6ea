//! A content-addressed cache of text embeddings on disk, shared by all pipelines, so that each text is encoded once.
//!
//! ```text
//! <folder>/CACHEDIR.TAG
//!          embeddings/<digest of the encoder>/<device>-<digest>/<BLAKE3 of the file>.safetensors      a segment
//! ```
//!
//! An [`EmbeddingStore`] holds the vectors of one [`Producer`]: an encoder, in one version of its computation, on one kind of
//! device. It consists of segments, which are immutable files named by their content. A segment is written to a
//! temporary file and renamed, so two processes that encode the same texts at once can't harm each other: at worst,
//! both write the same vectors. Whenever a segment is opened, its content is compared with its name, and the producer
//! that it states with the one that is requested. A segment that is damaged, or lies in the folder of another producer,
//! is removed, and its texts are encoded again. Segments of an older format are never read; `emberline cache gc`
//! removes them.
//!
//! Nothing is looked up by path, time or program version. Modification times only tell [`housekeeping`] what was used
//! last. The folder may be shared between users: the files of other users are read, and a folder that isn't writable
//! only costs the time to encode the texts again.

pub mod housekeeping;
mod producer;
mod segment;
mod store;

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::{FileError, make_folder, refuse_links, write_atomic};
use sha2::{Digest as _, Sha256};

pub use self::producer::Producer;
pub use self::store::{EmbeddingStore, Writer};

/// The environment variable that names the cache's folder.
pub const VARIABLE: &str = "EMBERLINE_CACHE_DIR";

/// The content of `CACHEDIR.TAG`, which tells backup programs to skip the folder (<https://bford.info/cachedir/>).
const TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# Vectors of texts; `emberline cache` lists and clears them.\n";

/// The content address of a text: the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Returns the key of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// A cache of text embeddings in a folder.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Returns the cache in a folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the cache in the folder that `EMBERLINE_CACHE_DIR` names, else in the platform's cache folder; none if
    /// the platform has none.
    pub fn for_current_user() -> Option<Self> {
        let named = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        named.or_else(|| Some(dirs::cache_dir()?.join("emberline"))).map(Self::at)
    }

    /// The cache's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the store of a producer's vectors, which have `dim` numbers each. `about` describes the producer to
    /// people.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn store(&self, producer: &Producer, dim: usize, about: &str) -> Result<EmbeddingStore, FileError> {
        refuse_links(&self.folder, &Path::new("embeddings").join(producer.folder()))?;
        EmbeddingStore::open(self.producer_folder(producer), producer, dim, about)
    }

    /// Returns the folder of a producer's segments.
    pub fn producer_folder(&self, producer: &Producer) -> PathBuf {
        self.embeddings().join(producer.folder())
    }

    fn embeddings(&self) -> PathBuf {
        self.folder.join("embeddings")
    }
}

/// Creates a producer's folder, and marks the cache with its tag.
fn create_producer_folder(folder: &Path) -> Result<(), FileError> {
    make_folder(folder)?;
    let root = folder.ancestors().nth(3).expect("a producer's folder is three levels below the cache");
    let tag = root.join("CACHEDIR.TAG");
    if !tag.exists() {
        // If the root belongs to another user, the cache works without its tag.
        let _ = write_atomic(&tag, TAG.as_bytes());
    }
    Ok(())
}

/// Returns the entries of a folder, sorted by name; none if the folder doesn't exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
        paths.sort();
        Ok(paths)
    };
    match read() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        outcome => outcome.map_err(FileError::new("read", folder)),
    }
}

#[cfg(test)]
mod tests;
