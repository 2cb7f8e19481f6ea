//! Files that a user names as an output: they appear when they are complete, symbolic links are written through, and a signal
//! leaves nothing half written behind.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use emberline_tests::{Fixture, Pipeline, end};

/// A folder with a finished run and its model as a bundle.
fn finished() -> Fixture {
    let pipeline =
        Pipeline::new("outputs").toml("[embedding.learned.corpus]\ndim = 4\nmin_count = 1\n[train]\nepochs = 1");
    let rows = (0..60).map(|n| (format!("word{} text {n}", n % 7), n % 2));
    let fixture = Fixture::empty().rows(rows).pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["export", "runs/outputs", "--bundle", "model.bundle"]);
    fixture
}

/// Whether a folder holds something temporary.
fn holds_temporary(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).expect("readable").flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".emberline-"))
}

/// Waits for at most a minute.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A prediction that waits for texts from standard input.
fn waiting(fixture: &Fixture, system: &Path, model: &str) -> Child {
    let mut command = fixture.command(&["predict", model, "--output", "out/out.csv"]);
    command.env("TMPDIR", system);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

#[test]
fn a_signal_removes_what_is_half_written() {
    let fixture = finished();
    let (out, system) = (fixture.join("out"), fixture.join("tmp"));
    for made in [&out, &system] {
        fs::create_dir(made).expect("made");
    }
    for (signal, code) in [("TERM", 75), ("INT", 130)] {
        for model in ["runs/outputs", "model.bundle"] {
            let mut child = waiting(&fixture, &system, model);
            wait_until("an output is begun", || holds_temporary(&out));
            assert_eq!(holds_temporary(&system), model == "model.bundle", "a bundle is unpacked");
            end(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]));
            let mut ended = None;
            wait_until("the program ends", || {
                ended = child.try_wait().expect("a status");
                ended.is_some()
            });
            assert_eq!(ended.and_then(|status| status.code()), Some(code), "{signal}, {model}");
            assert_eq!(fs::read_dir(&out).expect("readable").count(), 0, "{signal}, {model}");
            assert_eq!(fs::read_dir(&system).expect("readable").count(), 0, "{signal}, {model}");
        }
    }
}

#[test]
fn a_symbolic_link_is_written_through() {
    let fixture = finished();
    fs::create_dir(fixture.join("far")).expect("made");
    let commands: [&[&str]; 5] = [
        &["predict", "runs/outputs", "--input", "texts.csv", "--output", "link"],
        &["embed", "hashing", "--input", "texts.csv", "--output", "link"],
        &["export", "runs/outputs", "--force", "--bundle", "link"],
        &["export", "runs/outputs", "--force", "--onnx", "link"],
        &["export", "runs/outputs", "--force", "--word2vec", "link"],
    ];
    for args in commands {
        for is_there in [true, false] {
            let (link, target) = (fixture.join("link"), fixture.join("far/target"));
            let _ = fs::remove_file(&link);
            let _ = fs::remove_file(&target);
            symlink("far/target", &link).expect("linked");
            if is_there {
                fs::write(&target, "old").expect("written");
            }
            fixture.done(args);
            assert!(fs::symlink_metadata(&link).expect("there").is_symlink(), "{args:?}");
            assert!(fs::read(&target).expect("there") != b"old", "{args:?}");
        }
    }
    // The lock and the JUnit file of a verification.
    fs::write(fixture.join("far/lock"), "old")
        .and_then(|()| symlink("far/lock", fixture.join("p.lock")))
        .expect("linked");
    fixture.done(&["lock", "p.toml"]);
    assert!(fs::symlink_metadata(fixture.join("p.lock")).expect("there").is_symlink());
    symlink("far/junit.xml", fixture.join("junit.xml")).expect("linked");
    fixture.done(&["verify", "p.toml", "--junit", "junit.xml"]);
    assert!(fs::symlink_metadata(fixture.join("junit.xml")).expect("there").is_symlink());
    assert!(fs::read_to_string(fixture.join("far/junit.xml")).expect("there").contains("<testsuite"));
}

#[test]
fn a_folder_that_is_missing_is_made() {
    let fixture = finished();
    let commands: [&[&str]; 3] = [
        &["predict", "runs/outputs", "--input", "texts.csv", "--output", "no/such/predict/x"],
        &["embed", "hashing", "--input", "texts.csv", "--output", "no/such/embed/x"],
        &["export", "runs/outputs", "--bundle", "no/such/export/x"],
    ];
    for args in commands {
        fixture.done(args);
        assert!(fixture.join(args.last().expect("a path")).is_file(), "{args:?}");
    }
    let below = fixture.emberline(&["predict", "runs/outputs", "--input", "texts.csv", "--output", "texts.csv/x"]);
    assert!(below.code != Some(0) && below.stderr.contains("texts.csv"), "{}", below.stderr);
}
