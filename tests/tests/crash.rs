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
use emberline_tests::run_files::{paths, records};
use emberline_tests::{emberline, end, run_in, say};

/// A long cell and short ones; every callback that remembers.
fn pipeline(minilm: Option<&Path>) -> String {
    let encoder = minilm.map(|path| format!("[embedding.minilm.sentence_transformer]\npath = {path:?}\n"));
    let names = if encoder.is_some() { r#""small", "minilm""# } else { r#""small", "large""# };
    format!(
        r#"
name = "killed"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.small.hashing]
dim = 16
[embedding.large.hashing]
dim = 48
{}
[head]
layers = [{{ dense = 64 }}, {{ dropout = 0.1 }}]
[train]
epochs = 12
[callbacks.early_stopping]
monitor = "val_loss"
patience = 6
[callbacks.reduce_lr_on_plateau]
patience = 2
[callbacks.tensorboard]
[callbacks.csv_logger]
[grid]
embedding = [{names}]
seed = [1, 2]
"#,
        encoder.unwrap_or_default()
    )
}

/// A folder with the pipeline and its texts.
fn prepared(minilm: Option<&Path>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stream = Substream::new(1, "texts");
    let words = ["good", "bad", "fine", "poor", "great", "dull", "warm", "cold", "new", "old"];
    let line = |_| {
        let text: Vec<&str> = (0..6).map(|_| words[stream.below(words.len())]).collect();
        let label = u8::from(text.iter().filter(|word| ["good", "great", "fine"].contains(word)).count() > 1);
        format!("{} {},{label}\n", text.join(" "), stream.below(500))
    };
    let rows: String = (0..1500).map(line).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("p.toml"), pipeline(minilm)).expect("written");
    folder
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = emberline();
    command.current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")).args(args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
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

/// The records of a run that nothing happens to, its lock, and how long both take.
fn undisturbed(folder: &Path) -> (BTreeMap<PathBuf, Vec<u8>>, String, Duration) {
    let begun = Instant::now();
    let ended = run_in(folder, &RUN);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(run_in(folder, &["lock", "p.toml"]).code, Some(0));
    let took = begun.elapsed();
    let lock = fs::read_to_string(folder.join("p.lock")).expect("a lock");
    (records(&folder.join("runs/killed")), lock, took)
}

fn clear(folder: &Path) {
    for name in ["runs", "cache"] {
        let _ = fs::remove_dir_all(folder.join(name));
    }
    let _ = fs::remove_file(folder.join("p.lock"));
}

/// The files of finished cells, with their times of change: they must stay.
fn finished(folder: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let cells = folder.join("runs/killed/cells");
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

fn assert_no_litter(folder: &Path) {
    let left: Vec<PathBuf> = paths(folder)
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
    let minilm = std::env::var_os("EMBERLINE_MINILM").map(PathBuf::from);
    if minilm.is_none() {
        say("SKIPPED: kills while texts are encoded; set EMBERLINE_MINILM to the model's folder");
    }
    let folder = prepared(minilm.as_deref());
    let here = folder.path();
    let (expected, lock, mut took) = undisturbed(here);
    let mut stream = Substream::new(u64::from(kills), "moments");
    let mut killed = 0;
    while killed < kills {
        clear(here);
        let mut stays = BTreeMap::new();
        for args in [&RUN[..], &["lock", "p.toml"]] {
            let mut args = args.to_vec();
            loop {
                let begun = Instant::now();
                let mut child = start(here, &args);
                let moment = if killed < kills { took.mul_f32(stream.unit() * 0.5) } else { Duration::from_secs(600) };
                let code = wait(&mut child, moment);
                let now = finished(here);
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
        assert_eq!(records(&here.join("runs/killed")), expected);
        assert_eq!(fs::read_to_string(here.join("p.lock")).expect("a lock"), lock);
        assert_no_litter(here);
    }
}

/// Waits for the first checkpoint, and gives it.
fn first_checkpoint(folder: &Path) -> PathBuf {
    let begun = Instant::now();
    loop {
        let all = paths(&folder.join("runs/killed/cells"));
        if let Some(path) = all.into_iter().find(|path| path.ends_with("checkpoint.safetensors")) {
            return folder.join("runs/killed/cells").join(path);
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
    let folder = prepared(None);
    let here = folder.path();
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
    let expected = run_in(here, &long);
    assert_eq!(expected.code, Some(0), "{}", expected.stderr);
    let expected = records(&here.join("runs/killed"));
    clear(here);
    for (signal, code) in [("TERM", 75), ("INT", 130)] {
        let mut child = start(here, &long);
        let checkpoint = first_checkpoint(here);
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
        let plan = run_in(here, &[&["plan", "p.toml"], &long[4..]].concat());
        assert!(plan.stdout.contains("it was interrupted"), "{}", plan.stdout);
        let again = run_in(here, &long);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        // Epochs that took as long to the last digit weren't trained again.
        let took = seconds(checkpoint.ancestors().nth(3).expect("cells/<cell>/attempts/<number>"));
        assert_eq!(took[..kept.len()], kept, "after {signal}");
        assert_eq!(records(&here.join("runs/killed")), expected, "after {signal}");
        assert_no_litter(here);
        clear(here);
    }
}

/// How many cells a run says that it trained.
fn trained(stderr: &str) -> usize {
    let count = stderr.lines().find_map(|line| line.split_once(" cells trained on ")).map(|(count, _)| count);
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {stderr}"))
}

/// Runs commands at the same time; what each says.
fn at_once(folder: &Path, commands: &[Vec<&str>]) -> Vec<String> {
    let run = |args: &Vec<&str>| {
        let ended = run_in(folder, args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stderr
    };
    thread::scope(|scope| {
        let threads: Vec<_> = commands.iter().map(|args| scope.spawn(move || run(args))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    })
}

#[test]
fn two_runs_at_once_share_the_cells_and_come_to_one_run() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    clear(here);
    let said = at_once(here, &[RUN.to_vec(), RUN.to_vec()]);
    let counts: Vec<usize> = said.iter().map(|stderr| trained(stderr)).collect();
    assert_eq!(counts.iter().sum::<usize>(), 4, "each cell is trained once: {said:?}");
    assert_eq!(records(&here.join("runs/killed")), expected);
    assert_no_litter(here);
}

#[test]
fn two_runs_of_different_cells_do_not_lose_each_others_results() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    clear(here);
    let listed = run_in(here, &["cells", "p.toml", "--missing"]).stdout;
    let ids: Vec<&str> = listed.lines().collect();
    assert_eq!(ids.len(), 4, "{listed}");
    let only = |one, other| [&RUN[..], &["--only", one, "--only", other]].concat();
    let said = at_once(here, &[only(ids[0], ids[3]), only(ids[1], ids[2])]);
    assert!(said.iter().all(|stderr| trained(stderr) == 2), "{said:?}");
    assert_eq!(records(&here.join("runs/killed")), expected);
    assert_eq!(run_in(here, &["cells", "p.toml", "--missing"]).stdout, "");
    assert_no_litter(here);
}

#[test]
fn a_process_that_is_killed_beside_another_is_replaced_by_it() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, _, took) = undisturbed(here);
    let mut stream = Substream::new(1, "moments of one of two");
    for round in 0..4 {
        clear(here);
        let mut both = [start(here, &RUN), start(here, &RUN)];
        thread::sleep(took.mul_f32(0.5 * stream.unit()));
        both[0].kill().and_then(|()| both[0].wait()).expect("killed");
        assert_eq!(wait(&mut both[1], Duration::from_secs(300)), Some(0), "round {round}");
        assert_eq!(records(&here.join("runs/killed")), expected, "round {round}");
        let again = run_in(here, &RUN);
        assert_eq!((again.code, trained(&again.stderr)), (Some(0), 0), "{}", again.stderr);
        assert_no_litter(here);
        assert!(!here.join("runs/killed/under_way").exists(), "no marker is left");
    }
}

const SUBPROCESS: [&str; 6] = ["run", "p.toml", "--executor", "subprocess", "--jobs", "2"];

#[test]
fn cells_in_processes_of_their_own_come_to_one_run() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    clear(here);
    let ended = run_in(here, &SUBPROCESS);
    assert_eq!((ended.code, trained(&ended.stderr)), (Some(0), 4), "{}", ended.stderr);
    assert!(ended.stderr.contains("[4/4] "), "{}", ended.stderr);
    assert_eq!(records(&here.join("runs/killed")), expected);
    assert_no_litter(here);
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
fn with_children(folder: &Path) -> (Child, Vec<String>) {
    let mut args = SUBPROCESS.to_vec();
    args.extend(["-S", "train.epochs=400", "-S", "callbacks.early_stopping.patience=400"]);
    let (mut run, begun) = (start(folder, &args), Instant::now());
    loop {
        let found = children(run.id());
        if found.len() == 2 && folder.join("runs/killed/under_way").exists() {
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
    let folder = prepared(None);
    let here = folder.path();
    let (mut run, children) = with_children(here);
    end(Command::new("kill").args(["-KILL", &children[0]]));
    assert_eq!(wait(&mut run, Duration::from_secs(300)), Some(0));
    let summary = fs::read_to_string(here.join("runs/killed/summary.json")).expect("a summary");
    assert_eq!(summary.matches("\"status\": \"done\"").count(), 4);
    assert_no_litter(here);
}

#[test]
#[cfg(target_os = "linux")]
fn processes_end_with_the_one_that_started_them() {
    let folder = prepared(None);
    let here = folder.path();
    for (signal, code) in [("TERM", Some(75)), ("KILL", Some(-1))] {
        let (mut run, children) = with_children(here);
        end(Command::new("kill").args([&format!("-{signal}"), &run.id().to_string()]));
        assert_eq!(wait(&mut run, Duration::from_secs(10)), code);
        let begun = Instant::now();
        let is_there = |id: &String| Path::new("/proc").join(id).join("fd/0").symlink_metadata().is_ok();
        while children.iter().any(is_there) {
            assert!(begun.elapsed() < Duration::from_secs(10), "a process is left after {signal}");
            thread::sleep(Duration::from_millis(10));
        }
        clear(here);
    }
}

/// As a full disk: no file may become larger than so many blocks of 1 KiB.
fn limited(folder: &Path, blocks: u32) -> emberline_tests::Ended {
    let program = emberline();
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("bash");
    shell.args(["-c", &line]).arg(program.get_program()).args(RUN);
    end(shell.current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")))
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    clear(here);
    for blocks in [0, 1, 4, 8] {
        let ended = limited(here, blocks);
        assert_eq!(ended.code, Some(1), "{blocks}: {}", ended.stderr);
        assert!(ended.stderr.contains("can't write"), "{}", ended.stderr);
    }
    assert_eq!(run_in(here, &RUN).code, Some(0));
    assert_eq!(records(&here.join("runs/killed")), expected);
    assert_no_litter(here);
}

#[test]
fn damaged_records_are_named_and_made_again() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    let run = here.join("runs/killed");
    // What is linked into a cell's folder is the same file as in that of the attempt.
    let mut cells = paths(&run.join("cells"));
    cells.retain(|path| path.iter().all(|part| part != "attempts"));
    for name in ["cell.toml", "history.csv", "record.jsonl", "model.safetensors", "result.json", "SHA256SUMS"] {
        let path = run.join("cells").join(cells.iter().find(|path| path.ends_with(name)).expect(name));
        let mut bytes = fs::read(&path).expect("readable");
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("written");
        let explained = run_in(here, &["explain", "p.toml"]);
        assert!(explained.stdout.contains("its record is damaged"), "{name}: {}", explained.stdout);
        let again = run_in(here, &RUN);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert!(
            again.stderr.contains("isn't what was written") && again.stderr.contains("1 cell trained"),
            "{}",
            again.stderr
        );
        assert_eq!(records(&run), expected, "{name}");
    }
    let summary = run.join("summary.json");
    let text = fs::read_to_string(&summary).expect("readable");
    fs::write(&summary, text.replacen("0.", "1.", 1)).expect("written");
    let report = run_in(here, &["report", "runs/killed"]);
    assert_eq!(report.code, Some(8), "{}", report.stderr);
    assert!(
        report.stderr.contains("summary.json") && report.stderr.contains("isn't what was written"),
        "{}",
        report.stderr
    );
    assert_eq!(run_in(here, &RUN).code, Some(0));
    assert_eq!(records(&run), expected);
}

#[test]
fn a_cache_that_vanishes_or_can_not_be_used_costs_time_alone() {
    let folder = prepared(None);
    let here = folder.path();
    let (expected, ..) = undisturbed(here);
    clear(here);
    fs::write(here.join("cache"), b"a file in its place").expect("written");
    assert_eq!(run_in(here, &RUN).code, Some(0));
    assert_eq!(records(&here.join("runs/killed")), expected);
}

#[test]
fn times_of_files_do_not_matter() {
    let folder = prepared(None);
    let here = folder.path();
    undisturbed(here);
    let times = [Duration::ZERO, Duration::from_secs(4_000_000_000)];
    for time in times {
        for path in paths(here) {
            let file = fs::File::options().append(true).open(here.join(path)).expect("writable");
            file.set_modified(std::time::UNIX_EPOCH + time).expect("set");
        }
        let again = run_in(here, &RUN);
        assert!(again.stderr.contains("0 cells trained"), "{}", again.stderr);
    }
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let folder = prepared(None);
    let here = folder.path();
    fs::write(here.join("taken"), b"a file in its place").expect("written");
    let ended = run_in(here, &["run", "p.toml", "--out", "taken"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("can't make the folder taken"), "{}", ended.stderr);
}
