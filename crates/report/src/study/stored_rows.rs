//! Reads the evaluated rows of a run and the predictions of its cells.

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::record::answer::ScoredRows;
use emberline_base::record::{Cause, Cell, Outcome, Status, Summary};
use emberline_base::{Digest, Metric, file, run_files};
use emberline_metrics::RowMetric;
use emberline_statistics::{Absence, Absent, Run};

use super::{evaluated_rows, name, scores};
use crate::predictions;
use crate::rows::{RowTargets, read_targets};
use crate::run::valid_attempt;

/// How far a recorded score may lie from that of the stored predictions, as other orders of addition round.
const ROUNDING: f64 = 1e-6;

/// What a run has stored of its evaluated rows. A file that is missing or damaged counts as not stored: the answer then says less.
pub(super) struct StoredRows<'a> {
    summary: &'a Summary,
    dir: &'a Path,
    metric: Metric,
    scored: ScoredRows,
    targets: BTreeMap<Digest, RowTargets>,
}

impl<'a> StoredRows<'a> {
    pub(super) fn new(summary: &'a Summary, dir: &'a Path, metric: Metric, scored: ScoredRows) -> Self {
        Self { summary, dir, metric, scored, targets: BTreeMap::new() }
    }

    /// Reads the rows of these splits and returns the key of each row, by split; `None` if any are missing.
    pub(super) fn evaluated(&mut self, splits: &[Option<Digest>]) -> Option<Vec<Vec<[u8; 16]>>> {
        let keys: Option<Vec<Vec<[u8; 16]>>> = splits.iter().map(|rows| self.keys(rows.as_ref()?)).collect();
        keys.filter(|keys| !keys.is_empty())
    }

    fn keys(&mut self, rows: &Digest) -> Option<Vec<[u8; 16]>> {
        if !self.targets.contains_key(rows) {
            let bytes = file::read(&run_files::rows(self.dir, rows)).ok()?;
            self.targets.insert(rows.clone(), read_targets(&bytes).ok()?);
        }
        self.targets.get(rows).map(|targets| targets.keys.clone())
    }

    /// Returns a cell as a run of the study, with its predictions if `with_rows`, and if its recorded score is what the metric is on
    /// them: `loss` isn't, if another one than the log loss was trained with.
    pub(super) fn run(&self, cell: &Cell, split: usize, with_rows: bool) -> Run {
        let of =
            |scored| cell.outcome.as_ref().and_then(|outcome| outcome.metrics.get(&name(self.metric, scored)).copied());
        let score = of(self.scored).unwrap_or(f64::NAN);
        let rows = cell.outcome.as_ref().filter(|_| with_rows).and_then(|outcome| self.rows(cell, outcome));
        Run {
            split,
            cell: cell.id.clone(),
            score,
            validation: of(ScoredRows::Validation).filter(|_| self.scored == ScoredRows::Test),
            rows: rows
                .filter(|(metric, count)| (metric.of(&vec![1; *count]) - score).abs() <= ROUNDING)
                .map(|rows| rows.0),
        }
    }

    /// Returns why a cell has no score; `None` if it has one.
    pub(super) fn absent(&self, cell: &Cell) -> Option<Absent> {
        let score = cell.outcome.as_ref().and_then(|outcome| outcome.metrics.get(&name(self.metric, self.scored)));
        let why = match (cell.status, &cell.cause) {
            (Status::Pending, _) => Absence::NotRun,
            (Status::Failed, Some(Cause::Cell(_))) => Absence::Itself,
            (Status::Failed, Some(Cause::Surroundings) | None) => Absence::Surroundings,
            (Status::Done, _) if score.is_none_or(|score| !score.is_finite()) => Absence::Unmeasured,
            (Status::Done, _) => return None,
        };
        Some(Absent { cell: cell.id.clone(), why })
    }

    /// Reads the predictions of a cell, and returns their metric with the number of rows.
    fn rows(&self, cell: &Cell, outcome: &Outcome) -> Option<(Box<dyn RowMetric>, usize)> {
        outcome.digests.predictions.as_ref()?;
        let targets = self.targets.get(evaluated_rows(outcome, self.scored).0?)?;
        let (attempt, _) = valid_attempt(&run_files::cell(self.dir, &cell.id), &cell.id).ok()?;
        let logits = predictions::from_bytes(&attempt.read(run_files::PREDICTIONS).ok()?).ok()?;
        let logits = match self.scored {
            ScoredRows::Test => logits.test,
            ScoredRows::Validation => logits.valid,
        };
        let logits = logits.filter(|logits| logits.rows() == targets.classes.len())?;
        let threshold = outcome.metrics.get("val_threshold").copied().unwrap_or(0.5);
        let metric = scores::row_metric(
            self.metric,
            self.summary.data.task,
            &logits,
            &targets.classes,
            threshold,
            &targets.keys,
        )?;
        Some((metric, targets.classes.len()))
    }
}
