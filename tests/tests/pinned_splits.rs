//! Splits that are pinned by `data.split.rows`: the same rows in the same order give the weights and metrics that they gave
//! before rows were placed by the hash of their text. `pinned/expected.json` holds what that program came to, and
//! `pinned/*-rows.csv` the rows that it drew, in the order in which training took them: the quickstart's of that time
//! (`pinned/quickstart.toml`; the weights are those of its lock), and 550 rows of Quora Insincere Questions.

use std::collections::BTreeMap;
use std::fs;

use emberline_test_support::shared;
use emberline_tests::Fixture;
use emberline_tests::fixture::{of_tests, repository};
use serde_json::Value;

const QUICKSTART: &str = include_str!("pinned/quickstart.toml");

const QUORA: &str = r#"
name = "quora-pinned"
seed = 42
[data]
path = "QUORA"
text = "question_text"
label = "target"
[data.split]
rows = "quora-rows.csv"
[embedding.corpus.corpus]
dim = 8
[embedding.hashing.hashing]
dim = 8
[head]
layers = [{ dense = 16, activation = "relu" }]
[train]
epochs = 6
optimizer = { adam = { learning_rate = 1e-2 } }
[grid]
embedding = ["corpus", "hashing"]
"embedding.trainable" = [false, true]
"#;

fn expected(name: &str) -> Value {
    let text = fs::read(of_tests("tests/pinned/expected.json")).expect("the expectations");
    serde_json::from_slice::<Value>(&text).expect("JSON")[name].clone()
}

/// Runs the pipeline and holds every cell against what is expected of it.
fn assert_pinned(name: &str, fixture: &Fixture) {
    fixture.done(&["run", "pipeline.toml", "--device", "cpu", "--out", "run"]);
    let summary = fixture.summary("run");
    let expected = expected(name);
    let mut found: BTreeMap<String, &Value> = BTreeMap::new();
    for cell in summary["cells"].as_array().expect("cells") {
        let state = if cell["trainable"] == true { "tuned" } else { "frozen" };
        found.insert(format!("{} {state}", cell["embedding"].as_str().expect("a name")), cell);
    }
    let cells = expected["cells"].as_object().expect("cells");
    assert_eq!(found.len(), cells.len(), "{:?}", found.keys());
    for (cell, expected_cell) in cells {
        let found = found[cell];
        assert_eq!(found["digests"]["data"], expected["data"], "{name}, {cell}: the rows and their order");
        for key in ["epochs", "best_epoch"] {
            assert_eq!(found[key], expected_cell[key], "{name}, {cell}: {key}");
        }
        assert_equal_results(&format!("{name}, {cell}"), found, expected_cell, &expected["arithmetic"]);
    }
}

/// Equal bytes on the kind of processor that the expectations are of, equal within the lock's tolerance on another.
fn assert_equal_results(cell: &str, found: &Value, expected: &Value, arithmetic: &Value) {
    let is_same_kind = found["arithmetic"] == *arithmetic;
    if is_same_kind {
        assert_eq!(found["digests"]["weights"], expected["weights"], "{cell}: weights");
    }
    for (metric, value) in expected["metrics"].as_object().expect("metrics") {
        let (value, found) = (value.as_f64().expect("a number"), found["metrics"][metric].as_f64().expect("a number"));
        let tolerance = if is_same_kind { 0.0 } else { 0.01 };
        assert!((found - value).abs() <= tolerance, "{cell}: {metric} is {found}, not {value}");
    }
}

#[test]
fn the_quickstart_s_pinned_rows_give_the_weights_and_metrics_of_before() {
    let questions = fs::read(repository("pipelines/data/questions.csv")).expect("the data");
    let rows = fs::read(of_tests("tests/pinned/quickstart-rows.csv")).expect("the rows");
    let pipeline = QUICKSTART
        .replace("data/questions.csv", "questions.csv")
        .replace("train = 0.6\nvalid = 0.2\ntest = 0.2", "rows = \"rows.csv\"")
        .replace("\"embedding.dim\" = [8, 32, 128]", "\"embedding.dim\" = [8]")
        .replace("seed = [1, 2, 3]", "seed = [1]");
    let fixture = Fixture::empty().file("questions.csv", questions).file("rows.csv", rows);
    assert_pinned("quickstart", &fixture.file("pipeline.toml", pipeline));
}

#[test]
fn quora_s_pinned_rows_give_the_weights_and_metrics_of_before() {
    let Some(data) = shared("data/quora/labelled.csv") else { return };
    let rows = fs::read(of_tests("tests/pinned/quora-rows.csv")).expect("the rows");
    let data = data.canonicalize().expect("the data's path");
    let pipeline = QUORA.replace("QUORA", data.to_str().expect("a path of UTF-8"));
    assert_pinned("quora", &Fixture::empty().file("quora-rows.csv", rows).file("pipeline.toml", pipeline));
}
