//! A run folder from which files are lost, or in which nothing has ended yet: what is missing is named, with the cure, and the
//! exit code tells work that is pending (5) from files that are damaged (8).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use emberline_tests::{Ended, run_in};

const PIPELINE: &str = r#"
name = "lost"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.learned.corpus]
dim = 4
min_count = 1
[train]
epochs = 2
"#;

/// A pipeline whose embedding learns from the training texts, and what a run of it leaves.
fn finished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |n: usize| format!("word{} thing{} text {n},{}\n", n % 7, n % 5, n % 2);
    let rows: String = (0..60).map(row).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("new.csv"), "text\nword1 thing2\n").expect("written");
    fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    fine(&run_in(folder.path(), &["run", "p.toml"]));
    folder
}

fn fine(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

/// The only cell's folder.
fn cell(run: &Path) -> PathBuf {
    let mut cells = fs::read_dir(run.join("cells")).expect("cells");
    cells.next().expect("a cell").expect("an entry").path()
}

/// The commands that read a finished run.
const READERS: [&[&str]; 4] = [
    &["predict", "runs/lost", "--input", "new.csv"],
    &["report", "runs/lost"],
    &["export", "runs/lost", "--bundle", "out.bundle"],
    &["compare", "runs/lost", "runs/lost"],
];

fn refused(here: &Path, args: &[&str], code: i32, words: &[&str]) {
    let ended = run_in(here, args);
    assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
    assert!(words.iter().all(|word| ended.stderr.contains(word)), "{args:?} {words:?}: {}", ended.stderr);
}

#[test]
fn a_run_of_which_no_cell_has_ended_is_work_that_is_pending() {
    let folder = finished();
    let here = folder.path();
    let run = here.join("runs/lost");
    for name in ["summary.json", "SHA256SUMS"] {
        fs::remove_file(run.join(name)).expect("removed");
    }
    for reader in READERS {
        refused(here, reader, 8, &["summary.json", "is missing", "emberline run"]);
    }
    fs::remove_file(cell(&run).join("result.json")).expect("removed");
    for reader in READERS {
        refused(here, reader, 5, &["no cell has ended yet", "emberline run"]);
    }
    fs::remove_dir_all(&run).expect("removed");
    for reader in READERS {
        refused(here, reader, 8, &["is no run folder"]);
    }
}

#[test]
fn files_that_are_lost_are_named_and_a_run_makes_them_anew() {
    let folder = finished();
    let here = folder.path();
    let run = here.join("runs/lost");
    let whole = here.join("whole");
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
    };
    copy(&run, &whole);
    let cut = |path: PathBuf| fs::write(path, "cut").expect("written");
    let remove = |path: PathBuf| match path.is_dir() {
        true => fs::remove_dir_all(path).expect("removed"),
        false => fs::remove_file(path).expect("removed"),
    };
    let predict = READERS[0];
    type Harm<'h> = (&'h dyn Fn(), &'h [&'h str], &'h [&'h str]);
    let again: &[&str] = &["run", "p.toml"];
    let force: &[&str] = &["run", "p.toml", "--force"];
    let harms: [Harm<'_>; 8] = [
        (&|| remove(run.join("run.json")), &["run.json is missing", "emberline run"], again),
        (&|| cut(run.join("run.json")), &["run.json is damaged", "emberline run"], again),
        (&|| remove(run.join("summary.json")), &["summary.json is missing", "emberline run"], again),
        (&|| cut(run.join("summary.json")), &["summary.json", "emberline run"], again),
        (&|| remove(run.join("inputs")), &["inputs", ".safetensors is missing", "--force"], force),
        (&|| cut(cell(&run).join("cell.toml")), &["cell.toml", "isn't what was written", "emberline run"], again),
        (&|| remove(run.join("cells")), &["is missing", "emberline run"], again),
        (&|| remove(cell(&run).join("result.json")), &["result.json is missing", "emberline run"], again),
    ];
    for (harm, words, cure) in harms {
        copy(&whole, &run);
        harm();
        refused(here, predict, 8, words);
        fine(&run_in(here, cure));
        fine(&run_in(here, predict));
    }
}

#[test]
fn commands_on_the_pipeline_name_a_lost_owner() {
    let folder = finished();
    let here = folder.path();
    fs::remove_file(here.join("runs/lost/run.json")).expect("removed");
    for args in [&["plan", "p.toml"][..], &["explain", "p.toml"], &["lock", "p.toml"]] {
        refused(here, args, 8, &["run.json is missing", "emberline run"]);
    }
    fine(&run_in(here, &["run", "p.toml"]));
    fine(&run_in(here, &["plan", "p.toml"]));
}
