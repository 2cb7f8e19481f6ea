//! Computes the baselines on the rows of the finished cells: once per set of rows, after the cells have ended. What an earlier
//! run computed is read from the run folder. `zero_label.rs` adds the one that needs vectors.

use std::collections::{BTreeMap, HashSet};

use emberline_base::record::{self, Baseline, Baselines, Status};
use emberline_base::{Digest, Matrix, Metric, Scores, Splits, Task};
use emberline_baselines::{COMPUTATION, Fitted, Inputs as Texts, fit_all};
use emberline_metrics::{
    DEFAULT_THRESHOLD, Predictions, Threshold, ThresholdRule, cross_fitted_scores, epoch_scores, further_scores,
    row_metric,
};
use indexmap::IndexMap;

use super::options::Options;
use super::zero_label::source_key;
use crate::Error;
use crate::inputs::Inputs;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

/// Computes the baselines of a run.
pub(super) struct BaselineRunner<'r> {
    pub(super) folder: &'r RunFolder,
    pub(super) options: &'r Options,
    pub(super) inputs: &'r mut Inputs,
    /// Is told why baselines are missing.
    pub(super) warn: &'r mut dyn FnMut(&str),
}

impl BaselineRunner<'_> {
    /// Returns the baselines on the rows of all cells that have an outcome among `records`, in the order of the plan. A run of
    /// some cells only that leaves others pending, and one that was interrupted, computes none and returns those that are stored.
    pub(super) fn run(&mut self, plan: &Plan, records: &[record::Cell]) -> Vec<Baselines> {
        let (mut seen, mut seen_sources, mut found) = (HashSet::new(), HashSet::new(), Vec::<Baselines>::new());
        let is_whole = self.options.only.is_empty() || records.iter().all(|record| record.status != Status::Pending);
        let computes = is_whole && !self.options.interrupt.is_cancelled();
        for (cell, record) in plan.cells.iter().zip(records) {
            let Some(outcome) = &record.outcome else { continue };
            let data = &outcome.digests.data;
            if seen.insert(data.clone()) {
                let baselines = self.of_rows(cell, data, computes);
                found.extend(baselines.map(|baselines| Baselines { settings: row_settings(record), ..baselines }));
            }
            if let Some(of_rows) = found.iter_mut().find(|baselines| baselines.data == *data)
                && seen_sources.insert((data.clone(), source_key(cell)))
            {
                of_rows.baselines.extend(self.zero_label(cell, record, computes));
            }
        }
        found
    }

    /// Returns the baselines on the rows of a cell: those that are stored, or else, if `computes`, new ones.
    fn of_rows(&mut self, cell: &Cell, data: &Digest, computes: bool) -> Option<Baselines> {
        let stored = self.folder.baselines(data).filter(|stored| stored.computation == COMPUTATION);
        if stored.is_some() {
            return stored;
        }
        if !computes {
            return None;
        }
        match self.compute(cell, data) {
            Ok(computed) => computed,
            Err(error) => {
                (self.warn)(&format!("the baselines of `{}` are missing: {error}", cell.id));
                None
            }
        }
    }

    /// Computes and stores the baselines; none if the rows aren't those of the record any more, or the run was interrupted.
    fn compute(&mut self, cell: &Cell, data: &Digest) -> Result<Option<Baselines>, Error> {
        let prepared = self.inputs.data(cell)?;
        if prepared.digest != *data {
            return Ok(None);
        }
        let (task, texts, targets) = (prepared.dataset.labels.task, prepared.texts(), &prepared.targets);
        let goes_on = || !self.options.interrupt.is_cancelled();
        let fitted = match fit_all(&Texts { task, texts: &texts, targets }, &goes_on) {
            Err(emberline_linear::Error::Interrupted) => return Ok(None),
            fitted => fitted.map_err(|source| Error::Baselines { source })?,
        };
        let baseline = |fitted: &Fitted| Baseline {
            name: fitted.baseline.name().to_owned(),
            metrics: metrics(task, fitted, targets, prepared.valid_halves()),
            converged: fitted.converged,
            ..Baseline::default()
        };
        let record = Baselines {
            data: data.clone(),
            computation: COMPUTATION,
            settings: IndexMap::new(),
            n_train: targets.train.rows(),
            baselines: fitted.iter().map(baseline).collect(),
        };
        self.folder.write_baselines(&record)?;
        Ok(Some(record))
    }
}

/// Returns the values of the axes that decide a cell's rows.
fn row_settings(record: &record::Cell) -> IndexMap<String, serde_json::Value> {
    let of_rows = record.settings.iter().filter(|(key, _)| key.starts_with("data."));
    of_rows.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the metrics of a baseline by name, computed as those of cells are. `halves` says in which half each validation row is.
fn metrics(task: Task, fitted: &Fitted, targets: &Splits<Matrix>, halves: Option<&[bool]>) -> BTreeMap<String, f64> {
    let has_probabilities = fitted.baseline.has_probabilities();
    let (valid, test) = scores(task, &fitted.logits, targets, halves.filter(|_| has_probabilities), has_probabilities);
    let named = [("val_", valid), ("test_", test)].into_iter().flat_map(|(prefix, scores)| {
        scores.into_iter().flatten().map(move |(metric, value)| (metric, format!("{prefix}{metric}"), value))
    });
    let kept = named.filter(|(metric, _, value)| value.is_finite() && (has_probabilities || is_of_decisions(*metric)));
    kept.map(|(_, name, value)| (name, value)).collect()
}

/// Returns whether a metric needs decisions alone, not probabilities.
pub(super) fn is_of_decisions(metric: Metric) -> bool {
    match metric {
        Metric::Accuracy
        | Metric::F1
        | Metric::Precision
        | Metric::Recall
        | Metric::BalancedAccuracy
        | Metric::Mcc
        | Metric::MicroF1
        | Metric::WeightedF1
        | Metric::SubsetAccuracy => true,
        Metric::Loss
        | Metric::PrAuc
        | Metric::RocAuc
        | Metric::Threshold
        | Metric::LogLoss
        | Metric::PrecisionAt1
        | Metric::PrecisionAt3
        | Metric::PrecisionAt5
        | Metric::Top3Accuracy
        | Metric::Top5Accuracy
        | Metric::Brier
        | Metric::CalibrationError
        | Metric::F1AtThresholds
        | Metric::PrecisionAtThresholds
        | Metric::RecallAtThresholds
        | Metric::CrossFittedF1
        | Metric::CrossFittedPrecision
        | Metric::CrossFittedRecall
        | Metric::CalibratedLogLoss
        | Metric::CalibratedBrier
        | Metric::CalibratedCalibrationError => false,
    }
}

/// Returns the scores of the validation and test rows. Thresholds are chosen on the validation rows by the rule that cells have unless
/// `[decide]` names another; without probabilities or validation rows they are 0.5.
fn scores(
    task: Task,
    logits: &Splits<Matrix>,
    targets: &Splits<Matrix>,
    halves: Option<&[bool]>,
    has_probabilities: bool,
) -> (Option<Scores>, Option<Scores>) {
    let rule = ThresholdRule::default();
    let mut thresholds = if task == Task::Binary { vec![DEFAULT_THRESHOLD] } else { Vec::new() };
    let valid = predictions(task, logits.valid.as_ref(), targets.valid.as_ref()).map(|valid| {
        if has_probabilities {
            thresholds = rule.choose_all(&valid);
        }
        let at = if has_probabilities { Threshold::ChosenBy(rule) } else { Threshold::At(DEFAULT_THRESHOLD) };
        let mut scores = of_split(&valid, at, &thresholds);
        scores.extend(halves.into_iter().flat_map(|halves| cross_fitted_scores(&valid, rule, halves)));
        scores
    });
    let test = predictions(task, logits.test.as_ref(), targets.test.as_ref());
    let at = Threshold::At(thresholds.first().copied().unwrap_or(DEFAULT_THRESHOLD));
    (valid, test.map(|test| of_split(&test, at, &thresholds)))
}

/// Puts the logits of a split beside its targets; `None` if the logits don't belong to the targets.
fn predictions<'a>(task: Task, logits: Option<&'a Matrix>, targets: Option<&'a Matrix>) -> Option<Predictions<'a>> {
    Predictions::new(task, logits?, targets?).ok()
}

/// Returns all metrics of a split, with the log loss in place of a loss that is trained with.
fn of_split(predictions: &Predictions<'_>, at: Threshold, thresholds: &[f64]) -> Scores {
    let mut scores = epoch_scores(predictions, at);
    scores.extend(further_scores(predictions, thresholds));
    let loss = row_metric(Metric::Loss, predictions, &[]);
    scores.extend(loss.map(|loss| (Metric::Loss, loss.of(&vec![1; predictions.rows()]))));
    scores
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use emberline_base::record::Summary;
    use emberline_base::run_files;
    use emberline_device::Device;

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::run::{Silent, run};

    const PIPELINE: &str = r#"
name = "small"
[data]
path = "texts.csv"
text = "text"
label = "label"
positive = "1"
[data.split]
train = 60
valid = 20
test = 20
repeats = 2
[embedding.one.hashing]
dim = 4
[train]
epochs = 1
[grid]
seed = [1, 2]
"#;

    /// Runs the pipeline in a folder; `only` the cells with these numbers, or all of them if there are none.
    fn summary(folder: &Path, only: &[usize]) -> Summary {
        let line = |at: usize| format!("{} film number{at},{}\n", ["dull", "great"][at % 2], at % 2);
        fs::write(folder.join("texts.csv"), "text,label\n".to_owned() + &(0..100).map(line).collect::<String>())
            .expect("written");
        let pipeline = Pipeline::parse("p", PIPELINE, folder, &[]).expect("sound");
        let plan = Plan::of(&pipeline);
        let only = only.iter().map(|&at| plan.cells[at].id.clone()).collect();
        let options = Options { only, ..Options::on(Device::Cpu) };
        run(&pipeline, &RunFolder::new(folder.join("run")), &options, &mut Silent).expect("it ends").summary
    }

    /// The stored files, by name.
    fn stored(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(folder.join("run").join(run_files::BASELINES)).into_iter().flatten().flatten();
        let file = |entry: fs::DirEntry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("readable"))
        };
        entries.map(file).collect()
    }

    #[test]
    fn each_set_of_rows_has_its_baselines() {
        let folder = tempfile::tempdir().expect("a folder");
        let summary = summary(folder.path(), &[]);
        assert_eq!((summary.cells.len(), summary.baselines.len(), stored(folder.path()).len()), (4, 2, 4));
        for rows in &summary.baselines {
            let axes: Vec<&str> = rows.settings.keys().map(String::as_str).collect();
            assert_eq!((rows.n_train, axes), (60, vec!["data.split.repeat"]));
            let names: Vec<&str> = rows.baselines.iter().map(|baseline| baseline.name.as_str()).collect();
            assert_eq!(names, ["majority", "prior", "tfidf_lr", "naive_bayes", "nb_svm", "zero_label"]);
            let [majority, prior, others @ .., zero_label] = rows.baselines.as_slice() else { panic!("six baselines") };
            let reason = zero_label.not_applicable.as_deref();
            assert_eq!((reason, zero_label.metrics.len()), (Some("the class `0` has no name of letters"), 0));
            assert!(majority.metrics.contains_key("test_f1") && !majority.metrics.contains_key("val_loss"));
            assert!(majority.metrics.contains_key("test_mcc") && !majority.metrics.contains_key("test_brier"));
            // Whatever a cell is measured by, a baseline with probabilities is too.
            let of_cell = summary.cells[0].outcome.as_ref().expect("done").metrics.keys();
            let missing: Vec<&String> = of_cell
                .filter(|name| name.starts_with("val_") || name.starts_with("test_"))
                .filter(|name| !others[0].metrics.contains_key(name.as_str()))
                .collect();
            assert!(missing.is_empty(), "{missing:?}");
            assert_eq!((prior.metrics["val_pr_auc"], prior.metrics["test_accuracy"]), (0.5, 0.5));
            // The word that decides is in every text.
            for baseline in others {
                assert_eq!((baseline.metrics["test_pr_auc"], baseline.metrics["test_f1"]), (1.0, 1.0), "{baseline:?}");
            }
        }
        let majority = &summary.baseline_scores()[0];
        assert_eq!((majority.name, majority.replicates, majority.settings.len()), ("majority", 2, 0));
    }

    /// Of several labels per text, a baseline has every metric that cells have too: scikit-learn's
    /// `f1_score(..., average="micro")` of these decisions is 2 * 4 / (5 + 5).
    #[test]
    fn several_labels_have_all_metrics() {
        let logits = Matrix::new(4, 2, vec![2., -1., 1., 1., -1., 2., -2., 1.]);
        let targets = Matrix::new(4, 2, vec![1., 0., 1., 0., 0., 1., 1., 1.]);
        let of = |matrix: &Matrix| Splits {
            train: Matrix::zeros(0, 2),
            valid: Some(matrix.clone()),
            test: Some(matrix.clone()),
        };
        let halves = [false, true, false, true];
        let fitted = Fitted { baseline: emberline_baselines::Baseline::TfidfLr, logits: of(&logits), converged: None };
        let found = metrics(Task::MultiLabel, &fitted, &of(&targets), Some(&halves));
        assert!((found["test_micro_f1"] - 0.8).abs() < 1e-15, "{found:?}");
        for name in [
            "test_weighted_f1",
            "test_subset_accuracy",
            "test_precision_at_1",
            "test_f1_at_thresholds",
            "val_cross_fitted_f1",
        ] {
            assert!(found.contains_key(name), "{name}: {found:?}");
        }
        assert!(!found.contains_key("test_cross_fitted_f1"));
    }

    #[test]
    fn what_is_stored_is_not_computed_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = summary(folder.path(), &[]);
        let files = stored(folder.path());
        let other = folder.path().join("run").join(run_files::BASELINES).join(files.keys().next().expect("a file"));
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a time");
        let time = modified(&other);
        assert_eq!(summary(folder.path(), &[]).baselines, first.baselines);
        assert_eq!(modified(&other), time);
        // A damaged file is replaced by the same bytes.
        fs::write(&other, b"{}").expect("written");
        assert_eq!(summary(folder.path(), &[]).baselines, first.baselines);
        assert_eq!(stored(folder.path()), files);
    }

    #[test]
    fn a_run_of_some_cells_computes_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(summary(folder.path(), &[0]).baselines.is_empty());
        assert_eq!(summary(folder.path(), &[]).baselines.len(), 2);
        assert_eq!(summary(folder.path(), &[0]).baselines.len(), 2);
    }
}
