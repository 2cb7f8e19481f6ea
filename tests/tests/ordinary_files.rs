//! Pipes, devices, sockets and folders where a file is named: refused in words, and nobody waits for a writer.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emberline_tests::{Ended, Fixture, Pipeline, emberline, end};

/// Runs a command that must end by itself; standard input is a pipe that nobody writes to.
fn run(fixture: &Fixture, args: &[&str]) -> Ended {
    let mut command = fixture.command(args);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let begun = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if begun.elapsed() > Duration::from_secs(30) {
            let _ = child.kill();
            panic!("{args:?} waits");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("it has ended");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn pipe(path: &Path) {
    assert_eq!(end(Command::new("mkfifo").arg(path)).code, Some(0));
}

/// A folder with a sound pipeline, but for what `spoil` does to it.
fn folder(kind: &str, spoil: impl FnOnce(&Path)) -> Fixture {
    let source = format!("embedding.e.{kind}");
    let pipeline = Pipeline::new("p").section(&source, "path = \"model\"").section("train", "epochs = 1");
    let rows = (0..60).map(|row| (format!("good and bad {row}"), row % 2));
    let fixture = Fixture::empty().rows(rows).file("words", "good 1 0\nbad 0 1\n").pipeline(&pipeline);
    spoil(fixture.path());
    fixture
}

#[test]
fn pipes_as_data_or_models_are_refused() {
    let word_vectors = |spoil: fn(&Path)| folder("word_vectors", spoil);
    let data = word_vectors(|at| {
        fs::remove_file(at.join("texts.csv")).expect("removed");
        pipe(&at.join("texts.csv"));
        fs::copy(at.join("words"), at.join("model")).expect("copied");
    });
    for args in [&["check", "--data", "p.toml"][..], &["run", "p.toml"]] {
        let ended = run(&data, args);
        assert_eq!(ended.code, Some(8), "{}", ended.stderr);
        assert!(ended.stderr.contains("texts.csv: it is a pipe, not a regular file"), "{}", ended.stderr);
    }
    let in_folder = |name: &'static str| {
        move |at: &Path| {
            fs::create_dir_all(at.join("model").join(name).parent().expect("a folder")).expect("made");
            pipe(&at.join("model").join(name));
        }
    };
    for model in [
        word_vectors(|at| pipe(&at.join("model"))),
        folder("tfhub", |at| pipe(&at.join("model"))),
        folder("tfhub", in_folder("saved_model.pb")),
        folder("model2vec", in_folder("config.json")),
        folder("sentence_transformer", in_folder("config.json")),
        folder("sentence_transformer", in_folder("modules.json")),
        folder("elmo", |at| pipe(&at.join("model"))),
        folder("onnx", in_folder("model.onnx")),
    ] {
        for args in [&["check", "p.toml"][..], &["plan", "p.toml"], &["run", "p.toml"]] {
            let ended = run(&model, args);
            assert!(args[0] != "run" || ended.code == Some(7), "{}", ended.stderr);
        }
    }
}

#[test]
fn pipelines_that_are_no_files_are_refused() {
    let folder = folder("hashing", |at| pipe(&at.join("pipe.toml")));
    fs::create_dir(folder.path().join("folder.toml")).expect("made");
    for (name, kind) in [("pipe.toml", "a pipe"), ("folder.toml", "a folder"), ("/dev/null", "a device")] {
        for command in ["check", "plan", "run"] {
            let ended = run(&folder, &[command, name]);
            assert_eq!(ended.code, Some(8), "{command} {name}: {}", ended.stderr);
            assert!(ended.stderr.contains(kind) && ended.stderr.contains("not a regular file"), "{}", ended.stderr);
        }
    }
}

#[test]
fn texts_come_from_open_pipes_alone() {
    let folder = folder("hashing", |at| pipe(&at.join("pipe.txt")));
    let ended = run(&folder, &["embed", "hashing", "--input", "pipe.txt"]);
    assert_eq!(ended.code, Some(8), "{}", ended.stderr);
    assert!(ended.stderr.contains("it is a pipe"), "{}", ended.stderr);
    for line in [
        "\"$0\" embed hashing --input <(printf 'a\\nb\\n')",
        "printf 'a\\nb\\n' | \"$0\" embed hashing --input /dev/stdin",
    ] {
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).arg(emberline().get_program()).current_dir(folder.path());
        let ended = end(&mut shell);
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 2), "{}", ended.stderr);
    }
}
