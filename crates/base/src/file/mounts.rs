//! What is known of the file system that a folder is on.

use std::fs;
use std::path::Path;

/// File systems that one machine alone writes to.
const LOCAL: [&str; 10] = ["btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"];

/// File systems of several machines whose locks on a folder (`flock`) reach all of them. Lustre's do with the mount option `flock`;
/// NFS refuses locks on folders, and others grant locks that end at the machine.
const COMMON_LOCKS: [&str; 4] = ["ceph", "gfs2", "gpfs", "ocfs2"];

/// Returns whether a folder is known to be on a file system of this machine alone, which shows every change at once.
pub fn is_local(folder: &Path) -> bool {
    mount_of(folder).is_some_and(|mount| LOCAL.contains(&mount.kind.as_str()))
}

/// Returns whether a lock on a folder keeps out the processes of all machines that see it, as far as its file system is known.
pub fn has_common_locks(folder: &Path) -> bool {
    mount_of(folder).is_none_or(|mount| mount.has_common_locks())
}

/// A mounted file system.
struct Mount {
    kind: String,
    options: String,
}

impl Mount {
    fn has_common_locks(&self) -> bool {
        let kind = self.kind.as_str();
        let has_flock = || self.options.split(',').any(|option| option == "flock");
        LOCAL.contains(&kind) || COMMON_LOCKS.contains(&kind) || (kind == "lustre" && has_flock())
    }
}

fn mount_of(folder: &Path) -> Option<Mount> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    mount_in(&fs::read_to_string("/proc/self/mounts").unwrap_or_default(), &folder)
}

/// Finds the file system of a folder in the list of mounts: the mount with the longest path counts, and of equals the last.
fn mount_in(mounts: &str, folder: &Path) -> Option<Mount> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let at = fields.next()?.replace("\\040", " ");
        let (kind, options) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        folder.starts_with(&at).then_some((at.len(), Mount { kind, options }))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\ntmpfs /home/my\\040own tmpfs rw 0 0\n";
        let kind = |folder: &str| mount_in(mounts, Path::new(folder)).map_or_else(String::new, |mount| mount.kind);
        assert_eq!([kind("/data"), kind("/home/me"), kind("/home/my own/x")], ["ext4", "nfs4", "tmpfs"]);
        assert!(mount_in("", Path::new("/")).is_none());
    }

    #[test]
    fn a_lock_reaches_as_far_as_the_file_system_takes_it() {
        for (mounted, expected) in [
            ("ext4 rw,relatime", true),
            ("gpfs rw", true),
            ("lustre rw,flock,lazystatfs", true),
            ("lustre rw,localflock", false),
            ("lustre rw", false),
            ("nfs4 rw", false),
            ("fuse.sshfs rw", false),
        ] {
            let mount = mount_in(&format!("x / {mounted} 0 0"), Path::new("/a")).expect("the root");
            assert_eq!(mount.has_common_locks(), expected, "{mounted}");
        }
    }
}
