//! `predict --neighbours`, end to end: the training rows that are named are the nearest by the vectors that `embed` makes and by
//! those of every kind of source, frozen and fine-tuned; and nothing is written when the training rows can't be had.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_tests::sources::{csv, every_kind, labelled, tables};
use serde_json::Value;

const DATA: &str = "name = \"p\"\nseed = 3\n[data]\npath = \"data.csv\"\ntext = \"text\"\nlabel = \"label\"\n";

/// A folder with data and a pipeline of word vectors alone, whose settings follow.
fn folder(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    every_kind(folder.path());
    fs::write(folder.path().join("data.csv"), csv(&labelled("text", 120))).expect("written");
    let embedding = "[embedding.words.word_vectors]\npath = \"vectors.txt\"\n[train]\nepochs = 2\n";
    fs::write(folder.path().join("p.toml"), format!("{DATA}{embedding}{more}")).expect("written");
    fs::write(folder.path().join("new.txt"), "why the cat\nzzz qqq\nis the red sun\n").expect("written");
    folder
}

fn emberline(at: &Path, arguments: &[&str]) -> Output {
    emberline_tests::emberline().current_dir(at).args(arguments).output().expect("the program starts")
}

fn text(at: &Path, arguments: &[&str]) -> String {
    let output = emberline(at, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn run(at: &Path) -> (PathBuf, Vec<String>) {
    text(at, &["run", "p.toml"]);
    let run = at.join("runs/p");
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).expect("a summary")).expect("JSON");
    let ids = summary["cells"].as_array().expect("cells").iter().map(|cell| cell["id"].as_str().expect("an id").into());
    (run, ids.collect())
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The neighbours of each text, by the program.
fn neighbours(at: &Path, input: &str, count: &str) -> Vec<Value> {
    let lines = text(
        at,
        &["predict", "runs/p", "--input", input, "--format", "jsonl", "--neighbours", count, "--device", "cpu"],
    );
    objects(&lines).into_iter().map(|row| row["neighbours"].clone()).collect()
}

/// The vectors of the texts of a file, by `embed`.
fn embedded(at: &Path, input: &str) -> Vec<Vec<f64>> {
    let lines = text(at, &["embed", "word_vectors", "vectors.txt", "--input", input, "--format", "jsonl"]);
    let numbers =
        |row: &Value| row["vector"].as_array().expect("a list").iter().map(|n| n.as_f64().expect("a number")).collect();
    objects(&lines).iter().map(numbers).collect()
}

/// The cosine similarity; none if a vector is 0.
fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let lengths = (product(a, a) * product(b, b)).sqrt();
    (lengths > 0.0).then(|| product(a, b) / lengths)
}

/// All training rows are asked for, so the list says which these are; their order and similarities are those of `embed`.
#[test]
fn neighbours_are_those_of_the_vectors_that_embed_makes() {
    let folder = folder("");
    let at = folder.path();
    run(at);
    let all = neighbours(at, "new.txt", "1000");
    let first = all[0].as_array().expect("a list");
    let data = fs::read_to_string(at.join("data.csv")).expect("readable");
    let lines: Vec<&str> = data.lines().collect();
    let texts: Vec<&str> = first.iter().map(|row| row["text"].as_str().expect("a text")).collect();
    assert!(first.len() > 90 && first.len() <= 96, "the training rows that have a vector: {}", first.len());
    fs::write(at.join("train.txt"), texts.join("\n") + "\n").expect("written");
    let (queries, vectors) = (embedded(at, "new.txt"), embedded(at, "train.txt"));
    for (query, found) in [(0, &all[0]), (2, &all[2])] {
        let found = found.as_array().expect("a list");
        let mut expected: Vec<f64> =
            vectors.iter().map(|vector| cosine(&queries[query], vector).expect("vectors")).collect();
        let by_text: BTreeMap<&str, f64> = texts.iter().copied().zip(expected.iter().copied()).collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(found.len(), expected.len());
        for (row, expected) in found.iter().zip(expected) {
            let (text, similarity) =
                (row["text"].as_str().expect("a text"), row["similarity"].as_f64().expect("a number"));
            assert!((similarity - expected).abs() < 2e-6 && (similarity - by_text[text]).abs() < 2e-6, "{row}");
            let line = lines[row["row"].as_u64().expect("a line") as usize - 1];
            assert_eq!(line, format!("{text},{}", row["label"].as_str().expect("a label")), "{row}");
            assert_eq!(row["file"], "data.csv");
        }
        let key = |row: &Value| (-row["similarity"].as_f64().expect("a number"), row["row"].as_u64());
        assert!(found.is_sorted_by_key(key), "by similarity, then by row");
    }
    // Fewer are the first of them, and none of the validation rows is among them.
    let two = neighbours(at, "new.txt", "2");
    assert_eq!(two[0].as_array().expect("a list")[..], first[..2]);
}

#[test]
fn a_copy_of_a_training_text_finds_itself_and_a_text_without_a_vector_nothing() {
    let folder = folder("");
    let at = folder.path();
    run(at);
    let all = neighbours(at, "new.txt", "1000");
    assert_eq!(all[1], Value::Null);
    let texts: Vec<&str> =
        all[0].as_array().expect("a list").iter().map(|row| row["text"].as_str().expect("a text")).collect();
    fs::write(at.join("train.txt"), texts.join("\n") + "\n").expect("written");
    for (found, text) in neighbours(at, "train.txt", "5").iter().zip(&texts) {
        let found = found.as_array().expect("a list");
        assert_eq!(found[0]["similarity"], 1.0, "{text}");
        // Texts of the same words in another order, or with other unknown words, tie; the earlier row comes first.
        let ties: Vec<&Value> = found.iter().filter(|row| row["similarity"] == 1.0).collect();
        assert!(ties.len() == 5 || ties.iter().any(|row| row["text"] == *text), "{text}: {found:?}");
    }
    // For people, and beside the words that moved the decision.
    let output = emberline(at, &["predict", "runs/p", "--input", "new.txt", "--neighbors", "1", "--explain"]);
    let lines: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "text,predicted,probability,explanation,neighbours");
    assert!(lines[1].contains(" data.csv:") && lines[2].ends_with(",no vector"), "{lines:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("1 text without a word that the embedding knows"), "{said}");
    assert!(!text(at, &["predict", "runs/p", "--input", "new.txt"]).contains("neighbours"));
}

/// Every kind of source, frozen and fine-tuned: by the classifier's own vectors, which the parity tests hold to the logits.
#[test]
fn every_source_finds_the_nearest_rows_by_the_vectors_of_its_head() {
    let folder = folder("");
    let at = folder.path();
    let sources = tables(&every_kind(at));
    let grid =
        "[train]\nepochs = 2\n[decide]\nkeep_encoders = \"all\"\n[grid]\n\"embedding.trainable\" = [false, true]\n";
    fs::write(at.join("p.toml"), format!("{DATA}{sources}{grid}")).expect("written");
    let (run, cells) = run(at);
    let queries = ["why the cat", "hello people of the sun", "a dog"];
    for id in &cells {
        let options =
            ClassifierOptions { device: Device::Cpu, cache: None, assets: None, interrupt: Default::default() };
        let classifier = Classifier::of_run(&RunFolder::new(&run), Some(id), options).expect(id);
        let rows = classifier.training_rows(&mut |_| {}).expect(id);
        let vectors = |texts: &[&str]| {
            let vectors = classifier.vectors(texts, &mut |_| {}).expect(id);
            (0..texts.len())
                .map(|row| vectors.row(row).iter().map(|&n| f64::from(n)).collect())
                .collect::<Vec<Vec<f64>>>()
        };
        let found = rows.nearest(classifier.vectors(&queries, &mut |_| {}).expect(id), 1000).expect(id);
        for (query, found) in vectors(&queries).iter().zip(found) {
            let found = found.expect("known words");
            let texts: Vec<&str> = found.iter().map(|row| row.text).collect();
            assert!(found.len() > 60 && found.len() <= rows.count(), "{id}");
            let mut expected: Vec<f64> =
                vectors(&texts).iter().map(|vector| cosine(query, vector).expect("vectors")).collect();
            for (row, expected) in found.iter().zip(&expected) {
                assert!((row.similarity - expected).abs() < 2e-6, "{id}: {row:?}, not {expected}");
            }
            expected.sort_by(|a, b| b.total_cmp(a));
            assert!(found.iter().zip(expected).all(|(row, expected)| (row.similarity - expected).abs() < 2e-6), "{id}");
        }
    }
}

#[test]
fn the_refit_has_the_neighbours_of_all_rows() {
    let folder = folder("[decide]\nrefit = true\n");
    let at = folder.path();
    let (_, cells) = run(at);
    let of_refit = neighbours(at, "new.txt", "1000");
    let more =
        ["predict", "runs/p", "--input", "new.txt", "--format", "jsonl", "--neighbours", "1000", "--cell", &cells[0]];
    let of_cell = objects(&text(at, &more));
    let count = |list: &Value| list.as_array().expect("a list").len();
    assert!(count(&of_refit[0]) > count(&of_cell[0]["neighbours"]), "validation rows train too");
}

#[test]
fn without_the_training_rows_nothing_is_written() {
    let folder = folder("");
    let at = folder.path();
    let (_, cells) = run(at);
    text(at, &["export", "runs/p", "--bundle", "p.bundle", "--cell", &cells[0]]);
    let refused = |run: &str, count: &str, code: i32, words: &[&str]| {
        let output =
            emberline(at, &["predict", run, "--input", "new.txt", "--output", "out.csv", "--neighbours", count]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{run}, {count}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{run}, {count}: {said}");
        assert!(!at.join("out.csv").exists() && output.stdout.is_empty());
    };
    refused("runs/p", "0", 2, &["--neighbours", "1..=1000"]);
    refused("runs/p", "1001", 2, &["--neighbours", "1..=1000"]);
    refused("p.bundle", "3", 2, &["a bundle holds no training text", "run folder"]);
    let data = fs::read_to_string(at.join("data.csv")).expect("readable");
    fs::write(at.join("data.csv"), data.replace("the ", "a ")).expect("written");
    refused("runs/p", "3", 5, &["data.csv", "changed", "run the pipeline again"]);
    fs::write(at.join("data.csv"), data.replace("text,", "words,")).expect("written");
    refused("runs/p", "3", 5, &["data.csv", "trained on"]);
    fs::remove_file(at.join("data.csv")).expect("removed");
    refused("runs/p", "3", 8, &["data.csv", "there is no such file", "restore"]);
    // What needs no training rows goes on.
    text(at, &["predict", "runs/p", "--input", "new.txt"]);
    // Other columns of the file don't matter.
    let wider: String = data.lines().map(|line| format!("{line},x\n")).collect();
    fs::write(at.join("data.csv"), wider).expect("written");
    assert_eq!(neighbours(at, "new.txt", "3")[0].as_array().expect("a list").len(), 3);
}
