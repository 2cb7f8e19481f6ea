//! Files at which a library panics, or asks for gigabytes: our message, and nothing before it.

use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_tests::{Ended, emberline, end};

/// The files of `tests/suite/damaged-libraries`, and a pipeline that meets the tokenizer at which its library panics.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/damaged-libraries");
    fs::create_dir(folder.path().join("m2v")).expect("made");
    for name in
        ["m2v/config.json", "m2v/model.safetensors", "m2v/tokenizer.json", "d.parquet", "pipeline.toml", "texts.txt"]
    {
        fs::copy(from.join(name), folder.path().join(name)).expect("copied");
    }
    let rows: String = (0..60).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    let pipeline = "name = \"p\"\n[data]\npath = \"texts.csv\"\ntext = \"text\"\nlabel = \"label\"\n[embedding.h.hashing]\n\
                    [embedding.m.model2vec]\npath = \"m2v\"\n[train]\nepochs = 1\n[grid]\nembedding = [\"m\", \"h\"]\n";
    fs::write(folder.path().join("p.toml"), pipeline).expect("written");
    folder
}

/// Runs as a person would who wants to see where panics come from, in six gigabytes of address space.
fn run(folder: &Path, args: &[&str]) -> Ended {
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -v 6000000; exec \"$0\" \"$@\""]).arg(emberline().get_program()).args(args);
    end(shell.current_dir(folder).env("RUST_BACKTRACE", "1").env("EMBERLINE_CACHE_DIR", folder.join("cache")))
}

#[test]
fn only_our_message_is_shown() {
    let folder = folder();
    for (args, code, said) in [
        (&["embed", "model2vec", "m2v", "--input", "texts.txt"][..], 8, "tokenizer.json: doesn't hold together"),
        (&["check", "--data", "pipeline.toml"], 4, "its footer claims more than it holds"),
    ] {
        let ended = run(folder.path(), args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    for jobs in ["1", "2"] {
        let ended = run(folder.path(), &["run", "p.toml", "--jobs", jobs, "--force"]);
        assert_eq!(ended.code, Some(7), "{}", ended.stderr);
        assert!(ended.stderr.contains("doesn't hold together") && ended.stderr.contains("1 cell trained"));
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("backtrace"), "{}", ended.stderr);
    }
}
