//! `compare`: runs and locks side by side, and what CI is told.

use std::fs;

use emberline_tests::{Ended, Fixture, Pipeline};
use serde_json::Value;

/// Two runs, of one epoch (`one`) and of 30 (`more`), each with its lock.
fn runs() -> Fixture {
    let rows = (0..80).map(|n| (format!("{} {n}", ["good fine", "bad poor"][n % 2]), n % 2));
    let fixture = Fixture::empty().rows(rows);
    for (name, epochs) in [("one", 1), ("more", 30)] {
        let file = format!("{name}.toml");
        let pipeline = Pipeline::new("p").section("train", &format!("epochs = {epochs}")).toml(
            r#"
            [data.split]
            valid = 20
            [embedding.small.hashing]
            dim = 4
            buckets = 64
            [head]
            layers = []
            [grid]
            "embedding.dim" = [8, 4]
            seed = [1, 2]
            "#,
        );
        fixture.write(&file, pipeline.to_string());
        fixture.done(&["run", &file, "--out", name]);
        fixture.done(&["lock", &file, "--out", name]);
    }
    fixture
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// Rounds all numbers to four decimals: a lock has six digits of a metric.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let rounded = (number.as_f64().expect("a number") * 1e4).round() / 1e4;
            *value = Value::from(rounded);
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(table) => table.values_mut().for_each(round),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test]
fn runs_and_locks_compare_alike() {
    let fixture = runs();
    let by_loss = |first: &str, second: &str| {
        json(&fixture.done(&["compare", first, second, "--metric", "val_loss", "--format", "json"]))
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
        // A lock keeps no predictions, by which two runs are tested.
        settings.iter_mut().filter_map(Value::as_object_mut).for_each(|setting| drop(setting.remove("test")));
        settings.iter_mut().for_each(round);
        settings
    };
    for (first, second) in [("one.lock", "more.lock"), ("one", "more.lock"), ("one.lock", "more")] {
        assert_eq!(by_label(&by_loss(first, second)), by_label(&runs), "{first} {second}");
    }
    let labels = |compared: &Value| -> Vec<String> {
        let settings = compared["settings"].as_array().expect("a list");
        settings.iter().map(|setting| setting["label"].to_string()).collect()
    };
    for (first, second) in [("one", "more.lock"), ("one.lock", "more")] {
        assert_eq!(labels(&by_loss(first, second)), labels(&runs), "{first} {second}: the order of the run");
    }
    let same = fixture.done(&["compare", "one", "one.lock", "--fail-if", "worse"]);
    assert!(
        same.stdout.starts_with("same data") && same.stdout.contains("no setting, data, embedding or device differs"),
        "{same:?}"
    );
}

#[test]
fn ci_is_told_what_is_worse_or_unmeasured() {
    let fixture = runs();
    let by_loss = ["--metric", "val_loss", "--fail-if", "worse"];
    fixture.done(&[&["compare", "one", "more"][..], &by_loss].concat());
    let worse = fixture.ends(&[&["compare", "more", "one.lock"][..], &by_loss].concat(), 6);
    assert!(worse.stderr.contains("by val_loss, 2 settings are worse and 0 are unmeasured"), "{worse:?}");
    assert!(worse.stdout.contains("differs: train.epochs: 30 -> 1"), "{worse:?}");
    fixture.done(&[&["compare", "more", "one", "--margin", "9"][..], &by_loss].concat());
    // A lock keeps no predictions, so no test is possible: the mean decides.
    let beyond_chance = ["--metric", "val_loss", "--fail-if", "significantly-worse"];
    let worse = fixture.ends(&[&["compare", "more", "one.lock"][..], &beyond_chance].concat(), 6);
    assert!(worse.stderr.contains("2 settings are significantly worse"), "{worse:?}");
    fixture.done(&[&["compare", "one", "more"][..], &beyond_chance].concat());
    fixture.done(&["compare", "more", "one", "--metric", "val_loss"]);
    // No test split, so no test metric: that is no pass.
    let unmeasured = fixture.ends(&["compare", "one", "more", "--metric", "test_f1", "--fail-if", "worse"], 6);
    assert!(
        unmeasured.stderr.contains("2 of 2 settings are unmeasured by test_f1, which does not count as a pass"),
        "{unmeasured:?}"
    );
    let unknown = fixture.ends(&["compare", "one", "more", "--metric", "val_f7"], 2);
    assert!(unknown.stderr.contains("can't compare by `val_f7`: there is no such metric; there are"), "{unknown:?}");
    fixture.ends(&["compare", "one", "more", "--margin", "-1"], 2);
}

#[test]
fn other_data_are_named_first_in_every_format() {
    let fixture = runs();
    fixture.done(&["run", "one.toml", "-S", "data.split.seed=7", "--out", "other"]);
    let text = fixture.done(&["compare", "one", "other"]);
    assert!(text.stdout.starts_with("DIFFERENT DATA: data digest "), "{text:?}");
    let markdown = fixture.done(&["compare", "one", "other", "--format", "markdown"]);
    assert!(markdown.stdout.starts_with("- DIFFERENT DATA: data digest "), "{markdown:?}");
    let list = json(&fixture.done(&["compare", "one", "other", "--format", "json"]));
    assert_eq!((&list["same_data"], &list["settings"][0]["paired"]), (&false.into(), &Value::Null));
}

#[test]
fn what_cant_be_read_is_named() {
    let fixture = runs();
    for missing in ["nowhere", "nowhere.lock", "texts.csv/x"] {
        let ended = fixture.ends(&["compare", "one", missing], 8);
        assert!(ended.stderr.contains(missing) && ended.stderr.contains("is not a run folder"), "{ended:?}");
    }
    let ended = fixture.ends(&["compare", "one", "texts.csv"], 5);
    assert!(ended.stderr.contains("texts.csv: it has no line that states its version"), "{ended:?}");
    let text = fixture.read("more/summary.json");
    fixture.write("more/summary.json", text.replacen("\"version\": ", "\"version\": 9", 1));
    let ended = fixture.ends(&["compare", "one", "more"], 5);
    assert!(ended.stderr.contains("newer than this program reads"), "{ended:?}");
    let lock = fixture.read("one.lock");
    fixture.write("one.lock", lock.replacen("version = ", "version = 9", 1));
    fixture.ends(&["compare", "one", "one.lock"], 5);
    let cell = fs::read_dir(fixture.join("one/cells")).expect("cells").next().expect("one").expect("readable").path();
    fs::write(cell.join("cell.toml"), "changed = true\n").expect("written");
    fixture.ends(&["compare", "one", "one"], 8);
}

/// Losses under other class weights are other losses: runs and locks alike.
#[test]
fn losses_are_compared_only_if_all_were_trained_with_the_same() {
    let fixture = runs();
    let weigh = ["-S", "train.class_weight=\"balanced\""];
    fixture.done(&[&["run", "one.toml", "--out", "weighed"], weigh.as_slice()].concat());
    for first in ["one", "one.lock"] {
        let refused = fixture.ends(&["compare", first, "weighed", "--metric", "val_loss"], 2);
        let cure = "the cells differ in `train.class_weight`";
        assert!(refused.stderr.contains(cure) && refused.stderr.contains("`val_log_loss`"), "{}", refused.stderr);
        fixture.done(&["compare", first, "weighed", "--metric", "val_log_loss"]);
    }
    fixture.done(&["compare", "weighed", "weighed", "--metric", "val_loss"]);
}
