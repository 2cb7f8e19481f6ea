//! A new user's first minutes: `init`, `check`, `plan`, `run`, `run` again, `report`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use emberline_tests::run_in;
use serde_json::Value;

/// Fewer cells and epochs than the quickstart's own: `-S` on the command line.
const SHORT: [&str; 8] = [
    "-S",
    "train.epochs=3",
    "-S",
    "grid.seed=[1, 2]",
    "-S",
    "grid.embedding=[\"hashing\", \"corpus\"]",
    "-S",
    "head.layers=[{dense=16, activation=\"relu\"}, {dropout=0.1}]",
];

fn started() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run_in(folder.path(), &["init", "mine"]).code, Some(0));
    folder
}

fn run(folder: &Path, extra: &[&str]) -> emberline_tests::Ended {
    run_in(folder, &[&["run", "mine/pipeline.toml"], SHORT.as_slice(), extra].concat())
}

fn summary(folder: &Path, run: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(run).join("summary.json")).expect("a summary")).expect("JSON")
}

/// Every file of a run by its path, without what is stated to vary: wall times, and event files.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("inside").to_owned();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|e| e == "safetensors") {
            files.insert(name, fs::read(&path).expect("readable"));
        }
    }
}

#[test]
fn init_refuses_to_replace_files() {
    let folder = started();
    let again = run_in(folder.path(), &["init", "mine"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

#[test]
fn a_run_is_complete_and_a_second_one_has_nothing_to_do() {
    let folder = started();
    let here = folder.path();
    let first = run(here, &[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let run_folder = here.join("mine/runs/quickstart");
    let before = summary(here, "mine/runs/quickstart");
    let cells = before["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 2 * 3 * 2 * 2);
    for cell in cells {
        assert_eq!(cell["status"], "done", "{cell}");
        for metric in ["loss", "accuracy", "val_loss", "val_accuracy", "val_pr_auc", "val_f1", "test_pr_auc"] {
            assert!(cell["metrics"][metric].is_f64(), "{metric} of {cell}");
        }
        let id = cell["id"].as_str().expect("an id");
        for file in ["cell.toml", "history.csv", "record.jsonl", "model.safetensors", "result.json"] {
            assert!(run_folder.join("cells").join(id).join(file).is_file(), "{id}/{file}");
        }
        for part in ["train", "validation"] {
            assert!(run_folder.join("tensorboard").join(id).join(part).is_dir(), "{id}/{part}");
        }
    }
    for file in ["summary.csv", "report.html", "report.md"] {
        assert!(run_folder.join(file).metadata().is_ok_and(|m| m.len() > 1000), "{file}");
    }
    let second = run(here, &[]);
    assert!(second.stderr.contains("0 cells trained"), "{}", second.stderr);
    assert_eq!(summary(here, "mine/runs/quickstart"), before);
}

#[test]
fn two_runs_give_equal_weights_and_metrics_whatever_ran_first() {
    let folder = started();
    let here = folder.path();
    assert_eq!(run(here, &["--out", "one"]).code, Some(0));
    let ids: Vec<String> = summary(here, "one")["cells"]
        .as_array()
        .expect("cells")
        .iter()
        .map(|cell| cell["id"].as_str().expect("an id").to_owned())
        .collect();
    let last = ids.last().expect("a cell");
    let only = run(here, &["--out", "two", "--only", last]);
    assert_eq!(only.code, Some(0), "{}", only.stderr);
    assert!(only.stderr.contains("1 cell trained") && only.stderr.contains("left to run"), "{}", only.stderr);
    assert_eq!(run(here, &["--out", "two"]).code, Some(0));
    assert_eq!(bytes(&here.join("one")), bytes(&here.join("two")));
    let metrics = |run: &str| {
        let cells = summary(here, run)["cells"].as_array().expect("cells").clone();
        cells.into_iter().map(|cell| (cell["id"].clone(), cell["metrics"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(metrics("one"), metrics("two"));
}

/// A record without what is stated to vary.
fn without_seconds(mut record: Value) -> Value {
    match &mut record {
        Value::Object(table) => {
            table.remove("seconds");
            table.values_mut().for_each(|value| *value = without_seconds(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_seconds(item.take())),
        _ => {}
    }
    record
}

/// The records of a cell's folder, without times.
fn records(run: &Path, id: &str) -> Vec<String> {
    let text = |name: &str| fs::read_to_string(run.join("cells").join(id).join(name)).expect("readable");
    let timeless = |line: &str| without_seconds(serde_json::from_str(line).expect("JSON")).to_string();
    let mut all = vec![text("cell.toml"), timeless(&text("result.json"))];
    all.extend(text("record.jsonl").lines().map(timeless));
    all
}

#[test]
fn cells_side_by_side_give_what_they_give_one_after_another() {
    let folder = started();
    let here = folder.path();
    assert_eq!(run(here, &["--jobs", "1", "--out", "one"]).code, Some(0));
    let beside = run(here, &["--jobs", "5", "--out", "many", "-S", "callbacks.epoch_dots={report_every=1}"]);
    assert_eq!(beside.code, Some(0), "{}", beside.stderr);
    let (one, many) = (summary(here, "one"), summary(here, "many"));
    assert_eq!(without_seconds(one.clone()), without_seconds(many));
    assert_eq!(bytes(&here.join("one")), bytes(&here.join("many")));
    let cells = one["cells"].as_array().expect("cells");
    for cell in cells {
        let id = cell["id"].as_str().expect("an id");
        // What callbacks print is no part of a result.
        let shown = "[callbacks.epoch_dots]\nreport_every = 1\ndot_every = 1\n";
        let of_many: Vec<String> = records(&here.join("many"), id).iter().map(|r| r.replace(shown, "")).collect();
        let of_one: Vec<String> = records(&here.join("one"), id);
        assert_eq!(
            of_one.iter().map(|r| r.trim_end()).collect::<Vec<_>>(),
            of_many.iter().map(|r| r.trim_end()).collect::<Vec<_>>()
        );
        let lines: Vec<&str> = beside.stderr.lines().filter(|line| line.contains(id)).collect();
        // Three lines of metrics, the last dots, and the outcome: each whole, and with the cell's name.
        assert_eq!(lines.iter().filter(|line| line.contains(": epoch ") && line.contains("val_loss:")).count(), 3);
        assert_eq!(lines.iter().filter(|line| line.contains("/24] ") && line.contains("best of 3 epochs")).count(), 1);
        assert!(lines.contains(&format!("{id}: .").as_str()), "{lines:?}");
    }
}

#[test]
fn on_the_cpu_packed_cells_give_the_bytes_they_give_alone() {
    let folder = started();
    let here = folder.path();
    let head = ["-S", "head.layers=[{dense=16, activation=\"relu\"}, {dropout=0.2}, {dense=8}]"];
    for options in [&head[..], &[]] {
        for (pack, out) in [("1", "alone"), ("5", "packed")] {
            let ended = run(here, &[options, &["--pack", pack, "--out", out]].concat());
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        assert_eq!(without_seconds(summary(here, "alone")), without_seconds(summary(here, "packed")));
        assert_eq!(bytes(&here.join("alone")), bytes(&here.join("packed")));
    }
}

#[test]
fn a_cell_that_fails_beside_others_costs_only_itself() {
    let folder = started();
    let here = folder.path();
    let grid = [
        "-S",
        "grid={seed=[1, 2, 3, 4, 5, 6], \"train.optimizer\"=[{adam={learning_rate=1e-3}}, {sgd={learning_rate=1e38}}]}",
    ];
    let small = ["-S", "embedding={hashing={hashing={dim=8}}}"];
    for width in [
        ["--jobs=1", "--pack=1", "--out=one"],
        ["--jobs=4", "--pack=1", "--out=many"],
        ["--jobs=1", "--pack=9", "--out=packed"],
    ] {
        let ended =
            run_in(here, &[&["run", "mine/pipeline.toml", "-S", "train.epochs=2"], &grid[..], &small, &width].concat());
        assert_eq!(ended.code, Some(7), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("6 cells trained on cpu") && ended.stderr.contains("6 cells failed"),
            "{}",
            ended.stderr
        );
    }
    let alone = without_seconds(summary(here, "one"));
    assert_eq!(alone, without_seconds(summary(here, "many")));
    assert_eq!(alone, without_seconds(summary(here, "packed")));
    let fast = ["--jobs", "2", "--out", "fast", "--fail-fast"];
    let ended =
        run_in(here, &[&["run", "mine/pipeline.toml", "-S", "train.epochs=2"], &grid[..], &small, &fast].concat());
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("cells are left to run"), "{}", ended.stderr);
}

#[test]
fn a_change_of_data_runs_the_cells_again_and_a_damaged_record_too() {
    let folder = started();
    let here = folder.path();
    let small = ["-S", "grid.embedding=[\"hashing\"]", "-S", "grid.seed=[1]"];
    assert_eq!(run(here, &small).code, Some(0));
    let ids = summary(here, "mine/runs/quickstart")["cells"][0]["id"].as_str().expect("an id").to_owned();
    fs::write(here.join("mine/runs/quickstart/cells").join(ids).join("result.json"), "{\"id\": ").expect("written");
    let again = run(here, &small);
    assert!(again.stderr.contains("1 cell trained on cpu, 5 done before"), "{}", again.stderr);
    let csv = here.join("mine/data/questions.csv");
    let text = fs::read_to_string(&csv).expect("readable");
    fs::write(&csv, text + "What is a new question?,0\n").expect("written");
    let plan = run_in(here, &[&["plan", "mine/pipeline.toml"], SHORT.as_slice(), &small].concat());
    assert!(plan.stdout.contains("to run: the data changed"), "{}", plan.stdout);
    assert!(run(here, &small).stderr.contains("6 cells trained"));
}

#[test]
fn a_report_is_rendered_again_from_the_records_alone() {
    let folder = started();
    let here = folder.path();
    assert_eq!(run(here, &["-S", "grid.embedding=[\"hashing\"]"]).code, Some(0));
    let report = here.join("mine/runs/quickstart/report.html");
    let before = fs::read(&report).expect("a report");
    fs::remove_file(&report).expect("removed");
    fs::remove_dir_all(here.join("mine/data")).expect("removed");
    fs::remove_file(here.join("mine/pipeline.toml")).expect("removed");
    assert_eq!(run_in(here, &["report", "mine/runs/quickstart"]).code, Some(0));
    assert_eq!(fs::read(&report).expect("a report"), before);
}

/// A small disk of its own, where the system lets one be made.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_the_run_and_no_half_record_counts() {
    ["1", "3"].into_iter().for_each(full_disk);
}

fn full_disk(jobs: &str) {
    let Some(disk) = SmallDisk::of("400k") else {
        return emberline_tests::say("SKIPPED: a small disk can't be mounted; run as root");
    };
    let folder = started();
    let out = disk.0.path().join("run");
    let out = out.to_str().expect("a plain path");
    let ended = run(folder.path(), &["--out", out, "--jobs", jobs]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("no space left on device"), "{}", ended.stderr);
    let cells: Vec<_> = fs::read_dir(disk.0.path().join("run/cells")).expect("cells").collect();
    assert!(!cells.is_empty());
    for cell in cells {
        let result = cell.expect("an entry").path().join("result.json");
        if let Ok(bytes) = fs::read(&result) {
            serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|e| panic!("{}: {e}", result.display()));
        }
    }
    let plan = run_in(folder.path(), &[&["plan", "mine/pipeline.toml", "--out", out], SHORT.as_slice()].concat());
    assert!(plan.stdout.contains("to run, at most"), "{}", plan.stdout);
}
