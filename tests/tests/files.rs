//! Files and folders as the system sees them: permissions, symbolic links, and what killed commands leave.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use emberline_tests::run_files::{paths, records};
use emberline_tests::{Ended, emberline, end, run_in};

/// A folder with a pipeline over a table and an encoder, whose words lie in a file.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/encoder/tests/fixtures/bert");
    let row = |n: usize| format!("word{} text {n},{}\n", n % 7, n % 2);
    let rows: String = (0..40).map(row).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("vectors.txt"), "word1 0.5 -0.5\nword2 0.25 1\n").expect("written");
    let text = format!(
        r#"
name = "files"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.words.word_vectors]
path = "vectors.txt"
[embedding.bert.sentence_transformer]
path = "{}"
[train]
epochs = 1
[callbacks.csv_logger]
[callbacks.tensorboard]
[grid]
embedding = ["words", "bert"]
"#,
        fixtures.display()
    );
    fs::write(folder.path().join("p.toml"), text).expect("written");
    folder
}

/// Runs a command with a umask.
fn with_umask(umask: u32, folder: &Path, args: &[&str]) -> Ended {
    let program = emberline();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask:03o}; exec \"$0\" \"$@\"")]).arg(program.get_program()).args(args);
    end(shell.current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")))
}

fn fine(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
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
    let folder = prepared();
    let here = folder.path();
    for umask in [0o077, 0o027, 0o022, 0o002] {
        for name in ["runs", "cache", "made"] {
            let _ = fs::remove_dir_all(here.join(name));
        }
        let bert = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/encoder/tests/fixtures/bert");
        let bert = bert.to_string_lossy();
        fine(&with_umask(umask, here, &RUN));
        fine(&with_umask(umask, here, &["lock", "p.toml"]));
        fine(&with_umask(umask, here, &["verify", "p.toml", "--device", "cpu", "--junit", "made/deep/junit.xml"]));
        fine(&with_umask(umask, here, &["report", "runs/files"]));
        fine(&with_umask(umask, here, &["init", "made/new"]));
        let embed = ["embed", "sentence_transformer", &bert, "--input", "texts.csv", "--output", "made/out.jsonl"];
        fine(&with_umask(umask, here, &embed));
        let made = ["runs", "cache", "made"].into_iter().flat_map(|name| all_below(&here.join(name)));
        let made: Vec<PathBuf> = made.chain([here.join("p.lock")]).collect();
        assert!(made.len() > 30, "{made:?}");
        for path in made {
            let about = fs::metadata(&path).expect("there");
            let most = if about.is_dir() { 0o777 } else { 0o666 };
            assert_eq!(about.permissions().mode() & 0o777, most & !umask, "{}: umask {umask:03o}", path.display());
        }
        fs::remove_file(here.join("p.lock")).expect("removed");
    }
}

#[test]
fn nothing_is_written_through_a_link_in_a_run_folder() {
    let folder = prepared();
    let here = folder.path();
    fine(&run_in(here, &RUN));
    let expected = records(&here.join("runs/files"));
    let cell = paths(&here.join("runs/files/cells"))
        .first()
        .expect("a file")
        .components()
        .next()
        .expect("a cell")
        .as_os_str()
        .to_owned();
    let cell = cell.to_string_lossy();
    let folders = [
        "cells".to_owned(),
        format!("cells/{cell}"),
        "inputs".to_owned(),
        "tensorboard".to_owned(),
        format!("tensorboard/{cell}"),
        format!("tensorboard/{cell}/train"),
    ];
    for below in folders {
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::write(elsewhere.path().join("mine"), b"mine").expect("written");
        fs::write(elsewhere.path().join("events.out.tfevents.0000000001.mine"), b"mine").expect("written");
        let out = here.join("linked");
        let _ = fs::remove_dir_all(&out);
        let link = out.join(&below);
        fs::create_dir_all(link.parent().expect("a folder"))
            .and_then(|()| symlink(elsewhere.path(), &link))
            .expect("linked");
        let ended = run_in(here, &[&RUN[..], &["--out", "linked"]].concat());
        assert!(ended.code != Some(0) && ended.stderr.contains("symbolic link"), "{below}: {}", ended.stderr);
        let left: Vec<PathBuf> = paths(elsewhere.path());
        assert_eq!(left.len(), 2, "{below}: {left:?}");
        // With the link removed, as the message says, nothing is missing.
        fs::remove_file(&link).expect("removed");
        fine(&run_in(here, &[&RUN[..], &["--out", "linked"]].concat()));
        assert_eq!(records(&out), expected, "{below}");
    }
    // Files that are links are replaced.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mine = elsewhere.path().join("mine");
    fs::write(&mine, b"mine").expect("written");
    for name in ["result.json", "checkpoint.safetensors", "SHA256SUMS", "model.safetensors"] {
        let path = here.join("linked/cells").join(&*cell).join(name);
        let _ = fs::remove_file(&path);
        symlink(&mine, &path).expect("linked");
    }
    for name in ["summary.json", "report.html", "SHA256SUMS"] {
        let path = here.join("linked").join(name);
        fs::remove_file(&path).and_then(|()| symlink(&mine, &path)).expect("linked");
    }
    fine(&run_in(here, &[&RUN[..], &["--out", "linked"]].concat()));
    assert_eq!(fs::read(&mine).expect("there"), b"mine");
    assert_eq!(records(&here.join("linked")), expected);
    // The folder that a user names may be a link.
    fs::create_dir(here.join("real")).and_then(|()| symlink(here.join("real"), here.join("named"))).expect("linked");
    fine(&run_in(here, &[&RUN[..], &["--out", "named"]].concat()));
    assert_eq!(records(&here.join("real")), expected);
}

#[test]
fn what_killed_commands_left_goes_with_the_next_command() {
    let folder = prepared();
    let here = folder.path();
    fine(&run_in(here, &RUN));
    fine(&run_in(here, &["lock", "p.toml"]));
    let commands: [&[&str]; 4] =
        [&RUN, &["lock", "p.toml"], &["verify", "p.toml", "--device", "cpu"], &["fetch", "p.toml", "--offline"]];
    for args in commands {
        let (file, under_way, lock) =
            (here.join(".emberline-a.tmp"), here.join(".emberline-b.tmp"), here.join(".emberline-vectors.txt.lock"));
        fs::write(&file, b"half a lock").expect("written");
        fs::create_dir(&under_way).and_then(|()| fs::write(under_way.join("half"), b"")).expect("made");
        fs::write(&lock, b"").expect("written");
        fine(&run_in(here, args));
        assert!(!file.exists() && !under_way.exists() && !lock.exists(), "{args:?}");
    }
}

#[test]
fn a_verification_that_was_killed_leaves_nothing_for_ever() {
    let folder = prepared();
    let here = folder.path();
    fine(&run_in(here, &RUN));
    fine(&run_in(here, &["lock", "p.toml"]));
    let system = here.join("tmp");
    fs::create_dir_all(system.join(".emberline-killed.tmp/run/cells")).expect("made");
    let mut command = emberline();
    command.current_dir(here).env("EMBERLINE_CACHE_DIR", here.join("cache")).env("TMPDIR", &system);
    fine(&end(command.args(["verify", "p.toml", "--device", "cpu"])));
    assert_eq!(fs::read_dir(&system).expect("readable").count(), 0);
}
