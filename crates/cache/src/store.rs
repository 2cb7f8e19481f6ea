//! The store of one producer's vectors: all of its segments, and a writer for new ones.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emberline_base::file::{FileError, remove_stale};

use crate::segment::{self, OpenError, Segment, SegmentMetadata};
use crate::{Key, Producer};

/// The number of buffered numbers from which a writer should be flushed: 64 MiB of them.
const FLUSH_FROM: usize = 16 << 20;

/// The cached vectors of one producer.
#[derive(Debug)]
pub struct EmbeddingStore {
    folder: PathBuf,
    metadata: SegmentMetadata,
    segments: Vec<Segment>,
    /// The segment and the row of every text.
    rows_by_key: HashMap<Key, (u32, u32)>,
    warnings: Vec<String>,
}

impl EmbeddingStore {
    /// Opens and verifies every segment. A segment that is damaged, or isn't this producer's, is removed. Segments of
    /// other versions of the format are kept, but not read.
    pub(crate) fn open(folder: PathBuf, producer: &Producer, dim: usize, about: &str) -> Result<Self, FileError> {
        remove_stale(&folder);
        let metadata = SegmentMetadata { producer: producer.clone(), dim, about: about.to_owned() };
        let mut store =
            Self { folder, metadata, segments: Vec::new(), rows_by_key: HashMap::new(), warnings: Vec::new() };
        for path in segment::paths(&store.folder)? {
            match Segment::open(&path) {
                Ok(segment) if segment.producer.is_none() => {}
                Ok(segment) => match segment.mismatch(producer, dim) {
                    None => store.insert(segment),
                    Some(reason) => store.remove(&path, &reason),
                },
                Err(OpenError::Damaged(reason)) => store.remove(&path, &reason),
                // Another process has merged or removed it.
                Err(OpenError::Io(error)) if error.kind() == ErrorKind::NotFound => {}
                // It may belong to another user.
                Err(OpenError::Io(error)) => {
                    let error = FileError::new("read", &path)(error);
                    store.warnings.push(format!("{error}; its texts are encoded again"));
                }
            }
        }
        Ok(store)
    }

    fn insert(&mut self, segment: Segment) {
        segment.touch();
        let number = self.segments.len() as u32;
        self.rows_by_key.reserve(segment.texts());
        for (row, key) in segment.keys().enumerate() {
            self.rows_by_key.entry(key).or_insert((number, row as u32));
        }
        self.segments.push(segment);
    }

    fn remove(&mut self, path: &Path, reason: &str) {
        // A segment that can't be removed is only reported again next time.
        let removed = if fs::remove_file(path).is_ok() { " and removed" } else { ", and can't be removed" };
        self.warnings.push(format!("{}: damaged ({reason}){removed}; its texts are encoded again", path.display()));
    }

    /// Returns one message per segment that couldn't be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns whether the text's vector is cached.
    pub fn contains(&self, key: &Key) -> bool {
        self.rows_by_key.contains_key(key)
    }

    /// Copies the text's vector into `out`, `[dim]`. Returns whether it is cached.
    pub fn read(&self, key: &Key, out: &mut [f32]) -> bool {
        let found = self.rows_by_key.get(key);
        if let Some(&(segment, row)) = found {
            self.segments[segment as usize].read(row as usize, out);
        }
        found.is_some()
    }

    /// Returns a writer for new vectors.
    pub fn writer(&self) -> Writer<'_> {
        Writer { store: self, keys: Vec::new(), vectors: Vec::new(), parts: Vec::new() }
    }
}

/// Buffers new vectors, and writes them to disk at every [`flush`](Writer::flush).
#[derive(Debug)]
pub struct Writer<'a> {
    store: &'a EmbeddingStore,
    keys: Vec<Key>,
    vectors: Vec<f32>,
    parts: Vec<PathBuf>,
}

impl Writer<'_> {
    /// Adds a vector, `[dim]`.
    ///
    /// # Panics
    /// When the vector has another length.
    pub fn add(&mut self, key: Key, vector: &[f32]) {
        assert_eq!(vector.len(), self.store.metadata.dim, "a vector has the length of the store's vectors");
        self.keys.push(key);
        self.vectors.extend_from_slice(vector);
    }

    /// Returns whether the buffer is so large that it should be flushed.
    pub fn is_full(&self) -> bool {
        self.vectors.len() >= FLUSH_FROM
    }

    /// Writes the vectors that were added since the last flush. They survive whatever happens next.
    ///
    /// # Errors
    /// When the disk is full, or the folder can't be written.
    pub fn flush(&mut self) -> Result<(), FileError> {
        if !self.keys.is_empty() {
            self.parts.push(segment::write(&self.store.folder, &self.store.metadata, &self.keys, &self.vectors)?);
            self.keys.clear();
            self.vectors.clear();
        }
        Ok(())
    }

    /// Flushes the buffer, and merges the segments that this writer wrote into one.
    ///
    /// # Errors
    /// When the disk is full, or the folder can't be written; what was flushed stays on disk.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.flush()?;
        if self.parts.len() < 2 {
            return Ok(());
        }
        // A part that has been removed or damaged meanwhile is left out; its texts are encoded another time.
        let parts: Vec<Segment> = self.parts.iter().filter_map(|path| Segment::open(path).ok()).collect();
        let merged = segment::merge(&self.store.folder, &self.store.metadata, &parts)?;
        for part in self.parts.iter().filter(|part| **part != merged) {
            let _ = fs::remove_file(part);
        }
        Ok(())
    }
}
