//! The files of a run's folder without what is stated to vary: times, and the names of event files, which hold one too.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use emberline_tensorboard::records;

use crate::end;

/// Where event files begin their names.
const EVENTS: &str = "events.out.tfevents.";

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Every file by its path, times made 0 in the folder itself: a number called `seconds` in records, that column of
/// histories, and in event files every number that is a time of `during`. Reports are first seen to be what the records
/// make of them, and then rendered again from the records without times.
///
/// # Panics
/// When a report isn't that, or a file isn't sound.
pub fn without_times(run: &Path, during: &RangeInclusive<f64>) -> BTreeMap<PathBuf, Vec<u8>> {
    let written = files(run);
    let report = || assert_eq!(end(crate::emberline().arg("report").arg(run)).code, Some(0));
    report();
    assert_eq!(differences(&written, &files(run)), Vec::<PathBuf>::new(), "a report that its records don't give");
    for (path, bytes) in written {
        let timeless = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json" | "jsonl") => without_seconds(text(&bytes)),
            Some("csv") if path.ends_with("history.csv") => without_column(text(&bytes), "seconds"),
            _ => continue,
        };
        fs::write(run.join(path), timeless).expect("written");
    }
    report();
    let timeless = |(path, bytes): (PathBuf, Vec<u8>)| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name.starts_with(EVENTS) => (path.with_file_name("events"), events_without(&bytes, during)),
        _ => (path, bytes),
    };
    let all = files(run);
    let count = all.len();
    let named: BTreeMap<PathBuf, Vec<u8>> = all.into_iter().map(timeless).collect();
    assert_eq!(named.len(), count, "one event file a folder");
    named
}

/// The paths whose bytes differ, or that one of the two lacks.
pub fn differences(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let paths = one.keys().chain(other.keys().filter(|path| !one.contains_key(*path)));
    paths.filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_owned();
                files.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    files
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// JSON with 0 for every number called `seconds`, and not another byte changed.
fn without_seconds(json: &str) -> String {
    const KEY: &str = "\"seconds\":";
    let mut parts = json.split(KEY);
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.trim_start();
        let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.eE".contains(c));
        assert!(rest.len() < value.len(), "a number of seconds: {value:.40}");
        timeless.extend([KEY, &part[..part.len() - value.len()], "0.0", rest]);
    }
    timeless
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
    for event in records(file) {
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
