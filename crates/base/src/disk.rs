//! Free space on disks.

use std::path::Path;

/// Returns the bytes that a user may still write to the disk of a path, or of the folder in which it would be made. `None` where the
/// system doesn't say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find(|folder| folder.exists())?;
    free_bytes_of(existing)
}

#[cfg(unix)]
fn free_bytes_of(existing: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(existing).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes_of(_existing: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = free_bytes(folder.path()).expect("known");
        let below = free_bytes(&folder.path().join("a/b")).expect("known");
        assert!(free > 0 && below.abs_diff(free) < free / 2 + (1 << 30), "{free} {below}");
    }
}
