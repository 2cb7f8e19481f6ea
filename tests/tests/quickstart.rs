//! A new user's first minutes: `init`, `check`, `plan`, `run`, `run` again, `report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use emberline_test_support::{Requirement, skip};
use emberline_tests::fixture::repository;
use emberline_tests::run_files::{differences, records};
use emberline_tests::{Ended, Fixture};
use serde_json::Value;

/// Fewer cells and epochs than the quickstart's own: `-S` on the command line.
const SHORT: [&str; 8] = [
    "-S",
    "train.epochs=3",
    "-S",
    SPLIT,
    "-S",
    "grid={embedding=[\"hashing\", \"corpus\"], \"embedding.dim\"=[8, 32, 128], \"embedding.trainable\"=[false, true], seed=[1, 2]}",
    "-S",
    "head.layers=[{dense=16, activation=\"relu\"}, {dropout=0.1}]",
];

/// One split of all rows.
const SPLIT: &str = "data.split={train=0.6, valid=0.2, test=0.2}";

/// The folder of the pipeline's own run.
const RUN: &str = "mine/runs/quickstart";

fn started() -> Fixture {
    let fixture = Fixture::empty();
    fixture.done(&["init", "mine"]);
    fixture
}

fn run(fixture: &Fixture, extra: &[&str]) -> Ended {
    fixture.emberline(&[&["run", "mine/pipeline.toml"], SHORT.as_slice(), extra].concat())
}

/// Runs, which must end well.
fn done(fixture: &Fixture, extra: &[&str]) -> Ended {
    let ended = run(fixture, extra);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// The files in which two run folders differ.
fn differ(fixture: &Fixture, one: &str, other: &str) -> Vec<PathBuf> {
    differences(&records(&fixture.join(one)), &records(&fixture.join(other)))
}

#[test]
fn init_refuses_to_replace_files() {
    let again = started().ends(&["init", "mine"], 2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

#[test]
fn init_writes_the_pretrained_table_and_its_licence() {
    let fixture = started();
    for file in ["model.safetensors", "tokenizer.json", "config.json", "LICENSE", "NOTICE"] {
        let committed = repository(&format!("pipelines/models/minilm-words/{file}"));
        let written = fixture.bytes(format!("mine/models/minilm-words/{file}"));
        assert!(written == fs::read(committed).expect("the file"), "{file}");
    }
    done(&fixture, &["-S", "grid={embedding=[\"pretrained\"]}"]);
    let summary = fixture.summary(RUN);
    let cells = summary["cells"].as_array().expect("cells");
    assert_eq!((cells.len(), &cells[0]["status"]), (1, &Value::from("done")));
}

#[test]
fn a_run_is_complete_and_a_second_one_has_nothing_to_do() {
    let fixture = started();
    done(&fixture, &[]);
    let run_folder = fixture.join(RUN);
    let before = fixture.summary(RUN);
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
            let log = id.rsplit_once('-').expect("an identity").0;
            assert!(run_folder.join("tensorboard").join(log).join(part).is_dir(), "{log}/{part}");
        }
    }
    for file in ["summary.csv", "settings.csv", "settings.json", "report.html", "report.md"] {
        assert!(run_folder.join(file).metadata().is_ok_and(|m| m.len() > 1000), "{file}");
    }
    let second = run(&fixture, &[]);
    assert!(second.stderr.contains("0 cells trained"), "{}", second.stderr);
    assert_eq!(fixture.summary(RUN), before);
}

#[test]
fn two_runs_give_equal_files_whatever_ran_first() {
    let fixture = started();
    done(&fixture, &["--out", "one"]);
    let ids = fixture.ids("one");
    let only = done(&fixture, &["--out", "two", "--only", ids.last().expect("a cell")]);
    assert!(only.stderr.contains("1 cell trained") && only.stderr.contains("left to run"), "{}", only.stderr);
    done(&fixture, &["--out", "two"]);
    assert_eq!(differ(&fixture, "one", "two"), Vec::<PathBuf>::new());
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

#[test]
fn cells_side_by_side_give_what_they_give_one_after_another() {
    let fixture = started();
    done(&fixture, &["--jobs", "1", "--out", "one"]);
    let beside =
        done(&fixture, &["--jobs", "5", "--verbose", "--out", "many", "-S", "callbacks.epoch_dots={report_every=1}"]);
    // What callbacks print is no part of a result: the settings alone, and the command that makes it again, say that it was asked for.
    let differing = differ(&fixture, "one", "many");
    let names_the_command = |path: &PathBuf| ["summary.json", "report.html"].iter().any(|name| path == Path::new(name));
    assert!(differing.iter().all(|path| path.ends_with("cell.toml") || names_the_command(path)), "{differing:?}");
    let results = |run: &str| {
        let mut summary = fixture.summary(run);
        summary.as_object_mut().expect("a table").remove("invocation");
        without_seconds(summary)
    };
    assert_eq!(results("one"), results("many"));
    let ids = fixture.ids("one");
    for id in &ids {
        let settings = |run: &str| fixture.read(format!("{run}/cells/{id}/cell.toml"));
        let shown = "[callbacks.epoch_dots]\nreport_every = 1\ndot_every = 1\n";
        assert_eq!(settings("one").trim_end(), settings("many").replace(shown, "").trim_end());
        let lines: Vec<&str> = beside.stderr.lines().filter(|line| line.contains(id)).collect();
        // Three lines of metrics, the last dots, and the outcome: each whole, and with the cell's name.
        assert_eq!(lines.iter().filter(|line| line.contains(": epoch ") && line.contains("val_loss:")).count(), 3);
        assert_eq!(lines.iter().filter(|line| line.contains("/24] ") && line.contains("best of 3 epochs")).count(), 1);
        assert!(lines.contains(&format!("{id}: .").as_str()), "{lines:?}");
    }
    assert_eq!((ids.len(), differing.len()), (24, 26));
}

#[test]
fn on_the_cpu_packed_cells_give_the_bytes_they_give_alone() {
    let fixture = started();
    let head = ["-S", "head.layers=[{dense=16, activation=\"relu\"}, {dropout=0.2}, {dense=8}]"];
    for options in [&head[..], &[]] {
        for (pack, out) in [("1", "alone"), ("5", "packed")] {
            done(&fixture, &[options, &["--pack", pack, "--out", out]].concat());
        }
        assert_eq!(differ(&fixture, "alone", "packed"), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_cell_that_fails_beside_others_costs_only_itself() {
    let fixture = started();
    let grid = [
        "-S",
        "grid={seed=[1, 2, 3, 4, 5, 6], \"train.optimizer\"=[{adam={learning_rate=1e-3}}, {sgd={learning_rate=1e38}}]}",
    ];
    let small = ["-S", SPLIT, "-S", "embedding={hashing={hashing={dim=8}}}"];
    for width in [
        ["--jobs=1", "--pack=1", "--out=one"],
        ["--jobs=4", "--pack=1", "--out=many"],
        ["--jobs=1", "--pack=9", "--out=packed"],
    ] {
        let args = [&["run", "mine/pipeline.toml", "-S", "train.epochs=2"], &grid[..], &small, &width].concat();
        let ended = fixture.ends(&args, 7);
        assert!(
            ended.stderr.contains("6 cells trained on cpu") && ended.stderr.contains("6 cells failed"),
            "{}",
            ended.stderr
        );
    }
    let alone = without_seconds(fixture.summary("one"));
    assert_eq!(alone, without_seconds(fixture.summary("many")));
    assert_eq!(alone, without_seconds(fixture.summary("packed")));
    let fast = ["--jobs", "2", "--out", "fast", "--fail-fast"];
    let args = [&["run", "mine/pipeline.toml", "-S", "train.epochs=2"], &grid[..], &small, &fast].concat();
    let ended = fixture.ends(&args, 7);
    assert!(ended.stderr.contains("cells are left to run"), "{}", ended.stderr);
}

#[test]
fn a_change_of_data_runs_the_cells_again_and_a_damaged_record_too() {
    let fixture = started();
    let small = ["-S", "grid.embedding=[\"hashing\"]", "-S", "grid.seed=[1]"];
    done(&fixture, &small);
    fixture.write(format!("{RUN}/cells/{}/result.json", fixture.ids(RUN)[0]), "{\"id\": ");
    let again = run(&fixture, &small);
    assert!(again.stderr.contains("1 cell trained on cpu, 5 done before"), "{}", again.stderr);
    let text = fixture.read("mine/data/questions.csv");
    fixture.write("mine/data/questions.csv", text + "What is a new question?,0\n");
    let plan = fixture.emberline(&[&["plan", "mine/pipeline.toml"], SHORT.as_slice(), &small].concat());
    assert!(plan.stdout.contains("to run: the data changed"), "{}", plan.stdout);
    assert!(run(&fixture, &small).stderr.contains("6 cells trained"));
}

#[test]
fn a_report_is_rendered_again_from_the_records_alone() {
    let fixture = started();
    done(&fixture, &["-S", "grid.embedding=[\"hashing\"]"]);
    let before = fixture.bytes("mine/runs/quickstart/report.html");
    for gone in ["mine/runs/quickstart/report.html", "mine/data", "mine/pipeline.toml"] {
        fixture.remove(gone);
    }
    fixture.done(&["report", RUN]);
    assert_eq!(fixture.bytes("mine/runs/quickstart/report.html"), before);
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
        return skip(Requirement::SmallDisk, "a disk that is full");
    };
    let fixture = started();
    let out = disk.0.path().join("run");
    let out = out.to_str().expect("a plain path");
    let ended = run(&fixture, &["--out", out, "--jobs", jobs]);
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
    let plan = fixture.emberline(&[&["plan", "mine/pipeline.toml", "--out", out], SHORT.as_slice()].concat());
    assert!(plan.stdout.contains("to run, at most"), "{}", plan.stdout);
}
