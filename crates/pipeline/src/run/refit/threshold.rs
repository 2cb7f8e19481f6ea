//! Chooses how the probabilities of a refit become decisions: thresholds and calibration, on the pooled held-out scores
//! of the replicates.

use std::fs;

use emberline_base::record::{Cell, RefitThreshold, ThresholdOrigin};
use emberline_base::{Matrix, Metric, ReplicateAxis, SplitName, Task, run_files};
use emberline_metrics::{DEFAULT_THRESHOLD, Predictions};
use emberline_report::{ChosenSetting, predictions};
use emberline_train::{DecisionSpec, Decisions};

use super::Refitter;
use crate::Error;

/// How the probabilities of a refit become decisions.
#[derive(Default)]
pub(super) struct RefitDecisions {
    /// The threshold of a binary task, before calibration, for the record.
    pub(super) threshold: Option<RefitThreshold>,
    /// Thresholds and calibration, for the model.
    pub(super) of_model: Decisions,
}

impl Refitter<'_> {
    /// Chooses thresholds and calibration.
    ///
    /// # Errors
    /// If the data can't be read.
    pub(super) fn decisions(&mut self, setting: &ChosenSetting<'_>) -> Result<RefitDecisions, Error> {
        let first = super::cell(self.plan, &setting.cells[0].id)?.clone();
        let decide = first.settings.decide.clone();
        let data = self.inputs.data(&first)?;
        let task = data.dataset.labels.task;
        if task != Task::Binary && decide.threshold.is_none() && decide.calibration.is_none() {
            return Ok(RefitDecisions::default());
        }
        let is_folded = setting.cells.iter().all(|cell| cell.settings.contains_key(ReplicateAxis::Fold.key()));
        let (split, from) = match is_folded {
            true => (SplitName::Test, ThresholdOrigin::PooledTest),
            false => (SplitName::Valid, ThresholdOrigin::PooledValid),
        };
        let recorded = |threshold| Some(threshold).filter(|_| task == Task::Binary);
        if data.targets.get(split).is_none() {
            let even = RefitThreshold { value: DEFAULT_THRESHOLD, from: ThresholdOrigin::Even, rows: 0 };
            return Ok(RefitDecisions::at(recorded(even)));
        }
        let Some((logits, targets)) = self.pooled(setting, split)? else {
            return Ok(RefitDecisions::at(recorded(median_threshold(setting))));
        };
        let pooled = Predictions::new(task, &logits, &targets).expect("stored predictions fit the targets");
        let spec = DecisionSpec { threshold: decide.threshold, calibration: decide.calibration, halves: None };
        let (thresholds, of_model) = Decisions::choose(&pooled, &spec);
        let value = thresholds.first().copied().unwrap_or(DEFAULT_THRESHOLD);
        Ok(RefitDecisions { threshold: recorded(RefitThreshold { value, from, rows: logits.rows() }), of_model })
    }

    /// Returns the logits and targets of a split of all replicates, concatenated; `None` if one of them kept no
    /// predictions.
    fn pooled(&mut self, setting: &ChosenSetting<'_>, split: SplitName) -> Result<Option<(Matrix, Matrix)>, Error> {
        let (mut logits, mut targets, mut outputs) = (Vec::new(), Vec::new(), 1);
        for replicate in &setting.cells {
            let cell = super::cell(self.plan, &replicate.id)?;
            let data = self.inputs.data(cell)?;
            let files = self.folder.files_of(&cell.id).unwrap_or_else(|| self.folder.cell(&cell.id));
            let read = fs::read(files.join(run_files::PREDICTIONS)).ok();
            let kept = read.and_then(|bytes| predictions::from_bytes(&bytes).ok());
            let (Some(kept), Some(of_rows)) = (kept, data.targets.get(split)) else { return Ok(None) };
            let has_shape = |kept: &&Matrix| (kept.rows(), kept.cols()) == (of_rows.rows(), of_rows.cols());
            let Some(kept) = kept.get(split).filter(has_shape) else { return Ok(None) };
            outputs = of_rows.cols();
            logits.extend_from_slice(kept.values());
            targets.extend_from_slice(of_rows.values());
        }
        let matrix = |values: Vec<f32>| Matrix::new(values.len() / outputs, outputs, values);
        Ok(Some((matrix(logits), matrix(targets))))
    }
}

impl RefitDecisions {
    /// The decisions at a threshold that was chosen without pooled scores; they aren't calibrated.
    fn at(threshold: Option<RefitThreshold>) -> Self {
        let thresholds = threshold.iter().map(|threshold| threshold.value).collect();
        Self { threshold, of_model: Decisions { thresholds, calibration: None } }
    }
}

/// Returns the median of the replicates' own thresholds.
fn median_threshold(setting: &ChosenSetting<'_>) -> RefitThreshold {
    let name = format!("val_{}", Metric::Threshold);
    let of_cell = |cell: &&Cell| cell.outcome.as_ref()?.metrics.get(&name).copied();
    let mut values: Vec<f64> = setting.cells.iter().filter_map(of_cell).filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => RefitThreshold { value: 0.5, from: ThresholdOrigin::Even, rows: 0 },
        count => {
            let value = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
            RefitThreshold { value, from: ThresholdOrigin::Median, rows: 0 }
        }
    }
}
