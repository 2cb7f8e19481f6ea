//! The zero-label baseline: each embedding's vectors of texts beside its vectors of the classes' names, without a label and
//! without training. Once per set of rows and embedding; what an earlier run computed is read from the run folder.

use std::collections::BTreeMap;

use emberline_base::record::{self, Baseline, Digests};
use emberline_base::{Matrix, Metric, SplitName, Splits, Task};
use emberline_baselines::zero_label::{COMPUTATION, logits, spoken_names};
use emberline_metrics::{DEFAULT_THRESHOLD, Predictions, Threshold, epoch_scores, further_scores};

use super::baselines::{BaselineRunner, is_of_decisions};
use crate::Error;
use crate::inputs::ClassVectors;
use crate::plan::Cell;
use crate::run_folder::ZeroLabel;

/// The name of the baseline in records.
const NAME: &str = "zero_label";
/// The axes of an embedding that make no other vectors, or only shorter ones; `dim` is one if vectors are shortened to it.
const SAME_VECTORS: [&str; 4] =
    ["embedding.trainable", "embedding.reduce", "embedding.trainable_layers", "embedding.lora"];
const DIM: &str = "embedding.dim";

/// What tells the sources of cells apart: cells with equal keys have one zero-label baseline on the same rows.
pub(super) fn source_key(cell: &Cell) -> String {
    format!("{} {:?} {:?}", cell.embedding(), cell.opened_source(), cell.source().1.feature_spec().layers)
}

impl BaselineRunner<'_> {
    /// Returns the zero-label baseline by the vectors of a cell's source: that which is stored, or else, if `computes`, a new one.
    pub(super) fn zero_label(&mut self, cell: &Cell, record: &record::Cell, computes: bool) -> Option<Baseline> {
        let digests = &record.outcome.as_ref()?.digests;
        let named = |result: Baseline| Baseline { embedding: Some(source_name(cell, record)), ..result };
        let stored = self.folder.zero_label(digests).filter(|stored| stored.computation == COMPUTATION);
        if stored.is_some() || !computes || self.options.interrupt.is_cancelled() {
            return stored.map(|stored| named(stored.result));
        }
        match self.compute_zero_label(cell, digests) {
            Ok(computed) => computed.map(named),
            Err(Error::Embedding { source: emberline_embedding::Error::Interrupted, .. }) => None,
            Err(error) => {
                (self.warn)(&format!("the zero-label baseline of `{}` is missing: {error}", cell.embedding()));
                None
            }
        }
    }

    /// Computes and stores the baseline; none if rows or vectors aren't those of the record any more.
    fn compute_zero_label(&mut self, cell: &Cell, digests: &Digests) -> Result<Option<Baseline>, Error> {
        let data = self.inputs.data(cell)?;
        if data.digest != digests.data {
            return Ok(None);
        }
        let labels = &data.dataset.labels;
        let result = match spoken_names(&labels.classes) {
            Err(reason) => not_applicable(reason),
            Ok(names) => match self.inputs.class_vectors(cell, &names, &digests.embedding)? {
                None => return Ok(None),
                Some(ClassVectors::Unknown(class)) => {
                    let class = labels.classes[class].escape_debug();
                    not_applicable(format!("the embedding knows no word of the name of the class `{class}`"))
                }
                Some(ClassVectors::Found(vectors)) => {
                    let logits = vectors.map(|_, texts| logits(labels.task, texts, &vectors.train));
                    let metrics = metrics(labels.task, &logits, &data.targets);
                    Baseline { name: NAME.to_owned(), metrics, ..Baseline::default() }
                }
            },
        };
        let record = ZeroLabel::new(digests, COMPUTATION, result);
        self.folder.write_zero_label(&record)?;
        Ok(Some(record.result))
    }
}

/// Returns the name of a cell's source, with the values of the axes that change its vectors.
fn source_name(cell: &Cell, record: &record::Cell) -> String {
    let is_shortened = cell.source().1.feature_spec().reduction.is_some();
    let of_source =
        |key: &str| key.starts_with("embedding.") && !SAME_VECTORS.contains(&key) && !(key == DIM && is_shortened);
    let axes = record.settings.iter().filter(|(key, _)| of_source(key));
    cell.embedding().to_owned() + &axes.map(|(key, value)| format!(", {key}={value}")).collect::<String>()
}

fn not_applicable(reason: String) -> Baseline {
    Baseline { name: NAME.to_owned(), not_applicable: Some(reason), ..Baseline::default() }
}

/// Returns the metrics by name, those that need neither a fitted temperature nor a threshold: of the most similar name, and of
/// the order of rows and labels.
fn metrics(task: Task, logits: &Splits<Matrix>, targets: &Splits<Matrix>) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for split in [SplitName::Valid, SplitName::Test] {
        let Some((logits, targets)) = logits.get(split).zip(targets.get(split)) else { continue };
        let Ok(predictions) = Predictions::new(task, logits, targets) else { continue };
        let prefix = if split == SplitName::Valid { "val_" } else { "test_" };
        // A logit above 0 of a binary task: the positive class's name is the more similar one.
        let mut scores = epoch_scores(&predictions, Threshold::At(DEFAULT_THRESHOLD));
        let thresholds: &[f64] = if task == Task::Binary { &[DEFAULT_THRESHOLD] } else { &[] };
        scores.extend(further_scores(&predictions, thresholds));
        scores.retain(|metric, value| is_shown(task, *metric) && value.is_finite());
        found.extend(scores.into_iter().map(|(metric, value)| (format!("{prefix}{metric}"), value)));
    }
    found
}

/// Returns whether a metric of the task says something without a label: whether a text has a label by a cosine above 0 doesn't.
fn is_shown(task: Task, metric: Metric) -> bool {
    match metric {
        Metric::Threshold | Metric::LogLoss | Metric::Brier | Metric::CalibrationError => false,
        decided if is_of_decisions(decided) => task != Task::MultiLabel,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use emberline_base::record::Summary;
    use emberline_device::Device;

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;
    use crate::run::{Options, Silent, run};
    use crate::run_folder::RunFolder;

    const PIPELINE: &str = r#"
name = "named"
[data]
path = "texts.csv"
text = "text"
label = "label"
[data.split]
train = 60
valid = 20
test = 20
[embedding.words.word_vectors]
path = "words.txt"
[embedding.buckets.hashing]
dim = 4
[train]
epochs = 1
[grid]
embedding = ["words", "buckets"]
"embedding.trainable" = [false, true]
"#;

    /// Runs the pipeline on rows of two classes with these names. The words of the first class's texts lie near the first axis, those
    /// of the second one's near the second.
    fn summary(folder: &Path, names: [&str; 2]) -> Summary {
        let words = "dull 1 0.1 0\ntedious 0.9 0.2 0\ngreat 0.1 1 0\nsuperb 0 0.8 0.1\nfilm 0.5 0.5 0.2\n";
        fs::write(folder.join("words.txt"), words).expect("written");
        let line = |at: usize| format!("{} film number{at},{}\n", ["dull", "great"][at % 2], names[at % 2]);
        let rows: String = (0..100).map(line).collect();
        fs::write(folder.join("texts.csv"), "text,label\n".to_owned() + &rows).expect("written");
        let pipeline = Pipeline::parse("p", PIPELINE, folder, &[]).expect("sound");
        assert!(Plan::of(&pipeline).cells.len() >= 3);
        run(&pipeline, &RunFolder::new(folder.join("run")), &Options::on(Device::Cpu), &mut Silent)
            .expect("it ends")
            .summary
    }

    fn zero_labels(summary: &Summary) -> Vec<&Baseline> {
        summary.baselines[0].baselines.iter().filter(|baseline| baseline.name == NAME).collect()
    }

    /// The names are in no text, so the table of the texts doesn't have them.
    #[test]
    fn names_classify_without_a_label_and_once_per_source() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = summary(folder.path(), ["tedious_film", "superbFilm"]);
        let found = zero_labels(&first);
        let embeddings: Vec<Option<&str>> = found.iter().map(|baseline| baseline.embedding.as_deref()).collect();
        assert_eq!(embeddings, [Some("words"), Some("buckets")]);
        for metric in ["val_accuracy", "test_accuracy", "val_f1", "test_pr_auc", "test_roc_auc"] {
            assert_eq!(found[0].metrics[metric], 1.0, "{metric}");
        }
        assert!(!found[0].metrics.keys().any(|name| name.ends_with("loss") || name.ends_with("threshold")));
        // What is stored is the same, and another run computes nothing again.
        let files = || fs::read_dir(folder.path().join("run/baselines")).expect("a folder").count();
        assert_eq!(files(), 3);
        assert_eq!(summary(folder.path(), ["tedious_film", "superbFilm"]).baselines, first.baselines);
        assert_eq!(files(), 3);
    }

    #[test]
    fn a_name_without_a_known_word_has_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let summary = summary(folder.path(), ["tedious", "xyzzy"]);
        let [words, buckets] = zero_labels(&summary)[..] else { panic!("two sources") };
        let reason = "the embedding knows no word of the name of the class `xyzzy`";
        assert_eq!((words.not_applicable.as_deref(), words.metrics.len()), (Some(reason), 0));
        assert!(buckets.not_applicable.is_none() && buckets.metrics.contains_key("test_accuracy"));
    }

    #[test]
    fn several_labels_have_metrics_of_the_order_alone() {
        let logits = Matrix::new(2, 4, vec![3.0, 2.0, 1.0, 0.5, 0.5, 4.0, 2.0, 1.0]);
        let targets = Matrix::new(2, 4, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let of = |matrix: &Matrix| Splits { train: Matrix::zeros(0, 4), valid: Some(matrix.clone()), test: None };
        let found = metrics(Task::MultiLabel, &of(&logits), &of(&targets));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["val_pr_auc", "val_precision_at_1", "val_precision_at_3", "val_roc_auc"]);
        assert_eq!(found["val_precision_at_1"], 1.0);
    }
}
