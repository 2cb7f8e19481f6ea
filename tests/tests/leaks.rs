//! What is fitted sees the training rows alone, and the threshold validation's: whatever becomes of the other rows, it stays.
//! With files of their own for each split, the others can be put in another order, altered, or left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use emberline_base::{CancellationToken, Digest, Features, Splits};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{self, FeatureSpec};
use emberline_embedding::reduce::{Reduce, Reduction};
use emberline_embedding::{Quantize, Scope, Source, Texts};
use emberline_tests::sources::{Small, csv, every_kind, labelled};
use emberline_tests::{Fixture, Pipeline};
use emberline_train::{Model, Tensor, Weights};
use serde_json::Value;

type Table = Vec<(String, usize)>;

/// The rows that aren't trained on.
#[derive(Clone)]
struct Rest {
    valid: Option<Table>,
    test: Option<Table>,
}

impl Rest {
    fn as_it_is() -> Self {
        Self { valid: Some(labelled("valid", 24)), test: Some(labelled("test", 20)) }
    }

    fn permuted() -> Self {
        let Self { mut valid, mut test } = Self::as_it_is();
        valid.iter_mut().chain(&mut test).for_each(|table| table.reverse());
        Self { valid, test }
    }

    fn removed() -> Self {
        Self { valid: None, test: None }
    }
}

/// Other words, some of them more often than all the rest, some as training texts have them in other case; and the other
/// class.
fn altered(table: Table) -> Table {
    let other = |(row, (text, class)): (usize, (String, usize))| {
        let first = text.split(' ').next().unwrap_or_default();
        (format!("sun {first} train{row} altogether{} {}", row % 3, "mat ".repeat(row)), 1 - class)
    };
    table.into_iter().enumerate().map(other).collect()
}

fn test_altered() -> Rest {
    let Rest { valid, test } = Rest::as_it_is();
    Rest { valid, test: test.map(altered) }
}

fn valid_altered() -> Rest {
    let Rest { valid, test } = Rest::as_it_is();
    Rest { valid: valid.map(altered), test }
}

/// The numbers of each training text, a tuned one's row after row, and the digest of what decides them.
fn vectors(
    source: &Source,
    folder: &Path,
    train: &Table,
    rest: &Rest,
    wanted: &FeatureSpec,
) -> (Vec<Vec<f32>>, Digest) {
    fn texts_of(table: &Table) -> Vec<&str> {
        table.iter().map(|(text, _)| text.as_str()).collect()
    }
    let texts = Splits { train, valid: rest.valid.as_ref(), test: rest.test.as_ref() }.into_map(texts_of);
    let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
    let opened =
        source.without_tuning().open(folder, Texts { all: &all, train: &texts.train }, Device::Cpu).expect("it opens");
    let (on_event, interrupt) = (&mut |_| {}, CancellationToken::default());
    let mut encoding = Encoding { cache: None, device: Device::Cpu, label: "", on_event, interrupt };
    let made = features::features(&opened, &texts, wanted, &mut encoding).expect("vectors");
    (numbers(&made.train), features::digest(&opened, wanted, &texts.train))
}

fn numbers(features: &Features) -> Vec<Vec<f32>> {
    let text = |text| match features {
        Features::Frozen(vectors) => vectors.row(text).to_vec(),
        Features::Mixed(layered) => layered.vectors.row(text).to_vec(),
        Features::Trainable(bags) => {
            bags.of_text(text).iter().flat_map(|&id| bags.table.row(id as usize).iter().copied()).collect()
        }
        Features::Tokens { sequences, .. } => sequences.of_text(text).iter().map(|&id| id as f32).collect(),
    };
    (0..features.texts()).map(text).collect()
}

/// Frozen, made shorter by PCA, tuned; and whether that is learned from the training texts.
fn ways(small: &Small, source: &Source) -> Vec<(FeatureSpec, bool)> {
    let own = FeatureSpec { trainable: false, fine_tuning: None, ..source.feature_spec() };
    // In 32 bits: the signs of principal components may stay when the components change.
    let (reduction, quantize) = (Some(Reduction { dim: 2, reduce: Reduce::Pca }), Quantize::F32);
    let pca = FeatureSpec { reduction, quantize, ..own.clone() };
    let is_encoder = matches!(source, Source::SentenceTransformer(_));
    let tuned = FeatureSpec { trainable: true, fine_tuning: is_encoder.then_some(Scope::All), ..own.clone() };
    let mut ways = vec![(own, small.learns), (pca, true)];
    if small.trainable {
        ways.push((tuned, small.learns));
    }
    ways
}

#[test]
fn the_vectors_of_training_texts_depend_on_training_texts_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let train = labelled("Train", 40);
    let rests = [Rest::as_it_is(), Rest::permuted(), test_altered(), valid_altered(), Rest::removed()];
    for small in every_kind(here) {
        let text = format!("[{}]\n{}", small.kind, small.settings);
        let source: Source = toml::from_str(&text).expect("a source");
        for (wanted, learns) in ways(&small, &source) {
            let [first, others @ ..] = rests.each_ref().map(|rest| vectors(&source, here, &train, rest, &wanted));
            for (rest, other) in others.iter().enumerate() {
                assert!(first == *other, "{}, {wanted:?}, rest {}", small.name, rest + 1);
            }
            // What would show if a row more or less counted.
            let fewer = vectors(&source, here, &train[..30].to_vec(), &rests[0], &wanted);
            let moved = fewer.0 != first.0[..30];
            assert_eq!((moved, fewer.1 != first.1), (learns, learns), "{}, {wanted:?}", small.name);
        }
    }
}

/// Every source frozen and tuned, over files of their own for each split.
fn pipeline(sources: &[Small], rest: &Rest, callbacks: &str) -> Pipeline {
    let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
    let files = [("train", true), ("valid", rest.valid.is_some()), ("test", rest.test.is_some())];
    let there = files.into_iter().filter(|(_, is_there)| *is_there);
    let files: String = there.map(|(name, _)| format!("{name} = {{ path = '{name}.csv' }}\n")).collect();
    Pipeline::without_data("leaks")
        .top("seed = 1")
        .data(&format!("text = \"text\"\nlabel = \"label\"\nsplit = {{ train = 40 }}\n{files}"))
        .sources(sources)
        .toml(
            r#"
            [head]
            layers = [{ dense = 6, activation = "relu" }, { dropout = 0.2 }]
            [train]
            epochs = 5
            batch_size = 8
            optimizer = { adam = { learning_rate = 0.02 } }
            "#,
        )
        .toml(callbacks)
        .section("grid", &format!("embedding = {names:?}\n\"embedding.trainable\" = [false, true]"))
}

/// What a run has learned.
struct Run {
    /// The classes, and what is told of the training rows.
    data: [Value; 3],
    /// By embedding, and whether it was tuned.
    cells: BTreeMap<(String, bool), Cell>,
}

struct Cell {
    /// `val_loss`, ...
    metrics: BTreeMap<String, f64>,
    /// The epochs and what was measured on the training rows, the kept epoch, and the digest of the vectors.
    training: (Vec<Vec<String>>, Value, Value),
    /// The whole of `history.csv`, but for the times.
    history: Vec<Vec<String>>,
    /// Every array but the table.
    head: Weights,
    /// The rows of the table, in bits; those of words that no training text has among them.
    table: BTreeSet<Vec<u32>>,
}

fn run(rest: &Rest, callbacks: &str) -> Run {
    let fixture = Fixture::empty().file("train.csv", csv(&labelled("Train", 40)));
    rest.valid.iter().for_each(|table| fixture.write("valid.csv", csv(table)));
    rest.test.iter().for_each(|table| fixture.write("test.csv", csv(table)));
    let sources = every_kind(fixture.path());
    let fixture = fixture.pipeline(&pipeline(&sources, rest, callbacks));
    fixture.done(&["run", "p.toml", "--device", "cpu", "--out", "out"]);
    let data = &fixture.summary("out")["data"];
    let data = [&data["classes"], &data["splits"]["train"], &data["majority_accuracy"]["train"]].map(Value::clone);
    let cells = fixture.cells("out").iter().map(|cell| learned(&fixture.join("out"), cell)).collect();
    Run { data, cells }
}

fn learned(out: &Path, cell: &Value) -> ((String, bool), Cell) {
    let folder = out.join("cells").join(cell["id"].as_str().expect("an id"));
    let history = fs::read_to_string(folder.join("history.csv")).expect("a history");
    let columns = |wanted: &dyn Fn(&str) -> bool| -> Vec<Vec<String>> {
        let names: Vec<&str> = history.lines().next().expect("names").split(',').collect();
        let fields = |line: &str| {
            let fields = line.split(',').zip(&names).filter(|(_, name)| wanted(name));
            fields.map(|(field, _)| field.to_owned()).collect()
        };
        history.lines().map(fields).collect()
    };
    let Weights(arrays) = Model::read(&folder.join("model.safetensors")).expect("a model").weights().clone();
    let (tables, head): (Vec<Tensor>, Vec<Tensor>) =
        arrays.into_iter().partition(|array| array.name == "embedding.table");
    let rows = |table: &Tensor| -> Vec<Vec<u32>> {
        table.values.chunks_exact(table.shape[1]).map(|row| row.iter().map(|v| v.to_bits()).collect()).collect()
    };
    let learned = Cell {
        metrics: serde_json::from_value(cell["metrics"].clone()).expect("metrics"),
        training: (
            columns(&|name| ["epoch", "learning_rate", "loss", "accuracy"].contains(&name)),
            cell["best_epoch"].clone(),
            cell["digests"]["embedding"].clone(),
        ),
        history: columns(&|name| name != "seconds"),
        head: Weights(head),
        table: tables.iter().flat_map(rows).collect(),
    };
    let text = |key: &str| cell[key].as_str().expect("a text").to_owned();
    ((text("embedding"), cell["trainable"].as_bool().expect("a bool")), learned)
}

/// Asserts that two runs have learned the same; `alone` had only words of the training rows in its tables.
fn assert_same(alone: &Run, one: &Run, what: &str) {
    assert_eq!(alone.data, one.data, "{what}");
    assert_eq!(alone.cells.keys().collect::<Vec<_>>(), one.cells.keys().collect::<Vec<_>>(), "{what}");
    for (name, cell) in &one.cells {
        let alone = &alone.cells[name];
        assert_eq!(alone.training, cell.training, "{name:?}, {what}");
        assert_eq!(alone.head, cell.head, "{name:?}, {what}");
        assert!(alone.table.is_subset(&cell.table), "{name:?}, {what}: a tuned row differs");
        assert_eq!(alone.table.is_empty(), cell.table.is_empty(), "{name:?}, {what}");
    }
}

/// The kept epoch is chosen by the training loss, so that nothing at all may come from other rows.
const BY_TRAINING: &str = r#"
    [callbacks]
    checkpoint = { monitor = "loss" }
    reduce_lr_on_plateau = { monitor = "loss", patience = 1, factor = 0.5 }
"#;

#[test]
fn weights_steps_and_classes_depend_on_training_rows_alone() {
    let alone = run(&Rest::removed(), BY_TRAINING);
    assert!(alone.cells.len() >= 19 && alone.cells.values().any(|cell| !cell.table.is_empty()));
    let [as_it_is, permuted, other_test, other_valid] =
        [Rest::as_it_is(), Rest::permuted(), test_altered(), valid_altered()].map(|rest| run(&rest, BY_TRAINING));
    assert_same(&alone, &as_it_is, "as it is");
    assert_same(&alone, &permuted, "permuted");
    assert_same(&alone, &other_test, "other test rows");
    assert_same(&alone, &other_valid, "other validation rows");
    let mut moved = 0;
    for (name, cell) in &as_it_is.cells {
        // Sums of rows in another order are rounded otherwise; the threshold is one row's probability.
        assert_eq!(cell.metrics["val_threshold"], permuted.cells[name].metrics["val_threshold"], "{name:?}");
        let [before, after] = [&cell.metrics, &other_valid.cells[name].metrics];
        for metric in ["test_loss", "test_accuracy", "test_pr_auc", "test_roc_auc"] {
            assert_eq!(before[metric], after[metric], "{name:?}: {metric} has no threshold");
        }
        assert_eq!(after["test_threshold"], after["val_threshold"], "{name:?}");
        moved +=
            usize::from(before["test_threshold"] != after["test_threshold"] && before["test_f1"] != after["test_f1"]);
    }
    assert!(moved > 0, "other validation rows move no threshold");
}

/// All that validation may decide: the kept epoch by its best F1, the end, the step size.
const BY_VALIDATION: &str = r#"
    [callbacks]
    checkpoint = { monitor = "val_f1" }
    early_stopping = { monitor = "val_loss", patience = 1 }
    reduce_lr_on_plateau = { monitor = "val_loss", patience = 1, factor = 0.5 }
"#;

#[test]
fn test_rows_decide_nothing() {
    let no_test = run(&Rest { test: None, ..Rest::as_it_is() }, BY_VALIDATION);
    let permuted = Rest { test: Rest::permuted().test, ..Rest::as_it_is() };
    for (rest, what) in [(Rest::as_it_is(), "as it is"), (permuted, "permuted"), (test_altered(), "altered")] {
        let one = run(&rest, BY_VALIDATION);
        assert_same(&no_test, &one, what);
        for (name, cell) in &one.cells {
            assert_eq!(no_test.cells[name].history, cell.history, "{name:?}, {what}");
            let mut metrics = cell.metrics.clone();
            assert_eq!(metrics["test_threshold"], metrics["val_threshold"], "{name:?}, {what}");
            metrics.retain(|metric, _| !metric.starts_with("test_"));
            assert_eq!(no_test.cells[name].metrics, metrics, "{name:?}, {what}");
        }
    }
}
