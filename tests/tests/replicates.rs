//! Repeats, folds and draws end to end: each replicate is a cell of its own, records say which rows it had, and reports
//! average them. And the faults of `[data.split]` with their exit codes.

use emberline_tests::{Ended, Fixture, Pipeline};
use serde_json::Value;
use std::collections::BTreeSet;

/// A folder with 120 rows and a pipeline with these lines in `[data]`, `[data.split]` and `[grid]`.
fn folder(data: &str, split: &str, grid: &str) -> Fixture {
    let word = |row: usize| if row.is_multiple_of(3) { "good fine" } else { "bad poor" };
    let rows: String =
        (0..120).map(|row| format!("{} text {row},{},{}\n", word(row), usize::from(row % 3 == 0), row / 4)).collect();
    let pipeline = Pipeline::new("replicates").top("seed = 3").data(data).section("data.split", split).toml(
        r#"
        [embedding.table.hashing]
        dim = 4
        [embedding.learned.corpus]
        dim = 4
        min_count = 1
        [head]
        layers = [{ dropout = 0.1 }]
        [train]
        epochs = 2
        "#,
    );
    let rows = format!("text,label,when\n{rows}");
    Fixture::empty().file("texts.csv", rows).pipeline(&pipeline.section("grid", grid))
}

fn run(fixture: &Fixture, out: &str) -> Ended {
    fixture.done(&["run", "p.toml", "--device", "cpu", "--out", out])
}

fn strings(cells: &[Value], key: &[&str]) -> BTreeSet<String> {
    let value = |cell: &Value| key.iter().fold(cell.clone(), |value, key| value[*key].clone()).to_string();
    cells.iter().map(value).collect()
}

#[test]
fn repeats_vary_rows_weights_and_tables_and_are_averaged() {
    let fixture = folder("", "valid = 0.3\nrepeats = 3", "");
    run(&fixture, "run");
    let cells = fixture.cells("run");
    assert_eq!(cells.len(), 6);
    for (at, cell) in cells.iter().enumerate() {
        let repeat = at % 3 + 1;
        assert_eq!(cell["settings"]["data.split.repeat"], repeat);
        assert!(cell["id"].as_str().expect("an id").contains(&format!("-frozen-s3-r{repeat}-")), "{}", cell["id"]);
        assert_eq!((&cell["n_train"], &cell["n_valid"], cell.get("n_test")), (&84.into(), &36.into(), None));
        assert_eq!(cell["seed"], 3);
    }
    for (what, key) in [("rows", "data"), ("tables", "embedding"), ("weights", "weights")] {
        let different = strings(&cells[..3], &["digests", key]);
        assert_eq!(different.len(), 3, "{what} of each repeat");
    }
    assert_eq!(strings(&cells, &["split_seed"]).len(), 3);
    let report = fixture.read("run/report.md");
    assert!(report.contains("repeats"), "{report}");
    // The first repeat is what no repeats come to, and more repeats leave those that are done.
    fixture.edit("p.toml", "repeats = 3", "");
    run(&fixture, "single");
    let single = fixture.cells("single");
    assert_eq!(single[0]["digests"], cells[0]["digests"]);
    fixture.edit("p.toml", "valid = 0.3", "valid = 0.3\nrepeats = 4");
    let more = run(&fixture, "run");
    assert!(more.stderr.contains("2 cells trained") || more.stdout.contains("2 cells trained"), "{more:?}");
}

#[test]
fn folds_test_every_row_once() {
    let fixture = folder("", "valid = 0.2\nfolds = 4", "embedding = [\"table\"]\nseed = [1, 2]");
    run(&fixture, "run");
    let cells = fixture.cells("run");
    let ids: Vec<&str> = cells.iter().map(|cell| cell["id"].as_str().expect("an id")).collect();
    assert!(ids[0].starts_with("table-frozen-s1-f1-") && ids[7].starts_with("table-frozen-s2-f4-"), "{ids:?}");
    for cell in &cells {
        assert_eq!((&cell["n_train"], &cell["n_valid"], &cell["n_test"]), (&66.into(), &24.into(), &30.into()));
    }
    assert_eq!(strings(&cells, &["digests", "data"]).len(), 4);
    assert_eq!(strings(&cells, &["digests", "embedding"]).len(), 1, "folds share their table");
    let csv = fixture.read("run/summary.csv");
    assert!(csv.lines().next().expect("a header").contains("data.split.fold"), "{csv}");
    // A single one of them, from the command line.
    let one = fixture.emberline(&["plan", "p.toml", "--format", "json", "-S", "data.split.fold=2"]);
    let plan: Value = serde_json::from_str(&one.stdout).expect("JSON");
    let ids: Vec<&str> =
        plan["cells"].as_array().expect("cells").iter().filter_map(|cell| cell["id"].as_str()).collect();
    assert!(ids.len() == 2 && ids[0].starts_with("table-frozen-s1-f2-"), "{ids:?}");
}

#[test]
fn draws_are_replicates_and_their_file_is_a_part_of_the_data() {
    let fixture = folder("", "rows = \"draws.csv\"", "embedding = [\"table\"]");
    let list = |draws: &[usize]| {
        let lines = draws.iter().flat_map(|&draw| {
            let split = move |row: usize| if row.is_multiple_of(4) { "valid" } else { "train" };
            (1..=100).map(move |row| format!("{draw},{},{}\n", split(row + draw), row + draw))
        });
        let lines: String = lines.collect();
        fixture.write("draws.csv", format!("draw,split,row\n{lines}"));
    };
    list(&[1, 2]);
    run(&fixture, "run");
    let cells = fixture.cells("run");
    let ids: Vec<&str> = cells.iter().map(|cell| cell["id"].as_str().expect("an id")).collect();
    assert!(ids.len() == 2 && ids[0].contains("-d1-") && ids[1].contains("-d2-"), "{ids:?}");
    fixture.done(&["lock", "p.toml", "--out", "run"]);
    fixture.done(&["verify", "p.toml", "--out", "again", "--device", "cpu"]);
    list(&[2, 3]);
    fixture.ends(&["run", "p.toml", "--locked", "--out", "run", "--device", "cpu"], 5);
    fixture.remove("draws.csv");
    let missing = fixture.ends(&["run", "p.toml", "--out", "run", "--device", "cpu"], 8);
    assert!(missing.stderr.contains("draws.csv: there is no such file"), "{}", missing.stderr);
    fixture.write("draws.csv", "draw,split,row\n1,train,500\n");
    let faulty = fixture.ends(&["run", "p.toml", "--out", "run", "--device", "cpu"], 4);
    assert!(faulty.stderr.contains("draws.csv, line 2: there is no row 500"), "{}", faulty.stderr);
}

#[test]
fn what_can_t_be_meant_ends_with_its_place_and_cure() {
    for (split, grid, found) in [
        ("order = \"when\"\nstratify = true", "", "a split by time can't keep the classes in proportion"),
        ("order = \"when\"\nrepeats = 3", "", "time divides the rows in one way only"),
        ("folds = 5\nrepeats = 3", "", "give one of them"),
        ("folds = 5\ntest = 0.1", "", "each fold is the test split once"),
        ("rows = \"draws.csv\"\ntrain = 10", "", "the file of `rows` says which rows go where"),
        ("fold = 2", "", "give folds too"),
        ("per_class = 8\ntrain = 10", "", "both say how many rows to train on"),
        ("valid = 0.2", "\"data.split.repeats\" = [3, 5]", "replicates are averaged, never compared"),
    ] {
        let fixture = folder("", split, grid);
        let said = fixture.ends(&["check", "p.toml"], 3).printed();
        assert!(said.contains(found) && said.contains("p.toml:"), "{split}: {said}");
    }
}

#[test]
fn a_split_by_time_and_kept_copies_run_and_are_told() {
    let fixture = folder("duplicates = \"keep\"", "order = \"when\"\nvalid = 20\ntest = 20", "embedding = [\"table\"]");
    let rows = fixture.read("texts.csv");
    fixture.write("texts.csv", rows + "good fine text 0,1,0\n");
    run(&fixture, "run");
    let cells = fixture.cells("run");
    assert_eq!((&cells[0]["n_train"], &cells[0]["n_test"]), (&81.into(), &20.into()));
    let report = fixture.read("run/report.md");
    assert!(report.contains("1 row whose text had occurred before (kept, as data.duplicates says)"), "{report}");
    let checked = fixture.emberline(&["check", "p.toml", "--data"]);
    assert!(checked.printed().contains("which are kept: data.duplicates = \"keep\""));
}
