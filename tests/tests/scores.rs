//! What a run says of its cells, end to end: metrics of softmax tasks, known words, divergence, replicates, what is left out.

use std::fs;

use emberline_base::{Digest, run_files};
use emberline_report::known::{self, RowWords};
use emberline_report::rows;
use emberline_tests::fixture::of_tests;
use emberline_tests::{Ended, Fixture, Pipeline};
use serde_json::Value;

const WORDS: [&str; 6] = ["good", "bad", "fine", "poor", "warm", "cold"];

/// A folder with 120 rows of two classes, and a pipeline of these sections.
fn folder(sections: &str) -> Fixture {
    let text = |row: usize| format!("{} {} row {row}", WORDS[row % 6], WORDS[row / 6 % 6]);
    let pipeline = Pipeline::new("p").section("train", "epochs = 2").toml(sections);
    Fixture::empty().rows((0..120).map(|row| (text(row), row % 2))).pipeline(&pipeline)
}

fn run(fixture: &Fixture, code: i32) -> (Ended, Value) {
    (fixture.ends(&["run", "p.toml", "-v"], code), fixture.summary("runs/p"))
}

fn report(fixture: &Fixture, format: &str) -> String {
    fixture.read(format!("runs/p/report.{format}"))
}

/// A copy of a folder of `tests/cases`, run, and its summary.
fn run_case(case: &str, name: &str) -> (Fixture, Ended, Value) {
    let fixture = Fixture::copy_of(&of_tests("cases").join(case));
    let ended = fixture.done(&["run", "pipeline.toml", "-v"]);
    let summary = fixture.summary(&format!("runs/{name}"));
    (fixture, ended, summary)
}

/// Three classes, texts of very different length and the sum of their words: the size of logits differs from row to row.
/// The expected areas are scikit-learn's, of the softmax of these logits; raw logits would give 0.744 and 0.82.
#[test]
fn areas_of_a_softmax_task_rank_probabilities() {
    let (_folder, _, summary) = run_case("01-multiclass-auc-from-logits", "auc");
    let metrics = &summary["cells"][0]["metrics"];
    for (name, expected) in [("val_pr_auc", 0.81790), ("val_roc_auc", 0.88333)] {
        let found = metrics[name].as_f64().expect("a number");
        assert!((found - expected).abs() < 5e-3, "{name}: {found}");
    }
}

#[test]
fn no_known_word_is_said_in_every_place() {
    let (folder, ended, summary) = run_case("02-no-known-word", "t");
    let known = &summary["cells"][0]["known_words"];
    assert_eq!((known["tokens"].as_f64(), known["texts_without"].as_f64()), (Some(0.0), Some(1.0)), "{known}");
    assert_eq!(summary["warnings"][0]["code"], "EMB006");
    assert!(ended.stdout.contains("known_words"), "{}", ended.stdout);
    let report = folder.read("runs/t/report.md");
    assert!(report.contains("known words") && report.contains("100.0 %"), "{report}");
}

#[test]
fn an_embedding_that_knows_no_word_is_warned_of() {
    let fixture = folder(
        r#"
[embedding.none.word_vectors]
path = "none.txt"
[embedding.half.word_vectors]
path = "half.txt"
[embedding.random.hashing]
dim = 4
[grid]
embedding = ["none", "half", "random"]
seed = [1, 2]
"#,
    );
    fixture.write("none.txt", "слово 1 2\nдругое 2 1\n");
    // Of the 480 words, 164 are among these four; `row` and its number are not.
    fixture.write("half.txt", "good 1 2\nbad 2 1\nfine 0 1\npoor 1 0\n");
    let (ended, summary) = run(&fixture, 0);
    let cells = summary["cells"].as_array().expect("cells");
    for cell in cells {
        let known = &cell["known_words"];
        let share = |of: &Value, name: &str| of[name].as_f64().expect("a share");
        match cell["embedding"].as_str() {
            Some("none") => {
                assert_eq!((share(known, "tokens"), share(known, "texts_without")), (0.0, 1.0));
                assert_eq!(share(&known["valid"], "tokens"), 0.0, "{known}");
                assert_eq!(cell["warnings"][0]["code"], "EMB006", "{cell}");
            }
            Some("half") => {
                assert!((share(known, "tokens") - 164.0 / 480.0).abs() < 1e-12, "{known}");
                assert!(share(known, "texts_without") > 0.0 && share(known, "texts_without") < 0.5, "{known}");
                assert_eq!(cell["warnings"][0]["code"], "EMB006", "{cell}");
            }
            _ => {
                assert_eq!((share(known, "tokens"), share(known, "texts_without")), (1.0, 0.0));
                assert!(cell["warnings"].is_null());
            }
        }
    }
    let warnings = summary["warnings"].as_array().expect("warnings");
    let of_none =
        warnings.iter().find(|w| w["text"].as_str().is_some_and(|text| text.starts_with("`none` knows 0.0 %")));
    assert_eq!(of_none.expect("a warning")["cells"].as_array().map(Vec::len), Some(2), "{warnings:?}");
    assert!(ended.stdout.lines().any(|head| head.contains("known_words")), "{}", ended.stdout);
    assert!(ended.stdout.contains("0.0000") && ended.stdout.contains("0.3417"), "{}", ended.stdout);
    for format in ["md", "html"] {
        let text = report(&fixture, format);
        assert!(text.contains("known words") && text.contains("34.2 %") && text.contains("0.0 %"), "{text}");
    }
    let csv = fixture.read("runs/p/summary.csv");
    assert!(csv.lines().next().is_some_and(|head| head.contains("known_words,texts_without_known_word")), "{csv}");
}

/// Every held-out row has its words in a file of the run, by the digests of its split and of the embedding; hash buckets know no
/// words.
#[test]
fn known_words_are_stored_for_every_held_out_row() {
    let fixture = folder(
        r#"
[data.split]
valid = 30
test = 20
[embedding.half.word_vectors]
path = "half.txt"
[embedding.random.hashing]
dim = 4
[grid]
embedding = ["half", "random"]
"embedding.trainable" = [false, true]
"#,
    );
    fixture.write("half.txt", "good 1 2\nbad 2 1\nfine 0 1\npoor 1 0\n");
    let (_, summary) = run(&fixture, 0);
    let run = fixture.join("runs/p");
    let digest = |value: &Value| serde_json::from_value::<Digest>(value.clone()).expect("a digest");
    for cell in summary["cells"].as_array().expect("cells") {
        let facts = fs::read(run.join(format!("inputs/{}.json", cell["digests"]["data"].as_str().expect("a digest"))));
        let facts: Value = serde_json::from_slice(&facts.expect("what the data were")).expect("JSON");
        for (split, count) in [("valid", 30), ("test", 20)] {
            let (rows, embedding) = (digest(&facts["splits"][split]["digest"]), digest(&cell["digests"]["embedding"]));
            let path = run_files::known(&run, &rows, &embedding);
            assert_eq!(path.exists(), cell["embedding"] == "half", "{}", path.display());
            if !path.exists() {
                continue;
            }
            let words = known::from_bytes(&fs::read(&path).expect("readable"), &rows, &embedding).expect("whole");
            let places = fs::read(run.join(format!("inputs/{}.rows", rows.as_str()))).expect("readable");
            let places = rows::read_locations(&places).expect("whole");
            assert_eq!((places.len(), words.len()), (count, count));
            for (place, words) in places.iter().zip(&words) {
                let text = place.text.as_deref().expect("texts are kept");
                let known = text.split(' ').filter(|word| WORDS[..4].contains(word)).count() as u32;
                assert_eq!(*words, RowWords { words: 4, known, composed: 0 }, "{text}");
            }
            let all: f64 = words.iter().map(|words| words.share()).sum::<f64>() / count as f64;
            assert!((all - cell["known_words"][split]["tokens"].as_f64().expect("a share")).abs() < 1e-12);
        }
    }
}

/// Whatever was embedded before, a cell's counts are the same: also where its features were made for another cell.
#[test]
fn known_words_do_not_depend_on_which_cells_ran_before() {
    let sections = r#"
[embedding.some.word_vectors]
path = "some.txt"
[grid]
"embedding.trainable" = [false, true]
seed = [1, 2]
"#;
    let known = |only: Option<&str>| {
        let fixture = folder(sections).file("some.txt", "good 1 2\nbad 2 1\n");
        if let Some(only) = only {
            let plan = fixture.emberline(&["plan", "p.toml", "--format", "json"]);
            let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
            let cells = plan["cells"].as_array().expect("cells");
            let id =
                cells.iter().filter_map(|cell| cell["id"].as_str()).find(|id| id.contains(only)).expect("the cell");
            fixture.done(&["run", "p.toml", "--only", id]);
        }
        let (_, summary) = run(&fixture, 0);
        let cells = summary["cells"].as_array().expect("cells").clone();
        cells.into_iter().map(|cell| cell["known_words"].clone()).collect::<Vec<_>>()
    };
    let whole = known(None);
    assert!(whole.iter().all(|known| *known == whole[0] && known["tokens"].is_number()), "{whole:?}");
    assert_eq!(whole, known(Some("tuned")));
}

#[test]
fn a_finite_but_absurd_loss_is_a_failure_with_its_cause() {
    let fixture = folder(
        r#"
[embedding.random.hashing]
dim = 4
[grid]
"train.optimizer" = [{ adam = { learning_rate = 1e16 } }, { sgd = { learning_rate = 1e38 } }, { adam = { learning_rate = 0.01 } }]
"#,
    );
    let (ended, summary) = run(&fixture, 7);
    let cells = summary["cells"].as_array().expect("cells");
    let states: Vec<&str> = cells.iter().filter_map(|cell| cell["status"].as_str()).collect();
    assert_eq!(states, ["failed", "failed", "done"], "{summary}");
    for cell in &cells[..2] {
        let why = cell["error"].as_str().expect("a reason");
        assert!(
            why.contains("training diverged") && why.contains("epoch") && why.contains("lower the learning rate"),
            "{why}"
        );
    }
    // Causes that differ in their numbers alone are told once.
    assert_eq!(ended.stderr.matches("failed: 2 cells, such as").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(cells[0]["error"].as_str().expect("a reason")), "{}", ended.stderr);
}

/// No number that people read has more than six digits, however large it is.
#[test]
fn numbers_have_at_most_six_digits_or_an_exponent() {
    let fixture = folder(
        r#"
[embedding.long.word_vectors]
path = "long.txt"
combiner = "sum"
"#,
    );
    fixture.write("long.txt", "good 1e9 2e9\nbad -2e9 1e9\nfine 1e9 0\npoor -1e9 0\nwarm 5e9 1\ncold -5e9 1\n");
    let (ended, summary) = run(&fixture, 0);
    assert!(summary["cells"][0]["metrics"]["val_loss"].as_f64().is_some_and(|loss| loss > 1e7), "{summary}");
    for text in [ended.stdout.clone(), report(&fixture, "md")] {
        for word in text.split([' ', '|', '\n']).filter(|word| word.contains('.')) {
            let digits = word.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
            assert!(word.parse::<f64>().is_err() || digits <= 6, "{word} in {text}");
        }
    }
    assert!(ended.stdout.contains('e'), "{}", ended.stdout);
}

#[test]
fn the_seed_of_the_split_is_a_replicate_and_what_is_left_out_is_said() {
    let fixture = folder(
        r#"
[embedding.random.hashing]
dim = 4
[embedding.some.word_vectors]
path = "some.txt"
[grid]
embedding = ["random", "some"]
"data.split.seed" = [1, 2, 3]
"embedding.dim" = [2, 4]
"#,
    );
    fixture.write("some.txt", "good 1 2\nbad 2 1\n");
    let (_, summary) = run(&fixture, 0);
    let left_out = summary["left_out"].as_array().expect("a list");
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert_eq!((&left_out[0]["combinations"], &left_out[0]["settings"]["embedding"]), (&6.into(), &"some".into()));
    for format in ["md", "html"] {
        let text = report(&fixture, format);
        assert!(text.contains("Left out") && text.contains("pca"), "{text}");
        assert!(!text.to_lowercase().contains("distinguishable"), "{text}");
        assert!(text.contains("add") && text.contains("repeats = 5"), "three splits are too few: {text}");
    }
    let settings: Vec<String> = report(&fixture, "md")
        .split("## Cells")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| dim "))
        .map(str::to_owned)
        .collect();
    assert_eq!(settings.len(), 2, "one setting per dimension, whatever the split: {settings:?}");
}
