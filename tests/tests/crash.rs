//! A run that is killed at any moment, interrupted, doubled or short of disk loses nothing: run again, it comes to the records
//! of a run that nothing happened to.
//!
//! `EMBERLINE_KILLS=200 cargo test --workspace --locked kills` kills as often; where `EMBERLINE_MINILM` names the model, its
//! encoding is among what is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emberline_base::Substream;
use emberline_test_support::{Requirement, from_environment};
use emberline_tests::run_files::{assert_same, paths, records};
use emberline_tests::{Ended, Fixture, Pipeline, end};

/// A long cell and short ones; every callback that remembers.
fn pipeline(minilm: Option<&Path>) -> Pipeline {
    let encoder = minilm.map(|path| format!("path = {path:?}")).unwrap_or_default();
    let names = if minilm.is_some() { r#""small", "minilm""# } else { r#""small", "large""# };
    Pipeline::new("killed")
        .section("embedding.minilm.sentence_transformer", &encoder)
        .toml(
            r#"
            [embedding.small.hashing]
            dim = 16
            [embedding.large.hashing]
            dim = 48
            [head]
            layers = [{ dense = 64 }, { dropout = 0.1 }]
            [train]
            epochs = 12
            [callbacks.early_stopping]
            monitor = "val_loss"
            patience = 6
            [callbacks.reduce_lr_on_plateau]
            patience = 2
            [callbacks.tensorboard]
            [callbacks.csv_logger]
            "#,
        )
        .section("grid", &format!("embedding = [{names}]\nseed = [1, 2]"))
}

/// A folder with the pipeline and its texts.
fn prepared(minilm: Option<&Path>) -> Fixture {
    let mut stream = Substream::new(1, "texts");
    let words = ["good", "bad", "fine", "poor", "great", "dull", "warm", "cold", "new", "old"];
    let row = |_| {
        let text: Vec<&str> = (0..6).map(|_| words[stream.below(words.len())]).collect();
        let label = u8::from(text.iter().filter(|word| ["good", "great", "fine"].contains(word)).count() > 1);
        (format!("{} {}", text.join(" "), stream.below(500)), label)
    };
    let rows: Vec<_> = (0..1500).map(row).collect();
    Fixture::empty().rows(rows).pipeline(&pipeline(minilm))
}

fn start(fixture: &Fixture, args: &[&str]) -> Child {
    fixture.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Waits so long at most; how the program ended, if it did.
fn wait(child: &mut Child, at_most: Duration) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.code().unwrap_or(-1));
        }
        if begun.elapsed() >= at_most {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

const RUN: [&str; 4] = ["run", "p.toml", "--jobs", "1"];
/// The run folder.
const FOLDER: &str = "runs/killed";

/// The records of a run that nothing happens to, its lock, and how long both take.
fn undisturbed(fixture: &Fixture) -> (BTreeMap<PathBuf, Vec<u8>>, String, Duration) {
    let begun = Instant::now();
    fixture.done(&RUN);
    fixture.done(&["lock", "p.toml"]);
    let took = begun.elapsed();
    (records(&fixture.join(FOLDER)), fixture.read("p.lock"), took)
}

/// Locks the run, since the report carries the lock, and compares its files with those of an undisturbed one.
fn assert_same_when_locked(fixture: &Fixture, expected: &BTreeMap<PathBuf, Vec<u8>>, when: &str) {
    fixture.done(&["lock", "p.toml"]);
    assert_same(&fixture.join(FOLDER), expected, when);
}

fn clear(fixture: &Fixture) {
    ["runs", "cache", "p.lock"]
        .into_iter()
        .filter(|name| fixture.join(name).exists())
        .for_each(|name| fixture.remove(name));
}

/// The files of finished cells, with their times of change: they must stay.
fn finished(fixture: &Fixture) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let cells = fixture.join(FOLDER).join("cells");
    let is_done = |path: &PathBuf| {
        path.ends_with("result.json")
            && fs::read_to_string(cells.join(path)).is_ok_and(|text| text.contains("\"status\": \"done\""))
    };
    let results = paths(&cells).into_iter().filter(is_done);
    results
        .map(|path| {
            let facts = fs::metadata(cells.join(&path)).expect("there");
            (path, facts.modified().expect("a time"))
        })
        .collect()
}

fn assert_no_litter(fixture: &Fixture) {
    let left: Vec<PathBuf> = paths(fixture.path())
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".tmp") || name == "checkpoint.safetensors"
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn kills_at_any_moment_lose_nothing() {
    let kills: u32 = std::env::var("EMBERLINE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let minilm = from_environment(Requirement::Minilm, "kills while texts are encoded");
    let fixture = prepared(minilm.as_deref());
    let (expected, lock, mut took) = undisturbed(&fixture);
    let mut stream = Substream::new(u64::from(kills), "moments");
    let mut killed = 0;
    while killed < kills {
        clear(&fixture);
        let mut stays = BTreeMap::new();
        for args in [&RUN[..], &["lock", "p.toml"]] {
            let mut args = args.to_vec();
            loop {
                let begun = Instant::now();
                let mut child = start(&fixture, &args);
                let moment = if killed < kills { took.mul_f32(stream.unit() * 0.5) } else { Duration::from_secs(600) };
                let code = wait(&mut child, moment);
                let now = finished(&fixture);
                assert!(stays.iter().all(|(path, time)| now.get(path) == Some(time)), "a finished cell was run again");
                stays = now;
                if code == Some(7) {
                    // A cell at which the process was killed twice in a row is given up for one run.
                    args = [&RUN[..], &["--retry-failed"]].concat();
                    continue;
                }
                if let Some(code) = code {
                    assert_eq!(code, 0, "{args:?}");
                    // On a machine that was busy before, most would otherwise come too late.
                    took = took.min(begun.elapsed() * 2);
                    break;
                }
                child.kill().and_then(|()| child.wait()).expect("killed");
                killed += 1;
            }
        }
        assert_same_when_locked(&fixture, &expected, "after all");
        assert_eq!(fixture.read("p.lock"), lock);
        assert_no_litter(&fixture);
    }
}

/// Waits for the first checkpoint, and gives it.
fn first_checkpoint(fixture: &Fixture) -> PathBuf {
    let (begun, cells) = (Instant::now(), fixture.join(FOLDER).join("cells"));
    loop {
        if let Some(path) = paths(&cells).into_iter().find(|path| path.ends_with("checkpoint.safetensors")) {
            return cells.join(path);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint is written");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How long the epochs of a cell took, as its record says.
fn seconds(cell: &Path) -> Vec<String> {
    let text = fs::read_to_string(cell.join("record.jsonl")).expect("a record");
    let of_line = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["seconds"].to_string();
    text.lines().map(of_line).collect()
}

#[test]
fn signals_leave_a_checkpoint_that_the_next_run_goes_on_from() {
    let fixture = prepared(None);
    let long = [
        "run",
        "p.toml",
        "--jobs",
        "1",
        "-S",
        "train.epochs=800",
        "-S",
        "callbacks.early_stopping.patience=800",
        "-S",
        "grid.seed=[1]",
    ];
    fixture.done(&long);
    let expected = records(&fixture.join(FOLDER));
    clear(&fixture);
    for (signal, code) in [("TERM", 75), ("INT", 130)] {
        let mut child = start(&fixture, &long);
        let checkpoint = first_checkpoint(&fixture);
        end(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]));
        let begun = Instant::now();
        assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(code));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let bytes = fs::read(&checkpoint).expect("the checkpoint stays");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
        let facts = header["__metadata__"]["facts"].as_str().expect("facts");
        let facts: serde_json::Value = serde_json::from_str(facts).expect("JSON");
        let kept: Vec<String> =
            facts["history"].as_array().expect("epochs").iter().map(|epoch| epoch["seconds"].to_string()).collect();
        assert!(!kept.is_empty());
        let plan = fixture.emberline(&[&["plan", "p.toml"], &long[4..]].concat());
        assert!(plan.stdout.contains("it was interrupted"), "{}", plan.stdout);
        fixture.done(&long);
        // Epochs that took as long to the last digit weren't trained again.
        let took = seconds(checkpoint.ancestors().nth(3).expect("cells/<cell>/attempts/<number>"));
        assert_eq!(took[..kept.len()], kept, "after {signal}");
        assert_same(&fixture.join(FOLDER), &expected, &format!("after {signal}"));
        assert_no_litter(&fixture);
        clear(&fixture);
    }
}

/// How many cells a run says that it trained.
fn trained(stderr: &str) -> usize {
    let count = |line: &str| {
        let (count, rest) = line.split_once(" cell")?;
        let is_it = rest.trim_start_matches('s').starts_with(" trained on ");
        if is_it { count.parse().ok() } else { None }
    };
    stderr.lines().find_map(count).unwrap_or_else(|| panic!("no count: {stderr}"))
}

/// Runs commands at the same time; what each says.
fn at_once(fixture: &Fixture, commands: &[Vec<&str>]) -> Vec<String> {
    let run = |args: &Vec<&str>| fixture.done(args).stderr;
    thread::scope(|scope| {
        let threads: Vec<_> = commands.iter().map(|args| scope.spawn(move || run(args))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    })
}

#[test]
fn two_runs_at_once_share_the_cells_and_come_to_one_run() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    clear(&fixture);
    let said = at_once(&fixture, &[RUN.to_vec(), RUN.to_vec()]);
    let counts: Vec<usize> = said.iter().map(|stderr| trained(stderr)).collect();
    assert_eq!(counts.iter().sum::<usize>(), 4, "each cell is trained once: {said:?}");
    assert_same_when_locked(&fixture, &expected, "after all");
    assert_no_litter(&fixture);
}

#[test]
fn two_runs_of_different_cells_do_not_lose_each_others_results() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    clear(&fixture);
    let listed = fixture.emberline(&["cells", "p.toml", "--missing"]).stdout;
    let ids: Vec<&str> = listed.lines().collect();
    assert_eq!(ids.len(), 4, "{listed}");
    let only = |one, other| [&RUN[..], &["--only", one, "--only", other]].concat();
    let said = at_once(&fixture, &[only(ids[0], ids[3]), only(ids[1], ids[2])]);
    assert!(said.iter().all(|stderr| trained(stderr) == 2), "{said:?}");
    assert_same_when_locked(&fixture, &expected, "after all");
    assert_eq!(fixture.emberline(&["cells", "p.toml", "--missing"]).stdout, "");
    assert_no_litter(&fixture);
}

#[test]
fn a_process_that_is_killed_beside_another_is_replaced_by_it() {
    let fixture = prepared(None);
    let (expected, _, took) = undisturbed(&fixture);
    let mut stream = Substream::new(1, "moments of one of two");
    for round in 0..4 {
        clear(&fixture);
        let mut both = [start(&fixture, &RUN), start(&fixture, &RUN)];
        thread::sleep(took.mul_f32(0.5 * stream.unit()));
        both[0].kill().and_then(|()| both[0].wait()).expect("killed");
        assert_eq!(wait(&mut both[1], Duration::from_secs(300)), Some(0), "round {round}");
        assert_same_when_locked(&fixture, &expected, &format!("round {round}"));
        let again = fixture.done(&RUN);
        assert_eq!(trained(&again.stderr), 0, "{}", again.stderr);
        assert_no_litter(&fixture);
        assert!(!fixture.join("runs/killed/under_way").exists(), "no marker is left");
    }
}

const SUBPROCESS: [&str; 7] = ["run", "p.toml", "--executor", "subprocess", "--jobs", "2", "-v"];

#[test]
fn cells_in_processes_of_their_own_come_to_one_run() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    clear(&fixture);
    let ended = fixture.done(&SUBPROCESS);
    assert_eq!(trained(&ended.stderr), 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("[4/4] "), "{}", ended.stderr);
    assert_same_when_locked(&fixture, &expected, "after all");
    assert_no_litter(&fixture);
}

/// The processes that a process has started.
#[cfg(target_os = "linux")]
fn children(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let text = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    text.collect::<String>().split_whitespace().map(str::to_owned).collect()
}

/// Starts the run in processes of their own, and waits until two are at work.
#[cfg(target_os = "linux")]
fn with_children(fixture: &Fixture) -> (Child, Vec<String>) {
    let mut args = SUBPROCESS.to_vec();
    args.extend(["-S", "train.epochs=400", "-S", "callbacks.early_stopping.patience=400"]);
    let (mut run, begun) = (start(fixture, &args), Instant::now());
    loop {
        let found = children(run.id());
        if found.len() == 2 && fixture.join("runs/killed/under_way").exists() {
            return (run, found);
        }
        assert!(run.try_wait().expect("a child").is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(60), "no processes are started");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_of_its_own_that_is_killed_costs_only_what_it_was_doing() {
    let fixture = prepared(None);
    let (mut run, children) = with_children(&fixture);
    end(Command::new("kill").args(["-KILL", &children[0]]));
    assert_eq!(wait(&mut run, Duration::from_secs(300)), Some(0));
    let summary = fixture.read("runs/killed/summary.json");
    assert_eq!(summary.matches("\"status\": \"done\"").count(), 4);
    assert_no_litter(&fixture);
}

#[test]
#[cfg(target_os = "linux")]
fn processes_end_with_the_one_that_started_them() {
    let fixture = prepared(None);
    for (signal, code) in [("TERM", Some(75)), ("KILL", Some(-1))] {
        let (mut run, children) = with_children(&fixture);
        end(Command::new("kill").args([&format!("-{signal}"), &run.id().to_string()]));
        assert_eq!(wait(&mut run, Duration::from_secs(10)), code);
        let begun = Instant::now();
        let is_there = |id: &String| Path::new("/proc").join(id).join("fd/0").symlink_metadata().is_ok();
        while children.iter().any(is_there) {
            assert!(begun.elapsed() < Duration::from_secs(10), "a process is left after {signal}");
            thread::sleep(Duration::from_millis(10));
        }
        clear(&fixture);
    }
}

/// As a full disk: no file may become larger than so many blocks of 1 KiB.
fn limited(fixture: &Fixture, blocks: u32) -> Ended {
    end(&mut fixture.command_after(&format!("trap '' XFSZ; ulimit -f {blocks}"), &RUN))
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    clear(&fixture);
    for blocks in [0, 1, 4, 8] {
        let ended = limited(&fixture, blocks);
        assert_eq!(ended.code, Some(1), "{blocks}: {}", ended.stderr);
        assert!(ended.stderr.contains("can't write"), "{}", ended.stderr);
    }
    fixture.done(&RUN);
    assert_same_when_locked(&fixture, &expected, "after all");
    assert_no_litter(&fixture);
}

#[test]
fn damaged_records_are_named_and_made_again() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    let run = fixture.join(FOLDER);
    // What is linked into a cell's folder is the same file as in that of the attempt.
    let mut cells = paths(&run.join("cells"));
    cells.retain(|path| path.iter().all(|part| part != "attempts"));
    for name in ["cell.toml", "history.csv", "record.jsonl", "model.safetensors", "result.json", "SHA256SUMS"] {
        let path = run.join("cells").join(cells.iter().find(|path| path.ends_with(name)).expect(name));
        let mut bytes = fs::read(&path).expect("readable");
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("written");
        let explained = fixture.emberline(&["explain", "p.toml"]);
        assert!(explained.stdout.contains("its record is damaged"), "{name}: {}", explained.stdout);
        let again = fixture.done(&RUN);
        assert!(
            again.stderr.contains("the cell is run again") && again.stderr.contains("1 cell trained"),
            "{}",
            again.stderr
        );
        assert_same(&run, &expected, &format!("after a damaged {name}"));
    }
    let summary = run.join("summary.json");
    let text = fs::read_to_string(&summary).expect("readable");
    fs::write(&summary, text.replacen("0.", "1.", 1)).expect("written");
    let report = fixture.ends(&["report", "runs/killed"], 8);
    assert!(
        report.stderr.contains("summary.json") && report.stderr.contains("isn't what was written"),
        "{}",
        report.stderr
    );
    fixture.done(&RUN);
    assert_same(&run, &expected, "after a damaged summary");
}

#[test]
fn a_cache_that_vanishes_or_can_not_be_used_costs_time_alone() {
    let fixture = prepared(None);
    let (expected, ..) = undisturbed(&fixture);
    clear(&fixture);
    fixture.write("cache", "a file in its place");
    fixture.done(&RUN);
    assert_same_when_locked(&fixture, &expected, "after all");
}

#[test]
fn times_of_files_do_not_matter() {
    let fixture = prepared(None);
    undisturbed(&fixture);
    let times = [Duration::ZERO, Duration::from_secs(4_000_000_000)];
    for time in times {
        for path in paths(fixture.path()) {
            let file = fs::File::options().append(true).open(fixture.join(path)).expect("writable");
            file.set_modified(std::time::UNIX_EPOCH + time).expect("set");
        }
        let again = fixture.emberline(&RUN);
        assert!(again.stderr.contains("0 cells trained"), "{}", again.stderr);
    }
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let fixture = prepared(None);
    fixture.write("taken", "a file in its place");
    let ended = fixture.ends(&["run", "p.toml", "--out", "taken"], 1);
    assert!(ended.stderr.contains("can't make the folder taken"), "{}", ended.stderr);
}
