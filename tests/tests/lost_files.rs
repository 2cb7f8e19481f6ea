//! A run folder from which files are lost, or in which nothing has ended yet: what is missing is named, with the cure, and the
//! exit code tells work that is pending (5) from files that are damaged (8).

use std::fs;
use std::path::{Path, PathBuf};

use emberline_tests::fixture::copy_folder;
use emberline_tests::{Fixture, Pipeline};

/// A pipeline whose embedding learns from the training texts, and what a run of it leaves.
fn finished() -> Fixture {
    let pipeline =
        Pipeline::new("lost").toml("[embedding.learned.corpus]\ndim = 4\nmin_count = 1\n[train]\nepochs = 2");
    let rows = (0..60).map(|n| (format!("word{} thing{} text {n}", n % 7, n % 5), n % 2));
    let fixture = Fixture::empty().rows(rows).file("new.csv", "text\nword1 thing2\n").pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    fixture
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

fn refused(fixture: &Fixture, args: &[&str], code: i32, words: &[&str]) {
    let ended = fixture.ends(args, code);
    assert!(words.iter().all(|word| ended.stderr.contains(word)), "{args:?} {words:?}: {}", ended.stderr);
}

#[test]
fn a_run_of_which_no_cell_has_ended_is_work_that_is_pending() {
    let fixture = finished();
    let run = fixture.join("runs/lost");
    for name in ["summary.json", "SHA256SUMS"] {
        fs::remove_file(run.join(name)).expect("removed");
    }
    for reader in READERS {
        refused(&fixture, reader, 8, &["summary.json", "is missing", "emberline run"]);
    }
    fs::remove_file(cell(&run).join("result.json")).expect("removed");
    for reader in READERS {
        refused(&fixture, reader, 5, &["no cell has ended yet", "emberline run"]);
    }
    fs::remove_dir_all(&run).expect("removed");
    for reader in READERS {
        refused(&fixture, reader, 8, &["is not a run folder"]);
    }
}

#[test]
fn files_that_are_lost_are_named_and_a_run_makes_them_anew() {
    let fixture = finished();
    let (run, whole) = (fixture.join("runs/lost"), fixture.join("whole"));
    copy_folder(&run, &whole);
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
        (
            &|| cut(cell(&run).join("attempts/1/cell.toml")),
            &["cell.toml", "isn't what was written", "emberline run"],
            again,
        ),
        (&|| remove(run.join("cells")), &["is missing", "emberline run"], again),
        (&|| remove(cell(&run).join("result.json")), &["result.json is missing", "emberline run"], again),
    ];
    for (harm, words, cure) in harms {
        fs::remove_dir_all(&run).expect("removed");
        copy_folder(&whole, &run);
        harm();
        refused(&fixture, predict, 8, words);
        fixture.done(cure);
        fixture.done(predict);
    }
}

#[test]
fn commands_on_the_pipeline_name_a_lost_owner() {
    let fixture = finished();
    fixture.remove("runs/lost/run.json");
    for args in [&["plan", "p.toml"][..], &["explain", "p.toml"], &["lock", "p.toml"]] {
        refused(&fixture, args, 8, &["run.json is missing", "emberline run"]);
    }
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["plan", "p.toml"]);
}
