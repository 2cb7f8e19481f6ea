//! A skip is seen and can be forbidden, in tests and in the shell scripts; and nothing is skipped in another way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use emberline_test_support::{REQUIRE, REQUIRE_ALL, Requirement, shared, skip};

/// The only files that may print the word.
const WHERE_SKIPS_ARE_PRINTED: [&str; 3] = ["tests/support/src/lib.rs", "tests/support/tests/skips.rs", "ci/skip.sh"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

/// A test that lacks the model, for the tests below.
#[test]
#[ignore = "run by the tests below"]
fn a_test_without_its_model() {
    skip(Requirement::Minilm, "published vectors");
    skip(Requirement::Minilm, "published vectors");
}

/// A test that lacks a file of the shared data, for the tests below.
#[test]
#[ignore = "run by the tests below"]
fn a_test_without_its_data() {
    assert_eq!(shared("no/such/file"), None);
}

/// Runs one of the ignored tests in a process of its own.
fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored"]).env_remove(REQUIRE).env_remove(REQUIRE_ALL);
    command.envs(variables.iter().copied()).output().expect("it starts")
}

fn all_that_is_said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_skip_is_seen_once_though_the_test_passes() {
    for variables in [&[][..], &[(REQUIRE, "shared, tensorboard")], &[(REQUIRE_ALL, "0")]] {
        let output = run("a_test_without_its_model", variables);
        let said = all_that_is_said(&output);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        let line = "SKIPPED: published vectors (minilm: set EMBERLINE_MINILM to the folder of all-MiniLM-L6-v2)\n";
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
}

#[test]
fn a_required_skip_fails() {
    for (test, variable, value) in [
        ("a_test_without_its_model", REQUIRE, "tensorboard,minilm"),
        ("a_test_without_its_model", REQUIRE_ALL, "1"),
        ("a_test_without_its_data", REQUIRE, "shared"),
    ] {
        let output = run(test, &[(variable, value)]);
        let said = all_that_is_said(&output);
        assert!(!output.status.success() && said.contains("1 failed"), "{test}, {variable}={value}: {said}");
        assert!(said.contains(&format!("{variable} forbids to skip: ")), "{said}");
    }
}

#[test]
fn an_unknown_name_fails_wherever_something_is_skipped() {
    let output = run("a_test_without_its_model", &[(REQUIRE, "minillm")]);
    assert!(!output.status.success() && all_that_is_said(&output).contains("`minillm`, which is no requirement"));
}

#[test]
fn a_required_skip_of_a_script_fails() {
    let script = "source ci/skip.sh; skip strace 'injected faults'; echo 'goes on'";
    for (variables, fails) in [
        (&[][..], false),
        (&[(REQUIRE, "shared,minilm")], false),
        (&[(REQUIRE, "shared,strace")], true),
        (&[(REQUIRE, "strace, shared")], true),
        (&[(REQUIRE_ALL, "1")], true),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(root()).env_remove(REQUIRE).env_remove(REQUIRE_ALL);
        let output = bash.envs(variables.iter().copied()).output().expect("bash starts");
        let said = all_that_is_said(&output);
        assert!(said.contains("SKIPPED: injected faults (strace)\n"), "{said}");
        assert_eq!((!output.status.success(), !said.contains("goes on")), (fails, fails), "{variables:?}: {said}");
    }
}

/// Every file of the project that could skip something: Rust and shell, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let (root, mut found, mut folders) = (root(), Vec::new(), Vec::new());
    folders.extend([".ci", "ci", "crates", "tests"].map(|name| root.join(name)));
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let is_source =
                path.extension().is_some_and(|ending| ending == "rs" || ending == "sh") || path.ends_with(".ci/run");
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if is_source {
                let name = path.strip_prefix(&root).expect("inside").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

#[test]
fn nothing_is_skipped_in_another_way() {
    let elsewhere: Vec<String> = sources()
        .into_iter()
        .filter(|(name, text)| text.contains("SKIPPED:") && !WHERE_SKIPS_ARE_PRINTED.contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect();
    assert!(elsewhere.is_empty(), "use emberline_test_support::skip, or `skip` of ci/skip.sh, in {elsewhere:?}");
}

#[test]
fn scripts_skip_for_want_of_known_requirements() {
    let mut skips = 0;
    for (name, text) in sources().iter().filter(|(name, _)| !name.ends_with(".rs")) {
        let named = text.lines().filter_map(|line| line.trim_start().strip_prefix("skip ")?.split(' ').next());
        for requirement in named {
            skips += 1;
            assert!(Requirement::of_name(requirement).is_some(), "{name} skips for want of `{requirement}`");
        }
    }
    assert!(skips >= 5, "{skips} skips of scripts");
}
