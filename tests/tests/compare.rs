//! `compare`: runs and locks side by side, and what CI is told.

use std::fs;
use std::path::Path;

use emberline_tests::{Ended, run_in};
use serde_json::Value;

const PIPELINE: &str = r#"
name = "p"
[data]
path = "texts.csv"
text = "text"
label = "label"
[data.split]
valid = 20
[embedding.small.hashing]
dim = 4
buckets = 64
[head]
layers = []
[train]
epochs = 1
[grid]
"embedding.dim" = [4, 8]
seed = [1, 2]
"#;

/// Two runs, of one epoch (`one`) and of 30 (`more`), each with its lock.
fn runs() -> tempfile::TempDir {
    let at = tempfile::tempdir().expect("a folder");
    let rows: String = (0..80).map(|n| format!("{} {n},{}\n", ["good fine", "bad poor"][n % 2], n % 2)).collect();
    fs::write(at.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    for (name, epochs) in [("one", "1"), ("more", "30")] {
        let file = format!("{name}.toml");
        fs::write(at.path().join(&file), PIPELINE.replace("epochs = 1", &format!("epochs = {epochs}")))
            .expect("written");
        compare(at.path(), &["run", &file, "--out", name], 0);
        compare(at.path(), &["lock", &file, "--out", name], 0);
    }
    at
}

/// Runs a command that ends with this code.
fn compare(folder: &Path, args: &[&str], code: i32) -> Ended {
    let ended = run_in(folder, args);
    assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
    ended
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn runs_and_locks_compare_alike() {
    let at = runs();
    let folder = at.path();
    let by_loss = |first: &str, second: &str| {
        json(&compare(folder, &["compare", first, second, "--metric", "val_loss", "--format", "json"], 0))
    };
    let runs = by_loss("one", "more");
    assert_eq!(runs["same_data"], true);
    let settings = runs["settings"].as_array().expect("a list");
    assert_eq!(settings.len(), 2);
    for setting in settings {
        assert_eq!(
            (&setting["verdict"], &setting["paired"]["differences"].as_array().map(Vec::len)),
            (&"better".into(), &Some(2))
        );
        let changes: Vec<&str> =
            setting["changes"].as_array().expect("a list").iter().map(|c| c["what"].as_str().expect("a key")).collect();
        assert_eq!(changes, ["train.epochs"]);
    }
    // A lock says the same as the run that it was made from, in the order of its ids, and differs from it in nothing.
    let by_label = |compared: &Value| {
        let mut settings = compared["settings"].as_array().expect("a list").clone();
        settings.sort_by_key(|setting| setting["label"].to_string());
        settings
    };
    for (first, second) in [("one.lock", "more.lock"), ("one", "more.lock"), ("one.lock", "more")] {
        assert_eq!(by_label(&by_loss(first, second)), by_label(&runs), "{first} {second}");
    }
    let same = compare(folder, &["compare", "one", "one.lock", "--fail-if", "worse"], 0);
    assert!(
        same.stdout.starts_with("same data") && same.stdout.contains("no setting, data, embedding or device differs"),
        "{same:?}"
    );
}

#[test]
fn ci_is_told_what_is_worse_or_unmeasured() {
    let at = runs();
    let folder = at.path();
    let by_loss = ["--metric", "val_loss", "--fail-if", "worse"];
    compare(folder, &[&["compare", "one", "more"][..], &by_loss].concat(), 0);
    let worse = compare(folder, &[&["compare", "more", "one.lock"][..], &by_loss].concat(), 6);
    assert!(worse.stderr.contains("by val_loss, 2 settings are worse and 0 are unmeasured"), "{worse:?}");
    assert!(worse.stdout.contains("differs: train.epochs: 30 -> 1"), "{worse:?}");
    compare(folder, &[&["compare", "more", "one", "--margin", "9"][..], &by_loss].concat(), 0);
    compare(folder, &["compare", "more", "one", "--metric", "val_loss"], 0);
    // No test split, so no test metric: that is no pass.
    let unmeasured = compare(folder, &["compare", "one", "more", "--metric", "test_f1", "--fail-if", "worse"], 6);
    assert!(
        unmeasured.stderr.contains("2 of 2 settings are unmeasured by test_f1, which is no pass"),
        "{unmeasured:?}"
    );
    let unknown = compare(folder, &["compare", "one", "more", "--metric", "val_f7"], 2);
    assert!(unknown.stderr.contains("can't compare by `val_f7`: there is no such metric; there are"), "{unknown:?}");
    compare(folder, &["compare", "one", "more", "--margin", "-1"], 2);
}

#[test]
fn other_data_are_named_first_in_every_format() {
    let at = runs();
    let folder = at.path();
    compare(folder, &["run", "one.toml", "-S", "data.split.seed=7", "--out", "other"], 0);
    let text = compare(folder, &["compare", "one", "other"], 0);
    assert!(text.stdout.starts_with("DIFFERENT DATA: data digest "), "{text:?}");
    let markdown = compare(folder, &["compare", "one", "other", "--format", "markdown"], 0);
    assert!(markdown.stdout.starts_with("- DIFFERENT DATA: data digest "), "{markdown:?}");
    let list = json(&compare(folder, &["compare", "one", "other", "--format", "json"], 0));
    assert_eq!((&list["same_data"], &list["settings"][0]["paired"]), (&false.into(), &Value::Null));
}

#[test]
fn what_cant_be_read_is_named() {
    let at = runs();
    let folder = at.path();
    for missing in ["nowhere", "nowhere.lock", "texts.csv/x"] {
        let ended = compare(folder, &["compare", "one", missing], 8);
        assert!(ended.stderr.contains(missing) && ended.stderr.contains("is not a run folder"), "{ended:?}");
    }
    let ended = compare(folder, &["compare", "one", "texts.csv"], 5);
    assert!(ended.stderr.contains("texts.csv: line 1"), "{ended:?}");
    let summary = folder.join("more/summary.json");
    let text = fs::read_to_string(&summary).expect("readable");
    fs::write(&summary, text.replacen("\"version\": ", "\"version\": 9", 1)).expect("written");
    let ended = compare(folder, &["compare", "one", "more"], 5);
    assert!(ended.stderr.contains("newer than this program reads"), "{ended:?}");
    let lock = fs::read_to_string(folder.join("one.lock")).expect("readable");
    fs::write(folder.join("one.lock"), lock.replacen("version = ", "version = 9", 1)).expect("written");
    compare(folder, &["compare", "one", "one.lock"], 5);
    let cell = fs::read_dir(folder.join("one/cells")).expect("cells").next().expect("one").expect("readable").path();
    fs::write(cell.join("cell.toml"), "changed = true\n").expect("written");
    compare(folder, &["compare", "one", "one"], 8);
}
