//! Files at which a library panics, or asks for gigabytes: our message, and nothing before it.

use emberline_tests::fixture::of_tests;
use emberline_tests::{Ended, Fixture, Pipeline, end};

/// The files of `tests/suite/damaged-libraries`, and a pipeline that meets the tokenizer at which its library panics.
fn folder() -> Fixture {
    let pipeline = Pipeline::new("p")
        .toml("[embedding.h.hashing]\n[embedding.m.model2vec]\npath = \"m2v\"")
        .toml("[train]\nepochs = 1\n[grid]\nembedding = [\"m\", \"h\"]");
    let rows = (0..60).map(|row| (format!("good and bad {row}"), row % 2));
    Fixture::copy_of(&of_tests("suite/damaged-libraries")).rows(rows).pipeline(&pipeline)
}

/// Runs as a person would who wants to see where panics come from, in six gigabytes of address space.
fn run(fixture: &Fixture, args: &[&str]) -> Ended {
    end(fixture.command_after("ulimit -v 6000000", args).env("RUST_BACKTRACE", "1"))
}

#[test]
fn only_our_message_is_shown() {
    let fixture = folder();
    for (args, code, said) in [
        (&["embed", "model2vec", "m2v", "--input", "texts.txt"][..], 8, "tokenizer.json: doesn't hold together"),
        (&["check", "--data", "pipeline.toml"], 4, "its footer claims more than it holds"),
    ] {
        let ended = run(&fixture, args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("backtrace"), "{}", ended.stderr);
    }
    for jobs in ["1", "2"] {
        let ended = run(&fixture, &["run", "p.toml", "--jobs", jobs, "--force"]);
        assert_eq!(ended.code, Some(7), "{}", ended.stderr);
        assert!(ended.stderr.contains("doesn't hold together") && ended.stderr.contains("1 cell trained"));
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("backtrace"), "{}", ended.stderr);
    }
}
