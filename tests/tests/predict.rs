//! `predict`, end to end: what a cell says of its validation and test texts is what its run recorded, to the bit, in a fresh
//! process on a copy of the run folder; and every row of the input comes out, in order, with its columns.

use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_base::Splits;
use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_report::{predictions, rows};
use emberline_tests::sources::{every_kind, labelled};
use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

/// A finished run over every kind of source, frozen and fine-tuned, and how many cells that makes.
fn finished_run() -> (Fixture, usize) {
    let fixture = Fixture::empty().rows(labelled("text", 120));
    let sources = every_kind(fixture.path());
    let pipeline = Pipeline::new("p").top("seed = 3").data("split = { valid = 30, test = 20 }").sources(&sources).toml(
        r#"
            [head]
            layers = [{ dense = 16, activation = "relu" }, { dropout = 0.2 }, { dense = 5, activation = "tanh" }]
            [train]
            epochs = 3
            batch_size = 16
            [decide]
            keep_encoders = "all"
            [grid]
            "embedding.trainable" = [false, true]
            "#,
    );
    let fixture = fixture.pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    (fixture, sources.len() + sources.iter().filter(|source| source.trainable).count())
}

/// The texts of a split, by the rows that a cell's predictions name.
fn texts(run: &Path, cell: &Path) -> Splits<Vec<String>> {
    let bytes = fs::read(cell.join("predictions.safetensors")).expect("predictions");
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    let of = |split: &str| {
        let digest = header["__metadata__"][split].as_str().expect("the digest of the rows");
        let table = fs::read(run.join("inputs").join(format!("{digest}.rows"))).expect("rows");
        let places = rows::read_locations(&table).expect("whole");
        places.into_iter().map(|place| place.text.expect("texts are kept")).collect()
    };
    Splits { train: Vec::new(), valid: Some(of("valid")), test: Some(of("test")) }
}

#[test]
fn a_classifier_gives_the_recorded_logits_to_the_bit() {
    let (fixture, expected) = finished_run();
    let (run, cells) = (fixture.join("runs/p"), fixture.ids("runs/p"));
    assert_eq!(cells.len(), expected, "{cells:?}");
    // A copy elsewhere: only the files of the sources are still where they were.
    let copy = tempfile::tempdir().expect("a folder");
    let copied = copy.path().join("copy");
    assert!(Command::new("cp").arg("-r").args([&run, &copied]).status().expect("cp").success());
    for id in &cells {
        let cell = copied.join("cells").join(id);
        let recorded = predictions::from_bytes(&fs::read(cell.join("predictions.safetensors")).expect("predictions"));
        let recorded = recorded.expect("whole");
        let assets = Some(fixture.path().to_owned());
        let options = ClassifierOptions { assets, ..ClassifierOptions::on(Device::Cpu) };
        let classifier = Classifier::of_run(&RunFolder::new(&copied), Some(id), options).expect(id);
        for (split, texts) in texts(&copied, &cell).iter().skip(1) {
            let expected = recorded.get(split).expect("rows");
            let all = classifier.logits(texts, &mut |_| {}).expect(id);
            assert_eq!(all.values(), expected.values(), "{id}, {split}");
            // One at a time, too.
            let last = classifier.logits(&texts[texts.len() - 1..], &mut |_| {}).expect(id);
            assert_eq!(last.row(0), expected.row(expected.rows() - 1), "{id}, {split}");
        }
    }
}

#[test]
fn every_row_comes_out_with_its_columns() {
    let (fixture, _) = finished_run();
    let cells = fixture.ids("runs/p");
    fixture.write("new.csv", "id,text,note\n1,\"good, very good\",x\n2,,\"a \"\"b\"\"\"\n3,unseen words only,\n");
    fixture.write("new.jsonl", "{\"text\": \"good\", \"n\": 1.50}\n{\"text\":\"\"}\n");
    let output = fixture.done(&["predict", "runs/p", "--input", "new.csv"]);
    let lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "id,text,note,predicted,probability");
    for (line, begin) in
        lines[1..].iter().zip(["1,\"good, very good\",x,", "2,,\"a \"\"b\"\"\",", "3,unseen words only,,"])
    {
        assert!(line.starts_with(begin), "{line}");
        let rest: Vec<&str> = line[begin.len()..].split(',').collect();
        let probability: f64 = rest[1].parse().expect("a number");
        assert!(["0", "1"].contains(&rest[0]) && (0.0..=1.0).contains(&probability), "{line}");
    }
    assert_eq!(lines.len(), 4);
    assert!(output.stderr.contains("3 texts classified"));
    // The object stays as it was written.
    let output = fixture.emberline(&["predict", "runs/p", "--input", "new.jsonl", "--all", "--cell", &cells[0]]);
    let text = output.stdout;
    assert!(text.starts_with("{\"text\": \"good\", \"n\": 1.50,\"predicted\":\""), "{text}");
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sum = |object: &Value| {
        ["probability_0", "probability_1"].iter().map(|key| object[key].as_f64().expect("a number")).sum::<f64>()
    };
    assert!(objects.len() == 2 && objects.iter().all(|object| (sum(object) - 1.0).abs() < 1e-6), "{text}");
}

#[test]
fn what_cant_be_done_is_said() {
    let (fixture, _) = finished_run();
    let (run, cells) = (fixture.join("runs/p"), fixture.ids("runs/p"));
    fixture.write("taken.csv", "text,predicted\nwhy,1\n");
    fixture.write("other.csv", "words\ngood\n");
    fixture.write("good.csv", "text\ngood\n");
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let said = fixture.ends(&[&["predict", "runs/p"], arguments].concat(), code).stderr;
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    };
    refused(&["--input", "taken.csv", "--output", "out.csv"], 4, &["taken.csv, line 2", "`predicted`", "rename"]);
    assert!(!fixture.join("out.csv").exists());
    fixture.write("twice.csv", "text,a,a\nwhy,1,2\n");
    refused(&["--input", "twice.csv", "--format", "jsonl"], 4, &["`a`", "rename"]);
    refused(&["--input", "good.csv", "--output", "out.parquet"], 2, &[".parquet", ".csv"]);
    refused(&["--input", "other.csv"], 4, &["other.csv", "text"]);
    refused(&["--input", "none.csv"], 8, &["none.csv"]);
    refused(&["--input", "good.csv", "--cell", "none"], 2, &["`none`"]);
    // A source that is not the one trained with.
    let vectors = cells.iter().find(|id| id.starts_with("idf-")).expect("a cell of word vectors");
    let text = fixture.read("vectors.txt");
    fixture.write("vectors.txt", text.replace("the ", "a "));
    refused(&["--input", "good.csv", "--cell", vectors], 8, &["idf"]);
    fixture.remove("vectors.txt");
    refused(&["--input", "good.csv", "--cell", vectors], 8, &["vectors.txt"]);
    // A model that is cut.
    let model = run.join("cells").join(&cells[0]).join("model.safetensors");
    let bytes = fs::read(&model).expect("readable");
    fs::write(&model, &bytes[..bytes.len() - 1]).expect("written");
    refused(&["--input", "good.csv", "--cell", &cells[0]], 8, &["model.safetensors", "isn't what was written"]);
    // Another cell's model, whole as it is.
    fs::copy(run.join("cells").join(&cells[1]).join("model.safetensors"), &model).expect("copied");
    refused(&["--input", "good.csv", "--cell", &cells[0]], 8, &["model.safetensors", "isn't what was written"]);
}
