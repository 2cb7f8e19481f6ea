//! Vectors of texts on disk, by content, shared by all pipelines: a text is encoded once.
//!
//! ```text
//! <folder>/CACHEDIR.TAG
//!          embeddings/<digest of the encoder>/<device>-<digest>/<BLAKE3 of the file>.safetensors      a segment
//! ```
//!
//! A [`Shelf`] holds what one [`Producer`] made: an encoder, in one version of its computation, on one kind of device. It
//! consists of segments, files that never change and are named by their content. A segment is written beside its name and
//! renamed, so that two processes that encode the same texts at once can't harm each other: at worst both write the same
//! vectors. Whenever a segment is opened, its content is compared with its name, and the producer that it states with the
//! one that is asked for; one that is damaged, or lies in another producer's place, is removed and its texts are encoded
//! again. Segments of an older format are never read; `emberline cache gc` removes them.
//!
//! Nothing here is looked up by path, time or the program's version. Modification times only tell [`housekeeping`] what was
//! used last. The folder may be shared: what another user wrote is read, and a place that can't be written costs time alone.

pub mod housekeeping;
mod producer;
mod segment;
mod shelf;

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::{FileError, make_folder, refuse_links, write_atomic};
use sha2::{Digest as _, Sha256};

pub use self::producer::Producer;
pub use self::shelf::{Shelf, Writer};

/// The environment variable that names the cache's folder.
pub const VARIABLE: &str = "EMBERLINE_CACHE_DIR";

/// What tells backup programs to pass the folder by (bford.info/cachedir).
const TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# Vectors of texts; `emberline cache` lists and clears them.\n";

/// The content address of a text: the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// A folder with vectors of texts.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in that folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The cache that `EMBERLINE_CACHE_DIR` names, or that in the platform's folder for caches; none where there is
    /// no such folder.
    pub fn of_user() -> Option<Self> {
        let named = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        named.or_else(|| Some(dirs::cache_dir()?.join("emberline"))).map(Self::at)
    }

    /// The cache's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens what a producer made: vectors of `dim` numbers. `about` tells people what it is.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn shelf(&self, producer: &Producer, dim: usize, about: &str) -> Result<Shelf, FileError> {
        refuse_links(&self.folder, &Path::new("embeddings").join(producer.folder()))?;
        Shelf::open(self.place(producer), producer, dim, about)
    }

    /// The folder of a producer's segments.
    pub fn place(&self, producer: &Producer) -> PathBuf {
        self.embeddings().join(producer.folder())
    }

    fn embeddings(&self) -> PathBuf {
        self.folder.join("embeddings")
    }
}

/// Makes a shelf's folder, and marks the cache as one.
fn make_shelf(folder: &Path) -> Result<(), FileError> {
    make_folder(folder)?;
    let root = folder.ancestors().nth(3).expect("a shelf lies three folders below the cache");
    let tag = root.join("CACHEDIR.TAG");
    if !tag.exists() {
        // Where the root is another user's, the cache works without its tag.
        let _ = write_atomic(&tag, TAG.as_bytes());
    }
    Ok(())
}

/// The entries of a folder, sorted by name; none where there is no folder.
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
