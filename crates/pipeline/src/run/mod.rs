//! Running a plan: what is missing is trained, cell after cell or side by side, and every cell leaves its record.
//!
//! `survey.rs` tells what is missing, `executor.rs` gives every cell its turn, `trainer.rs` turns cells into records.

mod attempt;
mod executor;
mod explain;
mod hparams;
mod keeper;
mod known_words;
mod left_out;
mod observer;
mod options;
mod survey;
mod trainer;

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use emberline_base::record::{self, Status, Summary};
use emberline_device::Device;
use emberline_tensorboard::write_experiment;
use emberline_train::Shape;
use indexmap::IndexMap;

use self::attempt::{Attempts, Sorted};
use self::executor::{Ready, Width, Work, execute};
pub use self::explain::{Explanation, explain};
use self::hparams::experiment;
pub use self::observer::{Observer, Silent};
pub use self::options::Options;
use self::survey::execution_order;
pub use self::survey::{Replaced, State, Survey, ToEncode, survey};
pub(crate) use self::survey::{groups, state};
use self::trainer::{Listener, Trainer};
use crate::Error;
use crate::inputs::{Data, Encoded, Inputs, Prepared};
use crate::lock::Lock;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

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
    /// Whether the run was asked to end before it had finished.
    pub interrupted: bool,
    /// How many texts were encoded, or taken from the cache.
    pub encoded: Encoded,
    /// The summary as written.
    pub summary: Summary,
}

/// Summaries are rewritten after a cell, but not more often than this.
const SUMMARY_EVERY: Duration = Duration::from_secs(5);
/// And so seldom that it takes no more than this part of the time.
const SUMMARY_SHARE: u32 = 50;

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
    run_at(width, pipeline, folder, options, observer)
}

/// Runs with so many cells at a time, by the options and the number of cells.
fn run_at(
    width: fn(&Options, &[&Cell]) -> Width,
    pipeline: &Pipeline,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outline, Error> {
    let plan = Plan::of(pipeline);
    select(&plan, &options.only)?;
    observer.left_out(&plan.left_out);
    folder.check_version()?;
    let _hold = folder.hold(|| observer.waits())?;
    folder.claim(&pipeline.file)?;
    let inputs = Inputs::new(pipeline.folder.clone(), options.device, options.cache.clone());
    let mut inputs = inputs.interrupted_by(&options.interrupt);
    // Faulty data end the run at once, not as a failure of every cell.
    let first = plan.cells.first().ok_or_else(|| no_cells(&plan))?;
    let attempts = Attempts::new(folder.attempts(), &options.interrupt);
    let data = if options.asks_for(&first.id) && !attempts.is_suspect(&first.id) {
        begin_inputs(first, folder, &attempts, &mut inputs)?
    } else {
        inputs.data(first)?
    };
    let data = data.dataset.data.clone();
    observer.data(&data);
    if let Some(lock) = &options.locked {
        refuse_stale(lock, pipeline, &plan, &options.only, &mut inputs)?;
    }
    let experiment = experiment(&plan, &data);
    if pipeline.settings.callbacks.tensorboard.is_some() {
        write_experiment(&folder.tensorboard(), &experiment)?;
    }
    let mut records = plan.cells.iter().map(|cell| (cell.id.clone(), cell.pending())).collect();
    let cells = sort_out(&plan, folder, options, &mut inputs, &mut records, observer);
    let kept = records.values().filter(|cell| cell.status == Status::Done).count();
    let cells = attempts.sort(cells, options.retry_failed || options.force);
    let width = width(options, &cells.usual);
    observer.starts(cells.usual.len() + cells.alone.len() + cells.given_up.len(), width.jobs * width.pack);
    let runner = Runner {
        pipeline,
        data,
        left_out: left_out::by_reason(&plan.left_out),
        trainer: Trainer { folder, options, experiment, attempts: &attempts },
        fail_fast: options.fail_fast,
        observer: Mutex::new(observer),
        records: Mutex::new(Records { records, next_summary: Instant::now() + SUMMARY_EVERY }),
    };
    runner.execute(width, &cells, &mut inputs)?;
    let summary = runner.finish()?;
    let count = |status| summary.cells.iter().filter(|cell| cell.status == status).count();
    Ok(Outline {
        trained: count(Status::Done) - kept,
        kept,
        failed: count(Status::Failed),
        pending: count(Status::Pending),
        interrupted: options.interrupt.is_asked(),
        encoded: inputs.encoded(),
        summary,
    })
}

/// Reads the data, and opens the source of the first cell beside it. The process may vanish at that, too.
fn begin_inputs(
    first: &Cell,
    folder: &RunFolder,
    attempts: &Attempts,
    inputs: &mut Inputs,
) -> Result<Arc<Data>, Error> {
    if matches!(folder.record(first), Ok(Some(_))) {
        return inputs.begin(first);
    }
    attempts.begin(&first.id);
    let data = inputs.begin(first);
    attempts.pause(&first.id);
    data
}

/// How many cells are trained at a time: no more than there are. A processor is given no packs, which would only keep its cells
/// waiting for each other.
fn width(options: &Options, cells: &[&Cell]) -> Width {
    let on_processor = cells.iter().all(|cell| options.device_of(cell) == Device::Cpu);
    let cells = cells.len();
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let asked = |number: Option<NonZeroUsize>| number.map(NonZeroUsize::get);
    let (jobs, pack) = if on_processor {
        (asked(options.jobs).unwrap_or_else(cores), 1)
    } else {
        (asked(options.jobs).unwrap_or(1), asked(options.pack).unwrap_or(1))
    };
    let pack = pack.min(cells.max(1));
    Width { jobs: jobs.min(cells.div_ceil(pack).max(1)), pack }
}

/// Refuses inputs that aren't what the lock says, of the cells that are asked for.
fn refuse_stale(
    lock: &Lock,
    pipeline: &Pipeline,
    plan: &Plan,
    only: &[String],
    inputs: &mut Inputs,
) -> Result<(), Error> {
    let mut asked = execution_order(plan);
    asked.retain(|cell| only.is_empty() || only.contains(&cell.id));
    let found = lock.compare_inputs(pipeline, plan, &asked, inputs)?;
    if found.is_empty() { Ok(()) } else { Err(Error::Stale(found)) }
}

/// Refuses `--only` with ids that aren't in the plan.
fn select(plan: &Plan, only: &[String]) -> Result<(), Error> {
    for asked in only {
        if plan.find(asked).is_none() {
            let ids = plan.cells.iter().map(|cell| cell.id.as_str());
            let hint = crate::name::nearest(asked, ids).map(str::to_owned);
            return Err(Error::NoSuchCell { asked: asked.clone(), hint });
        }
    }
    Ok(())
}

/// Takes over the records of cells that need not run, and gives the others, in order.
fn sort_out<'p>(
    plan: &'p Plan,
    folder: &RunFolder,
    options: &Options,
    inputs: &mut Inputs,
    records: &mut IndexMap<String, record::Cell>,
    observer: &mut dyn Observer,
) -> Vec<&'p Cell> {
    let mut work = Vec::new();
    for cell in execution_order(plan) {
        let asked = options.asks_for(&cell.id);
        let (state, record) = state(inputs, folder, cell);
        if let State::Damaged(what) = &state {
            observer.warns(&format!("{what}; the cell is run again"));
        }
        match (state, record) {
            (State::Done, Some(record)) if !(asked && options.force) => {
                records.insert(cell.id.clone(), record);
            }
            (State::Failed(_), Some(record)) if !(asked && (options.force || options.retry_failed)) => {
                records.insert(cell.id.clone(), record);
            }
            (State::FailedByChance(_), Some(record)) if !asked => {
                records.insert(cell.id.clone(), record);
            }
            _ if asked => work.push(cell),
            _ => {}
        }
    }
    work
}

/// A run under way, shared by the threads that train.
struct Runner<'a> {
    pipeline: &'a Pipeline,
    /// The data of the first cell.
    data: record::Data,
    left_out: Vec<record::LeftOut>,
    trainer: Trainer<'a>,
    fail_fast: bool,
    observer: Mutex<&'a mut dyn Observer>,
    records: Mutex<Records>,
}

/// What is known of every cell so far.
struct Records {
    /// By id, in the order of the plan.
    records: IndexMap<String, record::Cell>,
    /// When the summary may be written again.
    next_summary: Instant,
}

impl Work for Runner<'_> {
    fn goes_on(&self) -> bool {
        !self.trainer.options.interrupt.is_asked()
    }

    fn begins(&self, number: usize, cell: &Cell) {
        locked(&self.observer).begins(number, &cell.id);
    }

    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error> {
        self.trainer.attempts.begin(&cell.id);
        let prepared = inputs.prepare(cell, &mut |event| locked(&self.observer).encoding(cell.embedding(), &event))?;
        let folder = self.trainer.folder;
        folder.note_input(&prepared.data.digest, || inputs.data_facts(cell))?;
        folder.note_input(&prepared.digest, || inputs.embedding_facts(cell))?;
        Ok(prepared)
    }

    fn shape(&self, ready: &Ready<'_>) -> Option<Shape> {
        self.trainer.shape(ready)
    }

    fn train(&self, pack: &[Ready<'_>]) -> Result<bool, Error> {
        let records = self.trainer.train(pack, self)?;
        let fails = self.fail_fast && records.iter().any(|record| record.status == Status::Failed);
        let go_on = !fails && self.goes_on();
        for (ready, record) in pack.iter().zip(records) {
            let data = ready.prepared.as_ref().map_or(&self.data, |prepared| &prepared.data.dataset.data);
            locked(&self.observer).ended(ready.number, &record, data);
            self.keep(record)?;
        }
        Ok(go_on)
    }
}

impl Listener for Runner<'_> {
    fn terminal(&self, cell: &Cell) -> Box<dyn Write> {
        locked(&self.observer).terminal(&cell.id)
    }

    fn warn(&self, message: &str) {
        locked(&self.observer).warns(message);
    }
}

impl Runner<'_> {
    /// Runs the cells: those that the process may have vanished at come last, one after the other, so that the others are
    /// done before it vanishes again.
    fn execute(&self, width: Width, cells: &Sorted<'_>, inputs: &mut Inputs) -> Result<(), Error> {
        let Sorted { usual, alone, given_up } = cells;
        let by_itself = Width { jobs: 1, pack: 1 };
        let goes_on =
            execute(width, 1, usual, inputs, self)? && execute(by_itself, usual.len() + 1, alone, inputs, self)?;
        for (number, (cell, times)) in (usual.len() + alone.len() + 1..).zip(given_up).filter(|_| goes_on) {
            self.begins(number, cell);
            self.trainer.folder.begin(cell)?;
            let record = self.trainer.record_failure(cell, &Error::Vanished { times: *times }, None)?;
            locked(&self.observer).ended(number, &record, &self.data);
            self.keep(record)?;
        }
        Ok(())
    }

    /// Notes a record, and writes the summary now and then.
    fn keep(&self, record: record::Cell) -> Result<(), Error> {
        let mut known = locked(&self.records);
        known.records.insert(record.id.clone(), record);
        let begun = Instant::now();
        if begun > known.next_summary {
            self.trainer.folder.write_summary(&self.summary(&known.records))?;
            known.next_summary = Instant::now() + SUMMARY_EVERY.max(begun.elapsed() * SUMMARY_SHARE);
        }
        Ok(())
    }

    /// Writes the last summary.
    fn finish(self) -> Result<Summary, Error> {
        let summary = self.summary(&locked(&self.records).records);
        self.trainer.folder.write_summary(&summary)?;
        Ok(summary)
    }

    fn summary(&self, records: &IndexMap<String, record::Cell>) -> Summary {
        let axes = self.pipeline.axes.iter().map(|axis| {
            let values = axis.values.iter().map(|v| serde_json::to_value(v.to_value()).unwrap_or_default());
            (axis.key.clone(), values.collect())
        });
        let cells: Vec<record::Cell> = records.values().cloned().collect();
        Summary {
            version: record::VERSION,
            name: self.pipeline.settings.name.clone(),
            axes: axes.collect(),
            data: self.data.clone(),
            warnings: Summary::gather_warnings(&self.data, &cells),
            cells,
            left_out: self.left_out.clone(),
        }
    }
}

/// What a lock holds, even where a thread that had it panicked: nothing here is left half done by a panic.
fn locked<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn no_cells(plan: &Plan) -> Error {
    let reasons: Vec<&str> = plan.left_out.iter().map(|l| l.reason.as_str()).collect();
    Error::NoCells(reasons.first().copied().unwrap_or("the grid is empty").to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Seeds, rates of which one fails, two lengths of vectors, frozen and tuned; dropout.
    const PIPELINE: &str = r#"
name = "packs"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.one.hashing]
dim = 8
[embedding.other.hashing]
dim = 12
[head]
layers = [{ dense = 8 }, { dropout = 0.2 }]
[train]
epochs = 4
optimizer = { sgd = { learning_rate = 0.1 } }
[callbacks.early_stopping]
monitor = "val_loss"
patience = 1
[callbacks.tensorboard]
[grid]
seed = [1, 2, 3]
"train.optimizer.sgd.learning_rate" = [0.1, 1e38]
embedding = ["one", "other"]
"embedding.trainable" = [false, true]
"#;

    #[test]
    fn a_card_gets_what_it_is_faster_at_and_all_that_it_is_asked_for() {
        use Device::{Cpu, Cuda};
        let dropout_first = "head.layers=[{ dropout = 0.2 }, { dense = 8 }]".to_owned();
        for (set, suits) in [(vec![], true), (vec![dropout_first], false)] {
            let pipeline = Pipeline::parse("p", PIPELINE, Path::new("."), &set).expect("sound");
            let (named, auto) = (Options::on(Cuda), Options { auto: true, ..Options::on(Cuda) });
            let no_card = Options { auto: true, ..Options::on(Cpu) };
            for cell in &Plan::of(&pipeline).cells {
                let frozen = !cell.settings.embedding.source.trainable();
                assert_eq!(named.device_of(cell), Cuda, "{}", cell.id);
                assert_eq!(auto.device_of(cell), if suits && frozen { Cuda } else { Cpu }, "{}", cell.id);
                assert_eq!(no_card.device_of(cell), Cpu, "{}", cell.id);
            }
        }
    }

    /// What stands around a cell: a file that comes later is no failure for ever, and can't be locked.
    #[test]
    fn a_failure_of_the_surroundings_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows: String = (0..60).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
        fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
        let text =
            PIPELINE.replace("[embedding.one.hashing]\ndim = 8", "[embedding.one.word_vectors]\npath = \"v.txt\"");
        let set = ["grid={embedding=[\"one\"]}".to_owned()];
        let pipeline = Pipeline::parse("p", &text, folder.path(), &set).expect("sound");
        let run_folder = RunFolder::new(folder.path().join("run"));
        let run = || run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
        let first = run();
        assert_eq!((first.trained, first.failed), (0, 1));
        assert!(matches!(first.summary.cells[0].cause, Some(record::Cause::Surroundings)));
        let locked = crate::lock::lock(&pipeline, &run_folder, 0.01);
        assert!(matches!(&locked, Err(Error::WorkPending(pending)) if pending.len() == 1), "{locked:?}");
        fs::write(folder.path().join("v.txt"), "good 1 0\nbad 0 1\n").expect("written");
        let second = run();
        assert_eq!((second.trained, second.failed, second.pending), (1, 0, 0));
    }

    /// What a cell does itself comes again, until an input changes.
    #[test]
    fn a_failure_of_the_cell_itself_stays_until_an_input_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |rows: usize| {
            let rows: String = (0..rows).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
            fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
        };
        let set = ["grid={embedding=[\"one\"], \"train.optimizer.sgd.learning_rate\"=[1e38]}".to_owned()];
        let pipeline = Pipeline::parse("p", PIPELINE, folder.path(), &set).expect("sound");
        let run_folder = RunFolder::new(folder.path().join("run"));
        let state = || {
            let plan = Plan::of(&pipeline);
            survey(&pipeline, &plan, &run_folder, Device::Cpu, None).expect("readable").states.remove(0)
        };
        write(60);
        run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
        assert!(matches!(state(), State::Failed(_)));
        write(70);
        assert!(matches!(state(), State::OtherData(_)));
    }

    #[test]
    fn packs_leave_the_records_that_cells_leave_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = |number: usize| format!("{} {} text,{}\n", ["good", "bad"][number % 2], number, number % 2);
        let rows: String = (0..120).map(line).collect();
        fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
        let pipeline = Pipeline::parse("p", PIPELINE, folder.path(), &[]).expect("sound");
        let widths: [fn(&Options, &[&Cell]) -> Width; 3] =
            [|_, _| Width { jobs: 1, pack: 1 }, |_, _| Width { jobs: 1, pack: 5 }, |_, _| Width { jobs: 2, pack: 64 }];
        let [alone, packed, wide] = [0, 1, 2].map(|at| {
            let run = RunFolder::new(folder.path().join(at.to_string()));
            let outline = run_at(widths[at], &pipeline, &run, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
            assert_eq!((outline.trained, outline.failed, outline.pending), (12, 12, 0));
            let mut cells = outline.summary.cells;
            cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()).for_each(|outcome| outcome.seconds = 0.0);
            cells
        });
        assert_eq!(alone, packed);
        assert_eq!(alone, wide);
    }
}
