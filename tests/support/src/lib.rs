//! What a test may need and a machine may lack: a [`Requirement`], where it is found, and how a test without it is skipped.
//!
//! A skip is always seen ([`skip`] prints past the test runner's capture), and it can be forbidden: a skip for want of a
//! requirement that `EMBERLINE_REQUIRE` names (`tensorboard,minilm`), or of any if `EMBERLINE_REQUIRE_ALL=1`, is a failure.
//! `ci/skip.sh` does the same for the shell scripts.
//!
//! [`saved_models`] are fixtures that the tests of two crates read.

mod requirement;
pub mod saved_models;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use requirement::Requirement;

/// Names of requirements, separated by commas, for want of which no test may be skipped.
pub const REQUIRE: &str = "EMBERLINE_REQUIRE";
/// If it is `1`, no test may be skipped.
pub const REQUIRE_ALL: &str = "EMBERLINE_REQUIRE_ALL";

/// Says on standard error that something isn't tested, and why; the same message once per process.
///
/// # Panics
/// If the requirement may not be missing, or the environment names one that doesn't exist.
pub fn skip(requirement: Requirement, why: &str) {
    let message = format!("{why} ({}: {})", requirement.name(), requirement.cure());
    if let Some(variable) = forbidden_by(requirement, |name| std::env::var(name).ok()) {
        panic!("{variable} forbids to skip: {message}");
    }
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(message.clone()) {
        // Not `eprintln!`, which the test runner captures.
        let _ = writeln!(io::stderr(), "SKIPPED: {message}");
    }
}

/// A file or folder of the real data and reference results, which the project can't ship, by its path below the folder that
/// `EMBERLINE_SHARED` names (default: `shared` beside the checkout). None, after a [`skip`], if it isn't there.
///
/// # Panics
/// As [`skip`] does.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside_the_checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let found = named(Requirement::Shared).unwrap_or_else(beside_the_checkout).join(path);
    if !found.exists() {
        skip(Requirement::Shared, &format!("{} isn't there", found.display()));
        return None;
    }
    Some(found)
}

/// The program or folder that the requirement's environment variable names. None, after a [`skip`] that says what isn't
/// tested, if the variable isn't set.
///
/// # Panics
/// As [`skip`] does, and if the requirement has no variable.
pub fn from_environment(requirement: Requirement, untested: &str) -> Option<PathBuf> {
    let found = named(requirement);
    if found.is_none() {
        skip(requirement, untested);
    }
    found
}

/// What the requirement's environment variable names, without a skip.
///
/// # Panics
/// If the requirement has no variable.
pub fn named(requirement: Requirement) -> Option<PathBuf> {
    let variable = requirement.variable().expect("a requirement with a variable");
    std::env::var_os(variable).map(PathBuf::from)
}

/// The variable of the environment that forbids to skip for want of a requirement.
///
/// # Panics
/// If `EMBERLINE_REQUIRE` names a requirement that doesn't exist: it would otherwise require nothing, unseen.
fn forbidden_by(requirement: Requirement, variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let list = variable(REQUIRE).unwrap_or_default();
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let required: Vec<Requirement> =
        names.map(|name| Requirement::of_name(name).unwrap_or_else(|| unknown(name))).collect();
    if variable(REQUIRE_ALL).is_some_and(|value| value == "1") {
        return Some(REQUIRE_ALL);
    }
    required.contains(&requirement).then_some(REQUIRE)
}

fn unknown(name: &str) -> ! {
    let known: Vec<&str> = Requirement::ALL.iter().map(|requirement| requirement.name()).collect();
    panic!("{REQUIRE} names `{name}`, which is no requirement; there are {}", known.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(list: &str, all: &str) -> Option<&'static str> {
        forbidden_by(Requirement::Minilm, |name| Some(if name == REQUIRE { list } else { all }.to_owned()))
    }

    #[test]
    fn the_list_and_the_switch_forbid_skips() {
        assert_eq!(forbidden_by(Requirement::Minilm, |_| None), None);
        assert_eq!((forbidden("", ""), forbidden("tensorboard, shared", "0")), (None, None));
        assert_eq!(forbidden("tensorboard, minilm,", ""), Some(REQUIRE));
        assert_eq!((forbidden("", "1"), forbidden("shared", "1")), (Some(REQUIRE_ALL), Some(REQUIRE_ALL)));
    }

    #[test]
    #[should_panic(expected = "`minillm`, which is no requirement; there are shared, tensorboard, python, minilm")]
    fn an_unknown_name_is_a_failure() {
        forbidden("minillm", "");
    }

    /// Also if nothing is skipped.
    #[test]
    fn this_environment_names_known_requirements_alone() {
        let _ = forbidden_by(Requirement::Shared, |name| std::env::var(name).ok());
    }
}
