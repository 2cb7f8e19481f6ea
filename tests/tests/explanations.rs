//! `predict --explain`, end to end: what a word's effect is said to be is what the decision loses if the text is classified
//! without the word, for every table whose rows are pooled.

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_tests::{Fixture, Pipeline, sources};
use serde_json::Value;

/// Sources that need no download: their tables are random, learned, or made here.
const SECTIONS: &str = r#"
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

/// A finished run over data and vectors; two of the words are unknown to the vectors.
fn finished_run() -> Fixture {
    let text = |row: usize| {
        let word = |place: usize| WORDS[(row * (place + 3) + place * place + row / 7) % WORDS.len()];
        (0..3 + row % 4).map(word).collect::<Vec<_>>().join(" ") + &format!(" {row}")
    };
    let row = |row| format!("{},{},{row}\n", text(row), ["no", "yes"][row * row % 7 % 2]);
    let rows = format!("text,label,id\n{}", (0..150).map(row).collect::<String>());
    let line = |(at, word): (usize, &&str)| format!("{word} {}.5 -0.{at} 0.25 1.{at}\n", at % 3);
    let vectors: String = WORDS[..10].iter().enumerate().map(line).collect();
    let fixture = Fixture::empty().file("texts.csv", rows).file("vectors.txt", vectors);
    let fixture = fixture.pipeline(&Pipeline::new("p").top("seed = 3").toml(SECTIONS));
    fixture.done(&["run", "p.toml"]);
    fixture
}

/// What a frozen table, a fine-tuned one and hash buckets say of a word is what classifying the text without it says.
#[test]
fn a_words_effect_is_what_the_decision_loses_without_it() {
    let fixture = finished_run();
    let (run, cells) = (fixture.join("runs/p"), fixture.ids("runs/p"));
    let text = "good awful film good unseen";
    let without = ["awful film unseen", "good film good unseen", "good awful good unseen", "good awful film good"];
    for id in &cells {
        let assets = Some(fixture.path().to_owned());
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
    let fixture = finished_run();
    let cells = fixture.ids("runs/p");
    fixture.write("new.csv", "text\ngood film\n\n\"\"\n");
    let cell = cells.iter().find(|id| id.starts_with("hashed-frozen")).expect("a cell");
    let predict = |more: &[&str]| {
        let output = fixture.emberline(&[&["predict", "runs/p", "--input", "new.csv", "--cell", cell], more].concat());
        assert!(output.code == Some(0), "{}", output.stderr);
        output.stdout
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
    let fixture = Fixture::empty().rows(sources::labelled("t", 60));
    let sources = sources::every_kind(fixture.path()).into_iter().filter(|source| source.name == "bert");
    let pipeline = Pipeline::new("p").sources(&sources.collect::<Vec<_>>()).section("train", "epochs = 1");
    let fixture = fixture.pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    let output = fixture.emberline(&["predict", "runs/p", "--input", "texts.csv", "--explain"]);
    let said = &output.stderr;
    assert!(output.code == Some(2) && said.contains("--explain"), "{said}");
    assert!(output.stdout.is_empty());
}
