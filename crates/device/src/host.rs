//! What identifies this machine in the record of a cell: its name, and the version of a GPU's driver.

use std::path::Path;
use std::sync::OnceLock;

/// The environment variable that names this machine in records, instead of its host name; none is recorded if it is empty.
pub const VARIABLE: &str = "EMBERLINE_NODE";

/// Returns the name under which this machine is recorded: that of [`VARIABLE`], or else its host name; `None` if it has none.
pub fn node() -> Option<String> {
    static NODE: OnceLock<Option<String>> = OnceLock::new();
    let found = || match std::env::var(VARIABLE) {
        Ok(name) => text(&name),
        Err(_) => host_name(),
    };
    NODE.get_or_init(found).clone()
}

fn host_name() -> Option<String> {
    let of_files = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(|path| read(Path::new(path)));
    of_files.or_else(|| ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| text(&std::env::var(name).ok()?)))
}

/// Returns the version of NVIDIA's driver, as Linux shows it; `None` if there is no such driver.
pub(crate) fn nvidia_driver() -> Option<String> {
    version_of(&read(Path::new("/proc/driver/nvidia/version"))?)
}

/// Returns the version in a text such as `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5 ...`.
fn version_of(about: &str) -> Option<String> {
    let line = about.lines().find(|line| line.starts_with("NVRM version:"))?;
    let is_version = |word: &&str| word.contains('.') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    line.split_whitespace().find(is_version).map(str::to_owned)
}

fn read(path: &Path) -> Option<String> {
    text(&std::fs::read_to_string(path).ok()?)
}

fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_s_version_is_found_in_what_linux_shows() {
        let proprietary = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 12.3.0";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n";
        assert_eq!(version_of(proprietary).as_deref(), Some("550.54.15"));
        assert_eq!(version_of(open).as_deref(), Some("570.86.15"));
        assert_eq!(version_of("GCC version: 12.3.0"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_has_a_name() {
        let name = host_name().expect("a name");
        assert!(!name.contains(char::is_whitespace), "{name:?}");
    }
}
