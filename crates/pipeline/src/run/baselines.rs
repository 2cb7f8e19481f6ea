//! Computes the baselines on the rows of the finished cells: once per set of rows, after the cells have ended. What an earlier
//! run computed is read from the run folder.

use std::collections::{BTreeMap, HashSet};

use emberline_base::record::{self, Baseline, Baselines};
use emberline_base::{Digest, Matrix, Metric, Scores, Splits, Task};
use emberline_baselines::{COMPUTATION, Fitted, Inputs as Texts, fit_all};
use emberline_train::metric::{self, Threshold};
use emberline_train::settings::Train;
use indexmap::IndexMap;

use super::options::Options;
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
    /// some cells only, and one that was interrupted, computes none and returns those that are stored.
    pub(super) fn run(&mut self, plan: &Plan, records: &[record::Cell]) -> Vec<Baselines> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        for (cell, record) in plan.cells.iter().zip(records) {
            let Some(outcome) = &record.outcome else { continue };
            let data = &outcome.digests.data;
            if seen.insert(data.clone()) {
                let baselines = self.of_rows(cell, data);
                found.extend(baselines.map(|baselines| Baselines { settings: row_settings(record), ..baselines }));
            }
        }
        found
    }

    /// Returns the baselines on the rows of a cell: those that are stored, or else new ones.
    fn of_rows(&mut self, cell: &Cell, data: &Digest) -> Option<Baselines> {
        let stored = self.folder.baselines(data).filter(|stored| stored.computation == COMPUTATION);
        if stored.is_some() {
            return stored;
        }
        if !self.options.only.is_empty() || self.options.interrupt.is_cancelled() {
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
            metrics: metrics(task, fitted, targets),
            converged: fitted.converged,
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

/// Returns the metrics of a baseline by name, computed as those of cells are.
fn metrics(task: Task, fitted: &Fitted, targets: &Splits<Matrix>) -> BTreeMap<String, f64> {
    let has_probabilities = fitted.baseline.has_probabilities();
    let (valid, test) = scores(task, &fitted.logits, targets, has_probabilities);
    let named = [("val_", valid), ("test_", test)].into_iter().flat_map(|(prefix, scores)| {
        scores.into_iter().flatten().map(move |(metric, value)| (metric, format!("{prefix}{metric}"), value))
    });
    let kept = named.filter(|(metric, _, value)| value.is_finite() && (has_probabilities || is_of_decisions(*metric)));
    kept.map(|(_, name, value)| (name, value)).collect()
}

/// Returns whether a metric needs decisions alone, not probabilities.
fn is_of_decisions(metric: Metric) -> bool {
    matches!(metric, Metric::Accuracy | Metric::F1 | Metric::Precision | Metric::Recall)
}

/// Returns the scores of the validation and test rows. The threshold of a binary task is chosen on the validation rows, as that
/// of a cell is; without probabilities or validation rows it is 0.5.
fn scores(
    task: Task,
    logits: &Splits<Matrix>,
    targets: &Splits<Matrix>,
    has_probabilities: bool,
) -> (Option<Scores>, Option<Scores>) {
    let loss =
        Train::default().loss_for(task).unwrap_or_else(|_| unreachable!("the loss of the default suits any task"));
    let at = if has_probabilities { Threshold::Best } else { Threshold::At(0.5) };
    let valid = logits.valid.as_ref().zip(targets.valid.as_ref());
    let valid = valid.map(|(logits, targets)| metric::all(task, loss, logits, targets, at));
    let chosen = valid.as_ref().and_then(|scores| scores.get(&Metric::Threshold)).copied();
    let threshold = Threshold::At(chosen.filter(|chosen| chosen.is_finite()).unwrap_or(0.5));
    let test = logits.test.as_ref().zip(targets.test.as_ref());
    let test = test.map(|(logits, targets)| metric::all(task, loss, logits, targets, threshold));
    (valid, test)
}
