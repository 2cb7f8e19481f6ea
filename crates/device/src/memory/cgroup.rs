//! Reads how much memory the control groups (cgroups) of this process still allow, in versions 2 and 1.
//!
//! A process belongs to one group in every hierarchy, and the limits of all the groups above it hold too: the tightest
//! of them counts. Where a hierarchy is mounted differs between machines and containers, so the mount table is read.
//!
//! | version | the process's group | mount table | limit | in use |
//! |---|---|---|---|---|
//! | 2 | `0::/a/b` of `/proc/self/cgroup` | type `cgroup2` | `memory.max` | `memory.current` |
//! | 1 | `N:memory:/a/b` | type `cgroup`, option `memory` | `memory.limit_in_bytes` | `memory.usage_in_bytes` |
//!
//! The usage includes cached files, which the kernel drops when a process needs the memory; they are subtracted, as
//! `memory.stat` counts them.
//!
//! Specification: Linux, `cgroups(7)`, `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`;
//! `/proc/self/mountinfo` in `proc(5)`.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// Returns the bytes that the tightest group of this process still allows; none if no group has a limit.
pub(super) fn remaining() -> Option<u64> {
    static FOLDERS: OnceLock<Vec<(Version, PathBuf)>> = OnceLock::new();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let folders = FOLDERS.get_or_init(|| folders(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo")));
    folders.iter().filter_map(|(version, folder)| remaining_in(*version, folder)).min()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The file names of a version, and the keys of `memory.stat` that count cached files.
struct Names {
    limit: &'static str,
    usage: &'static str,
    cached: [&'static str; 2],
}

impl Version {
    fn names(self) -> Names {
        match self {
            Self::One => Names {
                limit: "memory.limit_in_bytes",
                usage: "memory.usage_in_bytes",
                cached: ["total_inactive_file ", "total_active_file "],
            },
            Self::Two => {
                Names { limit: "memory.max", usage: "memory.current", cached: ["inactive_file ", "active_file "] }
            }
        }
    }
}

/// Returns the bytes that a group still allows. A group without a limit has `max` in version 2, and a number beyond any
/// memory in version 1.
fn remaining_in(version: Version, folder: &Path) -> Option<u64> {
    let names = version.names();
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = (number(names.limit)?, number(names.usage)?);
    let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let statistic =
        |name: &str| statistics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let cached = names.cached.into_iter().filter_map(statistic).fold(0, u64::saturating_add);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

/// Returns the folders of all groups that limit the process: its own, and those above it.
fn folders(groups: &str, mounts: &str) -> Vec<(Version, PathBuf)> {
    let mut folders = Vec::new();
    for (version, group) in groups.lines().filter_map(group) {
        for (root, point) in mounts.lines().filter_map(|line| mount(line, version)) {
            // In a container the path may be the host's, while the mount shows the container's own group.
            let below = group.strip_prefix(&root).unwrap_or(Path::new(""));
            let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
            let below = if is_plain { below } else { Path::new("") };
            // Not `join`, which would add a trailing slash if there is nothing to join.
            let own: PathBuf = point.components().chain(below.components()).collect();
            let up_to_mount = own.ancestors().take_while(|folder| folder.starts_with(&point));
            folders.extend(up_to_mount.map(|folder| (version, folder.to_owned())));
        }
    }
    folders
}

/// Parses a line of `/proc/self/cgroup`, such as `0::/user.slice`; none if its group can't limit memory.
fn group(line: &str) -> Option<(Version, &Path)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if number == "0" && controllers.is_empty() {
        return Some((Version::Two, Path::new(path)));
    }
    controllers.split(',').any(|name| name == "memory").then_some((Version::One, Path::new(path)))
}

/// Parses a line of `/proc/self/mountinfo` into the group at the root of the mount and the mount point; none if it
/// isn't a hierarchy of this version. Example: `31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw`.
fn mount(line: &str, version: Version) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let (before, after): (Vec<&str>, Vec<&str>) = (before.split(' ').collect(), after.split(' ').collect());
    let is_match = match version {
        Version::Two => *after.first()? == "cgroup2",
        Version::One => *after.first()? == "cgroup" && after.get(2)?.split(',').any(|option| option == "memory"),
    };
    is_match.then_some((unescaped(before.get(3)?), unescaped(before.get(4)?)))
}

/// Decodes a path of the mount table, which writes a space as `\040`.
fn unescaped(path: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (from, to)| path.replace(from, to))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "22 1 0:20 / /proc rw - proc proc rw\n31 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw";

    fn found(groups: &str, mounts: &str) -> Vec<String> {
        folders(groups, mounts).into_iter().map(|(_, folder)| folder.display().to_string()).collect()
    }

    #[test]
    fn a_group_is_bounded_by_all_above_it() {
        let expected = ["/sys/fs/cgroup/user.slice/run 1", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"];
        assert_eq!(found("0::/user.slice/run 1\n", TWO), expected);
        assert_eq!(found("0::/\n", TWO), ["/sys/fs/cgroup"]);
    }

    #[test]
    fn version_1_is_found_where_it_is_mounted() {
        let groups = "5:cpu,cpuacct:/a\n4:memory:/docker/abc/job\n0::/\n";
        let mounts = "40 30 0:30 /docker/abc /memory\\040here rw - cgroup cgroup rw,memory\n\
                      41 30 0:31 / /cpu rw - cgroup cgroup rw,cpu,cpuacct";
        assert_eq!(found(groups, mounts), ["/memory here/job", "/memory here"]);
    }

    #[test]
    fn a_path_of_the_host_stands_for_the_containers_own_group() {
        let mounts = "31 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw";
        for path in ["/docker/other", "/../../job"] {
            assert_eq!(found(&format!("0::{path}"), mounts), ["/sys/fs/cgroup"]);
        }
    }

    #[test]
    fn cached_files_make_room() {
        for (version, limit, used, cached) in [
            (Version::Two, "memory.max", "memory.current", "active_file 30\nanon 5\ninactive_file 10\n"),
            (
                Version::One,
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file 40\ninactive_file 7\n",
            ),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
            write(limit, "100\n");
            assert_eq!(remaining_in(version, folder.path()), None);
            write(used, "90\n");
            assert_eq!(remaining_in(version, folder.path()), Some(10));
            write("memory.stat", cached);
            assert_eq!(remaining_in(version, folder.path()), Some(50));
            write(limit, "max\n");
            assert_eq!(remaining_in(version, folder.path()), None);
        }
    }
}
