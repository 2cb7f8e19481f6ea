//! The cases of `tests/suite`: what a command prints, to the letter, and its exit code.
//!
//! A case is a folder with `case.toml` (the steps), its files, and `expected/N.stdout`, `expected/N.stderr`
//! for step N. It runs in a copy of the folder. `EMBERLINE_BLESS=1 cargo test -p emberline-tests --test suite`
//! writes the expectations anew: read them before committing.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_tests::{Ended, run_in};
use serde::Deserialize;

/// `case.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    args: Vec<String>,
    #[serde(default)]
    code: i32,
    /// Whether standard error holds times or the like, and isn't compared.
    #[serde(default)]
    any_stderr: bool,
    /// Whether standard output isn't compared.
    #[serde(default)]
    any_stdout: bool,
}

#[test]
fn every_case_prints_what_is_expected() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&suite).expect("the suite").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let wrong: Vec<String> = folders.iter().flat_map(|folder| run_case(folder)).collect();
    assert!(folders.len() >= 10, "cases are missing from {}", suite.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn run_case(folder: &Path) -> Vec<String> {
    let copy = tempfile::tempdir().expect("a folder");
    copy_files(folder, copy.path());
    let text = fs::read_to_string(folder.join("case.toml")).expect("case.toml");
    let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut wrong = Vec::new();
    for (number, step) in case.step.iter().enumerate() {
        let args: Vec<&str> = step.args.iter().map(String::as_str).collect();
        let ended = run_in(copy.path(), &args);
        wrong.extend(compare(folder, number + 1, step, &ended));
    }
    wrong
}

fn compare(folder: &Path, number: usize, step: &Step, ended: &Ended) -> Vec<String> {
    let name = |what: &str| format!("{}, step {number}, {what}", folder.file_name().unwrap_or_default().display());
    let mut wrong = Vec::new();
    if ended.code != Some(step.code) {
        wrong.push(format!("{}: {:?}, not {}\n{}", name("exit code"), ended.code, step.code, ended.stderr));
    }
    let streams = [("stdout", &ended.stdout, step.any_stdout), ("stderr", &ended.stderr, step.any_stderr)];
    for (stream, found, any) in streams {
        let path = folder.join(format!("expected/{number}.{stream}"));
        if any {
            continue;
        }
        if std::env::var_os("EMBERLINE_BLESS").is_some() {
            bless(&path, found);
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if *found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- found\n{found}", name(stream)));
        }
    }
    wrong
}

/// An empty stream needs no file.
fn bless(path: &Path, text: &str) {
    if text.is_empty() {
        let _ = fs::remove_file(path);
        return;
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy_files(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
