//! Trains prepared cells and writes their records, whether they succeed or fail.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use emberline_base::record::{
    self, Cause, Digests, Epoch, Execution, Exit, FitEvidence, MadeFrom, Outcome, Parameters, SplitSize, Status,
};
use emberline_base::{Digest, Features};
use emberline_device::{Device, host};
use emberline_embedding::{HostEncoder, Opened, Scope};
use emberline_report::predictions;
use emberline_tensorboard::{Experiment, HParam, LogFolders, RunLog, SessionStatus, write_evaluation};
use emberline_train::callback::{Callback, CallbackContext, Control, PairProgress};
use emberline_train::{
    COMPUTATION, Checkpointer, DecisionSpec, FitRequest, FitSpec, FittedModel, Shape, fit, fit_evidence,
};

use super::checkpointer::{CellCheckpointer, CheckpointEvents};
use super::crash_markers::CrashMarkers;
use super::evaluation::evaluation;
use super::fit_warnings;
use super::hparams::hparams;
use super::model::ModelFiles;
use super::not_converged;
use super::nothing_learned;
use super::options::Options;
use super::work::{PreparedCell, catch_cell_panic};
use crate::Error;
use crate::checks::known_words;
use crate::inputs::{Data, Prepared};
use crate::plan::Cell;
use crate::run_folder::{Attempt, Finished, Lock, RunFolder};
use crate::settings::{self, KeepEncoders};

/// Trains cells. It holds what all cells share, and may be used by several threads at once.
pub(super) struct Trainer<'a> {
    pub(super) folder: &'a RunFolder,
    pub(super) options: &'a Options,
    pub(super) report: settings::Report,
    pub(super) keep_encoders: KeepEncoders,
    pub(super) experiment: Experiment,
    pub(super) markers: &'a CrashMarkers,
}

/// The record of a cell, and the attempt that it belongs to; `None` if the cell was interrupted.
pub(super) struct Recorded {
    pub(super) attempt: Option<u32>,
    pub(super) cell: record::Cell,
}

/// The results of a finished cell.
struct Trained {
    outcome: Outcome,
    fit: FittedModel,
    files: ModelFiles,
    /// The content of the predictions file, if predictions are kept.
    predictions: Option<Vec<u8>>,
}

/// Is notified of the progress of a cell.
pub(super) trait Listener {
    /// Returns where the cell's callbacks print.
    fn terminal(&self, cell: &Cell) -> Box<dyn Write>;

    /// Called after each epoch of the cell.
    fn epoch(&self, cell: &Cell, epoch: &Epoch);

    /// Called every few steps while the cell's encoder is trained on pairs.
    fn pairs(&self, cell: &Cell, progress: &PairProgress);

    /// Called on a problem that costs time but no results.
    fn warn(&self, message: &str);
}

/// The callback that notifies a listener of a cell's epochs.
struct EpochNotifier<'l> {
    cell: &'l Cell,
    listener: &'l dyn Listener,
}

impl Callback for EpochNotifier<'_> {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), emberline_train::Error> {
        self.listener.epoch(self.cell, epoch);
        Ok(())
    }

    fn on_pairs(&mut self, progress: &PairProgress) {
        self.listener.pairs(self.cell, progress);
    }
}

impl Trainer<'_> {
    /// Trains cells of one shape from their inputs, or records why there are no inputs. Returns a record per cell, in
    /// order; an interrupted cell is recorded as pending.
    ///
    /// # Errors
    /// Only if a record can't be written, since no later one could be.
    pub(super) fn train(&self, pack: &[PreparedCell<'_>], listener: &dyn Listener) -> Result<Vec<Recorded>, Error> {
        let begun =
            pack.iter().map(|ready| self.folder.begin(ready.cell, &ready.lock)).collect::<Result<Vec<_>, _>>()?;
        let cells = match pack.iter().map(prepared).collect::<Result<Vec<_>, _>>() {
            Ok(cells) => cells,
            // A cell without inputs has no shape, so it is alone in its pack.
            Err(error) => {
                let each = pack.iter().zip(&begun);
                return each.map(|(ready, attempt)| self.record_failure(ready.cell, attempt, error, None)).collect();
            }
        };
        let fits = match catch_cell_panic(|| self.fit(&cells, &begun, listener)) {
            Ok(fits) => fits,
            // A failure of the whole pack, such as a lack of memory, may not occur if each cell is trained alone.
            Err(_) if pack.len() > 1 => {
                drop(begun);
                return pack.iter().map(|ready| self.train_alone(ready, listener)).collect();
            }
            Err(error) => vec![Err(error)],
        };
        let each = cells.iter().zip(&begun).zip(fits);
        each.map(|(((cell, prepared), attempt), fit)| self.record(cell, attempt, prepared, fit)).collect()
    }

    fn train_alone(&self, ready: &PreparedCell<'_>, listener: &dyn Listener) -> Result<Recorded, Error> {
        let mut recorded = self.train(std::slice::from_ref(ready), listener)?;
        Ok(recorded.pop().expect("one cell leaves one record"))
    }

    /// Records that processes have vanished at a cell too often for it to be tried now.
    pub(super) fn give_up(&self, cell: &Cell, lock: &Lock, times: u32) -> Result<Recorded, Error> {
        let attempt = self.folder.begin(cell, lock)?;
        self.record_failure(cell, &attempt, &Error::Vanished { times }, None)
    }

    /// Returns what cells must share to be trained together with this one; `None` for one that resumes from a
    /// checkpoint.
    pub(super) fn shape(&self, ready: &PreparedCell<'_>) -> Option<Shape> {
        let (cell, prepared) = prepared(ready).ok()?;
        spec(cell, prepared).shape().filter(|_| !self.folder.has_checkpoint(&cell.id))
    }

    fn record(
        &self,
        cell: &Cell,
        attempt: &Attempt<'_>,
        prepared: &Prepared,
        fit: Result<Trained, Error>,
    ) -> Result<Recorded, Error> {
        match fit {
            Ok(Trained { outcome, fit, files, predictions }) => {
                self.log_evaluation(cell, attempt, prepared, &fit)?;
                let record = record::Cell { status: Status::Done, outcome: Some(outcome), ..cell.pending() };
                self.markers.end(&cell.id);
                let (model, predictions) = (files.model.as_slice(), predictions.as_deref());
                let encoder = files.encoder.as_deref().filter(|_| self.keep_encoders != KeepEncoders::None);
                let finished = Finished { epochs: &fit.history, model, predictions, encoder };
                attempt.finish(cell, &record, &self.execution(cell, Exit::Finished), finished)?;
                Ok(Recorded { attempt: Some(attempt.number()), cell: record })
            }
            Err(Error::Train(emberline_train::Error::File(error))) => Err(error.into()),
            Err(error) => self.record_failure(cell, attempt, &error, Some(prepared)),
        }
    }

    /// Records why a cell has no result; an interrupted one stays pending. `prepared` are its inputs, if they could be
    /// prepared.
    fn record_failure(
        &self,
        cell: &Cell,
        attempt: &Attempt<'_>,
        error: &Error,
        prepared: Option<&Prepared>,
    ) -> Result<Recorded, Error> {
        if error.is_interruption() {
            return Ok(Recorded { attempt: None, cell: cell.pending() });
        }
        let cause = match prepared.filter(|_| error.is_of_the_cell()) {
            Some(prepared) => Cause::Cell(self.made_from(cell, prepared)),
            None => Cause::Surroundings,
        };
        if prepared.is_none() {
            self.log_failure(cell, attempt);
        }
        let (status, message) = (Status::Failed, Some(error.to_string()));
        let record = record::Cell { status, error: message, cause: Some(cause), ..cell.pending() };
        self.markers.end(&cell.id);
        attempt.fail(cell, &record, &self.execution(cell, error.exit()), error.is_lack_of_memory())?;
        Ok(Recorded { attempt: Some(attempt.number()), cell: record })
    }

    /// Adds what TensorBoard shows of a finished cell to its log, if it has one.
    fn log_evaluation(
        &self,
        cell: &Cell,
        attempt: &Attempt<'_>,
        prepared: &Prepared,
        fit: &FittedModel,
    ) -> Result<(), Error> {
        if cell.settings.callbacks.tensorboard.is_none() {
            return Ok(());
        }
        let evaluation = evaluation(&prepared.data, fit, self.report.texts);
        Ok(write_evaluation(&attempt.log().own, fit.best_epoch, &evaluation)?)
    }

    /// Logs that a cell failed before its training began, so that the HParams page lists it too.
    fn log_failure(&self, cell: &Cell, attempt: &Attempt<'_>) {
        if cell.settings.callbacks.tensorboard.is_some() {
            let log = RunLog::create(&attempt.log(), "", &self.experiment.typed(&hparams(cell)));
            // The user must be told of the failure itself, not that the log couldn't record it.
            let _ = log.and_then(|log| log.finish(SessionStatus::Failure, 1, &BTreeMap::new()));
        }
    }

    /// Removes the log that an earlier version of the program wrote under the cell's id, since it would be shown as another cell's.
    fn remove_former_log(&self, cell: &Cell) {
        let former = self.folder.tensorboard().join(&cell.id);
        if cell.id != cell.log_name && fs::symlink_metadata(&former).is_ok_and(|metadata| metadata.is_dir()) {
            // What can't be removed is only shown beside the new log.
            let _ = fs::remove_dir_all(&former);
        }
    }

    /// Describes where an attempt at a cell was made, and how it ended.
    fn execution(&self, cell: &Cell, exit: Exit) -> Execution {
        let device = self.options.device_of(cell);
        let gpu = (device != Device::Cpu).then(|| device.arithmetic());
        Execution { node: host::node(), gpu, driver: device.driver(), exit }
    }

    fn made_from(&self, cell: &Cell, prepared: &Prepared) -> MadeFrom {
        let device = self.options.device_of(cell);
        MadeFrom {
            data: prepared.data.digest.clone(),
            embedding: prepared.digest.clone(),
            computation: COMPUTATION,
            device: device.to_string(),
            arithmetic: device.arithmetic(),
        }
    }

    fn fit(
        &self,
        cells: &[(&Cell, &Prepared)],
        attempts: &[Attempt<'_>],
        listener: &dyn Listener,
    ) -> Result<Vec<Result<Trained, Error>>, Error> {
        let specs: Vec<FitSpec<'_>> = cells.iter().map(|(cell, prepared)| spec(cell, prepared)).collect();
        let outputs: Vec<CellOutputs> =
            cells.iter().zip(attempts).map(|((cell, _), attempt)| self.outputs(cell, attempt)).collect();
        let mut callbacks = Vec::with_capacity(cells.len());
        for (((cell, _), spec), outputs) in cells.iter().zip(&specs).zip(&outputs) {
            let mut of_cell = cell.settings.callbacks.start(outputs.context(spec, listener.terminal(cell)))?;
            of_cell.push(Box::new(EpochNotifier { cell, listener }));
            callbacks.push(of_cell);
        }
        let checkpointer = |((cell, prepared), attempt): (&(&Cell, &Prepared), &Attempt<'_>)| {
            self.checkpointer(cell, attempt.checkpoint(), prepared, listener)
        };
        let mut checkpointers: Vec<CellCheckpointer<'_>> = cells.iter().zip(attempts).map(checkpointer).collect();
        let each = specs.iter().zip(&mut callbacks).zip(&mut checkpointers);
        let requests = each.map(|((spec, callbacks), checkpointer)| {
            let checkpointer: Option<&mut dyn Checkpointer> = Some(checkpointer);
            FitRequest { spec, callbacks, checkpointer }
        });
        let fitted = fit(requests.collect(), self.options.device_of(cells[0].0))?;
        drop(callbacks);
        let trained = |(((cell, prepared), spec), fit): ((&(&Cell, &Prepared), &FitSpec<'_>), _)| {
            self.trained(cell, prepared, spec, fit?)
        };
        Ok(cells.iter().zip(&specs).zip(fitted).map(trained).collect())
    }

    /// Collects the results of a finished fit.
    fn trained(
        &self,
        cell: &Cell,
        prepared: &Prepared,
        spec: &FitSpec<'_>,
        mut fit: FittedModel,
    ) -> Result<Trained, Error> {
        let Prepared { data, digest, .. } = prepared;
        let weights = Digest::of(&fit.weights.to_safetensors()?);
        let predictions = self.predictions(data, &fit)?;
        let digests = Digests {
            data: data.digest.clone(),
            embedding: digest.clone(),
            weights,
            predictions: predictions.as_deref().map(Digest::of),
        };
        let files = ModelFiles::new(cell, prepared, &mut fit)?;
        let outcome = outcome(self.options.device_of(cell), cell, prepared, spec, &fit, digests);
        Ok(Trained { outcome, fit, files, predictions })
    }

    /// Returns the content of the predictions file (logits of the validation and test rows), if there are such rows and
    /// predictions are to be kept.
    fn predictions(&self, data: &Data, fit: &FittedModel) -> Result<Option<Vec<u8>>, Error> {
        let bytes = settings::Report::predictions_size(&data.dataset.data);
        if !self.report.keeps_predictions(bytes) {
            return Ok(None);
        }
        let file = predictions::to_bytes(&fit.logits, data.split_digests()).map_err(emberline_train::Error::from)?;
        Ok(Some(file))
    }

    fn checkpointer<'k>(
        &'k self,
        cell: &Cell,
        checkpoint: PathBuf,
        prepared: &Prepared,
        listener: &'k dyn Listener,
    ) -> CellCheckpointer<'k> {
        let (data, embedding) = (&prepared.data.digest, &prepared.digest);
        let device = self.options.device_of(cell);
        let (data, embedding) = (data.as_str(), embedding.as_str());
        let identity = format!("{} {data} {embedding} {COMPUTATION} {device}", cell.identity);
        let id = cell.id.clone();
        let events = CheckpointEvents {
            on_warning: Box::new(|message| listener.warn(message)),
            on_saved: Box::new(move || self.markers.progressed(&id)),
        };
        CellCheckpointer::new(checkpoint, identity, &self.options.interrupt, events)
    }

    fn outputs(&self, cell: &Cell, attempt: &Attempt<'_>) -> CellOutputs {
        self.remove_former_log(cell);
        CellOutputs { cell: attempt.path(), tensorboard: attempt.log(), hparams: self.experiment.typed(&hparams(cell)) }
    }
}

/// Where a cell's callbacks write.
struct CellOutputs {
    cell: PathBuf,
    tensorboard: LogFolders,
    hparams: Vec<(String, HParam)>,
}

impl CellOutputs {
    fn context<'p>(&'p self, spec: &FitSpec<'_>, progress: Box<dyn Write + 'p>) -> CallbackContext<'p> {
        let Self { cell, tensorboard, hparams } = self;
        CallbackContext { cell, tensorboard, hparams, steps_per_epoch: spec.steps_per_epoch(), progress }
    }
}

/// Returns a cell with its inputs, or why it has none.
fn prepared<'r>(ready: &'r PreparedCell<'_>) -> Result<(&'r Cell, &'r Prepared), &'r Error> {
    ready.prepared.as_ref().map(|prepared| (ready.cell, prepared))
}

/// Returns the specification of a cell's fit.
pub(super) fn spec<'c>(cell: &'c Cell, prepared: &'c Prepared) -> FitSpec<'c> {
    let Prepared { data, features, encoder, .. } = prepared;
    FitSpec {
        head: &cell.settings.head,
        train: &cell.settings.train,
        seed: cell.training_seed(),
        task: data.dataset.labels.task,
        classes: &data.dataset.labels.classes,
        features,
        encoder: encoder.as_ref(),
        targets: &data.targets,
        order: Some(&data.dataset.order),
        monitor: Some(cell.settings.callbacks.monitor(features.valid.is_some())),
        initial: None,
        decision: DecisionSpec {
            threshold: cell.settings.decide.threshold,
            calibration: cell.settings.decide.calibration,
            halves: data.valid_halves(),
        },
    }
}

/// Returns the number of rows of each split, and the seed of the split.
fn split_size(cell: &Cell, prepared: &Prepared) -> SplitSize {
    let rows = prepared.data.dataset.splits.map(|_, rows| rows.len());
    let digests = prepared.data.split_digests().clone();
    SplitSize {
        n_train: rows.train,
        n_valid: rows.valid,
        n_test: rows.test,
        valid_rows: digests.valid,
        test_rows: digests.test,
        split_seed: cell.split_seed(),
    }
}

/// Returns the record of a finished fit.
fn outcome(
    device: Device,
    cell: &Cell,
    prepared: &Prepared,
    spec: &FitSpec<'_>,
    fit: &FittedModel,
    digests: Digests,
) -> Outcome {
    let Prepared { opened, known_words, warnings, .. } = prepared;
    let of_texts = warnings.iter().cloned();
    let few_known = known_words.as_ref().and_then(|known| known_words::warning(cell.embedding(), known));
    let nothing_learned = nothing_learned::warning(spec.task, spec.monitor, &fit.history);
    let not_converged = fit.convergence.as_ref().and_then(not_converged::warning);
    let dim = spec.features.train.dim();
    let mut outcome = Outcome {
        dim,
        bytes_per_text: Some(cell.source().1.feature_spec().quantize.bytes(dim)),
        table_bytes: opened.table_bytes(dim),
        encoder_bytes: spec.encoder.map(|encoder| 4 * encoder.trained_parameters()),
        epochs: fit.history.len() as u32,
        best_epoch: fit.best_epoch,
        stopped: fit.stopped,
        convergence: fit.convergence,
        contrastive: fit.contrastive,
        seconds: fit.seconds,
        parameters: parameters(spec, opened),
        split: split_size(cell, prepared),
        metrics: fit.metrics.clone(),
        digests,
        device: device.to_string(),
        arithmetic: device.arithmetic(),
        computation: COMPUTATION,
        known_words: known_words.clone(),
        fit: evidence(prepared, spec, fit),
        warnings: opened
            .warnings()
            .into_iter()
            .chain(few_known)
            .chain(of_texts)
            .chain(nothing_learned)
            .chain(not_converged)
            .collect(),
    };
    let of_fit = fit_warnings::warnings(&outcome, &fit.history);
    outcome.warnings.extend(of_fit);
    outcome
}

/// Returns the number of parameters of the embedding's table or encoder and of the head. LoRA's matrices come on top of the
/// encoder's own.
fn parameters(spec: &FitSpec<'_>, opened: &Opened) -> Parameters {
    let table = opened.parameters(spec.features.train.dim());
    let head = spec.architecture().parameters();
    let trainable = match &spec.features.train {
        Features::Frozen(_) => head,
        Features::Trainable(_) => table + head,
        Features::Mixed(layered) => layered.layers as u64 + 1 + head,
        Features::Tokens { .. } => spec.encoder.map_or(0, HostEncoder::trained_parameters) + head,
    };
    let added = match spec.encoder.map(|encoder| (encoder.scope(), encoder.trained_parameters())) {
        Some((Scope::Lora { .. }, added)) => added,
        Some((Scope::All | Scope::Last(_), _)) | None => 0,
    };
    Parameters { total: table + added + head, trainable }
}

/// Returns what the validation rows say about a fit besides its metrics.
fn evidence(prepared: &Prepared, spec: &FitSpec<'_>, fit: &FittedModel) -> Option<FitEvidence> {
    let objective = spec.objective().ok()?;
    fit_evidence(spec.task, &objective, &prepared.data.dataset.labels.classes, &fit.logits, spec.targets)
}
