//! One cell: from inputs that are ready to a record on the disk, whatever becomes of it.

use std::io::Write;

use emberline_base::record::{self, Digests, Outcome, Parameters, Status};
use emberline_base::{Digest, Features, fenced};
use emberline_device::Device;
use emberline_embedding::Opened;
use emberline_tensorboard::Experiment;
use emberline_train::callback::Places;
use emberline_train::{Fit, Job, fit};

use super::hparams::hparams;
use crate::Error;
use crate::inputs::Prepared;
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// Trains cells; holds what all of them share, and can be used by several threads at once.
pub(super) struct Trainer<'a> {
    pub(super) folder: &'a RunFolder,
    pub(super) device: Device,
    pub(super) experiment: Experiment,
}

/// What a finished cell leaves.
struct Trained {
    outcome: Outcome,
    fit: Fit,
    /// The safetensors file of the weights.
    weights: Vec<u8>,
}

impl Trainer<'_> {
    /// Trains a cell from its inputs, or records why there are none; callbacks print to `terminal`.
    ///
    /// # Errors
    /// Only when a record can't be written: then nothing that follows could be.
    pub(super) fn train(
        &self,
        cell: &Cell,
        prepared: Result<Prepared, Error>,
        terminal: Box<dyn Write + '_>,
    ) -> Result<record::Cell, Error> {
        self.folder.begin(cell)?;
        let mut record = cell.pending();
        match prepared.and_then(|prepared| unharmed(|| self.attempt(cell, &prepared, terminal))) {
            Ok(Trained { outcome, fit, weights }) => {
                record.status = Status::Done;
                record.outcome = Some(outcome);
                self.folder.finish(&record, &fit.history, &weights)?;
            }
            Err(Error::Train(emberline_train::Error::File(error))) => return Err(error.into()),
            Err(error) => {
                record.status = Status::Failed;
                record.error = Some(error.to_string());
                self.folder.write_result(&record)?;
            }
        }
        Ok(record)
    }

    fn attempt(&self, cell: &Cell, prepared: &Prepared, terminal: Box<dyn Write + '_>) -> Result<Trained, Error> {
        let Prepared { data, opened, features, digest } = prepared;
        let callbacks = &cell.settings.callbacks;
        let job = Job {
            head: &cell.settings.head,
            train: &cell.settings.train,
            seed: cell.settings.seed,
            task: data.dataset.labels.task,
            features,
            targets: &data.targets,
            monitor: callbacks.monitor(features.valid.is_some()),
            initial: None,
        };
        let hparams = self.experiment.typed(&hparams(cell));
        let places = Places {
            cell: &self.folder.cell(&cell.id),
            tensorboard: &self.folder.tensorboard().join(&cell.id),
            hparams: &hparams,
            steps_per_epoch: (features.train.texts() as u64).div_ceil(u64::from(cell.settings.train.batch_size)),
            progress: terminal,
        };
        let mut started = callbacks.start(places)?;
        let fit = fit(&job, self.device, &mut started)?;
        drop(started);
        let weights = fit.weights.to_safetensors()?;
        let digests = Digests { data: data.digest.clone(), embedding: digest.clone(), weights: Digest::of(&weights) };
        let outcome = outcome(self.device, opened, &job, &fit, digests);
        Ok(Trained { outcome, fit, weights })
    }
}

/// One cell's panic must not cost the others: it becomes that cell's failure.
pub(super) fn unharmed<T>(attempt: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    fenced(attempt).unwrap_or_else(|panic| Err(Error::Panic(panic)))
}

/// What a finished fit is recorded as.
fn outcome(device: Device, opened: &Opened, job: &Job<'_>, fit: &Fit, digests: Digests) -> Outcome {
    let dim = job.features.train.dim();
    let table = opened.parameters(dim);
    let head = job.architecture().parameters();
    let trainable = match &job.features.train {
        Features::Frozen(_) => head,
        Features::Tuned(_) => table + head,
        Features::Mixed(layered) => layered.layers as u64 + 1 + head,
    };
    Outcome {
        dim,
        epochs: fit.history.len() as u32,
        best_epoch: fit.best_epoch,
        stopped: fit.stopped,
        seconds: fit.seconds,
        parameters: Parameters { total: table + head, trainable },
        metrics: fit.metrics.clone(),
        digests,
        device: device.to_string(),
    }
}
