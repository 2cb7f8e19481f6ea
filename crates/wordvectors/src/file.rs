//! A file of word vectors: opens it, recognises its format, reads and hashes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::collector::RowCollector;
use crate::compose::Loaded;
use crate::error::Error;
use crate::query::Query;
use crate::sniff::{self, Format, SAMPLE};
use crate::stream::Stream;
use crate::vectors::Vectors;
use crate::{binary, fasttext, finalfusion, text};

/// Reads the vectors of the words that are asked for.
///
/// # Errors
/// When the file can't be read, is damaged or of another kind, or there is too little memory.
pub fn read(path: impl AsRef<Path>, query: &dyn Query) -> Result<Vectors, Error> {
    VectorFile::open(path)?.read(query)?.into_vectors(query)
}

/// An opened file of word vectors.
pub struct VectorFile {
    stream: Stream,
}

/// The content read from a file.
pub enum Content {
    /// Words and their vectors.
    Vectors(Vectors),
    /// Words and n-grams, from which vectors are composed.
    Model(Loaded),
}

impl VectorFile {
    /// Opens an ordinary file. A pipe or a device is refused before it is opened, since reading it might wait or
    /// never end.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unreadable = |source| Error::File { path: path.to_owned(), source };
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file")));
        }
        Self::new(path, File::open(path).map_err(unreadable)?)
    }

    /// Takes a file that is open already, at its start. `path` is the name in messages.
    ///
    /// # Errors
    /// When its first bytes can't be read.
    pub fn new(path: &Path, file: File) -> Result<Self, Error> {
        Ok(Self { stream: Stream::new(path, file)? })
    }

    /// Returns the first bytes of the content, decompressed if the file is gzipped: 4,096, or all.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn head(&mut self) -> Result<&[u8], Error> {
        self.stream.fill(SAMPLE)?;
        let window = self.stream.window();
        Ok(&window[..window.len().min(SAMPLE)])
    }

    /// Returns the length of its vectors, as far as the first bytes show it. Nothing can be read afterwards.
    pub fn into_dim(mut self) -> Option<usize> {
        match sniff::format(&mut self.stream).ok()? {
            Format::Binary(shape) | Format::Text(shape) => Some(shape.dim),
            Format::Glove => text::dim_of(sniff::first_line(&mut self.stream).ok()?),
            Format::FastText => fasttext::dim_of(self.stream.window()),
            Format::Finalfusion => None,
        }
    }

    /// Reads the vectors that the query asks for, once.
    ///
    /// # Errors
    /// When the file is damaged or of another kind, or there is too little memory.
    pub fn read(&mut self, query: &dyn Query) -> Result<Content, Error> {
        let stream = &mut self.stream;
        let format = sniff::format(stream)?;
        let collector = || query.candidates().map_or_else(RowCollector::all, RowCollector::new);
        match format {
            Format::Binary(shape) => binary::read(stream, shape, collector()).map(Content::Vectors),
            Format::Text(shape) => text::read(stream, Some(shape), collector()).map(Content::Vectors),
            Format::Glove => text::read(stream, None, collector()).map(Content::Vectors),
            Format::FastText => fasttext::read(stream, query).map(Content::Model),
            Format::Finalfusion => finalfusion::read(stream, query).map(Content::Model),
        }
    }

    /// Reads the rest and returns the SHA-256 of the file as it is on the disk, as `sha256sum` prints it.
    ///
    /// # Errors
    /// When the rest can't be read.
    pub fn finish(self) -> Result<String, Error> {
        self.stream.finish()
    }
}

impl Content {
    /// Returns the vectors of the words that the file was read for.
    ///
    /// # Errors
    /// When they aren't finite, or there is too little memory.
    pub fn into_vectors(self, query: &dyn Query) -> Result<Vectors, Error> {
        match self {
            Self::Vectors(vectors) => Ok(vectors),
            Self::Model(loaded) => loaded.into_vectors(query),
        }
    }
}
