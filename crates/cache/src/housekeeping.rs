//! What the cache holds, and clearing it: nothing here is needed to embed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emberline_base::file::{FileError, litter};

use crate::segment::{self, Fault, Segment};
use crate::{Cache, entries};

/// What one source made on one kind of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The digest of the source.
    pub source: String,
    /// The kind of device, such as `cpu`.
    pub device: String,
    /// What made the vectors, for people.
    pub about: String,
    /// The length of a vector.
    pub dim: usize,
    /// Vectors, one a text.
    pub texts: usize,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it was used last.
    pub used: SystemTime,
    /// What is wrong with segments, a message each.
    pub damaged: Vec<String>,
}

/// What may be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The bytes to keep at most; what was used last is kept.
    pub size: Option<u64>,
    /// What was not used for so long goes.
    pub unused: Option<Duration>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: usize,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that are kept.
    pub kept: u64,
}

/// A file of the cache.
struct Stored {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// Everything that the cache holds, verified against its names.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn held(&self) -> Result<Vec<Held>, FileError> {
        let mut all = Vec::new();
        for shelf in self.shelves()? {
            let mut held = Held {
                source: name(shelf.parent().unwrap_or(Path::new(""))),
                device: name(&shelf),
                about: String::new(),
                dim: 0,
                texts: 0,
                bytes: 0,
                used: SystemTime::UNIX_EPOCH,
                damaged: Vec::new(),
            };
            for file in segments(&shelf)? {
                held.bytes += file.bytes;
                held.used = held.used.max(file.used);
                match Segment::open(&file.path) {
                    Ok(segment) => {
                        held.texts += segment.texts();
                        held.dim = segment.dim;
                        held.about.clone_from(&segment.about);
                    }
                    Err(Fault::Damaged(reason)) => held.damaged.push(format!("{}: {reason}", file.path.display())),
                    Err(Fault::Io(error)) => held.damaged.push(format!("{}: {error}", file.path.display())),
                }
            }
            if held.bytes > 0 {
                all.push(held);
            }
        }
        Ok(all)
    }

    /// Removes leftovers of interrupted writes, and what the limits say; what was not used for longest goes first.
    /// `dry_run`: only counts.
    ///
    /// # Errors
    /// When a folder can't be read or a file can't be removed.
    pub fn clear(&self, limits: Limits, dry_run: bool) -> Result<Removed, FileError> {
        let now = SystemTime::now();
        let age = |file: &Stored| now.duration_since(file.used).unwrap_or_default();
        let shelves = self.shelves()?;
        let mut removed = Removed::default();
        let mut files = Vec::new();
        for shelf in &shelves {
            files.extend(segments(shelf)?);
            let left = litter(shelf);
            for file in stored(shelf, |path| left.iter().any(|litter| litter == path))? {
                removed.take(&file, dry_run)?;
            }
        }
        // The last used first.
        files.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.path.cmp(&b.path)));
        for file in &files {
            let too_old = limits.unused.is_some_and(|limit| age(file) > limit);
            let too_much = limits.size.is_some_and(|limit| removed.kept + file.bytes > limit);
            if too_old || too_much {
                removed.take(file, dry_run)?;
            } else {
                removed.kept += file.bytes;
            }
        }
        // Only folders that are empty now can be removed.
        for shelf in shelves.iter().filter(|_| !dry_run) {
            let _ = fs::remove_dir(shelf).and_then(|()| fs::remove_dir(shelf.parent().unwrap_or(shelf)));
        }
        Ok(removed)
    }

    fn shelves(&self) -> Result<Vec<PathBuf>, FileError> {
        let mut shelves = Vec::new();
        for source in entries(&self.embeddings())?.iter().filter(|path| path.is_dir()) {
            shelves.extend(entries(source)?.into_iter().filter(|path| path.is_dir()));
        }
        Ok(shelves)
    }
}

impl Removed {
    fn take(&mut self, file: &Stored, dry_run: bool) -> Result<(), FileError> {
        self.files += 1;
        self.bytes += file.bytes;
        let outcome = if dry_run { Ok(()) } else { fs::remove_file(&file.path) };
        match outcome {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::new("remove", &file.path)(error))
            }
            _ => Ok(()),
        }
    }
}

fn segments(shelf: &Path) -> Result<Vec<Stored>, FileError> {
    stored(shelf, |path| path.extension().is_some_and(|e| e == segment::SUFFIX))
}

/// The files of a shelf that are wanted; one that goes meanwhile is passed by.
fn stored(shelf: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<Stored>, FileError> {
    let files = entries(shelf)?.into_iter().filter(|path| wanted(path)).filter_map(|path| {
        let about = fs::metadata(&path).ok()?;
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Stored { path, bytes: about.len(), used })
    });
    Ok(files.collect())
}

fn name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
