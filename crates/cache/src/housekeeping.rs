//! Lists the content of the cache, and removes parts of it. Nothing here is needed for embedding.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emberline_base::file::{FileError, stale_files};

use crate::segment::{self, OpenError, Segment};
use crate::{Cache, Producer, entries};

/// The cached vectors of one producer, in one version of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry {
    /// The digest of the encoder.
    pub source: String,
    /// The kind of device and its arithmetic, such as `cpu x86_64 avx2`.
    pub device: String,
    /// A description of the producer for people.
    pub about: String,
    /// The length of a vector.
    pub dim: usize,
    /// The number of texts, each with one vector.
    pub texts: usize,
    /// The size on disk, in bytes.
    pub bytes: u64,
    /// The time of the last use.
    pub used: SystemTime,
    /// One message per segment that is damaged.
    pub damaged: Vec<String>,
    /// Whether the segments have another version of the format: they are never read, and [`Cache::collect_garbage`] removes them.
    pub is_other_format: bool,
}

/// What [`Cache::collect_garbage`] removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionLimits {
    /// The maximum size to keep, in bytes; the most recently used files are kept.
    pub size: Option<u64>,
    /// Files that were not used for longer than this are removed.
    pub unused: Option<Duration>,
}

/// The result of [`Cache::collect_garbage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearReport {
    /// The number of files removed.
    pub files: usize,
    /// The bytes removed.
    pub bytes: u64,
    /// The bytes that are kept.
    pub kept: u64,
    /// One message per file that couldn't be removed, such as another user's.
    pub refused: Vec<String>,
}

/// A file of the cache.
struct CachedFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// Lists the content of the cache, and verifies it: the content of each file is compared with its name, and the
    /// producer that it states with its folder.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn list(&self) -> Result<Vec<CacheEntry>, FileError> {
        let mut all = Vec::new();
        for folder in self.producer_folders()? {
            let mut held = [CacheEntry::empty(&folder, false), CacheEntry::empty(&folder, true)];
            for file in segments(&folder)? {
                let segment = self.open_verified(&folder, &file.path);
                let is_other_format = segment.as_ref().is_ok_and(|segment| segment.producer.is_none());
                held[usize::from(is_other_format)].add(&file, segment);
            }
            all.extend(held.into_iter().filter(|held| held.bytes > 0));
        }
        Ok(all)
    }

    /// Opens a segment in a producer's folder, or returns what is wrong with it.
    fn open_verified(&self, folder: &Path, path: &Path) -> Result<Segment, String> {
        let segment = match Segment::open(path) {
            Ok(segment) => segment,
            Err(OpenError::Damaged(reason)) => return Err(reason),
            Err(OpenError::Io(error)) => return Err(format!("can't be read: {error}")),
        };
        match &segment.producer {
            Some(producer) if self.producer_folder(producer) != folder => {
                Err(format!("its vectors are from {}, which has another folder", segment.about))
            }
            _ => Ok(segment),
        }
    }

    /// Removes leftovers of interrupted writes, segments of other versions of the format, and files beyond the limits,
    /// least recently used first. With `dry_run`, only counts them.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn collect_garbage(&self, limits: RetentionLimits, dry_run: bool) -> Result<ClearReport, FileError> {
        let producer_folders = self.producer_folders()?;
        let mut removed = ClearReport::default();
        let mut files = Vec::new();
        for folder in &producer_folders {
            let leftovers: Vec<CachedFile> = stale_files(folder).into_iter().filter_map(CachedFile::at).collect();
            let (others, present): (Vec<_>, Vec<_>) =
                segments(folder)?.into_iter().partition(|file| segment::is_of_other_version(&file.path));
            leftovers.iter().chain(&others).for_each(|file| removed.remove(file, dry_run));
            files.extend(present);
        }
        removed.remove_beyond(limits, files, dry_run);
        // Fails for folders that still hold files, as it should.
        for folder in producer_folders.iter().filter(|_| !dry_run) {
            let _ = fs::remove_dir(folder).and_then(|()| fs::remove_dir(folder.parent().unwrap_or(folder)));
        }
        Ok(removed)
    }

    fn producer_folders(&self) -> Result<Vec<PathBuf>, FileError> {
        let mut producer_folders = Vec::new();
        // Files behind a symbolic link may belong to something else.
        let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        for source in entries(&self.embeddings())?.iter().filter(|path| is_folder(path)) {
            producer_folders.extend(entries(source)?.into_iter().filter(is_folder));
        }
        Ok(producer_folders)
    }
}

impl CacheEntry {
    /// An empty entry for a producer's folder.
    fn empty(folder: &Path, is_other_format: bool) -> Self {
        Self {
            source: name(folder.parent().unwrap_or(Path::new(""))),
            device: name(folder),
            about: String::new(),
            dim: 0,
            texts: 0,
            bytes: 0,
            used: SystemTime::UNIX_EPOCH,
            damaged: Vec::new(),
            is_other_format,
        }
    }

    fn add(&mut self, file: &CachedFile, segment: Result<Segment, String>) {
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

/// Removes files beyond limits, least recently used first: those of another cache, by their paths. With `dry_run`, only counts
/// them.
pub fn remove_beyond(paths: Vec<PathBuf>, limits: RetentionLimits, dry_run: bool) -> ClearReport {
    let mut report = ClearReport::default();
    report.remove_beyond(limits, paths.into_iter().filter_map(CachedFile::at).collect(), dry_run);
    report
}

impl ClearReport {
    /// Removes the files that are beyond the limits, the least recently used ones.
    fn remove_beyond(&mut self, limits: RetentionLimits, mut files: Vec<CachedFile>, dry_run: bool) {
        let now = SystemTime::now();
        let age = |file: &CachedFile| now.duration_since(file.used).unwrap_or_default();
        // The most recently used file comes first.
        files.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.path.cmp(&b.path)));
        for file in &files {
            let too_old = limits.unused.is_some_and(|limit| age(file) > limit);
            let too_much = limits.size.is_some_and(|limit| self.kept + file.bytes > limit);
            if too_old || too_much {
                self.remove(file, dry_run);
            } else {
                self.kept += file.bytes;
            }
        }
    }

    /// Removes a file, or counts it as kept if it can't be removed.
    fn remove(&mut self, file: &CachedFile, dry_run: bool) {
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

fn segments(folder: &Path) -> Result<Vec<CachedFile>, FileError> {
    let paths = segment::paths(folder)?;
    Ok(paths.into_iter().filter_map(CachedFile::at).collect())
}

impl CachedFile {
    /// Returns the file at a path; none if it has been removed meanwhile.
    fn at(path: PathBuf) -> Option<Self> {
        let about = fs::metadata(&path).ok()?;
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self { path, bytes: about.len(), used })
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
