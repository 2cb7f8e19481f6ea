//! Trains the best setting of a finished run once more, on all rows: the model that classifies later texts.
//!
//! Nothing is held out, so nothing can be chosen: the number of epochs is the median of the best epochs of the setting's
//! replicates, and the threshold of a binary task is where F1 is best on their pooled held-out scores. No callback acts, and the
//! last epoch is kept.

use std::fs;

use emberline_base::record::{self, Digests, Refit, RefitCell, RefitThreshold, ThresholdOrigin};
use emberline_base::{Digest, Matrix, Metric, ReplicateAxis, SplitName, Task, run_files};
use emberline_report::{ChosenSetting, Run, predictions, read_whole_refit};
use emberline_train::metric::{self, Threshold};
use emberline_train::{COMPUTATION, FitRequest, FitSpec, FittedModel, Model, fit};

use super::model::model;
use super::options::Options;
use super::trainer::spec;
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

/// Where a refit is made.
pub(super) struct Refitter<'r> {
    pub(super) plan: &'r Plan,
    pub(super) folder: &'r RunFolder,
    pub(super) options: &'r Options,
    pub(super) inputs: &'r mut Inputs,
}

/// What the replicates of the best setting decide.
struct Chosen {
    /// The setting's label.
    setting: String,
    replicates: Vec<RefitCell>,
    epochs: u32,
    threshold: Option<RefitThreshold>,
}

impl Refitter<'_> {
    /// Trains the best setting on all rows, unless that has been done with the same cells and rows. None: another process is at
    /// it.
    ///
    /// # Errors
    /// When nothing tells which setting is best, the fit fails, or a file can't be read or written.
    pub(super) fn refit(&mut self) -> Result<Option<Refit>, Error> {
        let run = Run::load(self.folder.path())?;
        let setting = ChosenSetting::of(&run.summary)?;
        let Some(_lock) = self.folder.lock_refit()? else { return Ok(None) };
        let replicates = setting.refit_cells();
        let epochs = median_epoch(&replicates);
        let cell = self.cell(&replicates[0].id).refit(epochs);
        if let Some(earlier) = self.present(&cell, &replicates)? {
            return Ok(Some(earlier));
        }
        let threshold = self.threshold(&setting)?;
        self.train(&cell, Chosen { setting: setting.label, replicates, epochs, threshold }).map(Some)
    }

    /// Trains the cell of all rows, and writes its model and record.
    fn train(&mut self, cell: &Cell, chosen: Chosen) -> Result<Refit, Error> {
        let Chosen { setting, replicates, epochs, threshold } = chosen;
        let prepared = self.inputs.prepare(cell, &mut |_| {})?;
        self.folder.note_learned(&prepared)?;
        let mut fit = self.fit(cell, &prepared)?;
        fit.thresholds = threshold.iter().map(|threshold| threshold.value).collect();
        let weights = Digest::of(&fit.weights.to_safetensors()?);
        let to_bytes = |model: Model| model.to_safetensors();
        let model = model(cell, &prepared, &mut fit).and_then(to_bytes).map_err(emberline_train::Error::from)?;
        let device = self.options.device_of(cell);
        let refit = Refit {
            version: record::VERSION,
            setting,
            cells: replicates,
            rows: prepared.data.dataset.splits.train.len(),
            epochs,
            threshold,
            metrics: fit.metrics.clone(),
            digests: Digests {
                data: prepared.data.digest.clone(),
                embedding: prepared.digest.clone(),
                weights,
                predictions: None,
            },
            device: device.to_string(),
            arithmetic: device.arithmetic(),
            computation: COMPUTATION,
            seconds: fit.seconds,
        };
        self.folder.write_refit(cell, &refit, &fit.history, &model)?;
        Ok(refit)
    }

    /// The refit that lies there, if it was made of these replicates and of the present rows, in the same way.
    fn present(&mut self, cell: &Cell, replicates: &[RefitCell]) -> Result<Option<Refit>, Error> {
        // A damaged one is made again.
        let Ok(Some(refit)) = read_whole_refit(self.folder.path()) else { return Ok(None) };
        let device = self.options.device_of(cell);
        let is_made_alike = refit.cells == replicates
            && refit.computation == COMPUTATION
            && (&refit.device, &refit.arithmetic) == (&device.to_string(), &device.arithmetic());
        let is_of_inputs = is_made_alike
            && refit.digests.data == self.inputs.data(cell)?.digest
            && refit.digests.embedding == self.inputs.embedding_digest(cell)?;
        Ok(is_of_inputs.then_some(refit))
    }

    fn cell(&self, id: &str) -> &Cell {
        self.plan.find(id).expect("the summary lists the cells of the plan")
    }

    /// The weights after the last epoch, since no row is held out to choose another.
    fn fit(&self, cell: &Cell, prepared: &Prepared) -> Result<FittedModel, Error> {
        let spec = FitSpec { monitor: None, ..spec(cell, prepared) };
        let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
        let mut fitted = fit(vec![request], self.options.device_of(cell))?;
        Ok(fitted.pop().expect("one fit was asked for")?)
    }

    /// The threshold of a binary task; none for others.
    fn threshold(&mut self, setting: &ChosenSetting<'_>) -> Result<Option<RefitThreshold>, Error> {
        let first = self.cell(&setting.cells[0].id).clone();
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

    /// The logits and targets of a split of all replicates, one below the other; none if one of them kept no predictions.
    fn pooled(&mut self, setting: &ChosenSetting<'_>, split: SplitName) -> Result<Option<(Matrix, Matrix)>, Error> {
        let (mut logits, mut targets) = (Vec::new(), Vec::new());
        for replicate in &setting.cells {
            let cell = self.plan.find(&replicate.id).expect("the summary lists the cells of the plan");
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

/// The median of the best epochs; of two in the middle their mean, rounded up.
fn median_epoch(replicates: &[RefitCell]) -> u32 {
    let mut epochs: Vec<u32> = replicates.iter().map(|cell| cell.best_epoch).collect();
    epochs.sort_unstable();
    let (low, high) = (epochs[(epochs.len() - 1) / 2], epochs[epochs.len() / 2]);
    (low + high).div_ceil(2)
}

/// The median of the replicates' own thresholds.
fn median_threshold(setting: &ChosenSetting<'_>) -> RefitThreshold {
    let name = format!("val_{}", Metric::Threshold);
    let of_cell = |cell: &&record::Cell| cell.outcome.as_ref()?.metrics.get(&name).copied();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_epochs_is_rounded_up() {
        let median = |epochs: &[u32]| {
            let cell = |&best_epoch: &u32| RefitCell { id: String::new(), weights: Digest::of(b""), best_epoch };
            median_epoch(&epochs.iter().map(cell).collect::<Vec<_>>())
        };
        assert_eq!([median(&[4]), median(&[9, 1, 3]), median(&[8, 3]), median(&[2, 9, 4, 4])], [4, 3, 6, 4]);
    }
}
