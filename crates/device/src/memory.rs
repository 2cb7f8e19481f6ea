//! How much memory there is to work with: what can't fit is refused in words, since a system that has run out of memory kills
//! without any.

use std::fs;

/// The bytes that can be had without taking them from others, as far as the system tells: of the machine and of the process's
/// control group, the less.
fn available() -> Option<u64> {
    [of_machine(), of_group()].into_iter().flatten().min()
}

/// More memory is needed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("about {} of memory are needed, and {} are free; make layers or `dim` smaller, or use fewer --jobs", size(*.needed), size(*.available))]
pub struct Lack {
    /// Bytes, about.
    pub needed: u64,
    /// Bytes.
    pub available: u64,
}

/// Refuses what can't fit into memory: a system that has run out of it would end the whole run.
///
/// # Errors
/// When more is needed than is available.
pub fn require(needed: u64) -> Result<(), Lack> {
    match available() {
        Some(available) if needed > available => Err(Lack { needed, available }),
        Some(_) | None => Ok(()),
    }
}

/// Bytes, as people say them.
fn size(bytes: u64) -> String {
    const GB: f64 = 1e9;
    let bytes = bytes as f64;
    if bytes < GB { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.1} GB", bytes / GB) }
}

/// `MemAvailable` of Linux.
fn of_machine() -> Option<u64> {
    let facts = fs::read_to_string("/proc/meminfo").ok()?;
    let line = facts.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group, version 2 or 1, leaves of its limit. One without a limit says `max`, or a number past all memory.
fn of_group() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let left = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current").or_else(|| {
        let folder = "/sys/fs/cgroup/memory";
        left(&format!("{folder}/memory.limit_in_bytes"), &format!("{folder}/memory.usage_in_bytes"))
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_is_some_memory_and_no_more_than_a_machine_has() {
        let bytes = available().expect("Linux tells");
        assert!(bytes > 1 << 20 && bytes < 1 << 50, "{bytes}");
    }
}
