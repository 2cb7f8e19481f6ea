//! Chooses the threshold of a refit: the one with the best F1 on the pooled held-out scores of the replicates.

use std::fs;

use emberline_base::record::{Cell, RefitThreshold, ThresholdOrigin};
use emberline_base::{Matrix, Metric, ReplicateAxis, SplitName, Task, run_files};
use emberline_report::{ChosenSetting, predictions};
use emberline_train::metric::{self, Threshold};

use super::Refitter;
use crate::Error;

impl Refitter<'_> {
    /// Returns the threshold of a binary task, or `None` for other tasks.
    ///
    /// # Errors
    /// If the data can't be read.
    pub(super) fn threshold(&mut self, setting: &ChosenSetting<'_>) -> Result<Option<RefitThreshold>, Error> {
        let first = super::cell(self.plan, &setting.cells[0].id)?.clone();
        let data = self.inputs.data(&first)?;
        let task = data.dataset.labels.task;
        if task != Task::Binary {
            return Ok(None);
        }
        let is_folded = setting.cells.iter().all(|cell| cell.settings.contains_key(ReplicateAxis::Fold.key()));
        let (split, from) = match is_folded {
            true => (SplitName::Test, ThresholdOrigin::PooledTest),
            false => (SplitName::Valid, ThresholdOrigin::PooledValid),
        };
        if data.targets.get(split).is_none() {
            return Ok(Some(RefitThreshold { value: 0.5, from: ThresholdOrigin::Even, rows: 0 }));
        }
        let Some((logits, targets)) = self.pooled(setting, split)? else { return Ok(Some(median_threshold(setting))) };
        let loss = first.settings.train.loss_for(task).map_err(emberline_train::Error::Unsupported)?;
        let scores = metric::all(task, loss, &logits, &targets, Threshold::Best);
        let value = scores.get(&Metric::Threshold).copied().filter(|value| value.is_finite());
        Ok(Some(RefitThreshold { value: value.unwrap_or(0.5), from, rows: logits.rows() }))
    }

    /// Returns the logits and targets of a split of all replicates, concatenated; `None` if one of them kept no
    /// predictions.
    fn pooled(&mut self, setting: &ChosenSetting<'_>, split: SplitName) -> Result<Option<(Matrix, Matrix)>, Error> {
        let (mut logits, mut targets) = (Vec::new(), Vec::new());
        for replicate in &setting.cells {
            let cell = super::cell(self.plan, &replicate.id)?;
            let data = self.inputs.data(cell)?;
            let files = self.folder.files_of(&cell.id).unwrap_or_else(|| self.folder.cell(&cell.id));
            let read = fs::read(files.join(run_files::PREDICTIONS)).ok();
            let kept = read.and_then(|bytes| predictions::from_bytes(&bytes).ok());
            let (Some(kept), Some(of_rows)) = (kept, data.targets.get(split)) else { return Ok(None) };
            let Some(kept) = kept.get(split).filter(|kept| kept.rows() == of_rows.rows()) else { return Ok(None) };
            logits.extend_from_slice(kept.values());
            targets.extend_from_slice(of_rows.values());
        }
        let rows = logits.len();
        Ok(Some((Matrix::new(rows, 1, logits), Matrix::new(rows, 1, targets))))
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
