//! Reads how much memory the system still allows this process to use: free memory, control groups, and resource limits.
//!
//! | limit | from | in use |
//! |---|---|---|
//! | the machine | `MemAvailable` of `/proc/meminfo` | |
//! | commitments, where the kernel counts them | `CommitLimit` of `/proc/meminfo` | `Committed_AS` |
//! | control groups | see `cgroup.rs` | |
//! | address space (`ulimit -v`) | `/proc/self/limits` | `VmSize` of `/proc/self/status` |
//! | data (`ulimit -d`) | `/proc/self/limits` | `VmData` of `/proc/self/status` |
//!
//! Specification: Linux, `proc(5)` and `Documentation/filesystems/proc.rst`. On other systems no limit is known, and
//! nothing is refused.

use std::fmt;
use std::fs;

use super::cgroup;

/// A limit on the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The machine's free memory.
    Machine,
    /// The commit limit: what the kernel promises to all processes together, if it counts strictly
    /// (`vm.overcommit_memory = 2`).
    Commitments,
    /// A control group of the process: the limit of a container or of a batch job.
    ControlGroup,
    /// The address space of the process, `ulimit -v`.
    AddressSpace,
    /// The data of the process, `ulimit -d`.
    Data,
}

impl Limit {
    /// Returns whether an allocation beyond the limit fails. Beyond the other limits it succeeds, and the kernel kills
    /// the process when the memory is used.
    pub(super) fn fails_allocations(self) -> bool {
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
            Self::Commitments => "below the kernel's commit limit (vm.overcommit_memory = 2)",
            Self::ControlGroup => "within the limit of the control group or container",
            Self::AddressSpace => "within the address-space limit (ulimit -v)",
            Self::Data => "within the data limit (ulimit -d)",
        })
    }
}

/// How much memory a limit still allows, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remaining {
    pub(super) limit: Limit,
    pub(super) bytes: u64,
}

/// Returns how much memory each limit of the system still allows.
pub(super) fn remaining() -> Vec<Remaining> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (machine, limits, status) = (read("/proc/meminfo"), read("/proc/self/limits"), read("/proc/self/status"));
    let strict = read("/proc/sys/vm/overcommit_memory").trim() == "2";
    let commitments = || difference(kilobytes(&machine, "CommitLimit:"), kilobytes(&machine, "Committed_AS:"));
    let all = [
        (Limit::Machine, kilobytes(&machine, "MemAvailable:")),
        (Limit::Commitments, strict.then(commitments).flatten()),
        (Limit::ControlGroup, cgroup::remaining()),
        (Limit::AddressSpace, difference(soft_limit(&limits, "Max address space"), kilobytes(&status, "VmSize:"))),
        (Limit::Data, difference(soft_limit(&limits, "Max data size"), kilobytes(&status, "VmData:"))),
    ];
    all.into_iter().filter_map(|(limit, bytes)| Some(Remaining { limit, bytes: bytes? })).collect()
}

fn difference(limit: Option<u64>, used: Option<u64>) -> Option<u64> {
    Some(limit?.saturating_sub(used?))
}

/// Returns the bytes of a line such as `VmSize: 123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the soft limit of a line such as `Max address space unlimited unlimited bytes`; none if it is unlimited.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_parsed_from_the_files_of_the_system() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         1638400000           unlimited            bytes     \n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(1_638_400_000));
        assert_eq!((soft_limit(limits, "Max data size"), soft_limit(limits, "Max stack size")), (None, None));
        let status = "VmPeak:\t    2000 kB\nVmSize:\t    1000 kB\n";
        assert_eq!((kilobytes(status, "VmSize:"), kilobytes(status, "VmData:")), (Some(1_024_000), None));
        assert_eq!(difference(Some(1), Some(3)), Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn there_is_some_memory_and_no_more_than_a_machine_has() {
        let machine =
            remaining().into_iter().find(|remaining| remaining.limit == Limit::Machine).expect("Linux reports it");
        assert!(machine.bytes > 1 << 20 && machine.bytes < 1 << 50, "{machine:?}");
    }
}
