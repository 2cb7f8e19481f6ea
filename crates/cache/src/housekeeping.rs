//! What the cache holds, and clearing it: nothing here is needed to embed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emberline_base::file::{FileError, litter};

use crate::segment::{self, Fault, Segment};
use crate::{Cache, Producer, entries};

/// What one producer made, in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The digest of the encoder.
    pub source: String,
    /// The kind of device and its arithmetic, such as `cpu x86_64 avx2`.
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
    /// Whether it is of another version of the format: then it is never read, and [`Cache::clear`] removes it.
    pub older: bool,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: usize,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that are kept.
    pub kept: u64,
    /// Why files couldn't be removed, such as those of another user: a message each.
    pub refused: Vec<String>,
}

/// A file of the cache.
struct Stored {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// Everything that the cache holds: contents are compared with the names of their files, and what they state with the
    /// places where they lie.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn held(&self) -> Result<Vec<Held>, FileError> {
        let mut all = Vec::new();
        for shelf in self.shelves()? {
            let mut held = [Held::of(&shelf, false), Held::of(&shelf, true)];
            for file in segments(&shelf)? {
                let segment = self.opened(&shelf, &file.path);
                let older = segment.as_ref().is_ok_and(|segment| segment.producer.is_none());
                held[usize::from(older)].add(&file, segment);
            }
            all.extend(held.into_iter().filter(|held| held.bytes > 0));
        }
        Ok(all)
    }

    /// Opens a segment of a shelf, or says what is wrong with it.
    fn opened(&self, shelf: &Path, path: &Path) -> Result<Segment, String> {
        let segment = match Segment::open(path) {
            Ok(segment) => segment,
            Err(Fault::Damaged(reason)) => return Err(reason),
            Err(Fault::Io(error)) => return Err(format!("can't be read: {error}")),
        };
        match &segment.producer {
            Some(producer) if self.place(producer) != shelf => {
                Err(format!("its vectors are of {}, whose place is another folder", segment.about))
            }
            _ => Ok(segment),
        }
    }

    /// Removes leftovers of interrupted writes, segments of other versions of the format, and what the limits say; what was not
    /// used for longest goes first. `dry_run`: only counts.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn clear(&self, limits: Limits, dry_run: bool) -> Result<Removed, FileError> {
        let now = SystemTime::now();
        let age = |file: &Stored| now.duration_since(file.used).unwrap_or_default();
        let shelves = self.shelves()?;
        let mut removed = Removed::default();
        let mut files = Vec::new();
        for shelf in &shelves {
            let unwanted: Vec<Stored> = litter(shelf).into_iter().filter_map(Stored::at).collect();
            let (others, present): (Vec<_>, Vec<_>) =
                segments(shelf)?.into_iter().partition(|file| segment::is_of_other_version(&file.path));
            unwanted.iter().chain(&others).for_each(|file| removed.take(file, dry_run));
            files.extend(present);
        }
        // The last used first.
        files.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.path.cmp(&b.path)));
        for file in &files {
            let too_old = limits.unused.is_some_and(|limit| age(file) > limit);
            let too_much = limits.size.is_some_and(|limit| removed.kept + file.bytes > limit);
            if too_old || too_much {
                removed.take(file, dry_run);
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
        // Files behind a link would be someone else's.
        let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        for source in entries(&self.embeddings())?.iter().filter(|path| is_folder(path)) {
            shelves.extend(entries(source)?.into_iter().filter(is_folder));
        }
        Ok(shelves)
    }
}

impl Held {
    /// Nothing yet, of a shelf.
    fn of(shelf: &Path, older: bool) -> Self {
        Self {
            source: name(shelf.parent().unwrap_or(Path::new(""))),
            device: name(shelf),
            about: String::new(),
            dim: 0,
            texts: 0,
            bytes: 0,
            used: SystemTime::UNIX_EPOCH,
            damaged: Vec::new(),
            older,
        }
    }

    fn add(&mut self, file: &Stored, segment: Result<Segment, String>) {
        self.bytes += file.bytes;
        self.used = self.used.max(file.used);
        match segment {
            Ok(segment) => {
                self.texts += segment.texts();
                self.dim = segment.dim;
                self.about.clone_from(&segment.about);
                if let Some(Producer { device, arithmetic, .. }) = &segment.producer {
                    self.device = format!("{device} {arithmetic}");
                }
            }
            Err(reason) => self.damaged.push(format!("{}: {reason}", file.path.display())),
        }
    }
}

impl Removed {
    /// Removes a file, or counts it as kept if it can't be removed.
    fn take(&mut self, file: &Stored, dry_run: bool) {
        let outcome = if dry_run { Ok(()) } else { fs::remove_file(&file.path) };
        match outcome {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                self.kept += file.bytes;
                self.refused.push(FileError::new("remove", &file.path)(error).to_string());
            }
            _ => {
                self.files += 1;
                self.bytes += file.bytes;
            }
        }
    }
}

fn segments(shelf: &Path) -> Result<Vec<Stored>, FileError> {
    let paths = segment::paths(shelf)?;
    Ok(paths.into_iter().filter_map(Stored::at).collect())
}

impl Stored {
    /// The file at a path; none if it goes meanwhile.
    fn at(path: PathBuf) -> Option<Self> {
        let about = fs::metadata(&path).ok()?;
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self { path, bytes: about.len(), used })
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
