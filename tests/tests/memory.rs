//! Too little memory, too few threads, and processes that vanish: one cell fails, the others are done, and no panic or abort
//! is seen.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emberline_tests::{Ended, emberline, end, run_in};

/// A folder with a pipeline and texts of two classes.
fn prepared(pipeline: &str, texts: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let line = |row: usize| format!("{} text number {row},{}\n", ["good", "bad"][row % 2], row % 2);
    let rows: String = (0..texts).map(line).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("p.toml"), pipeline).expect("written");
    folder
}

const DATA: &str = r#"
name = "tight"
[data]
path = "texts.csv"
text = "text"
label = "label"
[data.split]
train = 200
valid = 80
[embedding.h.hashing]
dim = 8
"#;

/// Runs within a limit of the shell's, such as `-v 1600000`.
fn limited(folder: &Path, limit: &str, variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let program = emberline();
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]).arg(program.get_program()).args(args);
    shell.envs(variables.iter().copied()).env_remove("RUST_BACKTRACE");
    end(shell.current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")))
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
    let folder = prepared(&format!("{DATA}{grid}"), 300);
    for (limit, named) in [("-v 1600000", "ulimit -v"), ("-d 1600000", "ulimit -d")] {
        for jobs in ["1", "2"] {
            let ended = limited(folder.path(), limit, &[], &["run", "p.toml", "--jobs", jobs, "--force"]);
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
    let folder = prepared(&format!("{}{more}", DATA.replace("train = 200", "train = 14000")), 15_000);
    let ended = limited(folder.path(), "-v 1600000", &[], &["run", "p.toml", "--jobs", "1"]);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.matches("not enough memory").count() == 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 cell trained"), "{}", ended.stderr);
    assert_no_panic(&ended);
}

#[test]
fn fewer_threads_than_asked_for_are_enough() {
    let folder = prepared(&format!("{DATA}[train]\nepochs = 1\n[grid]\nseed = [1, 2, 3]\n"), 300);
    let many = [("RAYON_NUM_THREADS", "20000")];
    let ended = limited(folder.path(), "-v 1600000", &many, &["run", "p.toml", "--jobs", "2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("of 20000 threads compute"), "{}", ended.stderr);
    assert_no_panic(&ended);
}

/// The long cell comes first, and leaves no checkpoint in the first second.
fn long_and_short() -> tempfile::TempDir {
    prepared(&format!("{DATA}[head]\nlayers = [{{ dense = 64 }}]\n[grid]\n\"train.epochs\" = [1000000, 2]\n"), 300)
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = emberline();
    command.current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")).args(args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// The markers of cells under way.
fn markers(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder.join("runs/tight/under_way")).into_iter().flatten().flatten();
    let json = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    json.filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

/// Starts a run, kills it as soon as a marker says that a cell is under way at which the process has vanished `before` times,
/// and returns how often it has vanished by then: on a busy machine the kill may come after a checkpoint, which begins the
/// count anew.
fn vanish(folder: &Path, args: &[&str], before: u32) -> u32 {
    let mut child = start(folder, args);
    let begun = Instant::now();
    let says = format!("{{\"vanished\":{before},");
    let is_it = |(_, text): &(PathBuf, String)| text.starts_with(&says) && text.contains("\"under_way\":true");
    while !markers(folder).iter().any(is_it) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no cell begins: {:?}", markers(folder));
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().and_then(|()| child.wait()).expect("killed");
    let progressed = markers(folder).iter().any(|(_, text)| text.contains("\"progressed\":true"));
    if progressed { 0 } else { before + 1 }
}

#[test]
fn a_cell_at_which_the_process_vanishes_does_not_keep_the_others_from_being_done() {
    let folder = long_and_short();
    let here = folder.path();
    let run = ["run", "p.toml", "--jobs", "1"];
    let mut vanished = 0;
    while vanished < 2 {
        vanished = vanish(here, &run, vanished);
    }
    let ended = run_in(here, &run);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    let said = ended.stderr.contains("the process ended 2 times while this cell was under way");
    assert!(said && ended.stderr.contains("1 cell trained"), "{}", ended.stderr);
    assert!(markers(here).is_empty());
    // It is tried again, and by itself: whatever vanishes then is counted anew.
    vanish(here, &["run", "p.toml", "--jobs", "1", "--retry-failed"], 0);
}

#[test]
fn a_signal_is_no_vanishing() {
    let folder = long_and_short();
    let here = folder.path();
    for _ in 0..3 {
        let mut child = start(here, &["run", "p.toml", "--jobs", "1"]);
        let begun = Instant::now();
        while markers(here).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no cell begins");
            thread::sleep(Duration::from_millis(2));
        }
        end(Command::new("kill").args(["-TERM", &child.id().to_string()]));
        assert_eq!(child.wait().expect("a child").code(), Some(75));
        assert!(markers(here).is_empty());
    }
}
