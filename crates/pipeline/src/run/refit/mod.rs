//! Trains the best setting of a finished run once more, on all rows: the refit, which classifies new texts.
//!
//! Nothing is held out, so nothing can be chosen: the number of epochs is the median of the best epochs of the
//! setting's replicates, and thresholds and calibration are chosen on their pooled held-out scores, as `[decide]` says (by
//! default, the threshold of a binary task with the best F1). There are no callbacks, and the weights of the last epoch are kept.

mod threshold;

use emberline_base::Digest;
use emberline_base::record::{self, Digests, Refit, RefitCell, Summary};
use emberline_report::{ChosenSetting, read_whole_refit};
use emberline_train::{COMPUTATION, FitRequest, FitSpec, FittedModel, fit};

use self::threshold::RefitDecisions;
use super::model::ModelFiles;
use super::options::Options;
use super::trainer::spec;
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::{Cell, Plan};
use crate::run_folder::{Finished, RunFolder};
use crate::settings::KeepEncoders;

/// Trains the refit of a run.
pub(super) struct Refitter<'r> {
    pub(super) plan: &'r Plan,
    /// The results of the plan's cells.
    pub(super) summary: &'r Summary,
    pub(super) folder: &'r RunFolder,
    pub(super) options: &'r Options,
    pub(super) inputs: &'r mut Inputs,
    pub(super) keep_encoders: KeepEncoders,
}

/// The refit that the results of a plan decide on.
pub(crate) struct RefitDecision<'s> {
    /// The best setting.
    setting: ChosenSetting<'s>,
    /// Its replicates, as recorded in the refit.
    replicates: Vec<RefitCell>,
    epochs: u32,
    /// The cell that trains the setting on all rows.
    pub(crate) cell: Cell,
}

/// The state of a plan's refit.
#[derive(Clone, Debug, PartialEq)]
pub enum RefitState {
    /// It exists and is up to date.
    Made(Box<Refit>),
    /// There is none.
    Missing,
    /// It was made of earlier results, of other rows, or by another version of the computation.
    Outdated,
    /// Its files are damaged; a description of the damage.
    Damaged(String),
}

impl std::fmt::Display for RefitState {
    /// Describes the state, as the rest of a sentence about the refit.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Made(_) => f.write_str("is made"),
            Self::Missing => f.write_str("isn't made yet"),
            Self::Outdated => f.write_str("is of earlier results"),
            Self::Damaged(what) => write!(f, "is damaged ({what})"),
        }
    }
}

impl<'s> RefitDecision<'s> {
    /// Decides by the results of a plan.
    ///
    /// # Errors
    /// If nothing tells which setting is best.
    pub(crate) fn by(plan: &Plan, summary: &'s Summary) -> Result<Self, Error> {
        let setting = ChosenSetting::of(summary)?;
        let replicates = setting.refit_cells();
        let epochs = median_epoch(&replicates);
        let cell = cell(plan, &replicates[0].id)?.refit(epochs);
        Ok(Self { setting, replicates, epochs, cell })
    }

    /// Returns the state of the refit in the folder: whether it is this one, made of the present rows.
    ///
    /// # Errors
    /// If the data or the embedding can't be read.
    pub(crate) fn state(&self, folder: &RunFolder, inputs: &mut Inputs) -> Result<RefitState, Error> {
        let refit = match read_whole_refit(folder.path()) {
            Ok(Some(refit)) => refit,
            Ok(None) => return Ok(RefitState::Missing),
            Err(error) => return Ok(RefitState::Damaged(error.to_string())),
        };
        let is_present = refit.cells == self.replicates
            && refit.computation == COMPUTATION
            && refit.digests.data == inputs.data(&self.cell)?.digest
            && refit.digests.embedding == inputs.embedding_digest(&self.cell)?;
        Ok(if is_present { RefitState::Made(Box::new(refit)) } else { RefitState::Outdated })
    }
}

impl Refitter<'_> {
    /// Trains the best setting on all rows, unless the refit is up to date and `force` isn't set. Returns `None` if
    /// another process is training it.
    ///
    /// # Errors
    /// If nothing tells which setting is best, the fit fails, or a file can't be read or written.
    pub(super) fn refit(&mut self) -> Result<Option<Refit>, Error> {
        let decided = RefitDecision::by(self.plan, self.summary)?;
        // With `force`, the refit that another process makes meanwhile wouldn't be made again.
        let lock = if self.options.force { Some(self.folder.wait_for_refit()?) } else { self.folder.lock_refit()? };
        let Some(_lock) = lock else { return Ok(None) };
        if let Some(earlier) = self.up_to_date(&decided)? {
            return Ok(Some(earlier));
        }
        let decisions = self.decisions(&decided.setting)?;
        self.train(decided, decisions).map(Some)
    }

    /// Returns the existing refit if it need not be made again: it has the same cells and rows, and was made on the
    /// same device.
    fn up_to_date(&mut self, decided: &RefitDecision<'_>) -> Result<Option<Refit>, Error> {
        if self.options.force {
            return Ok(None);
        }
        let RefitState::Made(refit) = decided.state(self.folder, self.inputs)? else { return Ok(None) };
        let device = self.options.device_of(&decided.cell);
        let is_made_alike = (&refit.device, &refit.arithmetic) == (&device.to_string(), &device.arithmetic());
        Ok(is_made_alike.then_some(*refit))
    }

    /// Trains the cell on all rows, and writes its model and record.
    fn train(&mut self, decided: RefitDecision<'_>, decisions: RefitDecisions) -> Result<Refit, Error> {
        let RefitDecision { setting, replicates, epochs, cell } = decided;
        let prepared = self.inputs.prepare(&cell, &mut |_| {})?;
        self.folder.note_learned(&prepared)?;
        let mut fit = self.fit(&cell, &prepared)?;
        let RefitDecisions { threshold, of_model } = decisions;
        (fit.thresholds, fit.calibration) = (of_model.thresholds, of_model.calibration);
        let weights = Digest::of(&fit.weights.to_safetensors()?);
        let ModelFiles { model, encoder } = ModelFiles::new(&cell, &prepared, &mut fit)?;
        let encoder = encoder.filter(|_| self.keep_encoders != KeepEncoders::None);
        let device = self.options.device_of(&cell);
        let refit = Refit {
            version: record::VERSION,
            setting: setting.label,
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
        let finished = Finished { epochs: &fit.history, model: &model, predictions: None, encoder: encoder.as_deref() };
        self.folder.write_refit(&cell, &refit, finished)?;
        Ok(refit)
    }

    /// Fits the cell. The weights are those after the last epoch, since no row is held out to choose another.
    fn fit(&self, cell: &Cell, prepared: &Prepared) -> Result<FittedModel, Error> {
        let spec = FitSpec { monitor: None, ..spec(cell, prepared) };
        let request = FitRequest { spec: &spec, callbacks: &mut [], checkpointer: None };
        let mut fitted = fit(vec![request], self.options.device_of(cell))?;
        Ok(fitted.pop().expect("one fit was asked for")?)
    }
}

/// Returns the cell of a plan with this id, which the plan's summary lists.
fn cell<'p>(plan: &'p Plan, id: &str) -> Result<&'p Cell, Error> {
    plan.find(id).ok_or_else(|| Error::NoSuchCell { asked: id.to_owned(), hint: None })
}

/// Returns the median of the best epochs; of two in the middle, their mean, rounded up.
fn median_epoch(replicates: &[RefitCell]) -> u32 {
    let mut epochs: Vec<u32> = replicates.iter().map(|cell| cell.best_epoch).collect();
    epochs.sort_unstable();
    let (low, high) = (epochs[(epochs.len() - 1) / 2], epochs[epochs.len() / 2]);
    (low + high).div_ceil(2)
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
