//! `[decide] refit = true`, end to end: the best setting is trained once more on all rows, and `predict` takes that model.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

const PIPELINE: &str = r#"
name = "p"
seed = 5
[data]
path = "data.csv"
text = "text"
label = "label"
[data.split]
folds = 3
[embedding.hashed.hashing]
dim = 8
[train]
epochs = 6
batch_size = 16
optimizer = { adam = { learning_rate = 0.2 } }
[callbacks.early_stopping]
patience = 2
[decide]
refit = true
"#;

/// The same setting on all rows without validation, for so many epochs.
const ALL_ROWS: &str = r#"
name = "all"
seed = 5
[data]
path = "data.csv"
text = "text"
label = "label"
[data.split]
train = 90
[embedding.hashed.hashing]
dim = 8
[train]
batch_size = 16
optimizer = { adam = { learning_rate = 0.2 } }
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let word = |row: usize| if row.is_multiple_of(3) { "good" } else { "bad" };
    let row =
        |row: usize| format!("{} film number {row},{}\n", word(row), if row.is_multiple_of(3) { "yes" } else { "no" });
    let rows: String = (0..90).map(row).collect();
    fs::write(folder.path().join("data.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    fs::write(folder.path().join("all.toml"), ALL_ROWS).expect("written");
    fs::write(folder.path().join("new.csv"), "text\ngood film\nbad film\n").expect("written");
    folder
}

fn emberline(at: &Path, arguments: &[&str]) -> Output {
    emberline_tests::emberline().current_dir(at).args(arguments).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(at: &Path, arguments: &[&str]) -> String {
    let output = emberline(at, &[&["run"], arguments].concat());
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
}

#[test]
fn the_refit_is_the_fit_of_all_rows_at_the_median_epoch() {
    let folder = folder();
    let at = folder.path();
    let first = run(at, &["p.toml"]);
    let path = at.join("runs/p/refit/result.json");
    let refit = json(&path);
    let summary = json(&at.join("runs/p/summary.json"));
    let cells = summary["cells"].as_array().expect("cells");
    let mut epochs: Vec<u64> = cells.iter().map(|cell| cell["best_epoch"].as_u64().expect("an epoch")).collect();
    epochs.sort_unstable();
    assert_eq!((cells.len(), &refit["rows"], &refit["epochs"]), (3, &90.into(), &epochs[1].into()));
    assert_eq!((&refit["threshold"]["from"], &refit["threshold"]["rows"]), (&"pooled_test".into(), &90.into()));
    let named: Vec<&Value> = refit["cells"].as_array().expect("cells").iter().map(|cell| &cell["id"]).collect();
    assert_eq!(named, cells.iter().map(|cell| &cell["id"]).collect::<Vec<_>>());
    assert!(first.contains("refit of setting hashed · frozen on all 90 rows"), "{first}");
    // The same weights as a pipeline that trains on all rows, whose last epoch is its best.
    run(at, &["all.toml", "-S", &format!("train.epochs={}", epochs[1])]);
    let all = &json(&at.join("runs/all/summary.json"))["cells"][0];
    assert_eq!((&all["best_epoch"], &all["epochs"]), (&epochs[1].into(), &epochs[1].into()));
    assert_eq!(refit["digests"]["weights"], all["digests"]["weights"]);
    // Done once.
    run(at, &["p.toml"]);
    assert_eq!(json(&path), refit);
    // Made of other cells, it is made again.
    run(at, &["p.toml", "-S", "train.batch_size=32"]);
    assert_ne!(json(&path)["cells"], refit["cells"]);
}

#[test]
fn predict_takes_the_refit_as_long_as_it_holds() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml"]);
    let predict = |more: &[&str]| emberline(at, &[&["predict", "runs/p", "--input", "new.csv"], more].concat());
    let by_refit = predict(&[]);
    assert!(by_refit.status.success() && said(&by_refit).contains("refit of setting"), "{}", said(&by_refit));
    let lines = String::from_utf8(by_refit.stdout).expect("text");
    assert!(lines.contains("good film,yes,") && lines.contains("bad film,no,"), "{lines}");
    let id = json(&at.join("runs/p/summary.json"))["cells"][1]["id"].as_str().expect("an id").to_owned();
    let by_cell = predict(&["--cell", &id]);
    assert!(said(&by_cell).contains(&format!("cell {id}: named")), "{}", said(&by_cell));
    // A damaged one is refused, and made again.
    let model = at.join("runs/p/refit/model.safetensors");
    let whole = fs::read(&model).expect("a model");
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    fs::write(&model, &damaged).expect("written");
    let refused = predict(&[]);
    assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
    assert!(said(&refused).contains("refit"), "{}", said(&refused));
    run(at, &["p.toml"]);
    assert_eq!(fs::read(&model).expect("a model"), whole);
    // Of earlier results, it is left alone; not asked for any more, it goes.
    run(at, &["p.toml", "-S", "train.batch_size=32", "--only", &id_of(at, "train.batch_size=32")]);
    assert!(said(&predict(&[])).contains("the refit is outdated"), "{}", said(&predict(&[])));
    run(at, &["p.toml", "-S", "decide.refit=false"]);
    assert!(!at.join("runs/p/refit").exists());
    assert!(said(&predict(&[])).contains("cell "), "{}", said(&predict(&[])));
}

/// The id of the first cell with a setting.
fn id_of(at: &Path, set: &str) -> String {
    let output = emberline(at, &["cells", "p.toml", "-S", set, "--format", "lines"]);
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().next().unwrap_or_else(|| panic!("{}", said(&output))).to_owned()
}

#[test]
fn a_run_that_is_not_finished_has_no_refit() {
    let folder = folder();
    let at = folder.path();
    run(at, &["p.toml", "--only", &id_of(at, "seed=5")]);
    assert!(!at.join("runs/p/refit").exists());
    let output = emberline(at, &["run", "p.toml", "-S", "decide.refi=true"]);
    assert!(output.status.code() == Some(3) && said(&output).contains("refit"), "{}", said(&output));
}
