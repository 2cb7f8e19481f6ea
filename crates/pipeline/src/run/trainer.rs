//! From inputs that are ready to records on the disk, whatever becomes of the cells.

use std::io::Write;
use std::path::PathBuf;

use emberline_base::record::{self, Cause, Digests, MadeFrom, Outcome, Parameters, Status};
use emberline_base::{Digest, Features, fenced};
use emberline_device::Device;
use emberline_tensorboard::{Experiment, HParam};
use emberline_train::callback::Places;
use emberline_train::{COMPUTATION, Fit, Job, Keeper, Shape, Watched, fit_together};

use super::attempt::Attempts;
use super::executor::Ready;
use super::hparams::hparams;
use super::keeper::{CellKeeper, Hears};
use super::known_words;
use super::options::Options;
use crate::Error;
use crate::inputs::Prepared;
use crate::plan::Cell;
use crate::run_folder::RunFolder;

/// Trains cells; holds what all of them share, and can be used by several threads at once.
pub(super) struct Trainer<'a> {
    pub(super) folder: &'a RunFolder,
    pub(super) options: &'a Options,
    pub(super) experiment: Experiment,
    pub(super) attempts: &'a Attempts,
}

/// What a finished cell leaves.
struct Trained {
    outcome: Outcome,
    fit: Fit,
    /// The safetensors file of the weights.
    weights: Vec<u8>,
}

/// Who hears of what happens to a cell.
pub(super) trait Listener {
    /// Where what its callbacks print goes.
    fn terminal(&self, cell: &Cell) -> Box<dyn Write>;

    /// Something went wrong that costs time, not results.
    fn warn(&self, message: &str);
}

impl Trainer<'_> {
    /// Trains cells of one shape from their inputs, or records why there are none. A record a cell, in order; of one that was
    /// interrupted, that it is pending.
    ///
    /// # Errors
    /// Only when a record can't be written: then nothing that follows could be.
    pub(super) fn train(&self, pack: &[Ready<'_>], listener: &dyn Listener) -> Result<Vec<record::Cell>, Error> {
        pack.iter().try_for_each(|ready| self.folder.begin(ready.cell))?;
        let cells = match pack.iter().map(prepared).collect::<Result<Vec<_>, _>>() {
            Ok(cells) => cells,
            // It has no shape, and so it is alone.
            Err(error) => return pack.iter().map(|ready| self.record_failure(ready.cell, error, None)).collect(),
        };
        let attempts = match unharmed(|| self.attempt(&cells, listener)) {
            Ok(attempts) => attempts,
            // What ends all at once, such as a lack of memory, need not end each by itself.
            Err(_) if pack.len() > 1 => {
                let alone = pack.iter().map(|ready| self.train(std::slice::from_ref(ready), listener));
                return Ok(alone.collect::<Result<Vec<_>, Error>>()?.concat());
            }
            Err(error) => vec![Err(error)],
        };
        cells.iter().zip(attempts).map(|((cell, prepared), attempt)| self.record(cell, prepared, attempt)).collect()
    }

    /// What cells must share to be trained together with this one; none for one that goes on from a checkpoint.
    pub(super) fn shape(&self, ready: &Ready<'_>) -> Option<Shape> {
        let (cell, prepared) = prepared(ready).ok()?;
        job(cell, prepared).shape().filter(|_| !self.folder.checkpoint(&cell.id).exists())
    }

    fn record(&self, cell: &Cell, prepared: &Prepared, attempt: Result<Trained, Error>) -> Result<record::Cell, Error> {
        match attempt {
            Ok(Trained { outcome, fit, weights }) => {
                let record = record::Cell { status: Status::Done, outcome: Some(outcome), ..cell.pending() };
                self.attempts.end(&cell.id);
                self.folder.finish(cell, &record, &fit.history, &weights)?;
                Ok(record)
            }
            Err(Error::Train(emberline_train::Error::File(error))) => Err(error.into()),
            Err(error) => self.record_failure(cell, &error, Some(prepared)),
        }
    }

    /// Records why a cell has no result; one that was interrupted is left to run. `prepared`: its inputs, if it had them.
    pub(super) fn record_failure(
        &self,
        cell: &Cell,
        error: &Error,
        prepared: Option<&Prepared>,
    ) -> Result<record::Cell, Error> {
        if error.is_interruption() {
            return Ok(cell.pending());
        }
        let cause = match prepared.filter(|_| error.is_of_the_cell()) {
            Some(prepared) => Cause::Cell(self.made_from(cell, prepared)),
            None => Cause::Surroundings,
        };
        let (status, message) = (Status::Failed, Some(error.to_string()));
        let record = record::Cell { status, error: message, cause: Some(cause), ..cell.pending() };
        self.attempts.end(&cell.id);
        self.folder.fail(cell, &record, error.is_lack_of_memory())?;
        Ok(record)
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

    fn attempt(
        &self,
        cells: &[(&Cell, &Prepared)],
        listener: &dyn Listener,
    ) -> Result<Vec<Result<Trained, Error>>, Error> {
        let jobs: Vec<Job<'_>> = cells.iter().map(|(cell, prepared)| job(cell, prepared)).collect();
        let desks: Vec<Desk> = cells.iter().map(|(cell, _)| self.desk(cell)).collect();
        let mut callbacks = Vec::with_capacity(cells.len());
        for (((cell, _), job), desk) in cells.iter().zip(&jobs).zip(&desks) {
            callbacks.push(cell.settings.callbacks.start(desk.places(job, listener.terminal(cell)))?);
        }
        let mut keepers: Vec<CellKeeper<'_>> =
            cells.iter().map(|(cell, prepared)| self.keeper(cell, prepared, listener)).collect();
        let each = jobs.iter().zip(&mut callbacks).zip(&mut keepers);
        let watched = each.map(|((job, callbacks), keeper)| {
            let keeper: Option<&mut dyn Keeper> = Some(keeper);
            Watched { job, callbacks, keeper }
        });
        let fitted = fit_together(watched.collect(), self.options.device_of(cells[0].0))?;
        drop(callbacks);
        let trained = |(((cell, prepared), job), fit): ((&(&Cell, &Prepared), &Job<'_>), _)| {
            self.trained(cell, prepared, job, fit?)
        };
        Ok(cells.iter().zip(&jobs).zip(fitted).map(trained).collect())
    }

    /// What a finished fit leaves.
    fn trained(&self, cell: &Cell, prepared: &Prepared, job: &Job<'_>, fit: Fit) -> Result<Trained, Error> {
        let weights = fit.weights.to_safetensors()?;
        let Prepared { data, digest, .. } = prepared;
        let digests = Digests { data: data.digest.clone(), embedding: digest.clone(), weights: Digest::of(&weights) };
        Ok(Trained { outcome: outcome(self.options.device_of(cell), cell, prepared, job, &fit, digests), fit, weights })
    }

    fn keeper<'k>(&'k self, cell: &Cell, prepared: &Prepared, listener: &'k dyn Listener) -> CellKeeper<'k> {
        let (data, embedding) = (&prepared.data.digest, &prepared.digest);
        let device = self.options.device_of(cell);
        let (data, embedding) = (data.as_str(), embedding.as_str());
        let identity = format!("{} {data} {embedding} {COMPUTATION} {device}", cell.identity);
        let (path, id) = (self.folder.checkpoint(&cell.id), cell.id.clone());
        let hears = Hears {
            warning: Box::new(|message| listener.warn(message)),
            kept: Box::new(move || self.attempts.progressed(&id)),
        };
        CellKeeper::new(path, identity, &self.options.interrupt, hears)
    }

    fn desk(&self, cell: &Cell) -> Desk {
        Desk {
            cell: self.folder.cell(&cell.id),
            tensorboard: self.folder.tensorboard().join(&cell.id),
            hparams: self.experiment.typed(&hparams(cell)),
        }
    }
}

/// Where a cell's callbacks write.
struct Desk {
    cell: PathBuf,
    tensorboard: PathBuf,
    hparams: Vec<(String, HParam)>,
}

impl Desk {
    fn places<'p>(&'p self, job: &Job<'_>, progress: Box<dyn Write + 'p>) -> Places<'p> {
        let Self { cell, tensorboard, hparams } = self;
        let steps_per_epoch = (job.features.train.texts() as u64).div_ceil(u64::from(job.train.batch_size));
        Places { cell, tensorboard, hparams, steps_per_epoch, progress }
    }
}

/// A cell with its inputs, or why there are none.
fn prepared<'r>(ready: &'r Ready<'_>) -> Result<(&'r Cell, &'r Prepared), &'r Error> {
    ready.prepared.as_ref().map(|prepared| (ready.cell, prepared))
}

/// What a cell's fit is made from.
fn job<'c>(cell: &'c Cell, prepared: &'c Prepared) -> Job<'c> {
    let Prepared { data, features, .. } = prepared;
    Job {
        head: &cell.settings.head,
        train: &cell.settings.train,
        seed: cell.settings.seed,
        task: data.dataset.labels.task,
        features,
        targets: &data.targets,
        order: Some(&data.dataset.order),
        monitor: cell.settings.callbacks.monitor(features.valid.is_some()),
        initial: None,
    }
}

/// One cell's panic must not cost the others: it becomes that cell's failure.
pub(super) fn unharmed<T>(attempt: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    fenced(attempt).unwrap_or_else(|panic| Err(Error::Panic(panic)))
}

/// What a finished fit is recorded as.
fn outcome(device: Device, cell: &Cell, prepared: &Prepared, job: &Job<'_>, fit: &Fit, digests: Digests) -> Outcome {
    let Prepared { opened, known_words, .. } = prepared;
    let few_known = known_words.as_ref().and_then(|known| known_words::warning(cell.embedding(), known));
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
        arithmetic: device.arithmetic(),
        computation: COMPUTATION,
        known_words: known_words.clone(),
        warnings: opened.warnings().into_iter().chain(few_known).collect(),
    }
}
