//! `export`, end to end: other programs' formats give what the cell gives. ONNX graphs are run here by `rten`, and by
//! onnxruntime where a Python has it (`ci/export.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_base::{Digest, Features, LayerStack, Matrix, Task};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder};
use emberline_test_support::{Requirement, from_environment};
use emberline_tests::{Ended, Fixture, Pipeline};
use emberline_train::settings::Head;
use emberline_train::{
    Architecture, Calibration, EmbeddingOrigin, LogitCalibration, Model, ModelDescription, OnnxInput, Tensor,
};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use serde_json::{Value, json};

/// In the place of a cell's id: what is taken if none is named and there is a refit.
const REFIT: &str = "refit";

/// Tables of every combiner, and a head with every kind of layer and every activation.
const SECTIONS: &str = r#"
[data.split]
train = 90
valid = 30
[embedding.hashed.hashing]
dim = 12
combiner = "max"
[embedding.learned.corpus]
dim = 8
combiner = "mean"
[embedding.vectors.word_vectors]
path = "vectors.txt"
combiner = "sqrtn"
[embedding.weighted.word_vectors]
path = "vectors.txt"
weights = "idf"
combiner = "sum"
normalize = true
dim = 3
reduce = "pca"
[head]
layers = [{ dense = 16, activation = "gelu" }, { dropout = 0.2 }, { dense = 6, activation = "tanh" }, { layer_norm = {} }, { dense = 7, activation = "silu" }, { dense = 5, activation = "sigmoid" }, { dense = 4, activation = "relu" }]
[train]
epochs = 3
batch_size = 16
[grid]
"embedding.trainable" = [false, true]
"#;

const WORDS: [&str; 12] =
    ["good", "bad", "fine", "awful", "film", "book", "plot", "story", "the", "a", "very", "quite"];

/// Up to 22 words; every other text ends with a word that no other has.
fn text(row: usize) -> String {
    let word = |place: usize| WORDS[(row * (place + 3) + place * place + row / 7) % WORDS.len()].to_owned();
    let own = (row % 2 == 1).then(|| format!("new{row}"));
    (0..row % 23).map(word).chain(own).collect::<Vec<_>>().join(" ")
}

fn new_texts() -> Vec<String> {
    (0..500).map(|row| if row % 50 == 0 { String::new() } else { text(row) }).collect()
}

/// A folder with a finished run of these sections over so many classes, and the ids of its cells.
fn finished_run(sections: &str, classes: usize) -> (Fixture, Vec<String>) {
    let label = |row: usize| ["no", "yes", "perhaps"][row * row % 7 % classes];
    let line = |(place, word): (usize, &&str)| format!("{word} {}.5 -0.{place} 0.25 1.{place}\n", place % 3);
    let vectors: String = WORDS[..10].iter().enumerate().map(line).collect();
    let rows = (1..161).map(|row| (format!("{} {row}", text(row)), label(row)));
    let pipeline = Pipeline::new("p").top("seed = 3").toml(sections);
    let fixture = Fixture::empty().rows(rows).file("vectors.txt", vectors).pipeline(&pipeline);
    fixture.done(&["run", "p.toml"]);
    let ids = fixture.ids("runs/p");
    (fixture, ids)
}

/// Exports a cell, or the refit where that is named.
fn export(fixture: &Fixture, cell: &str, arguments: &[&str]) -> Ended {
    let named: &[&str] = if cell == REFIT { &[] } else { &["--cell", cell] };
    fixture.emberline(&[&["export", "runs/p"], named, arguments].concat())
}

fn exported(fixture: &Fixture, cell: &str, arguments: &[&str]) {
    let ended = export(fixture, cell, arguments);
    assert_eq!(ended.code, Some(0), "{cell}: {}", ended.stderr);
    assert_eq!(ended.stderr.starts_with("refit of setting "), cell == REFIT, "{}", ended.stderr);
}

/// The cell itself, and what it makes of texts: vectors, padded rows of the table, logits and probabilities.
struct Expected {
    classifier: Classifier,
    texts: Vec<String>,
}

impl Expected {
    fn new(fixture: &Fixture, cell: &str) -> Self {
        let options = ClassifierOptions::on(Device::Cpu);
        let folder = RunFolder::new(fixture.join("runs/p"));
        let named = (cell != REFIT).then_some(cell);
        Self { classifier: Classifier::of_run(&folder, named, options).expect(cell), texts: new_texts() }
    }

    fn vectors(&self) -> Matrix {
        let on_event = &mut |_| {};
        let mut encoding =
            Encoding { cache: None, device: Device::Cpu, label: "test", on_event, interrupt: Default::default() };
        self.classifier.embedding().vectors(&self.texts(), &mut encoding).expect("vectors")
    }

    /// `[texts, length]`, -1 behind the end of a text.
    fn ids(&self) -> (Vec<i32>, usize) {
        let found = self.classifier.embedding().word_bags(&self.texts()).expect("made").expect("a table");
        let texts: Vec<&[u32]> = (0..self.texts.len()).map(|row| found.bags.of_text(row)).collect();
        let length = texts.iter().map(|ids| ids.len()).max().expect("texts");
        let row = |ids: &[u32]| {
            let of_source = ids.iter().map(|&id| found.bags.rows[id as usize] as i32);
            of_source.chain(std::iter::repeat(-1)).take(length).collect::<Vec<_>>()
        };
        (texts.into_iter().flat_map(row).collect(), length)
    }

    fn logits(&self) -> Matrix {
        self.classifier.logits(&self.texts, &mut |_| {}).expect("logits")
    }

    fn probabilities(&self, logits: &Matrix) -> Vec<f32> {
        let row = |row| self.classifier.model().probabilities(logits.row(row));
        (0..logits.rows()).flat_map(row).map(|probability| probability as f32).collect()
    }

    fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }
}

/// Runs the graph over its input and compares.
fn check_by_rten(path: &Path, input: rten::ValueOrView<'_>, name: &str, expected: &Expected) {
    let model = rten::ModelOptions::with_all_ops().load(fs::read(path).expect("readable")).expect("a graph");
    let node = |name: &str| model.node_id(name).expect("a node of this name");
    let outputs = [node("logits"), node("probabilities")];
    let found = model.run_n(vec![(node(name), input)], outputs, None).expect("it runs");
    let logits = expected.logits();
    let both = [logits.values().to_vec(), expected.probabilities(&logits)];
    for (found, expected) in found.into_iter().zip(both) {
        let found: rten_tensor::Tensor<f32> = found.try_into().expect("floats");
        assert_eq!(found.shape(), [logits.rows(), logits.cols()]);
        let far = found.to_vec().iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-5, "{}: {far}", path.display());
    }
}

/// Runs a check of `ci/export.py`, if there is a Python for it.
fn check_by_python(check: &str, path: &Path, expected: &Value) {
    let untested = "exported models as other programs read them";
    let Some(python) = from_environment(Requirement::ExportPython, untested) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/export.py");
    let beside = path.with_extension("expected.json");
    fs::write(&beside, expected.to_string()).expect("written");
    let output = Command::new(python).arg(script).arg(check).arg(path).arg(&beside).output().expect("it starts");
    fs::remove_file(beside).expect("removed");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
}

fn check_onnx(fixture: &Fixture, cell: &str) {
    let (vectors_file, ids_file) = (fixture.join(format!("{cell}.onnx")), fixture.join(format!("{cell}-ids.onnx")));
    let name = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    exported(fixture, cell, &["--onnx", &name(&vectors_file)]);
    exported(fixture, cell, &["--onnx", &name(&ids_file), "--onnx-input", "token-ids"]);
    let expected = Expected::new(fixture, cell);
    let vectors = expected.vectors();
    let tensor = NdTensor::from_data([vectors.rows(), vectors.cols()], vectors.values().to_vec());
    check_by_rten(&vectors_file, rten::Value::from(tensor).into(), "vectors", &expected);
    let (ids, length) = expected.ids();
    let tensor = NdTensor::from_data([ids.len() / length, length], ids.clone());
    check_by_rten(&ids_file, rten::Value::from(tensor).into(), "ids", &expected);
    let logits = expected.logits();
    let classes = expected.classifier.classes();
    let both = json!({"outputs": logits.cols(), "logits": logits.values(), "classes": classes, "probabilities": expected.probabilities(&logits)});
    let with = |key: &str, input: Value| {
        let mut all = both.clone();
        all[key] = input;
        all
    };
    check_by_python("onnx", &vectors_file, &with("vectors", json!(vectors.values())));
    check_by_python("onnx", &ids_file, &with("ids", json!(ids)));
}

#[test]
fn onnx_graphs_give_the_logits_of_the_cell() {
    let (fixture, cells) = finished_run(SECTIONS, 2);
    // Rows that are combined by their largest values can't be trained.
    assert_eq!(cells.len(), 7, "{cells:?}");
    cells.iter().for_each(|cell| check_onnx(&fixture, cell));
}

#[test]
fn onnx_graphs_of_several_classes_give_the_logits_of_the_cell() {
    let pipeline = SECTIONS.replace("[grid]", "[grid]\nembedding = [\"learned\"]");
    let (fixture, cells) = finished_run(&pipeline, 3);
    cells.iter().for_each(|cell| check_onnx(&fixture, cell));
}

#[test]
fn a_learned_mix_and_a_calibration_are_part_of_the_graph() {
    let array = |name: &str, values: Vec<f32>| Tensor { name: name.to_owned(), shape: vec![values.len()], values };
    let description = ModelDescription {
        task: Task::Binary,
        classes: vec!["no".to_owned(), "yes".to_owned()],
        thresholds: vec![0.5],
        calibration: Some(Calibration::Logits(LogitCalibration { scale: 0.5, offset: -0.25 })),
        embedding: EmbeddingOrigin { name: "e".to_owned(), kind: "elmo".to_owned(), digest: Digest::of(b"e") },
        data_digest: Digest::of(b"d"),
        provenance: BTreeMap::new(),
    };
    let architecture = Architecture::new(&Head::default(), 4, 1);
    let mut weights = architecture.initial_weights(1).expect("memory");
    weights.0.push(array("embedding.mix", vec![0.5, -1.0, 0.25]));
    weights.0.push(array("embedding.gamma", vec![1.5]));
    let model = Model::new(description, architecture, weights).expect("a model");
    let values: Vec<f32> = (0..5 * 12).map(|at| (at as f32).sin()).collect();
    let vectors = Matrix::new(5, 12, values.clone());
    let logits = model.logits(&Features::Mixed(LayerStack { vectors, layers: 3 })).expect("logits");
    let graph = model.to_onnx(OnnxInput::Vectors).expect("a file");
    let graph = rten::ModelOptions::with_all_ops().load(graph).expect("a graph");
    let node = |name: &str| graph.node_id(name).expect("a node of this name");
    let input = rten::Value::from(NdTensor::from_data([5, 12], values)).into();
    let found = graph.run_n(vec![(node("vectors"), input)], [node("logits"), node("probabilities")], None);
    let [found, chances] = found.expect("it runs").map(|value| {
        let tensor: rten_tensor::Tensor<f32> = value.try_into().expect("floats");
        tensor.to_vec()
    });
    for row in 0..5 {
        assert!((found[row] - logits.row(row)[0]).abs() < 1e-5, "{found:?}");
        assert!((f64::from(chances[row]) - model.probabilities(logits.row(row))[0]).abs() < 1e-5, "{chances:?}");
    }
}

#[test]
fn tables_give_the_vectors_of_the_cell() {
    let (fixture, cells) = finished_run(SECTIONS, 2);
    let fixture = &fixture;
    let tuned = |name: &str| {
        let found = cells.iter().find(|id| id.starts_with(name) && id.contains("tuned"));
        found.expect("a fine-tuned cell").as_str()
    };
    check_model2vec(fixture, tuned("learned-"));
    check_word2vec(fixture, tuned("vectors-"));
}

#[test]
fn exports_of_the_refit_give_what_it_predicts() {
    for name in ["learned", "vectors"] {
        let grid = format!("[decide]\nrefit = true\n[grid]\nembedding = [\"{name}\"]");
        let pipeline = SECTIONS.replace("[grid]", &grid).replace("[false, true]", "[true]");
        let (fixture, cells) = finished_run(&pipeline, 2);
        check_onnx(&fixture, REFIT);
        match name {
            "learned" => check_model2vec(&fixture, REFIT),
            _ => check_word2vec(&fixture, REFIT),
        }
        // The cell is another model, which was trained on fewer rows.
        assert_ne!(Expected::new(&fixture, REFIT).logits(), Expected::new(&fixture, &cells[0]).logits());
    }
}

/// A model2vec folder gives the vectors of the model.
fn check_model2vec(fixture: &Fixture, cell: &str) {
    exported(fixture, cell, &["--model2vec", "out/m2v"]);
    let expected = Expected::new(fixture, cell);
    let vectors = expected.vectors();
    let again =
        fixture.emberline(&["embed", "model2vec", "out/m2v", "--input", "new.txt", "--format", "npy", "-o", "new.npy"]);
    assert_eq!(again.code, Some(8), "there is no new.txt yet");
    fixture.write("new.txt", expected.texts.join("\n") + "\n");
    let again =
        fixture.emberline(&["embed", "model2vec", "out/m2v", "--input", "new.txt", "--format", "npy", "-o", "new.npy"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let found = emberline_tests::read_npy(&fixture.bytes("new.npy"));
    assert_eq!(found.shape, [vectors.rows(), vectors.cols()]);
    let far = found.values.iter().zip(vectors.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 1e-6, "{far}");
    check_by_python(
        "model2vec",
        &fixture.join("out/m2v"),
        &json!({"texts": expected.texts, "vectors": vectors.values()}),
    );
}

/// word2vec text has the rows of the model.
fn check_word2vec(fixture: &Fixture, cell: &str) {
    exported(fixture, cell, &["--word2vec", "words.txt"]);
    let expected = Expected::new(fixture, cell);
    let bags = expected.classifier.embedding().word_bags(&expected.texts()).expect("made").expect("a table");
    let rows = bags.words.iter().zip(0..).map(|(word, row)| (word.clone().expect("a word"), bags.bags.table.row(row)));
    let rows: BTreeMap<String, &[f32]> = rows.collect();
    let text = fixture.read("words.txt");
    assert!(text.starts_with("10 4\n") && rows.len() == 10, "{text}");
    for line in text.lines().skip(1) {
        let (word, numbers) = line.split_once(' ').expect("a word and numbers");
        let numbers: Vec<f32> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
        assert_eq!(numbers, rows[word], "{word}");
    }
    check_by_python("word2vec", &fixture.join("words.txt"), &json!(rows));
}

#[test]
fn what_cant_be_exported_is_refused() {
    let (fixture, cells) = finished_run(SECTIONS, 2);
    let fixture = &fixture;
    let of = |name: &str| cells.iter().find(|id| id.starts_with(name)).expect("a cell").as_str();
    let refused = |cell: &str, arguments: &[&str], code: i32, words: &[&str]| {
        let ended = export(fixture, cell, arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(words.iter().all(|word| ended.stderr.contains(word)), "{arguments:?}: {}", ended.stderr);
    };
    refused(of("vectors-"), &[], 2, &["--onnx"]);
    refused(of("vectors-"), &["--onnx", "a.onnx", "--word2vec", "a.txt"], 2, &["cannot be used with"]);
    refused(of("vectors-"), &["--word2vec", "a.txt", "--onnx-input", "vectors"], 2, &["cannot be used with"]);
    refused("none", &["--onnx", "a.onnx"], 2, &["`none`"]);
    refused(of("vectors-"), &["--model2vec", "m"], 2, &["model2vec", "mean"]);
    refused(of("hashed-"), &["--word2vec", "a.txt"], 2, &["no words"]);
    fixture.write("there.onnx", "kept");
    refused(of("vectors-"), &["--onnx", "there.onnx"], 2, &["there.onnx", "--force"]);
    assert_eq!(fixture.read("there.onnx"), "kept");
    exported(fixture, of("vectors-"), &["--onnx", "there.onnx", "--force"]);
    assert_ne!(fixture.bytes("there.onnx"), b"kept");
    assert!(["a.onnx", "a.txt", "m"].iter().all(|name| !fixture.join(name).exists()));
    // A cell that isn't done.
    let (cell, other) = (of("hashed-"), of("vectors-"));
    let ended = fixture.emberline(&["run", "p.toml", "--only", other, "--out", "part"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = fixture.emberline(&["export", "part", "--cell", cell, "--onnx", "a.onnx"]);
    assert!(ended.code == Some(5) && ended.stderr.contains(cell), "{ended:?}");
}
