//! `export --bundle`, end to end: a bundle of every kind of source, frozen and fine-tuned, predicts what the run folder does,
//! to the bit, without the files of the source; it holds no training text, and one that isn't what was written is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use emberline_device::Device;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder, bundle};
use emberline_tests::sources::{Small, csv, every_kind, labelled, tables};
use serde_json::Value;

fn options() -> ClassifierOptions {
    ClassifierOptions::on(Device::Cpu)
}

fn emberline(at: &Path, arguments: &[&str]) -> Output {
    let cache = at.join("cache");
    let mut command = emberline_tests::emberline();
    command.current_dir(at).env("EMBERLINE_CACHE_DIR", cache).args(arguments).output().expect("the program starts")
}

/// A run of these sources, and the ids of its cells.
fn run(at: &Path, sources: &[Small], rows: &[(String, usize)]) -> (PathBuf, Vec<String>) {
    fs::write(at.join("data.csv"), csv(rows)).expect("written");
    let pipeline = format!(
        "name = \"p\"\nseed = 3\n[data]\npath = \"data.csv\"\ntext = \"text\"\nlabel = \"label\"\n[data.split]\ntrain = 40\n\
         valid = 20\n{}[head]\nlayers = [{{ dense = 8, activation = \"relu\" }}]\n[train]\nepochs = 2\nbatch_size = 8\n[grid]\n\
         \"embedding.trainable\" = [false, true]\n",
        tables(sources)
    );
    fs::write(at.join("p.toml"), pipeline).expect("written");
    let output = emberline(at, &["run", "p.toml", "--device", "cpu"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = at.join("runs/p");
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).expect("a summary")).expect("JSON");
    let ids = summary["cells"].as_array().expect("cells").iter().map(|cell| cell["id"].as_str().expect("an id").into());
    (run, ids.collect())
}

/// The metadata of a safetensors file.
fn metadata(file: &[u8]) -> Value {
    let length = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("a header");
    header["__metadata__"].clone()
}

#[test]
fn a_bundle_of_every_kind_of_source_predicts_what_the_run_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let (at, rows) = (folder.path(), labelled("seen", 60));
    let sources = every_kind(at);
    let (run, cells) = run(at, &sources, &rows);
    let trainable = sources.iter().filter(|source| source.trainable).count();
    assert_eq!(cells.len(), sources.len() + trainable, "{cells:?}");
    let later = labelled("later", 20);
    let texts = rows.iter().chain(&later).map(|(text, _)| text.as_str());
    let texts: Vec<&str> = texts.chain(["", "zzz unseen", "why"]).collect();
    let file = |id: &str| at.join(format!("{id}.bundle"));
    let expected = cells.iter().map(|id| {
        bundle::export(&RunFolder::new(&run), Some(id), &file(id), false, &options()).expect(id);
        let classifier = Classifier::of_run(&RunFolder::new(&run), Some(id), options()).expect(id);
        classifier.logits(&texts, &mut |_| {}).expect(id)
    });
    let expected: Vec<_> = expected.collect();
    // Neither the run folder, nor the data, nor a source's files are needed.
    for gone in ["data.csv", "p.toml", "vectors.txt"] {
        fs::remove_file(at.join(gone)).expect("removed");
    }
    fs::remove_dir_all(&run).expect("removed");
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

/// A run of one small cell, and its bundle.
fn small() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let hashing = Small {
        name: "h",
        kind: "hashing",
        settings: "dim = 4\nbuckets = 16\n".to_owned(),
        trainable: true,
        learns: false,
    };
    run(folder.path(), &[hashing], &labelled("seen", 60));
    let output = emberline(folder.path(), &["export", "runs/p", "--bundle", "h.bundle"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = folder.path().join("h.bundle");
    (folder, file)
}

#[test]
fn predict_and_the_library_take_a_bundle_for_a_run() {
    let (folder, file) = small();
    let at = folder.path();
    fs::write(at.join("new.csv"), "id,text\n1,why cat\n2,\n3,how the sun\n").expect("written");
    let predict = |from: &str| {
        let output = emberline(at, &["predict", from, "--input", "new.csv", "--all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let predicted = predict("h.bundle");
    assert_eq!(predicted, predict("runs/p"));
    let classifier = emberline::Classifier::load(&file).expect("a bundle");
    let predictions = classifier.classify(&["why cat", "", "how the sun"]).expect("predictions");
    for (line, prediction) in predicted.lines().skip(1).zip(&predictions) {
        let fields: Vec<&str> = line.split(',').collect();
        let probability: f64 = fields[3].parse().expect("a number");
        assert_eq!(Some(fields[2]), prediction.label());
        assert!((probability - prediction.probability()).abs() < 1e-6, "{line}");
    }
    assert_eq!(emberline::Classifier::load(at.join("runs/p")).expect("a run").classes(), classifier.classes());
}

#[test]
fn what_cant_be_written_or_used_is_said() {
    let (folder, file) = small();
    let at = folder.path();
    fs::write(at.join("new.csv"), "text\ngood\n").expect("written");
    let bytes = fs::read(&file).expect("readable");
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let output = emberline(at, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    };
    refused(&["export", "runs/p", "--bundle", "h.bundle"], 2, &["h.bundle", "--force"]);
    assert_eq!(fs::read(&file).expect("readable"), bytes);
    let output = emberline(at, &["export", "runs/p", "--bundle", "h.bundle", "--force"]);
    assert!(output.status.success() && fs::read(&file).expect("readable") == bytes, "equal content gives equal bytes");
    refused(&["export", "runs/p", "--bundle", "x.bundle", "--cell", "none"], 2, &["`none`"]);
    refused(&["export", "runs/q", "--bundle", "x.bundle"], 8, &["runs/q"]);
    refused(&["export", "runs/p", "--bundle", "no/x.bundle"], 1, &["no/x.bundle"]);
    assert!(!at.join("x.bundle").exists());
    let predict = |name: &'static str| ["predict", name, "--input", "new.csv"];
    refused(&[&predict("h.bundle")[..], &["--cell", "none"]].concat(), 2, &["`none`"]);
    refused(&[&predict("h.bundle")[..], &["--assets", "."]].concat(), 2, &["--assets"]);
    refused(&predict("new.csv"), 8, &["new.csv", "bundle"]);
    let key = b"\"version\":\"";
    let at_version = bytes.windows(key.len()).position(|window| window == key).expect("a version") + key.len();
    let mut newer = bytes.clone();
    newer[at_version] = b'2';
    fs::write(at.join("newer.bundle"), newer).expect("written");
    refused(&predict("newer.bundle"), 5, &["newer.bundle", "version 2"]);
    fs::write(at.join("cut.bundle"), &bytes[..bytes.len() - 1]).expect("written");
    refused(&predict("cut.bundle"), 8, &["cut.bundle", "damaged"]);
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    fs::write(at.join("flipped.bundle"), flipped).expect("written");
    refused(&predict("flipped.bundle"), 8, &["flipped.bundle", "damaged"]);
    // The files of the attempt that counts are read, not their links in the cell's folder.
    let cell = at.join("runs/p/cells").join(metadata(&bytes)["cell"].as_str().expect("an id"));
    fs::remove_file(cell.join("model.safetensors")).expect("removed");
    let output = emberline(at, &["export", "runs/p", "--bundle", "same.bundle"]);
    assert!(output.status.success() && fs::read(at.join("same.bundle")).expect("readable") == bytes);
    fs::remove_file(cell.join("attempts/1/model.safetensors")).expect("removed");
    refused(&["export", "runs/p", "--bundle", "x.bundle"], 8, &["attempts/1/model.safetensors"]);
    refused(&predict("runs/p"), 8, &["attempts/1/model.safetensors"]);
}

/// A source that isn't the one that the cell was trained with is named as such, and not called a fault of the program.
#[test]
fn a_source_that_changed_is_not_bundled() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let sources: Vec<Small> = every_kind(at).into_iter().filter(|source| source.name == "idf").collect();
    let (_, cells) = run(at, &sources, &labelled("seen", 60));
    let vectors = fs::read_to_string(at.join("vectors.txt")).expect("readable");
    fs::write(at.join("vectors.txt"), vectors.replacen("0.", "0.1", 1)).expect("written");
    let output = emberline(at, &["export", "runs/p", "--bundle", "x.bundle", "--cell", &cells[0]]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("idf") && said.contains("isn't the one that the model was trained with"), "{said}");
    assert!(!at.join("x.bundle").exists());
}

#[test]
fn no_damage_is_taken_for_a_bundle() {
    let (folder, file) = small();
    let bytes = fs::read(&file).expect("readable");
    let damaged = folder.path().join("damaged.bundle");
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
