//! What one producer made: all of its segments, and a writer of new ones.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emberline_base::file::{FileError, clear_litter};

use crate::segment::{self, Fault, Label, Segment};
use crate::{Key, Producer};

/// A writer that holds so many numbers should be flushed: 64 MiB.
const FULL: usize = 16 << 20;

/// The vectors of one producer.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    label: Label,
    segments: Vec<Segment>,
    /// Segment and row of every text.
    places: HashMap<Key, (u32, u32)>,
    removed: Vec<String>,
}

impl Shelf {
    /// Opens and verifies every segment; one that is damaged, or not this producer's, is removed. Those of other versions of
    /// the format stay unread.
    pub(crate) fn open(folder: PathBuf, producer: &Producer, dim: usize, about: &str) -> Result<Self, FileError> {
        clear_litter(&folder);
        let label = Label { producer: producer.clone(), dim, about: about.to_owned() };
        let mut shelf = Self { folder, label, segments: Vec::new(), places: HashMap::new(), removed: Vec::new() };
        for path in segment::paths(&shelf.folder)? {
            match Segment::open(&path) {
                Ok(segment) if segment.producer.is_none() => {}
                Ok(segment) => match segment.misplaced(producer, dim) {
                    None => shelf.take(segment),
                    Some(reason) => shelf.remove(&path, &reason),
                },
                Err(Fault::Damaged(reason)) => shelf.remove(&path, &reason),
                // Another process has merged or cleared it.
                Err(Fault::Io(error)) if error.kind() == ErrorKind::NotFound => {}
                // It may be another user's.
                Err(Fault::Io(error)) => {
                    let told = FileError::new("read", &path)(error);
                    shelf.removed.push(format!("{told}; its texts are encoded again"));
                }
            }
        }
        Ok(shelf)
    }

    fn take(&mut self, segment: Segment) {
        segment.touch();
        let number = self.segments.len() as u32;
        self.places.reserve(segment.texts());
        for (row, key) in segment.keys().enumerate() {
            self.places.entry(key).or_insert((number, row as u32));
        }
        self.segments.push(segment);
    }

    fn remove(&mut self, path: &Path, reason: &str) {
        // What can't be removed is only met again.
        let removed = if fs::remove_file(path).is_ok() { " and removed" } else { ", and can't be removed" };
        self.removed.push(format!("{}: damaged ({reason}){removed}; its texts are encoded again", path.display()));
    }

    /// What was wrong with segments that can't be used, a message each.
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// Whether the text's vector is there.
    pub fn holds(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Writes the text's vector to `out`, `[dim]`; whether it was there.
    pub fn read(&self, key: &Key, out: &mut [f32]) -> bool {
        let place = self.places.get(key);
        if let Some(&(segment, row)) = place {
            self.segments[segment as usize].read(row as usize, out);
        }
        place.is_some()
    }

    /// Takes new vectors.
    pub fn writer(&self) -> Writer<'_> {
        Writer { shelf: self, keys: Vec::new(), vectors: Vec::new(), parts: Vec::new() }
    }
}

/// Takes new vectors, and keeps them on the disk at every [`flush`](Writer::flush).
#[derive(Debug)]
pub struct Writer<'a> {
    shelf: &'a Shelf,
    keys: Vec<Key>,
    vectors: Vec<f32>,
    parts: Vec<PathBuf>,
}

impl Writer<'_> {
    /// Takes a vector, `[dim]`.
    ///
    /// # Panics
    /// When the vector has another length.
    pub fn add(&mut self, key: Key, vector: &[f32]) {
        assert_eq!(vector.len(), self.shelf.label.dim, "a vector of the shelf's length");
        self.keys.push(key);
        self.vectors.extend_from_slice(vector);
    }

    /// Whether it holds so much that it should be flushed.
    pub fn is_full(&self) -> bool {
        self.vectors.len() >= FULL
    }

    /// Writes what was taken since the last time: it survives whatever happens next.
    ///
    /// # Errors
    /// When the disk is full, or the folder can't be written.
    pub fn flush(&mut self) -> Result<(), FileError> {
        if !self.keys.is_empty() {
            self.parts.push(segment::write(&self.shelf.folder, &self.shelf.label, &self.keys, &self.vectors)?);
            self.keys.clear();
            self.vectors.clear();
        }
        Ok(())
    }

    /// Writes the rest, and makes one segment of those that this writer wrote.
    ///
    /// # Errors
    /// When the disk is full, or the folder can't be written; what was flushed stays.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.flush()?;
        if self.parts.len() < 2 {
            return Ok(());
        }
        // A part that is gone or damaged by now stays out; its texts are encoded another time.
        let parts: Vec<Segment> = self.parts.iter().filter_map(|path| Segment::open(path).ok()).collect();
        let merged = segment::merge(&self.shelf.folder, &self.shelf.label, &parts)?;
        for part in self.parts.iter().filter(|part| **part != merged) {
            let _ = fs::remove_file(part);
        }
        Ok(())
    }
}
