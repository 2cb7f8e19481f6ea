//! Artificial runs for tests: plausible numbers, computed without randomness.

mod evaluation;

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::record::{
    Cell, ChosenBy, Data, Digests, Epoch, Outcome, Parameters, SplitRows, SplitSize, Status, Stop, Summary, VERSION,
};
use emberline_base::warning::Code;
use emberline_base::{Digest, Metric, Scores, Splits, Task, Warning};
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(crate) use self::evaluation::{evaluation, evaluation_of_classes, evaluation_of_labels};
use crate::{Question, Run};

/// A run of three embeddings, frozen and fine-tuned, with three seeds; one cell failed, one is pending.
pub(crate) fn course() -> Run {
    let mut cells = Vec::new();
    for (embedding, dim) in [("swivel-20", 20), ("nnlm-50", 50), ("nnlm-128", 128)] {
        for trainable in [false, true] {
            for seed in 1..=3 {
                let settings =
                    [("embedding", json!(embedding)), ("embedding.trainable", json!(trainable)), ("seed", json!(seed))];
                cells.push(cell(embedding, "tfhub", trainable, seed, dim, &settings));
            }
        }
    }
    let mut run = run("quora-insincere", binary_data(), cells, &Shape { skill: 0.47, slope: 0.022 });
    fail(
        &mut run,
        14,
        "the device ran out of memory: 2.1 GiB asked, 1.4 GiB free\nin the embedding table of 973,771 rows",
    );
    fail(&mut run, 17, "");
    run.summary.cells[17].status = Status::Pending;
    run.summary.cells[17].error = None;
    run
}

/// A run of one cell, without a grid.
pub(crate) fn single() -> Run {
    let cells = vec![cell("swivel-20", "tfhub", false, 42, 20, &[])];
    run("one <cell>", binary_data(), cells, &Shape { skill: 0.5, slope: 0.01 })
}

/// A run of one cell, without validation rows.
pub(crate) fn without_validation() -> Run {
    let mut run = single();
    run.summary.data.splits.valid = None;
    run.summary.data.majority_accuracy.valid = None;
    for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
        outcome.metrics.retain(|name, _| !name.starts_with("val_"));
    }
    for epoch in run.histories.values_mut().flatten() {
        epoch.valid = None;
    }
    run
}

/// The run of [`course`] with every cell failed.
pub(crate) fn all_failed() -> Run {
    let mut run = course();
    for index in 0..run.summary.cells.len() {
        fail(&mut run, index, "loss is not a number in epoch 1");
    }
    run
}

/// A run of a grid without cells.
pub(crate) fn empty() -> Run {
    run("", binary_data(), Vec::new(), &Shape { skill: 0.0, slope: 0.0 })
}

/// A run with 77 classes and a test split.
pub(crate) fn many_classes() -> Run {
    let classes: Vec<String> = (0..77).map(|index| format!("intent_{index:02}")).collect();
    let split =
        |rows: usize| SplitRows { rows, classes: classes.iter().map(|class| (class.clone(), rows / 77)).collect() };
    let splits = Splits { train: split(9_240), valid: Some(split(770)), test: Some(split(3_080)) };
    let majority_accuracy = Splits { train: 1.0 / 77.0, valid: Some(1.0 / 77.0), test: Some(1.0 / 77.0) };
    let (positive, positive_by) = (None, None);
    let task = Task::MultiClass;
    let data = Data { task, classes, positive, positive_by, splits, majority_accuracy, ..binary_data() };
    let mut cells = Vec::new();
    for embedding in ["minilm", "glove-200"] {
        for seed in 1..=2 {
            cells.push(cell(
                embedding,
                "word_vectors",
                false,
                seed,
                200,
                &[("embedding", json!(embedding)), ("seed", json!(seed))],
            ));
        }
    }
    run("banking-77", data, cells, &Shape { skill: 0.6, slope: 0.03 })
}

/// A run of 200 cells: two sources, five dimensions, four learning rates, five seeds.
pub(crate) fn sweep() -> Run {
    let mut cells = Vec::new();
    for embedding in ["corpus", "hashing"] {
        for dim in [8, 16, 32, 64, 128] {
            for rate in [1e-4, 3e-4, 1e-3, 3e-3] {
                for seed in 1..=5 {
                    let settings = [
                        ("embedding", json!(embedding)),
                        ("embedding.dim", json!(dim)),
                        ("train.optimizer.adam.learning_rate", json!(rate)),
                        ("seed", json!(seed)),
                    ];
                    cells.push(cell(embedding, embedding, embedding == "hashing", seed, dim, &settings));
                }
            }
        }
    }
    run("size-sweep", binary_data(), cells, &Shape { skill: 0.3, slope: 0.05 })
}

/// A run of two embeddings, with three seeds of the split and two seeds of training.
pub(crate) fn of_splits() -> Run {
    of_so_many_splits(3)
}

/// A run of two embeddings on five splits of two seeds each: enough for a claim about embeddings.
pub(crate) fn of_five_splits() -> Run {
    of_so_many_splits(5)
}

/// The run of [`of_five_splits`] with 50 and with 800 labels, with which every score is 0.2 higher.
pub(crate) fn of_several_label_counts() -> Run {
    const AXIS: &str = "data.split.train";
    let mut run = of_five_splits();
    let cells = std::mem::take(&mut run.summary.cells);
    run.summary.axes.insert(AXIS.to_owned(), vec![json!(50), json!(800)]);
    for (labels, advantage) in [(50, 0.0), (800, 0.2)] {
        run.summary.cells.extend(cells.iter().cloned().map(|mut cell| {
            cell.id = format!("{}-{labels}", cell.id);
            cell.settings.insert(AXIS.to_owned(), json!(labels));
            if let Some(outcome) = &mut cell.outcome {
                outcome.split.n_train = labels;
                outcome.metrics.entry("val_pr_auc".to_owned()).and_modify(|value| *value += advantage);
            }
            cell
        }));
    }
    answered(run)
}

fn of_so_many_splits(splits: u32) -> Run {
    let mut cells = Vec::new();
    for (embedding, dim) in [("swivel-20", 20), ("nnlm-128", 128)] {
        for split in 1..=splits {
            for seed in 1..=2 {
                let settings =
                    [("embedding", json!(embedding)), ("data.split.seed", json!(split)), ("seed", json!(seed))];
                cells.push(cell(embedding, "tfhub", false, seed, dim, &settings));
            }
        }
    }
    run("splits", binary_data(), cells, &Shape { skill: 0.47, slope: 0.022 })
}

/// A run of so many embeddings with so many seeds each, whose names end in `suffix`; there is no answer, which takes long for many.
pub(crate) fn large(embeddings: usize, seeds: u64, suffix: &str) -> Run {
    let mut cells = Vec::new();
    for number in 0..embeddings {
        let embedding = format!("embedding-{number}{suffix}");
        for seed in 1..=seeds {
            let settings = [("embedding", json!(embedding)), ("seed", json!(seed))];
            cells.push(cell(&embedding, "hashing", false, seed, 20, &settings));
        }
    }
    unanswered("large", binary_data(), cells, &Shape { skill: 0.47, slope: 0.022 })
}

/// The run of [`course`] with names that try to break out of every format.
pub(crate) fn hostile() -> Run {
    let mut run = course();
    let name = "</title><script>alert(1)</script>|`\n# x\u{1b}[31m\u{202e}\"'";
    name.clone_into(&mut run.summary.name);
    let class = "=HYPERLINK(\"http://e\")|b";
    run.summary.data.classes = vec!["<img src=x onerror=alert(1)>".to_owned(), class.to_owned()];
    run.summary.data.positive = Some(class.to_owned());
    let warning = format!("the label `{name}` <img src=x onerror=alert(1)> [a](javascript:b)");
    run.summary.warnings = vec![Warning::new(Code::SimilarLabels, warning)];
    for cell in &mut run.summary.cells {
        cell.settings.insert("head.<b>".to_owned(), json!(format!("=cmd|' /C calc'!{}", cell.embedding)));
        cell.embedding = format!("{}</td><svg onload=alert(1)>", cell.embedding);
        cell.error = cell.error.as_ref().map(|_| "<script>x</script>\n\u{1b}[2J``` | [a](javascript:b)".to_owned());
        "@SUM(A1)".clone_into(&mut cell.source);
    }
    run
}

/// How good the scores of the cells are: `skill` at dimension 1, and `slope` more for each doubling of the dimension.
struct Shape {
    skill: f64,
    slope: f64,
}

fn fail(run: &mut Run, index: usize, error: &str) {
    let cell = &mut run.summary.cells[index];
    cell.status = Status::Failed;
    cell.outcome = None;
    cell.error = Some(error.to_owned());
    run.histories.remove(&cell.id);
}

fn cell(embedding: &str, source: &str, trainable: bool, seed: u64, dim: usize, settings: &[(&str, Value)]) -> Cell {
    let settings: IndexMap<String, Value> =
        settings.iter().map(|(axis, value)| ((*axis).to_owned(), value.clone())).collect();
    let tuning = if trainable { "tuned" } else { "frozen" };
    let mark = Digest::of(format!("{embedding} {trainable} {settings:?}").as_bytes());
    let id = format!("{embedding}-{tuning}-s{seed}-{}", mark.short());
    let total = 200_000 * dim as u64 + 256 * (dim as u64 + 1) + 16_513;
    let head = 256 * (dim as u64 + 1) + 16_513;
    let outcome = Outcome {
        dim,
        bytes_per_text: Some(4 * dim as u64),
        table_bytes: Some(800_000 * dim as u64),
        encoder_bytes: None,
        epochs: 0,
        best_epoch: 0,
        stopped: Stop::EarlyStopping,
        convergence: None,
        contrastive: None,
        seconds: 0.0,
        parameters: Parameters { total, trainable: if trainable { total } else { head } },
        split: SplitSize::default(),
        metrics: BTreeMap::new(),
        digests: Digests {
            data: Digest::of(b"data"),
            embedding: Digest::of(b"e"),
            weights: Digest::of(id.as_bytes()),
            predictions: None,
        },
        device: "cpu".to_owned(),
        arithmetic: "x86_64 avx2".to_owned(),
        computation: 1,
        known_words: None,
        fit: None,
        warnings: Vec::new(),
    };
    Cell {
        id,
        identity: mark.as_str()[..32].to_owned(),
        status: Status::Done,
        settings,
        embedding: embedding.to_owned(),
        source: source.to_owned(),
        trainable,
        seed,
        outcome: Some(outcome),
        error: None,
        cause: None,
    }
}

fn run(name: &str, data: Data, cells: Vec<Cell>, shape: &Shape) -> Run {
    answered(unanswered(name, data, cells, shape))
}

fn unanswered(name: &str, data: Data, mut cells: Vec<Cell>, shape: &Shape) -> Run {
    let mut axes: IndexMap<String, Vec<Value>> = IndexMap::new();
    let mut histories = BTreeMap::new();
    let has_test = data.splits.test.is_some();
    let split = SplitSize {
        n_train: data.splits.train.rows,
        n_valid: data.splits.valid.as_ref().map(|split| split.rows),
        n_test: data.splits.test.as_ref().map(|split| split.rows),
        ..SplitSize::default()
    };
    for cell in &mut cells {
        for (axis, value) in &cell.settings {
            let values = axes.entry(axis.clone()).or_default();
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let noise = wobble(&cell.id);
        if let Some(outcome) = &mut cell.outcome {
            let rows = cell.settings.get("data.split.seed").map(Value::to_string).unwrap_or_default();
            outcome.split = SplitSize { valid_rows: Some(Digest::of(rows.as_bytes())), ..split.clone() };
            histories.insert(cell.id.clone(), train(outcome, cell.trainable, noise, shape, has_test));
        }
    }
    let summary = Summary {
        version: VERSION,
        name: name.to_owned(),
        invocation: None,
        axes,
        data,
        cells,
        baselines: Vec::new(),
        answer: None,
        expected: None,
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    Run { summary, histories }
}

/// Returns a run with the answer that its records give; no predictions are kept.
pub(crate) fn answered(mut run: Run) -> Run {
    let answer = Question::default().answer(&run.summary, Path::new("no such folder"), None);
    run.summary.answer = Some(answer.expect("records without contradictions"));
    run
}

/// Returns a number in -1..1 that depends only on the text.
fn wobble(text: &str) -> f64 {
    let digest = Digest::of(text.as_bytes());
    let value = u32::from_str_radix(&digest.as_str()[digest.as_str().len() - 6..], 16).expect("hexadecimal");
    f64::from(value) / f64::from(0xff_ffff) * 2.0 - 1.0
}

/// Creates curves that look like early stopping with a patience of 2, and sets the scores of the best epoch.
fn train(outcome: &mut Outcome, trainable: bool, noise: f64, shape: &Shape, has_test: bool) -> Vec<Epoch> {
    let size = (outcome.dim as f64).log2();
    let speed = if trainable { 1.6 } else { 0.8 };
    let best = if trainable { 5 } else { 9 } + (noise * 2.0).round() as i32;
    let skill = shape.skill + shape.slope * size + 0.012 * noise;
    let point = |epoch: i32| {
        let progress = 1.0 - (-speed * f64::from(epoch) / 3.0).exp();
        let over = 0.004 * f64::from((epoch - best).max(0)) * speed;
        let ripple = 0.001 * (f64::from(epoch) * (2.0 + noise)).sin();
        let train = Scores::from([
            (Metric::Loss, 0.26 - 0.14 * progress * (0.8 + skill / 3.0) - 0.004 * speed * f64::from(epoch)),
            (Metric::Accuracy, 0.938 + 0.026 * progress * skill + 0.001 * speed * f64::from(epoch)),
        ]);
        let valid = Scores::from([
            (Metric::Loss, 0.24 - 0.12 * progress * (0.6 + skill) + over + ripple + 0.002 * noise),
            (Metric::Accuracy, 0.938 + 0.03 * progress * skill - over / 4.0 + ripple),
            (Metric::PrAuc, skill * (0.4 + 0.6 * progress) - over),
            (Metric::RocAuc, 0.90 + 0.05 * progress),
            (Metric::F1, skill * (0.5 + 0.5 * progress) - over / 2.0),
            (Metric::Precision, skill),
            (Metric::Recall, skill + 0.05),
            (Metric::Threshold, 0.21 + 0.05 * noise),
        ]);
        Epoch { epoch: epoch.unsigned_abs(), learning_rate: 1e-4, seconds: 0.21 * speed, train, valid: Some(valid) }
    };
    let epochs: Vec<Epoch> = (1..=best + 2).map(point).collect();
    outcome.epochs = epochs.len() as u32;
    outcome.best_epoch = best.unsigned_abs();
    outcome.seconds = 0.21 * speed * epochs.len() as f64;
    let kept = &epochs[best as usize - 1];
    outcome.metrics.extend(kept.train.iter().map(|(metric, value)| (metric.to_string(), *value)));
    for (metric, value) in kept.valid.iter().flatten() {
        outcome.metrics.insert(format!("val_{metric}"), *value);
        if has_test {
            outcome.metrics.insert(format!("test_{metric}"), *value * 0.99);
        }
    }
    epochs
}

fn binary_data() -> Data {
    let split = |rows: usize, positive: usize| SplitRows {
        rows,
        classes: IndexMap::from([("sincere".to_owned(), rows - positive), ("insincere".to_owned(), positive)]),
    };
    Data {
        task: Task::Binary,
        classes: vec!["sincere".to_owned(), "insincere".to_owned()],
        positive: Some("insincere".to_owned()),
        positive_by: Some(ChosenBy::Minority),
        splits: Splits { train: split(13_061, 808), valid: Some(split(1_293, 80)), test: None },
        majority_accuracy: Splits { train: 12_253.0 / 13_061.0, valid: Some(1_213.0 / 1_293.0), test: None },
        rows_read: 20_000,
        empty_texts: 4,
        missing_labels: 2,
        duplicate_texts: 31,
        duplicates_kept: false,
        shared_texts: 0,
        shared_groups: 0,
        unknown_labels: 0,
        conflicting_labels: 3,
        warnings: Vec::new(),
    }
}
