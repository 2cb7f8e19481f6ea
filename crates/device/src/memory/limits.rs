//! Reads how much memory the system leaves to this process: of the machine, of its control groups, and of its own limits.
//!
//! | limit | from | in use |
//! |---|---|---|
//! | the machine | `MemAvailable` of `/proc/meminfo` | |
//! | commitments, where the kernel counts them | `CommitLimit` of `/proc/meminfo` | `Committed_AS` |
//! | control groups | see `cgroup.rs` | |
//! | address space (`ulimit -v`) | `/proc/self/limits` | `VmSize` of `/proc/self/status` |
//! | data (`ulimit -d`) | `/proc/self/limits` | `VmData` of `/proc/self/status` |
//!
//! Specification: Linux, `proc(5)` and `Documentation/filesystems/proc.rst`. Elsewhere nothing is known, and nothing refused.

use std::fmt;
use std::fs;

use super::cgroup;

/// What bounds the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The memory that the machine has free.
    Machine,
    /// What the kernel promises to all processes together, where it keeps to that.
    Commitments,
    /// A control group of the process: a container's limit, or a job's.
    ControlGroup,
    /// The address space of the process, `ulimit -v`.
    AddressSpace,
    /// The data of the process, `ulimit -d`.
    Data,
}

impl Limit {
    /// Whether exceeding it makes an allocation fail. The others let it succeed, and kill the process when it is used.
    pub(super) fn refuses(self) -> bool {
        match self {
            Self::Commitments | Self::AddressSpace | Self::Data => true,
            Self::Machine | Self::ControlGroup => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "on this machine",
            Self::Commitments => "of what the kernel promises (vm.overcommit_memory = 2)",
            Self::ControlGroup => "within the limit of the control group, or container",
            Self::AddressSpace => "within the limit of the address space (ulimit -v)",
            Self::Data => "within the limit of data (ulimit -d)",
        })
    }
}

/// Bytes that a limit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: Limit,
    pub(super) bytes: u64,
}

/// What every limit leaves that the system tells of.
pub(super) fn left() -> Vec<Left> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (machine, limits, status) = (read("/proc/meminfo"), read("/proc/self/limits"), read("/proc/self/status"));
    let strict = read("/proc/sys/vm/overcommit_memory").trim() == "2";
    let commitments = || remaining(kilobytes(&machine, "CommitLimit:"), kilobytes(&machine, "Committed_AS:"));
    let all = [
        (Limit::Machine, kilobytes(&machine, "MemAvailable:")),
        (Limit::Commitments, strict.then(commitments).flatten()),
        (Limit::ControlGroup, cgroup::left()),
        (Limit::AddressSpace, remaining(soft(&limits, "Max address space"), kilobytes(&status, "VmSize:"))),
        (Limit::Data, remaining(soft(&limits, "Max data size"), kilobytes(&status, "VmData:"))),
    ];
    all.into_iter().filter_map(|(limit, bytes)| Some(Left { limit, bytes: bytes? })).collect()
}

fn remaining(limit: Option<u64>, used: Option<u64>) -> Option<u64> {
    Some(limit?.saturating_sub(used?))
}

/// The bytes that a line such as `VmSize:  123 kB` gives.
fn kilobytes(facts: &str, name: &str) -> Option<u64> {
    let line = facts.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of a line such as `Max address space  unlimited  unlimited  bytes`; none where it is unlimited.
fn soft(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_words_of_the_system() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         1638400000           unlimited            bytes     \n";
        assert_eq!(soft(limits, "Max address space"), Some(1_638_400_000));
        assert_eq!((soft(limits, "Max data size"), soft(limits, "Max stack size")), (None, None));
        let status = "VmPeak:\t    2000 kB\nVmSize:\t    1000 kB\n";
        assert_eq!((kilobytes(status, "VmSize:"), kilobytes(status, "VmData:")), (Some(1_024_000), None));
        assert_eq!(remaining(Some(1), Some(3)), Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn there_is_some_memory_and_no_more_than_a_machine_has() {
        let machine = left().into_iter().find(|left| left.limit == Limit::Machine).expect("Linux tells");
        assert!(machine.bytes > 1 << 20 && machine.bytes < 1 << 50, "{machine:?}");
    }
}
