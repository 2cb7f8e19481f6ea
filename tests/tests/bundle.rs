//! `export --bundle`, end to end: a bundle of every kind of source, frozen and fine-tuned, predicts what the run folder does,
//! to the bit, without the files of the source; it holds no training text, and one that isn't what was written is refused.

use std::fs;

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder, bundle};
use emberline_tests::sources::{self, Small, every_kind, labelled};
use emberline_tests::{Fixture, Pipeline};
use serde_json::Value;

fn options() -> ClassifierOptions {
    ClassifierOptions::on(Device::Cpu)
}

/// The folder with a run of these sources.
fn run(fixture: Fixture, sources: &[Small], rows: &[(String, usize)]) -> Fixture {
    let pipeline =
        Pipeline::new("p").top("seed = 3").section("data.split", "train = 40\nvalid = 20").sources(sources).toml(
            r#"
        [head]
        layers = [{ dense = 8, activation = "relu" }]
        [train]
        epochs = 2
        batch_size = 8
        [decide]
        keep_encoders = "all"
        [grid]
        "embedding.trainable" = [false, true]
        "#,
        );
    let fixture = fixture.rows(rows.iter().cloned()).pipeline(&pipeline);
    fixture.done(&["run", "p.toml", "--device", "cpu"]);
    fixture
}

/// The metadata of a safetensors file.
fn metadata(file: &[u8]) -> Value {
    let length = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("a header");
    header["__metadata__"].clone()
}

#[test]
fn a_bundle_of_every_kind_of_source_predicts_what_the_run_does() {
    let (fixture, rows) = (Fixture::empty(), labelled("seen", 60));
    let sources = every_kind(fixture.path());
    let fixture = run(fixture, &sources, &rows);
    let (run, cells) = (fixture.join("runs/p"), fixture.ids("runs/p"));
    let trainable = sources.iter().filter(|source| source.trainable).count();
    assert_eq!(cells.len(), sources.len() + trainable, "{cells:?}");
    let later = labelled("later", 20);
    let texts = rows.iter().chain(&later).map(|(text, _)| text.as_str());
    let texts: Vec<&str> = texts.chain(["", "zzz unseen", "why"]).collect();
    let file = |id: &str| fixture.join(format!("{id}.bundle"));
    let expected = cells.iter().map(|id| {
        bundle::export(&RunFolder::new(&run), Some(id), &file(id), false, &options()).expect(id);
        let classifier = Classifier::of_run(&RunFolder::new(&run), Some(id), options()).expect(id);
        classifier.logits(&texts, &mut |_| {}).expect(id)
    });
    let expected: Vec<_> = expected.collect();
    // Neither the run folder, nor the data, nor a source's files are needed.
    ["texts.csv", "p.toml", "vectors.txt", "runs/p"].into_iter().for_each(|gone| fixture.remove(gone));
    for (id, expected) in cells.iter().zip(expected) {
        let classifier = Classifier::of_bundle(&file(id), options()).expect(id);
        let found = classifier.logits(&texts, &mut |_| {}).expect(id);
        assert_eq!(found.values(), expected.values(), "{id}");
        let bytes = fs::read(file(id)).expect("readable");
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let held: Vec<&str> = rows.iter().map(|(text, _)| text.as_str()).filter(|text| holds(text)).collect();
        assert_eq!(held, Vec::<&str>::new(), "{id} holds training texts");
        let card = metadata(&bytes);
        assert_eq!(
            (&card["format"], &card["cell"], &card["positive_class"]),
            (&"emberline bundle".into(), &id[..].into(), &"1".into())
        );
        let metrics: Value = serde_json::from_str(card["metrics"].as_str().expect("metrics")).expect("JSON");
        assert!(metrics["val_loss"].is_number(), "{card}");
    }
}

/// A run of one small cell, and its bundle `h.bundle`.
fn small() -> Fixture {
    let hashing = Small {
        name: "h",
        kind: "hashing",
        settings: "dim = 4\nbuckets = 16\n".to_owned(),
        trainable: true,
        learns: false,
    };
    let fixture = run(Fixture::empty(), &[hashing], &labelled("seen", 60));
    fixture.done(&["export", "runs/p", "--bundle", "h.bundle"]);
    fixture
}

#[test]
fn predict_and_the_library_take_a_bundle_for_a_run() {
    let fixture = small().file("new.csv", "id,text\n1,why cat\n2,\n3,how the sun\n");
    let predict = |from: &str| fixture.done(&["predict", from, "--input", "new.csv", "--all"]).stdout;
    let predicted = predict("h.bundle");
    assert_eq!(predicted, predict("runs/p"));
    let classifier = emberline::Classifier::load(fixture.join("h.bundle")).expect("a bundle");
    let predictions = classifier.classify(&["why cat", "", "how the sun"]).expect("predictions");
    for (line, prediction) in predicted.lines().skip(1).zip(&predictions) {
        let fields: Vec<&str> = line.split(',').collect();
        let probability: f64 = fields[3].parse().expect("a number");
        assert_eq!(Some(fields[2]), prediction.label());
        assert!((probability - prediction.probability()).abs() < 1e-6, "{line}");
    }
    assert_eq!(emberline::Classifier::load(fixture.join("runs/p")).expect("a run").classes(), classifier.classes());
}

/// Probabilities change, are those of the run in its bundle, and every text has the label that it has without a calibration.
#[test]
fn an_isotonic_calibration_is_in_the_bundle_and_changes_no_label() {
    let fixture = small().file("new.csv", sources::csv(&labelled("later", 30)));
    let predict = |from: &str| fixture.done(&["predict", from, "--input", "new.csv", "--all"]).stdout;
    let isotonic = ["-S", "decide.calibration='isotonic'"];
    fixture.done(&[&["run", "p.toml", "--device", "cpu", "--out", "calibrated"][..], &isotonic[..]].concat());
    fixture.done(&["export", "calibrated", "--bundle", "c.bundle"]);
    let (plain, calibrated) = (predict("runs/p"), predict("calibrated"));
    assert_eq!(predict("c.bundle"), calibrated);
    assert_ne!(plain, calibrated);
    let names: Vec<&str> = plain.lines().next().expect("a header").split(',').collect();
    let place = names.iter().position(|name| *name == "predicted").expect("the column");
    let labels = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(',').nth(place).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((labels(&plain), plain.lines().count()), (labels(&calibrated), 31));
    for cell in fixture.cells("calibrated") {
        let of = |name: &str| cell["metrics"][name].as_f64().expect(name);
        assert!(of("val_calibrated_brier") <= of("val_brier") && of("val_calibrated_log_loss") < 1.0, "{cell}");
    }
    let said = fixture.ends(&["export", "calibrated", "--onnx", "c.onnx"], 1).stderr;
    assert!(said.contains("can't hold the isotonic calibration") && said.contains("--bundle"), "{said}");
}

#[test]
fn what_cant_be_written_or_used_is_said() {
    let fixture = small().file("new.csv", "text\ngood\n");
    let bytes = fixture.bytes("h.bundle");
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let said = fixture.ends(arguments, code).stderr;
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    };
    refused(&["export", "runs/p", "--bundle", "h.bundle"], 2, &["h.bundle", "--force"]);
    assert!(fixture.bytes("h.bundle") == bytes);
    fixture.done(&["export", "runs/p", "--bundle", "h.bundle", "--force"]);
    assert!(fixture.bytes("h.bundle") == bytes, "equal content gives equal bytes");
    refused(&["export", "runs/p", "--bundle", "x.bundle", "--cell", "none"], 2, &["`none`"]);
    refused(&["export", "runs/q", "--bundle", "x.bundle"], 8, &["runs/q"]);
    refused(&["export", "runs/p", "--bundle", "h.bundle/x"], 1, &["h.bundle"]);
    assert!(!fixture.join("x.bundle").exists());
    let predict = |name: &'static str| ["predict", name, "--input", "new.csv"];
    refused(&[&predict("h.bundle")[..], &["--cell", "none"]].concat(), 2, &["`none`"]);
    refused(&[&predict("h.bundle")[..], &["--assets", "."]].concat(), 2, &["--assets"]);
    refused(&predict("new.csv"), 8, &["new.csv", "bundle"]);
    let key = b"\"version\":\"";
    let at_version = bytes.windows(key.len()).position(|window| window == key).expect("a version") + key.len();
    let mut newer = bytes.clone();
    newer[at_version] = b'2';
    fixture.write("newer.bundle", newer);
    refused(&predict("newer.bundle"), 5, &["newer.bundle", "version 2"]);
    fixture.write("cut.bundle", &bytes[..bytes.len() - 1]);
    refused(&predict("cut.bundle"), 8, &["cut.bundle", "damaged"]);
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    fixture.write("flipped.bundle", flipped);
    refused(&predict("flipped.bundle"), 8, &["flipped.bundle", "damaged"]);
    // The files of the attempt that counts are read, not their links in the cell's folder.
    let cell = format!("runs/p/cells/{}", metadata(&bytes)["cell"].as_str().expect("an id"));
    fixture.remove(format!("{cell}/model.safetensors"));
    fixture.done(&["export", "runs/p", "--bundle", "same.bundle"]);
    assert!(fixture.bytes("same.bundle") == bytes);
    fixture.remove(format!("{cell}/attempts/1/model.safetensors"));
    refused(&["export", "runs/p", "--bundle", "x.bundle"], 8, &["attempts/1/model.safetensors"]);
    refused(&predict("runs/p"), 8, &["attempts/1/model.safetensors"]);
}

/// A source that isn't the one that the cell was trained with is named as such, and not called a fault of the program.
#[test]
fn a_source_that_changed_is_not_bundled() {
    let fixture = Fixture::empty();
    let sources: Vec<Small> = every_kind(fixture.path()).into_iter().filter(|source| source.name == "idf").collect();
    let fixture = run(fixture, &sources, &labelled("seen", 60));
    let vectors = fixture.read("vectors.txt");
    fixture.write("vectors.txt", vectors.replacen("0.", "0.1", 1));
    let id = fixture.ids("runs/p").remove(0);
    let export = ["export", "runs/p", "--bundle", "x.bundle", "--cell", &id];
    let said = fixture.ends(&export, 8).stderr;
    assert!(said.contains("idf") && said.contains("isn't the one that the model was trained with"), "{said}");
    assert!(!fixture.join("x.bundle").exists());
}

#[test]
fn no_damage_is_taken_for_a_bundle() {
    let fixture = small();
    let (bytes, damaged) = (fixture.bytes("h.bundle"), fixture.join("damaged.bundle"));
    let is_refused = |bytes: &[u8]| {
        fs::write(&damaged, bytes).expect("written");
        Classifier::of_bundle(&damaged, options()).is_err()
    };
    assert!(!is_refused(&bytes));
    let places = (0..bytes.len()).filter(|place| *place < 64 || place % 7 == 0);
    for place in places {
        assert!(is_refused(&bytes[..place]), "cut at {place}");
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(is_refused(&flipped), "flipped at {place}");
    }
}
