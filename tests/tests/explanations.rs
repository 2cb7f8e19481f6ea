//! `predict --explain`, end to end: what a word's effect is said to be is what the decision loses if the text is classified
//! without the word, for every table whose rows are pooled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_tests::sources;
use serde_json::Value;

/// Sources that need no download: their tables are random, learned, or made here.
const PIPELINE: &str = r#"
name = "p"
seed = 3
[data]
path = "data.csv"
text = "text"
label = "label"
[data.split]
train = 90
valid = 30
test = 30
[embedding.hashed.hashing]
dim = 12
[embedding.learned.corpus]
dim = 8
[embedding.short.word_vectors]
path = "vectors.txt"
dim = 2
reduce = "pca"
[embedding.vectors.word_vectors]
path = "vectors.txt"
combiner = "sqrtn"
[embedding.weighted.word_vectors]
path = "vectors.txt"
weights = "idf"
normalize = true
[head]
layers = [{ dense = 16, activation = "relu" }, { dropout = 0.2 }, { dense = 5, activation = "tanh" }]
[train]
epochs = 3
batch_size = 16
[grid]
"embedding.trainable" = [false, true]
"#;

const WORDS: [&str; 12] =
    ["good", "bad", "fine", "awful", "film", "book", "plot", "story", "the", "a", "very", "quite"];

/// A folder with data and vectors; two of the words are unknown to the vectors.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = |row: usize| {
        let word = |place: usize| WORDS[(row * (place + 3) + place * place + row / 7) % WORDS.len()];
        (0..3 + row % 4).map(word).collect::<Vec<_>>().join(" ") + &format!(" {row}")
    };
    let rows: String =
        (0..150).map(|row| format!("{},{},{row}\n", text(row), ["no", "yes"][row * row % 7 % 2])).collect();
    fs::write(folder.path().join("data.csv"), format!("text,label,id\n{rows}")).expect("written");
    let line = |(at, word): (usize, &&str)| format!("{word} {}.5 -0.{at} 0.25 1.{at}\n", at % 3);
    let vectors: String = WORDS[..10].iter().enumerate().map(line).collect();
    fs::write(folder.path().join("vectors.txt"), vectors).expect("written");
    fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    folder
}

fn emberline(at: &Path, arguments: &[&str]) -> Output {
    emberline_tests::emberline().current_dir(at).args(arguments).output().expect("the program starts")
}

fn run(at: &Path) -> (PathBuf, Vec<String>) {
    let output = emberline(at, &["run", "p.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = at.join("runs/p");
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).expect("a summary")).expect("JSON");
    let ids = summary["cells"].as_array().expect("cells").iter().map(|cell| cell["id"].as_str().expect("an id").into());
    (run, ids.collect())
}

/// What a frozen table, a fine-tuned one and hash buckets say of a word is what classifying the text without it says.
#[test]
fn a_words_effect_is_what_the_decision_loses_without_it() {
    let folder = folder();
    let (run, cells) = run(folder.path());
    let text = "good awful film good unseen";
    let without = ["awful film unseen", "good film good unseen", "good awful good unseen", "good awful film good"];
    for id in &cells {
        let assets = Some(folder.path().to_owned());
        let options = ClassifierOptions { assets, ..ClassifierOptions::on(Device::Cpu) };
        let classifier = Classifier::of_run(&RunFolder::new(&run), Some(id), options).expect(id);
        let classified = |texts: &[&str]| classifier.classify(texts, &mut |_| {}).expect(id);
        let whole = classified(&[text]);
        let class = whole[0].classes[0];
        let explained = classifier.explain(&[text], &whole).expect(id).remove(0);
        assert!(
            explained.len() <= 5 && explained.is_sorted_by(|a, b| a.effect.abs() >= b.effect.abs()),
            "{explained:?}"
        );
        for (word, left) in ["good", "awful", "film", "unseen"].into_iter().zip(classified(&without)) {
            let expected = whole[0].probabilities[class] - left.probabilities[class];
            let found = explained.iter().find(|effect| effect.word == word).map_or(0.0, |effect| effect.effect);
            assert!((found - expected).abs() < 1e-6, "{id}, {word}: {found}, not {expected}");
        }
        // Hash buckets have no words, but tokens do.
        assert!(!id.starts_with("hashed") || explained.iter().any(|effect| effect.word == "unseen"), "{explained:?}");
    }
}

#[test]
fn explanations_are_written_beside_the_predictions() {
    let folder = folder();
    let (_, cells) = run(folder.path());
    let at = folder.path();
    fs::write(at.join("new.csv"), "text\ngood film\n\n\"\"\n").expect("written");
    let cell = cells.iter().find(|id| id.starts_with("hashed-frozen")).expect("a cell");
    let predict = |more: &[&str]| {
        let output = emberline(at, &[&["predict", "runs/p", "--input", "new.csv", "--cell", cell], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let lines = predict(&["--explain"]);
    let fields: Vec<&str> = lines.lines().nth(1).expect("a row").split(',').collect();
    assert!(lines.starts_with("text,predicted,probability,explanation\n"), "{lines}");
    assert!(fields[3].contains("good ") && fields[3].contains("; ") && fields[3].contains("film "), "{lines}");
    let objects = predict(&["--explain", "--format", "jsonl", "--all"]);
    let first: Value = serde_json::from_str(objects.lines().next().expect("an object")).expect("JSON");
    let words: Vec<&str> =
        first["explanation"].as_array().expect("a list").iter().map(|w| w["word"].as_str().expect("a word")).collect();
    assert!(words.contains(&"good") && first["explanation"][0]["effect"].is_f64(), "{objects}");
    let last: Value = serde_json::from_str(objects.lines().last().expect("an object")).expect("JSON");
    assert_eq!(last["explanation"], Value::Array(Vec::new()));
    assert!(!predict(&[]).contains("explanation"));
}

#[test]
fn encoders_of_whole_texts_explain_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let sources: Vec<_> = sources::every_kind(at).into_iter().filter(|source| source.name == "bert").collect();
    fs::write(at.join("data.csv"), sources::csv(&sources::labelled("t", 60))).expect("written");
    let data = "name = \"p\"\n[data]\npath = \"data.csv\"\ntext = \"text\"\nlabel = \"label\"\n";
    fs::write(at.join("p.toml"), format!("{data}{}[train]\nepochs = 1\n", sources::tables(&sources))).expect("written");
    run(at);
    let output = emberline(at, &["predict", "runs/p", "--input", "data.csv", "--explain"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--explain"), "{said}");
    assert!(output.stdout.is_empty());
}
