//! Removes entries of the cell cache by size and age. Nothing here is needed for running.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emberline_base::file::{FileError, stale_files};
use emberline_cache::housekeeping::{ClearReport, RetentionLimits, remove_beyond};

use super::{CellCache, EXTENSION};

/// The age from which a temporary file without a lock is a leftover. On a network file system without locks, a younger one may
/// belong to a machine that still writes it.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

impl CellCache {
    /// Removes entries beyond the limits, least recently used first, and what writers that were killed more than a day ago left.
    /// With `dry_run`, only counts them. Other files in the folder stay.
    ///
    /// # Errors
    /// If a folder can't be read.
    pub fn collect_garbage(&self, limits: RetentionLimits, dry_run: bool) -> Result<ClearReport, FileError> {
        let (mut entries, mut leftovers) = (Vec::new(), Vec::new());
        let folders = paths(&self.entries())?.into_iter().filter(|path| is_prefix(path));
        for folder in folders {
            entries.extend(paths(&folder)?.into_iter().filter(|path| is_entry(path)));
            leftovers.extend(stale_files(&folder).into_iter().filter(|path| is_older(path, LEFTOVER_AGE)));
        }
        let all = RetentionLimits { size: Some(0), unused: None };
        let mut report = remove_beyond(entries, limits, dry_run);
        let ClearReport { files, bytes, kept, refused } = remove_beyond(leftovers, all, dry_run);
        report.files += files;
        report.bytes += bytes;
        report.kept += kept;
        report.refused.extend(refused);
        Ok(report)
    }
}

/// Returns the paths of a folder's entries; none if there is no such folder.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::new("read", folder))?,
    };
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Returns whether a path is that of a folder of entries; a link may lead to something else.
fn is_prefix(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.len() == 2
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        && fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

fn is_entry(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
        && fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|since| since > age))
}
