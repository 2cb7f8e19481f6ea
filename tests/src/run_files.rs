//! The files of a run folder, to be compared with those of another run: all of them, but for a list of exceptions, and without
//! what is stated to vary: times, hashes over them, the names of event files, which hold one too, and how many attempts at a
//! cell were cut short.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use emberline_base::{Sums, run_files};

use crate::end;

/// Where event files begin their names.
const EVENTS: &str = "events.out.tfevents.";

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Files that two runs with the same results may differ in.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Whether a file of a run folder is meant, by its path in it.
    pub is_meant: fn(&Path) -> bool,
    /// Why it may differ.
    pub reason: &'static str,
}

/// Every file that [`records`] leaves out. All others are compared, of whatever kind they are.
pub const EXCEPTIONS: [Exception; 3] = [
    Exception {
        is_meant: |path| path == Path::new(run_files::RUN),
        reason: "it holds the way to the pipeline file, which is another from another folder",
    },
    Exception {
        is_meant: is_of_attempt,
        reason: "an attempt that was cut short raises the number of the next; the files of the attempt that counts are linked \
                 into the cell's folder, and compared there",
    },
    Exception {
        is_meant: is_sums,
        reason: "they are sums of other files, some of which are excepted; that each is right is asserted instead",
    },
];

/// The longest that a test takes, in seconds: times of its runs are at most this long ago.
const LONGEST_TEST: f64 = 86_400.0;

/// Every file of a run by its path, but for the [`EXCEPTIONS`], without times, numbers of attempts, and the events by which
/// the log of a cell that is trained again discards the points of the attempt before. The folder stays as it is.
///
/// # Panics
/// If a file isn't sound, or a report isn't what the records give.
pub fn records(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let copy = tempfile::tempdir().expect("a folder");
    // Files that are linked to each other stay so, as in the run folder.
    let copied = end(Command::new("cp").arg("-a").arg(run.join(".")).arg(copy.path()));
    assert_eq!(copied.code, Some(0), "{}", copied.stderr);
    let all = without_times(copy.path(), &(now() - LONGEST_TEST..=now()));
    let compared = all.into_iter().filter(|(path, _)| exception(path).is_none());
    compared
        .map(|(path, bytes)| {
            let is_result = path.starts_with(run_files::CELLS) && path.ends_with(run_files::RESULT);
            let bytes = if is_result { without_attempt(text(&bytes)).into_bytes() } else { bytes };
            let bytes = if path.ends_with("events") { without_restarts(&bytes) } else { bytes };
            (path, bytes)
        })
        .collect()
}

/// The exception that a file of a run folder is.
fn exception(path: &Path) -> Option<&'static Exception> {
    EXCEPTIONS.iter().find(|exception| (exception.is_meant)(path))
}

/// Every file by its path, times made 0 in the folder itself: a number called `seconds` in records, that column of
/// histories, and in event files every number that is a time of `during`. Sums are first seen to be right, and then left out;
/// reports are first seen to be what the records make of them, and then rendered again from the records without times.
///
/// # Panics
/// When a report or a sum isn't that, or a file isn't sound.
pub fn without_times(run: &Path, during: &RangeInclusive<f64>) -> BTreeMap<PathBuf, Vec<u8>> {
    let written = files(run);
    let report = || assert_eq!(end(crate::emberline().arg("report").arg(run)).code, Some(0));
    report();
    assert_eq!(differences(&written, &files(run)), Vec::<PathBuf>::new(), "a report that its records don't give");
    for (path, bytes) in &written {
        if is_sums(path) {
            assert_right(&written, &run.join(path));
        } else if let Some(timeless) = timeless(path, bytes) {
            fs::write(run.join(path), timeless).expect("written");
        }
    }
    // Sums of the files without times, or no report would be made of them.
    for path in written.keys().filter(|path| is_sums(path)) {
        rewrite_sums(&run.join(path));
    }
    report();
    let named = |(path, bytes): (PathBuf, Vec<u8>)| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name.starts_with(EVENTS) => (path.with_file_name("events"), events_without(&bytes, during)),
        _ => (path, bytes),
    };
    let all = files(run);
    let count = all.len();
    let named: BTreeMap<PathBuf, Vec<u8>> = all.into_iter().map(named).collect();
    assert_eq!(named.len(), count, "one event file a folder");
    named
}

/// The paths whose bytes differ, or that one of the two lacks.
pub fn differences(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let paths = one.keys().chain(other.keys().filter(|path| !one.contains_key(*path)));
    paths.filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

/// Asserts that a run folder has the files that [`records`] gave of another, and names those that differ.
///
/// # Panics
/// If one differs, or as [`records`] does.
pub fn assert_same(run: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>, when: &str) {
    assert_eq!(differences(&records(run), expected), Vec::<PathBuf>::new(), "files that differ {when}");
}

/// A record without times; none where it has none.
fn timeless(path: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let timeless = match path.extension()?.to_str()? {
        "json" | "jsonl" => without_seconds(text(bytes)),
        "csv" if path.ends_with("history.csv") => without_column(text(bytes), "seconds"),
        _ => return None,
    };
    Some(timeless.into_bytes())
}

/// Whether a file is an attempt's own; those of the attempt that counts are linked into the cell's folder.
fn is_of_attempt(path: &Path) -> bool {
    path.iter().any(|part| part == run_files::ATTEMPTS)
}

fn is_sums(path: &Path) -> bool {
    path.ends_with(run_files::SUMS) && !is_of_attempt(path)
}

/// Sees that the sums of a folder are those of its files.
fn assert_right(files: &BTreeMap<PathBuf, Vec<u8>>, path: &Path) {
    let folder = path.parent().expect("a folder");
    let sums = Sums::of_folder(folder).expect("readable").expect("there");
    for name in sums.names() {
        let (_, bytes) = files.iter().find(|(file, _)| folder.join(name).ends_with(file)).expect("the file is there");
        assert!(sums.check(name, bytes), "{} of {}", name, path.display());
    }
}

/// Writes the sums of a folder's files as they are now.
fn rewrite_sums(path: &Path) {
    let folder = path.parent().expect("a folder");
    let mut sums = Sums::default();
    for name in Sums::of_folder(folder).expect("readable").expect("there").names() {
        sums.add(name, &fs::read(folder.join(name)).expect("readable"));
    }
    fs::write(path, sums.to_text()).expect("written");
}

/// The paths of all files below a folder, in it; none where there is no folder.
pub fn paths(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).expect("inside").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), fs::read(root.join(path)).expect("readable"));
    paths(root).into_iter().map(read).collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// JSON with 0 for every number called `seconds`, nothing in objects of that name, and not another byte changed.
fn without_seconds(json: &str) -> String {
    const KEY: &str = "\"seconds\":";
    let mut parts = json.split(KEY);
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.trim_start();
        // In `settings.json`: their number, mean and deviation.
        if let Some((_, rest)) = value.strip_prefix('{').and_then(|spread| spread.split_once('}')) {
            timeless.extend([KEY, " {}", rest]);
            continue;
        }
        let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.eE".contains(c));
        assert!(rest.len() < value.len(), "a number of seconds: {value:.40}");
        timeless.extend([KEY, &part[..part.len() - value.len()], "0.0", rest]);
    }
    timeless
}

/// A cell's record without the number of the attempt that counts, which a process that was killed raises.
fn without_attempt(json: &str) -> String {
    let (is_number, lines) = (|line: &&str| line.trim_start().starts_with("\"attempt\": "), json.lines());
    assert_eq!(lines.clone().filter(is_number).count(), 1, "an attempt that counts");
    lines.filter(|line| !is_number(line)).map(|line| line.to_owned() + "\n").collect()
}

fn without_column(csv: &str, name: &str) -> String {
    let column = csv.lines().next().unwrap_or_default().split(',').position(|field| field == name).expect("the column");
    let line = |(number, line): (usize, &str)| {
        let field = |(at, field)| if at == column && number > 0 { "0.0" } else { field };
        line.split(',').enumerate().map(field).collect::<Vec<_>>().join(",") + "\n"
    };
    csv.lines().enumerate().map(line).collect()
}

/// The events one after another, each as long as it was.
fn events_without(file: &[u8], times: &RangeInclusive<f64>) -> Vec<u8> {
    let mut events = Vec::new();
    for event in tfevents::records(file) {
        let mut event = event.expect("a whole event").to_vec();
        for start in 0..event.len().saturating_sub(7) {
            let number = &mut event[start..start + 8];
            if times.contains(&f64::from_le_bytes(number.try_into().expect("8 bytes"))) {
                number.fill(0);
            }
        }
        events.extend((event.len() as u64).to_le_bytes());
        events.extend(event);
    }
    events
}

/// Events as [`events_without`] gives them, without those that tell TensorBoard of a restart.
///
/// An event begins with its time (tag 9, 8 bytes) and its step (tag 16, a varint; absent if 0). A restart follows as tag 58, the
/// field `session_log`.
fn without_restarts(events: &[u8]) -> Vec<u8> {
    let (mut kept, mut rest) = (Vec::new(), events);
    while let Some((length, after)) = rest.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let (event, after) = after.split_at(length);
        let content = event.get(9..).unwrap_or_default();
        let step = if content.first() == Some(&16) {
            2 + content[1..].iter().take_while(|byte| **byte > 127).count()
        } else {
            0
        };
        if content.get(step) != Some(&58) {
            kept.extend(&rest[..8 + length]);
        }
        rest = after;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exceptions_are_left_out() {
        for path in [
            "summary.csv",
            "report.html",
            "inputs/0a.rows",
            "cells/a/result.json",
            "cells/a/training.csv",
            "cells/a/of-a-new-kind.bin",
            "tensorboard/a/train/events",
            "a-new-folder/run.json",
        ] {
            assert!(exception(Path::new(path)).is_none(), "{path} is compared");
        }
        for path in ["run.json", "SHA256SUMS", "cells/a/SHA256SUMS", "cells/a/attempts/2/history.csv"] {
            assert!(exception(Path::new(path)).is_some(), "{path} is an exception");
        }
    }
}
