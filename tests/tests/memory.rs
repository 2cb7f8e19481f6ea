//! Too little memory, too few threads, and processes that vanish: one cell fails, the others are done, and no panic or abort
//! is seen.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emberline_tests::{Ended, Fixture, Pipeline, end};

/// So many texts of two classes, of which so many are trained on.
fn prepared(texts: usize, train: usize, sections: &str) -> Fixture {
    let split = format!("train = {train}\nvalid = 80");
    let small = "[embedding.h.hashing]\ndim = 8";
    let pipeline = Pipeline::new("tight").section("data.split", &split).toml(small).toml(sections);
    let rows = (0..texts).map(|row| (format!("{} text number {row}", ["good", "bad"][row % 2]), row % 2));
    Fixture::empty().rows(rows).pipeline(&pipeline)
}

/// Runs within a limit of the shell's, such as `-v 1600000`.
fn limited(fixture: &Fixture, limit: &str, args: &[&str]) -> Ended {
    end(&mut fixture.command_after(&format!("ulimit {limit}"), args))
}

fn assert_no_panic(ended: &Ended) {
    for word in ["panicked", "memory allocation of"] {
        assert!(!ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[test]
fn a_head_that_does_not_fit_fails_alone() {
    let grid =
        "[train]\nepochs = 2\n[grid]\n\"head.layers\" = [[{ dense = 9000 }, { dense = 9000 }], [{ dense = 64 }]]\n";
    let fixture = prepared(300, 200, grid);
    for (limit, named) in [("-v 1600000", "ulimit -v"), ("-d 1600000", "ulimit -d")] {
        for jobs in ["1", "2"] {
            let ended = limited(&fixture, limit, &["run", "p.toml", "--jobs", jobs, "--force"]);
            assert_eq!(ended.code, Some(7), "{}", ended.stderr);
            assert!(ended.stderr.contains("not enough memory") && ended.stderr.contains(named), "{}", ended.stderr);
            assert!(ended.stderr.contains("1 cell trained"), "{}", ended.stderr);
            assert_no_panic(&ended);
        }
    }
}

#[test]
fn tables_and_features_that_do_not_fit_fail_alone() {
    let more = r#"
[embedding.wide.hashing]
dim = 2000
buckets = 400000
[embedding.long.hashing]
dim = 32768
buckets = 2
[head]
layers = []
[train]
epochs = 1
[grid]
embedding = ["wide", "long", "h"]
"#;
    let fixture = prepared(15_000, 14_000, more);
    let ended = limited(&fixture, "-v 1600000", &["run", "p.toml", "--jobs", "1"]);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    // Each is told when it happens, and again at the end.
    assert!(ended.stderr.matches("not enough memory").count() == 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 cell trained"), "{}", ended.stderr);
    assert_no_panic(&ended);
}

#[test]
fn fewer_threads_than_asked_for_are_enough() {
    let fixture = prepared(300, 200, "[train]\nepochs = 1\n[grid]\nseed = [1, 2, 3]");
    let mut command = fixture.command_after("ulimit -v 1600000", &["run", "p.toml", "--jobs", "2"]);
    let ended = end(command.env("RAYON_NUM_THREADS", "20000"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("of 20000 threads compute"), "{}", ended.stderr);
    assert_no_panic(&ended);
}

/// The long cell comes first, and leaves no checkpoint in the first second.
fn long_and_short() -> Fixture {
    prepared(300, 200, "[head]\nlayers = [{ dense = 64 }]\n[grid]\n\"train.epochs\" = [1000000, 2]")
}

fn start(fixture: &Fixture, args: &[&str]) -> Child {
    fixture.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// The markers of cells under way.
fn markers(fixture: &Fixture) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(fixture.join("runs/tight/under_way")).into_iter().flatten().flatten();
    let json = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    json.filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

/// An epoch of the long cell takes many seconds, so that it is killed before its first checkpoint.
fn endless_and_short() -> Fixture {
    let layers = "\"head.layers\" = [[{ dense = 2048 }, { dense = 2048 }], [{ dense = 8 }]]";
    prepared(2_100, 2_000, &format!("[train]\nepochs = 1\nbatch_size = 1\n[grid]\n{layers}"))
}

/// Starts a run, and kills it as soon as a marker says that a cell is under way at which the process has vanished `before`
/// times.
fn vanish(fixture: &Fixture, args: &[&str], before: u32) {
    let mut child = start(fixture, args);
    let begun = Instant::now();
    let says = format!("{{\"vanished\":{before},");
    let is_it = |(_, text): &(PathBuf, String)| text.starts_with(&says) && text.contains("\"under_way\":true");
    while !markers(fixture).iter().any(is_it) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no cell begins: {:?}", markers(fixture));
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().and_then(|()| child.wait()).expect("killed");
}

#[test]
fn a_cell_at_which_the_process_vanishes_does_not_keep_the_others_from_being_done() {
    let fixture = endless_and_short();
    let run = ["run", "p.toml", "--jobs", "1"];
    vanish(&fixture, &run, 0);
    vanish(&fixture, &run, 1);
    let ended = fixture.ends(&run, 7);
    let said = ended.stderr.contains("the process ended 2 times while this cell was under way");
    assert!(said && ended.stderr.contains("1 cell trained"), "{}", ended.stderr);
    assert!(markers(&fixture).is_empty());
    // It is tried again, and by itself: whatever vanishes then is counted anew.
    vanish(&fixture, &["run", "p.toml", "--jobs", "1", "--retry-failed"], 0);
}

#[test]
fn a_signal_is_no_vanishing() {
    let fixture = long_and_short();
    for _ in 0..3 {
        let mut child = start(&fixture, &["run", "p.toml", "--jobs", "1"]);
        let begun = Instant::now();
        while markers(&fixture).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no cell begins");
            thread::sleep(Duration::from_millis(2));
        }
        end(Command::new("kill").args(["-TERM", &child.id().to_string()]));
        assert_eq!(child.wait().expect("a child").code(), Some(75));
        assert!(markers(&fixture).is_empty());
    }
}
