//! Files and folders as the system sees them: permissions, symbolic links, and what killed commands leave.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use emberline_tests::fixture::repository;
use emberline_tests::run_files::{assert_same, paths, records};
use emberline_tests::{Fixture, Pipeline, end};

const BERT: &str = "crates/encoder/tests/fixtures/bert";

/// A folder with a pipeline over a table and an encoder, whose words lie in a file.
fn prepared() -> Fixture {
    let pipeline = Pipeline::new("files")
        .section("embedding.bert.sentence_transformer", &format!("path = \"{}\"", repository(BERT).display()))
        .toml(
            r#"
            [embedding.words.word_vectors]
            path = "vectors.txt"
            [train]
            epochs = 1
            [callbacks.csv_logger]
            [callbacks.tensorboard]
            [grid]
            embedding = ["words", "bert"]
            "#,
        );
    let rows = (0..40).map(|n| (format!("word{} text {n}", n % 7), n % 2));
    Fixture::empty().rows(rows).file("vectors.txt", "word1 0.5 -0.5\nword2 0.25 1\n").pipeline(&pipeline)
}

/// Everything below a folder, files and folders.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(all_below(&path)) } else { found.push(path) }
    }
    found
}

const RUN: [&str; 6] = ["run", "p.toml", "--jobs", "1", "--device", "cpu"];

#[test]
fn new_files_and_folders_have_the_permissions_that_the_umask_leaves() {
    let fixture = prepared();
    for umask in [0o077, 0o027, 0o022, 0o002] {
        for name in ["runs", "cache", "made"] {
            let _ = fs::remove_dir_all(fixture.join(name));
        }
        let bert = repository(BERT);
        let bert = bert.to_string_lossy();
        let with_umask = |args: &[&str]| {
            let ended = end(&mut fixture.command_after(&format!("umask {umask:03o}"), args));
            assert_eq!(ended.code, Some(0), "{}", ended.printed());
        };
        with_umask(&RUN);
        with_umask(&["lock", "p.toml"]);
        with_umask(&["verify", "p.toml", "--device", "cpu", "--junit", "made/deep/junit.xml"]);
        with_umask(&["report", "runs/files"]);
        with_umask(&["init", "made/new"]);
        let embed = ["embed", "sentence_transformer", &bert, "--input", "texts.csv", "--output", "made/out.jsonl"];
        with_umask(&embed);
        let made = ["runs", "cache", "made"].into_iter().flat_map(|name| all_below(&fixture.join(name)));
        let made: Vec<PathBuf> = made.chain([fixture.join("p.lock")]).collect();
        assert!(made.len() > 30, "{made:?}");
        for path in made {
            let about = fs::metadata(&path).expect("there");
            let most = if about.is_dir() { 0o777 } else { 0o666 };
            assert_eq!(about.permissions().mode() & 0o777, most & !umask, "{}: umask {umask:03o}", path.display());
        }
        fs::remove_file(fixture.join("p.lock")).expect("removed");
    }
}

#[test]
fn nothing_is_written_through_a_link_in_a_run_folder() {
    let fixture = prepared();
    fixture.done(&RUN);
    let expected = records(&fixture.join("runs/files"));
    let cell = paths(&fixture.join("runs/files/cells"))
        .first()
        .expect("a file")
        .components()
        .next()
        .expect("a cell")
        .as_os_str()
        .to_owned();
    let cell = cell.to_string_lossy();
    // A log is named like its cell, without the identity.
    let log = cell.rsplit_once('-').expect("an identity").0;
    let folders = [
        "cells".to_owned(),
        format!("cells/{cell}"),
        "inputs".to_owned(),
        "tensorboard".to_owned(),
        format!("tensorboard/{log}"),
        format!("tensorboard/{log}/train"),
    ];
    for below in folders {
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::write(elsewhere.path().join("mine"), b"mine").expect("written");
        fs::write(elsewhere.path().join("events.out.tfevents.0000000001.mine"), b"mine").expect("written");
        let out = fixture.join("linked");
        let _ = fs::remove_dir_all(&out);
        let link = out.join(&below);
        fs::create_dir_all(link.parent().expect("a folder"))
            .and_then(|()| symlink(elsewhere.path(), &link))
            .expect("linked");
        let ended = fixture.emberline(&[&RUN[..], &["--out", "linked"]].concat());
        assert!(ended.code != Some(0) && ended.stderr.contains("symbolic link"), "{below}: {}", ended.stderr);
        let left: Vec<PathBuf> = paths(elsewhere.path());
        assert_eq!(left.len(), 2, "{below}: {left:?}");
        // With the link removed, as the message says, nothing is missing.
        fs::remove_file(&link).expect("removed");
        fixture.done(&[&RUN[..], &["--out", "linked"]].concat());
        assert_same(&out, &expected, &below);
    }
    // Files that are links are replaced.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mine = elsewhere.path().join("mine");
    fs::write(&mine, b"mine").expect("written");
    for name in ["result.json", "checkpoint.safetensors", "SHA256SUMS", "model.safetensors"] {
        let path = fixture.join("linked/cells").join(&*cell).join(name);
        let _ = fs::remove_file(&path);
        symlink(&mine, &path).expect("linked");
    }
    for name in ["summary.json", "report.html", "SHA256SUMS"] {
        let path = fixture.join("linked").join(name);
        fs::remove_file(&path).and_then(|()| symlink(&mine, &path)).expect("linked");
    }
    fixture.done(&[&RUN[..], &["--out", "linked"]].concat());
    assert_eq!(fs::read(&mine).expect("there"), b"mine");
    assert_same(&fixture.join("linked"), &expected, "after links were replaced");
    // The folder that a user names may be a link.
    fs::create_dir(fixture.join("real"))
        .and_then(|()| symlink(fixture.join("real"), fixture.join("named")))
        .expect("linked");
    fixture.done(&[&RUN[..], &["--out", "named"]].concat());
    assert_same(&fixture.join("real"), &expected, "behind a link");
}

#[test]
fn what_killed_commands_left_goes_with_the_next_command() {
    let fixture = prepared();
    fixture.done(&RUN);
    fixture.done(&["lock", "p.toml"]);
    let commands: [&[&str]; 4] =
        [&RUN, &["lock", "p.toml"], &["verify", "p.toml", "--device", "cpu"], &["fetch", "p.toml", "--offline"]];
    for args in commands {
        let (file, under_way, lock) = (
            fixture.join(".emberline-a.tmp"),
            fixture.join(".emberline-b.tmp"),
            fixture.join(".emberline-vectors.txt.lock"),
        );
        fs::write(&file, b"half a lock").expect("written");
        fs::create_dir(&under_way).and_then(|()| fs::write(under_way.join("half"), b"")).expect("made");
        fs::write(&lock, b"").expect("written");
        fixture.done(args);
        assert!(!file.exists() && !under_way.exists() && !lock.exists(), "{args:?}");
    }
}

#[test]
fn a_verification_that_was_killed_leaves_nothing_for_ever() {
    let fixture = prepared();
    fixture.done(&RUN);
    fixture.done(&["lock", "p.toml"]);
    let system = fixture.join("tmp");
    fs::create_dir_all(system.join(".emberline-killed.tmp/run/cells")).expect("made");
    let ended = end(fixture.command(&["verify", "p.toml", "--device", "cpu"]).env("TMPDIR", &system));
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert_eq!(fs::read_dir(&system).expect("readable").count(), 0);
}
