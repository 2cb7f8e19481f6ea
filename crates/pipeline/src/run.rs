//! Running a plan: what is missing is trained, cell after cell, and every cell leaves its record.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use emberline_base::record::{self, Digests, Outcome, Parameters, Status, Summary};
use emberline_base::{Digest, Features, Metric};
use emberline_cache::Cache;
use emberline_device::Device;
use emberline_embedding::Opened;
use emberline_embedding::encode::{Event, Progress};
use emberline_tensorboard::{Experiment, HParam, MetricInfo, write_experiment};
use emberline_train::callback::Places;
use emberline_train::{Fit, Job, fit};
use indexmap::IndexMap;

use crate::Error;
use crate::inputs::{Inputs, data_key};
use crate::pipeline::Pipeline;
use crate::plan::{Cell, LeftOut, Plan};
use crate::run_folder::RunFolder;

/// How a plan is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What trains, and encodes.
    pub device: Device,
    /// Where vectors of neural encoders are kept; none: they are made anew.
    pub cache: Option<Cache>,
    /// Only the cells with these ids; all of them when empty.
    pub only: Vec<String>,
    /// Cells that are done are run again.
    pub force: bool,
    /// Cells that failed are run again.
    pub retry_failed: bool,
    /// The first failure ends the run.
    pub fail_fast: bool,
}

/// What has become of a plan.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Cells trained by this run.
    pub trained: usize,
    /// Cells that were done before.
    pub kept: usize,
    /// Cells whose record says that they failed.
    pub failed: usize,
    /// Cells that are left to run.
    pub pending: usize,
    /// The summary as written.
    pub summary: Summary,
}

/// Told of the run's progress.
pub trait Observer {
    /// Some combinations are left out.
    fn left_out(&mut self, left_out: &[LeftOut]);
    /// The cell number `number` of `total` that this run trains begins.
    fn begins(&mut self, number: usize, total: usize, id: &str);
    /// A neural encoder, by its name in the pipeline, works on the texts of the cell that began.
    fn encoding(&mut self, embedding: &str, event: &Event);
    /// A cell has ended, well or not.
    fn ended(&mut self, cell: &record::Cell, data: &record::Data);
    /// Where callbacks print their progress.
    fn terminal(&mut self) -> Box<dyn Write + '_>;
}

/// Summaries are rewritten after a cell, but not more often than this.
const SUMMARY_EVERY: Duration = Duration::from_secs(5);

/// Runs what is missing of a pipeline. Finished cells whose inputs have not changed stay.
///
/// # Errors
/// When the data can't be read or records can't be written. A cell that fails is no error: it is
/// recorded, and the others go on.
pub fn run(
    pipeline: &Pipeline,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outline, Error> {
    let plan = Plan::of(pipeline);
    select(&plan, &options.only)?;
    observer.left_out(&plan.left_out);
    let mut inputs = Inputs::new(pipeline.folder.clone(), options.device, options.cache.clone());
    // Faulty data end the run at once, not as a failure of every cell.
    let data = inputs.data(plan.cells.first().ok_or_else(|| no_cells(&plan))?)?;
    let experiment = experiment(&plan, &data.dataset.data);
    if pipeline.settings.callbacks.tensorboard.is_some() {
        write_experiment(&folder.tensorboard(), &experiment)?;
    }
    let records = plan.cells.iter().map(|cell| (cell.id.clone(), cell.pending())).collect();
    let mut runner = Runner { folder, options, inputs, experiment, records };
    let order = execution_order(&plan);
    let work = runner.sort_out(&order);
    let kept = runner.records.values().filter(|cell| cell.status == Status::Done).count();
    let mut written = Instant::now();
    for (number, cell) in work.iter().enumerate() {
        observer.begins(number + 1, work.len(), &cell.id);
        let record = runner.train(cell, observer)?;
        let failed = record.status == Status::Failed;
        observer.ended(&record, &runner.inputs.data(cell)?.dataset.data);
        runner.records.insert(cell.id.clone(), record);
        if failed && options.fail_fast {
            break;
        }
        if written.elapsed() > SUMMARY_EVERY {
            folder.write_summary(&runner.summary(pipeline, &plan)?)?;
            written = Instant::now();
        }
    }
    let summary = runner.summary(pipeline, &plan)?;
    folder.write_summary(&summary)?;
    let count = |status| summary.cells.iter().filter(|cell| cell.status == status).count();
    Ok(Outline {
        trained: count(Status::Done) - kept,
        kept,
        failed: count(Status::Failed),
        pending: count(Status::Pending),
        summary,
    })
}

/// Where a cell stands, seen from its record and its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its record is made from what it would be made from now.
    Done,
    /// Its record says that it failed.
    Failed,
    /// It has no record.
    Missing,
    /// Its record was made from other data.
    OtherData,
    /// Its record was made from another embedding.
    OtherEmbedding,
}

/// Where every cell of a plan stands, in the order of the plan, and what there is to encode on `device`.
///
/// # Errors
/// When data can't be read.
pub fn survey(
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    device: Device,
    cache: Option<Cache>,
) -> Result<Survey, Error> {
    let mut inputs = Inputs::new(pipeline.folder.clone(), device, cache);
    let mut states = IndexMap::new();
    let mut encodings = IndexMap::new();
    for cell in execution_order(plan) {
        let state = state(&mut inputs, folder, cell).0;
        states.insert(cell.id.as_str(), state);
        let (name, source) = cell.source();
        if matches!(state, State::Done | State::Failed) || !source.encodes(&pipeline.folder) {
            continue;
        }
        encodings.entry(format!("{} {:?}", data_key(cell), source.bare())).or_insert_with(|| {
            let texts = inputs.encodings(cell).map(Option::unwrap_or_default).map_err(|error| error.to_string());
            ToEncode { embedding: name.to_owned(), texts }
        });
    }
    let first = plan.cells.first().ok_or_else(|| no_cells(plan))?;
    Ok(Survey {
        states: plan.cells.iter().map(|cell| states[cell.id.as_str()]).collect(),
        encodings: encodings.into_values().collect(),
        data: inputs.data(first)?.dataset.data.clone(),
    })
}

/// What a neural encoder has to do before cells can be trained.
#[derive(Clone, Debug)]
pub struct ToEncode {
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// Its texts, and how many of them are cached; or why it can't be opened.
    pub texts: Result<Progress, String>,
}

/// Where a plan stands.
#[derive(Clone, Debug)]
pub struct Survey {
    /// A state a cell, in the order of the plan.
    pub states: Vec<State>,
    /// What there is to encode, an entry a neural encoder and dataset.
    pub encodings: Vec<ToEncode>,
    /// The data of the first cell.
    pub data: record::Data,
}

/// A cell's state, with its record where there is one. `plan` and `run` both ask here.
fn state(inputs: &mut Inputs, folder: &RunFolder, cell: &Cell) -> (State, Option<record::Cell>) {
    let Some(record) = folder.result(&cell.id) else { return (State::Missing, None) };
    let Some(outcome) = &record.outcome else { return (State::Failed, Some(record)) };
    // Inputs that can't be read show when the cell runs.
    let data = inputs.data(cell).map(|data| data.digest.clone());
    let state = if data.is_ok_and(|now| now == outcome.digests.data) {
        let embedding = inputs.embedding_digest(cell);
        let same = embedding.is_ok_and(|now| now == outcome.digests.embedding);
        if same { State::Done } else { State::OtherEmbedding }
    } else {
        State::OtherData
    };
    (state, Some(record))
}

/// Cells that share data and embedding, one behind the other; else the order of the plan.
fn execution_order(plan: &Plan) -> Vec<&Cell> {
    let mut groups: IndexMap<String, IndexMap<String, Vec<&Cell>>> = IndexMap::new();
    for cell in &plan.cells {
        let (name, source) = cell.source();
        let embedding = format!("{name} {:?}", source.bare());
        groups.entry(data_key(cell)).or_default().entry(embedding).or_default().push(cell);
    }
    groups.into_values().flat_map(IndexMap::into_values).flatten().collect()
}

/// Refuses `--only` with ids that aren't in the plan.
fn select(plan: &Plan, only: &[String]) -> Result<(), Error> {
    for asked in only {
        if plan.find(asked).is_none() {
            let ids = plan.cells.iter().map(|cell| cell.id.as_str());
            let hint = crate::diagnostic::nearest(asked, ids).map(str::to_owned);
            return Err(Error::NoSuchCell { asked: asked.clone(), hint });
        }
    }
    Ok(())
}

/// The state of a run.
struct Runner<'a> {
    folder: &'a RunFolder,
    options: &'a Options,
    inputs: Inputs,
    experiment: Experiment,
    /// By id, in the order of the plan.
    records: IndexMap<String, record::Cell>,
}

impl Runner<'_> {
    /// Takes over the records of cells that need not run, and gives the others, in order.
    fn sort_out<'c>(&mut self, order: &[&'c Cell]) -> Vec<&'c Cell> {
        let mut work = Vec::new();
        for &cell in order {
            let asked = self.options.only.is_empty() || self.options.only.contains(&cell.id);
            match state(&mut self.inputs, self.folder, cell) {
                (State::Done, Some(record)) if !(asked && self.options.force) => {
                    self.records.insert(cell.id.clone(), record);
                }
                (State::Failed, Some(record)) if !(asked && (self.options.force || self.options.retry_failed)) => {
                    self.records.insert(cell.id.clone(), record);
                }
                _ if asked => work.push(cell),
                _ => {}
            }
        }
        work
    }

    /// Trains a cell and writes its record, whatever becomes of it.
    ///
    /// # Errors
    /// Only when a record can't be written: then nothing that follows could be.
    fn train(&mut self, cell: &Cell, observer: &mut dyn Observer) -> Result<record::Cell, Error> {
        self.folder.begin(cell)?;
        let mut record = cell.pending();
        match self.attempt_unharmed(cell, observer) {
            Ok((outcome, fit)) => {
                let weights = fit.weights.to_safetensors()?;
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

    /// One cell's panic must not cost the others: it becomes that cell's failure.
    fn attempt_unharmed(&mut self, cell: &Cell, observer: &mut dyn Observer) -> Result<(Outcome, Fit), Error> {
        let attempt = AssertUnwindSafe(|| self.attempt(cell, observer));
        panic::catch_unwind(attempt).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(Error::Panic(text.unwrap_or("for an unknown reason").to_owned()))
        })
    }

    fn attempt(&mut self, cell: &Cell, observer: &mut dyn Observer) -> Result<(Outcome, Fit), Error> {
        let data = self.inputs.data(cell)?;
        let opened = self.inputs.opened(cell)?;
        let features = self.inputs.features(cell, &mut |event| observer.encoding(cell.embedding(), &event))?;
        let digest = self.inputs.embedding_digest(cell)?;
        let callbacks = &cell.settings.callbacks;
        let job = Job {
            head: &cell.settings.head,
            train: &cell.settings.train,
            seed: cell.settings.seed,
            task: data.dataset.labels.task,
            features: &features,
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
            progress: observer.terminal(),
        };
        let mut started = callbacks.start(places)?;
        let fit = fit(&job, self.options.device, &mut started)?;
        drop(started);
        let digests = Digests {
            data: data.digest.clone(),
            embedding: digest,
            weights: Digest::of(&fit.weights.to_safetensors()?),
        };
        let outcome = outcome(self.options.device, &opened, &job, &fit, digests);
        Ok((outcome, fit))
    }

    fn summary(&mut self, pipeline: &Pipeline, plan: &Plan) -> Result<Summary, Error> {
        let Some(first) = plan.cells.first() else { return Err(no_cells(plan)) };
        let axes = pipeline.axes.iter().map(|axis| {
            let values = axis.values.iter().map(|v| serde_json::to_value(v.to_value()).unwrap_or_default());
            (axis.key.clone(), values.collect())
        });
        Ok(Summary {
            version: record::VERSION,
            name: pipeline.settings.name.clone(),
            axes: axes.collect(),
            data: self.inputs.data(first)?.dataset.data.clone(),
            cells: self.records.values().cloned().collect(),
        })
    }
}

fn no_cells(plan: &Plan) -> Error {
    let reasons: Vec<&str> = plan.left_out.iter().map(|l| l.reason.as_str()).collect();
    Error::NoCells(reasons.first().copied().unwrap_or("the grid is empty").to_owned())
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

/// The cell's axes, and what it is by, for TensorBoard's HParams page.
fn hparams(cell: &Cell) -> Vec<(String, HParam)> {
    let mut hparams: Vec<(String, HParam)> =
        cell.axes.iter().map(|(key, value)| (key.clone(), hparam(value))).collect();
    let (name, source) = cell.source();
    for (key, value) in [
        ("embedding", HParam::Text(name.to_owned())),
        ("embedding.trainable", HParam::Bool(source.trainable())),
        ("seed", HParam::Number(cell.settings.seed as f64)),
    ] {
        if !cell.axes.contains_key(key) {
            hparams.push((key.to_owned(), value));
        }
    }
    hparams
}

fn hparam(value: &serde_json::Value) -> HParam {
    match value {
        serde_json::Value::Bool(value) => HParam::Bool(*value),
        serde_json::Value::Number(number) => HParam::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => HParam::Text(text.clone()),
        other => HParam::Text(other.to_string()),
    }
}

/// What the HParams page compares all cells by: their settings, and the metrics of their best epochs.
fn experiment(plan: &Plan, data: &record::Data) -> Experiment {
    let sessions: Vec<_> = plan.cells.iter().map(hparams).collect();
    let names = |prefix: &'static str| {
        let ranked = [Metric::Loss, Metric::Accuracy, Metric::PrAuc, Metric::F1];
        ranked.into_iter().map(move |metric| MetricInfo::result(&format!("{prefix}{metric}")))
    };
    let valid = data.splits.valid.iter().flat_map(|_| names("val_"));
    let test = data.splits.test.iter().flat_map(|_| names("test_"));
    let train = [Metric::Loss, Metric::Accuracy].into_iter().map(|metric| MetricInfo::result(metric.name()));
    Experiment::of(sessions.iter().map(Vec::as_slice), train.chain(valid).chain(test).collect())
}
