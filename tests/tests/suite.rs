//! The cases of `tests/suite`: what a command prints, to the letter, and its exit code. Each folder is a test of its name.
//!
//! A case is a folder with `case.toml` (the steps), its files, and `expected/N.stdout`, `expected/N.stderr`
//! for step N. It runs in a copy of the folder. `EMBERLINE_BLESS=1 cargo test --workspace --test suite [CASE]`
//! writes the expectations anew: read them before committing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use emberline_tests::{Ended, Fixture};
use libtest_mimic::{Arguments, Failed, Trial};
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

fn main() -> ExitCode {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let entries = fs::read_dir(&suite).expect("the suite").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.collect();
    folders.sort();
    assert!(folders.len() >= 10, "cases are missing from {}", suite.display());
    libtest_mimic::run(&Arguments::from_args(), folders.into_iter().map(test).collect()).exit_code()
}

/// The test of a folder.
fn test(folder: PathBuf) -> Trial {
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    Trial::test(name, move || {
        let wrong = run_case(&folder);
        if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n\n"))) }
    })
}

/// Runs the steps of a case, and gives what isn't as expected.
fn run_case(folder: &Path) -> Vec<String> {
    let copy = Fixture::copy_of(folder);
    let text = fs::read_to_string(folder.join("case.toml")).expect("case.toml");
    let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let run = |(number, step): (usize, &Step)| {
        let args: Vec<&str> = step.args.iter().map(String::as_str).collect();
        compare(folder, number + 1, step, &copy.emberline(&args))
    };
    case.step.iter().enumerate().flat_map(run).collect()
}

fn compare(folder: &Path, number: usize, step: &Step, ended: &Ended) -> Vec<String> {
    let mut wrong = Vec::new();
    if ended.code != Some(step.code) {
        wrong.push(format!("step {number}, exit code: {:?}, not {}\n{}", ended.code, step.code, ended.stderr));
    }
    let streams = [("stdout", &ended.stdout, step.any_stdout), ("stderr", &ended.stderr, step.any_stderr)];
    for (stream, found, _) in streams.into_iter().filter(|(.., any)| !any) {
        let path = folder.join(format!("expected/{number}.{stream}"));
        if std::env::var_os("EMBERLINE_BLESS").is_some() {
            bless(&path, found);
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if *found != expected {
            wrong.push(format!("step {number}, {stream}\n--- expected\n{expected}\n--- found\n{found}"));
        }
    }
    wrong
}

/// Writes an expectation; an empty stream needs no file.
fn bless(path: &Path, text: &str) {
    if text.is_empty() {
        let _ = fs::remove_file(path);
        return;
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}
