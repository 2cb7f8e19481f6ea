//! Names of event files: `events.out.tfevents.<10-digit seconds>.<host>.<process>.<count>.v2`.
//!
//! A folder enters; a new file in it leaves, whose name sorts after those of the existing event files, whatever the
//! clock says, and that no other writer uses.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::error::Error;

const PREFIX: &str = "events.out.tfevents.";

/// The latest time that fits into ten digits.
const LAST_SECOND: u64 = 9_999_999_999;

/// Creates an event file in `folder`, which is created if it is missing. Its name also sorts after those in `other`, if that is a folder.
pub(crate) fn create_last(folder: &Path, other: Option<&Path>, clock: Clock) -> Result<(PathBuf, File), Error> {
    /// Distinguishes the files of one process.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder).map_err(Error::file("make the folder", folder))?;
    let newest_of = |folder: &Path| Ok(event_files(folder)?.pop());
    let of_other = other.filter(|other| other.is_dir()).map_or(Ok(None), newest_of)?;
    let newest = newest_of(folder)?.max(of_other);
    let host = host();
    loop {
        let ending = format!("{host}.{}.{}.v2", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let Some(name) = name_after(newest.as_deref(), clock.seconds() as u64, &ending) else {
            let path = folder.join(newest.unwrap_or_default());
            let source = io::Error::other("it bears the latest time there is; move it away");
            return Err(Error::File { action: "name an event file after", path, source });
        };
        let path = folder.join(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::File { action: "create", path, source }),
        }
    }
}

/// Returns the names of the event files in `folder`, in the order in which TensorBoard reads them.
///
/// # Errors
/// When the folder can't be listed.
pub fn event_files(folder: &Path) -> Result<Vec<String>, Error> {
    let list = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| seconds(name).is_some()));
        }
        names.sort_unstable();
        Ok(names)
    };
    list().map_err(Error::file("list", folder))
}

/// Returns the time in an event file's name; `None` for other files.
fn seconds(name: &str) -> Option<u64> {
    let (digits, rest) = name.strip_prefix(PREFIX)?.split_at_checked(10)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits && rest.starts_with('.') { digits.parse().ok() } else { None }
}

/// Returns a name with the time `now`, or one second after `newest` if the name would not sort after it otherwise.
fn name_after(newest: Option<&str>, now: u64, ending: &str) -> Option<String> {
    let name_at = |time: u64| format!("{PREFIX}{time:010}.{ending}");
    let name = name_at(now.min(LAST_SECOND));
    let Some(newest) = newest.filter(|&newest| name.as_str() <= newest) else { return Some(name) };
    let next = seconds(newest)? + 1;
    (next <= LAST_SECOND).then(|| name_at(next))
}

/// Returns this machine's name, reduced to characters that are allowed in a file's name; `localhost` if it is
/// unknown.
fn host() -> String {
    let from_system = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_file = || fs::read_to_string("/etc/hostname").ok();
    let from_environment = || ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = from_system().or_else(from_file).or_else(from_environment).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' };
    let name: String = name.trim().chars().take(64).map(plain).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_present_or_later_than_the_newest() {
        let name = |newest, now| name_after(newest, now, "host.9.10.v2");
        let at = |time: &str| Some(format!("events.out.tfevents.{time}.host.9.10.v2"));
        assert_eq!(name(None, 1_700_000_000), at("1700000000"));
        assert_eq!(name(Some("events.out.tfevents.1600000000.z.1.0"), 1_700_000_000), at("1700000000"));
        // The second is the same, and `9` sorts after `10`.
        assert_eq!(name(Some("events.out.tfevents.1700000000.host.9.9.v2"), 1_700_000_000), at("1700000001"));
        // The clock was set back.
        assert_eq!(name(Some("events.out.tfevents.1800000000.a.1.0"), 1_700_000_000), at("1800000001"));
        assert_eq!(name(None, 7), at("0000000007"));
        assert_eq!(name(None, u64::MAX), at("9999999999"));
        assert_eq!(name(Some("events.out.tfevents.9999999999.z.1.0"), 1_700_000_000), None);
    }

    #[test]
    fn only_event_files_count() {
        assert_eq!(seconds("events.out.tfevents.0000000012.host.1.0.v2"), Some(12));
        for other in
            ["events.out.tfevents.123", "events.out.tfevents.12345678901.host", "events.out.tfevents.+123456789.h", "a"]
        {
            assert_eq!(seconds(other), None, "{other}");
        }
    }

    #[test]
    fn many_writers_at_once_get_files_of_their_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let create =
            || (0..25).map(|_| create_last(folder.path(), None, Clock::Fixed(1e9)).expect("a file").0).collect();
        let paths: Vec<Vec<PathBuf>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(event_files(folder.path()).expect("listed").len(), 100);
        assert!(paths.iter().all(|one| one.is_sorted()), "a later file sorts after the earlier ones");
    }

    #[test]
    fn a_name_may_have_to_sort_after_those_of_another_folder_too() {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let of = |other: &Path| create_last(folder.path(), Some(other), Clock::Fixed(7.0)).expect("a file").0;
        let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name(of(&other.path().join("missing"))).starts_with("events.out.tfevents.0000000007."));
        fs::write(other.path().join("events.out.tfevents.0000000012.host"), "").expect("written");
        assert!(name(of(other.path())).starts_with("events.out.tfevents.0000000013."));
    }

    #[test]
    fn errors_name_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("taken");
        fs::write(&taken, "").expect("written");
        let error = create_last(&taken, None, Clock::System).expect_err("a file stands there").to_string();
        assert!(error.contains("taken"), "{error}");
        fs::write(folder.path().join("events.out.tfevents.9999999999.z"), "").expect("written");
        let error = create_last(folder.path(), None, Clock::System).expect_err("no later name").to_string();
        assert!(error.contains("9999999999.z: it bears the latest time"), "{error}");
    }
}
