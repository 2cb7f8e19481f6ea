//! How much memory there is to work with: what can't fit is refused in words, since a system that has run out of memory kills
//! without any.

use std::fs;

/// The bytes that can be had without taking them from others, as far as the system tells: of the machine and of the process's
/// control group, the less.
pub fn available() -> Option<u64> {
    [of_machine(), of_group()].into_iter().flatten().min()
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
