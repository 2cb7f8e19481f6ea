//! Runs a plan: trains the missing cells, one after another or concurrently, and writes a record of each.
//!
//! [`run()`] is the entry point. `survey.rs` finds what is missing, `runner.rs` runs the cells beside other processes
//! that work in the same run folder, `executor/` chooses threads or processes, `schedule.rs` decides the order and how
//! many cells train at a time, `trainer.rs` turns cells into records, and `records.rs` merges the records of all
//! processes into the summary. `sharing.rs` takes cells that other run folders have finished.

mod baselines;
mod checkpointer;
mod crash_markers;
mod different_devices;
mod embed_share;
mod encoders;
mod evaluation;
mod executor;
mod explain;
mod fit_warnings;
mod hparams;
mod input_checks;
mod left_out;
mod locked;
mod model;
mod not_converged;
mod nothing_learned;
mod observer;
mod options;
mod packs;
mod queue;
mod records;
mod refit;
mod runner;
mod schedule;
mod sharing;
mod survey;
mod trainer;
mod work;
mod zero_label;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use emberline_base::record::{self, Refit, Status, Summary};
use emberline_report::Question;
use emberline_tensorboard::{Experiment, write_experiment};

use self::crash_markers::CrashMarkers;
pub use self::embed_share::{TextShare, embed_share};
pub use self::executor::{Executor, Job, Local, Subprocess};
pub use self::explain::{Explanation, explain};
use self::hparams::experiment;
use self::input_checks::InputChecks;
pub(crate) use self::model::ENCODER_HASH;
pub use self::observer::{Observer, Silent, Stage};
pub use self::options::{Options, Scope};
pub use self::queue::{Queue, Queued};
use self::records::Records;
pub(crate) use self::records::summary_of;
pub(crate) use self::refit::RefitDecision;
pub use self::refit::RefitState;
use self::refit::Refitter;
use self::runner::{Runner, Tally};
use self::sharing::Sharing;
use self::survey::execution_order;
pub use self::survey::{Replaced, State, Survey, ToEncode, TuningCost, TuningMemory, survey};
pub(crate) use self::survey::{groups, state};
use self::trainer::Trainer;
use crate::Error;
use crate::inputs::{Data, Encoded, Inputs};
use crate::lock::Lock;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run_folder::RunFolder;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Cells trained by this run.
    pub trained: usize,
    /// Cells that were done before.
    pub kept: usize,
    /// Cells that were taken from the cell cache.
    pub shared: usize,
    /// Cells that were run by other processes meanwhile.
    pub elsewhere: usize,
    /// Cells whose record says that they failed.
    pub failed: usize,
    /// Cells that are left to run.
    pub pending: usize,
    /// Whether the run was interrupted before it had finished.
    pub interrupted: bool,
    /// The number of texts that were encoded or taken from the cache.
    pub encoded: Encoded,
    /// The summary as written.
    pub summary: Summary,
    /// The model that was trained on all rows, if the pipeline asks for one and all cells have ended.
    pub refit: Option<Refit>,
}

/// Runs what is missing of a pipeline. Cells that are done stay if their inputs are unchanged. Other processes may run
/// cells in the same folder at the same time.
///
/// # Errors
/// If the data can't be read or records can't be written. A cell that fails is no error: it is recorded, and the others
/// go on.
pub fn run(
    pipeline: &Pipeline,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outline, Error> {
    run_with(&Local::default(), pipeline, folder, options, observer)
}

/// Runs what is missing of a pipeline with an executor.
///
/// # Errors
/// Those of [`run`]; if the executor can't run cells; and if the best setting can't be trained on all rows, when that
/// is asked for.
pub fn run_with(
    executor: &dyn Executor,
    pipeline: &Pipeline,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outline, Error> {
    let plan = plan(pipeline, folder, options, observer)?;
    let options = &Options { only: plan.select(&options.only)?, ..options.clone() };
    let (mut outline, mut inputs) = run_plan(executor, pipeline, &plan, folder, options, observer)?;
    // An incomplete plan can't decide which setting is best.
    if outline.pending > 0 || outline.interrupted || !options.only.is_empty() || options.scope == Scope::Cells {
        return Ok(outline);
    }
    let keep_encoders = pipeline.settings.keep_encoders();
    encoders::remove_unkept(&plan, folder, keep_encoders)?;
    if !pipeline.settings.asks_for_refit() {
        folder.remove_refit()?;
        return Ok(outline);
    }
    observer.stage(Stage::Refit);
    let summary = &outline.summary;
    let refit = Refitter { plan: &plan, summary, folder, options, inputs: &mut inputs, keep_encoders }.refit();
    outline.refit = match refit {
        // The refit is made by the next run.
        Err(error) if error.is_interruption() => {
            outline.interrupted = true;
            None
        }
        refit => refit.map_err(|source| Error::Refit { source: Box::new(source) })?,
    };
    outline.encoded = inputs.encoded();
    Ok(outline)
}

/// Runs what is missing of a plan.
fn run_plan(
    executor: &dyn Executor,
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<(Outline, Inputs), Error> {
    let markers = CrashMarkers::of_run(folder, options);
    let inputs = Inputs::new(pipeline.folder.clone(), options.device, options.cache.clone());
    let mut inputs = inputs.interrupted_by(&options.interrupt);
    let data = read_data(plan, folder, options, &markers, &mut inputs)?;
    let data = InputChecks { checks: pipeline.settings.checks(), plan, options }.make(&data, &mut inputs, observer)?;
    if let Some(lock) = &options.locked {
        refuse_stale(lock, pipeline, plan, options, &mut inputs)?;
    }
    let mut records = Records::pending(pipeline, plan, &data);
    records.set_invocation(options.invocation.clone());
    let report = pipeline.settings.report.unwrap_or_default();
    let sharing = options.cell_cache.as_ref().map(|cache| Sharing::new(cache, folder, report));
    let mut cells = survey_cells(plan, folder, options, &mut inputs, &mut records, observer)?;
    let shared = match &sharing {
        Some(sharing) => share(sharing, &mut cells, options, &mut inputs, &mut records, observer),
        None => 0,
    };
    let kept = records.count(Status::Done);
    let queue = Queue::of(plan, &cells, kept, data.splits.valid.is_some());
    let cells = cells.into_iter().map(|(cell, _)| cell).collect();
    let experiment = prepare(pipeline, plan, folder, options, &data)?;
    let runner = Runner {
        data,
        trainer: Trainer {
            folder,
            options,
            report,
            keep_encoders: pipeline.settings.keep_encoders(),
            experiment,
            markers: &markers,
        },
        sharing,
        observer: Mutex::new(observer),
        records: Mutex::new(records),
        busy: Mutex::default(),
        has_failed: AtomicBool::default(),
        tally: Tally::default(),
    };
    let job = Job::new(cells, queue, &runner, inputs);
    if options.scope != Scope::Summary {
        executor.execute(&job)?;
    }
    let mut inputs = job.into_inputs();
    if options.scope == Scope::Cells {
        let outline = outline(runner.known(), &runner.tally, options, inputs.encoded());
        return Ok((Outline { kept: kept - shared, shared, ..outline }, inputs));
    }
    runner.stage(Stage::Baselines);
    runner.add_baselines(&mut inputs);
    runner.stage(Stage::Answer);
    let question = Question { sequential: options.sequential, ..pipeline.settings.question() };
    let summary = runner.summarise(&question, pipeline.settings.expect.as_ref())?;
    if pipeline.settings.callbacks.tensorboard.is_some() {
        let _lock = folder.lock();
        write_experiment(&folder.tensorboard(), &hparams::experiment(plan, &summary.data, Some(&summary)))?;
    }
    let outline = outline(summary, &runner.tally, options, inputs.encoded());
    Ok((Outline { kept: kept - shared, shared, ..outline }, inputs))
}

/// Plans the cells, and claims the run folder for the pipeline.
fn plan(
    pipeline: &Pipeline,
    folder: &RunFolder,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Plan, Error> {
    let plan = Plan::of(pipeline);
    plan.select(&options.only)?;
    observer.left_out(&plan.left_out);
    folder.claim(&pipeline.file)?;
    if plan.cells.is_empty() { Err(no_cells(&plan)) } else { Ok(plan) }
}

/// Reads the data of the first cell, and opens its source at the same time if the cell will run. Faulty data end the
/// run at once, rather than failing every cell. The process may be killed here, too, so the cell has a crash marker
/// meanwhile.
fn read_data(
    plan: &Plan,
    folder: &RunFolder,
    options: &Options,
    markers: &CrashMarkers,
    inputs: &mut Inputs,
) -> Result<Arc<Data>, Error> {
    let first = plan.cells.first().ok_or_else(|| no_cells(plan))?;
    let is_trained = options.asked().contains(&first.id) && options.scope != Scope::Summary;
    let data = if !is_trained || markers.is_suspect(&first.id) {
        inputs.data(first)?
    } else if matches!(folder.record(first), Ok(Some(_))) {
        inputs.begin(first)?
    } else if let Some(_lock) = folder.lock_cell(&first.id)? {
        markers.begin(&first.id);
        let data = inputs.begin(first);
        markers.pause(&first.id);
        data?
    } else {
        inputs.begin(first)?
    };
    Ok(data)
}

/// Takes over the records of cells that need not run, and returns the other cells in execution order, each with its state.
fn survey_cells<'p>(
    plan: &'p Plan,
    folder: &RunFolder,
    options: &Options,
    inputs: &mut Inputs,
    records: &mut Records<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<(&'p Cell, State)>, Error> {
    let (mut work, all_asked) = (Vec::new(), options.asked());
    for cell in execution_order(plan) {
        let asked = all_asked.contains(&cell.id);
        if options.scope == Scope::Cells && !asked {
            continue;
        }
        let attempt = folder.attempt_that_counts(&cell.id);
        let (state, record) = state(inputs, folder, cell);
        if let State::Damaged(what) = &state {
            observer.warns(&format!("{what}; the cell is run again"));
        }
        let stays = match &state {
            State::Done => !(asked && options.force),
            State::Failed(_) => !(asked && (options.force || options.retry_failed)),
            State::FailedByChance(_) => !asked,
            _ => false,
        };
        if stays {
            folder.restore_links(cell)?;
        } else if asked {
            work.push((cell, state));
        }
        records.note(&cell.id, attempt, record.filter(|_| stays));
    }
    Ok(work)
}

/// Takes cells from the cell cache that would be run, and offers it those that are done. Removes from `cells` what needs no run any
/// more, and returns how many cells were taken.
fn share(
    sharing: &Sharing<'_>,
    cells: &mut Vec<(&Cell, State)>,
    options: &Options,
    inputs: &mut Inputs,
    records: &mut Records<'_>,
    observer: &mut dyn Observer,
) -> usize {
    let mut warn = |message: &str| observer.warns(message);
    records.each_done(|cell, record| sharing.offer(cell, record, true, &mut warn));
    let before = cells.len();
    // A cell that failed by itself, or that is asked for once more, is trained.
    cells.retain(|(cell, state)| {
        if options.force || matches!(state, State::Failed(_)) || options.interrupt.is_cancelled() {
            return true;
        }
        let Some((attempt, record)) = sharing.take(cell, inputs, &mut warn) else { return true };
        records.note(&cell.id, Some(attempt), Some(record));
        false
    });
    before - cells.len()
}

/// Writes the hyperparameters by which TensorBoard compares cells.
fn prepare(
    pipeline: &Pipeline,
    plan: &Plan,
    folder: &RunFolder,
    options: &Options,
    data: &record::Data,
) -> Result<Experiment, Error> {
    let experiment = experiment(plan, data, None);
    if pipeline.settings.callbacks.tensorboard.is_some() && options.scope != Scope::Cells {
        let _lock = folder.lock();
        write_experiment(&folder.tensorboard(), &experiment)?;
    }
    Ok(experiment)
}

/// Counts what has become of the plan's cells during the run.
fn outline(summary: Summary, tally: &Tally, options: &Options, encoded: Encoded) -> Outline {
    let count = |status| summary.cells.iter().filter(|cell| cell.status == status).count();
    Outline {
        trained: tally.trained.load(Ordering::Relaxed),
        kept: 0,
        shared: 0,
        elsewhere: tally.elsewhere.load(Ordering::Relaxed),
        failed: count(Status::Failed),
        pending: count(Status::Pending),
        interrupted: options.interrupt.is_cancelled(),
        encoded,
        summary,
        refit: None,
    }
}

/// Refuses to run if the inputs of the requested cells differ from the lock.
fn refuse_stale(
    lock: &Lock,
    pipeline: &Pipeline,
    plan: &Plan,
    options: &Options,
    inputs: &mut Inputs,
) -> Result<(), Error> {
    let (mut cells, asked) = (execution_order(plan), options.asked());
    cells.retain(|cell| asked.contains(&cell.id));
    let found = lock.compare_inputs(pipeline, plan, &cells, inputs)?;
    if found.is_empty() { Ok(()) } else { Err(Error::Stale(found)) }
}

pub(crate) fn no_cells(plan: &Plan) -> Error {
    let reasons: Vec<&str> = plan.left_out.iter().map(|l| l.reason.as_str()).collect();
    Error::NoCells(reasons.first().copied().unwrap_or("the grid is empty").to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use emberline_device::Device;

    use super::schedule::Concurrency;
    use super::*;

    /// Seeds, learning rates of which one fails, two vector lengths, frozen and fine-tuned cells, and dropout.
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
    fn a_gpu_gets_the_cells_it_is_faster_at_and_all_that_it_is_asked_for() {
        use Device::{Cpu, Cuda};
        let dropout_first = "head.layers=[{ dropout = 0.2 }, { dense = 8 }]".to_owned();
        for (set, suits) in [(vec![], true), (vec![dropout_first], false)] {
            let pipeline = Pipeline::parse("p", PIPELINE, Path::new("."), &set).expect("sound");
            let (named, auto) = (Options::on(Cuda), Options { auto: true, ..Options::on(Cuda) });
            let no_gpu = Options { auto: true, ..Options::on(Cpu) };
            for cell in &Plan::of(&pipeline).cells {
                let frozen = !cell.settings.embedding.source.trainable();
                assert_eq!(named.device_of(cell), Cuda, "{}", cell.id);
                assert_eq!(auto.device_of(cell), if suits && frozen { Cuda } else { Cpu }, "{}", cell.id);
                assert_eq!(no_gpu.device_of(cell), Cpu, "{}", cell.id);
            }
        }
    }

    /// A failure of the surroundings: a file that is missing may come later, so the failure isn't final and can't be
    /// locked.
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
        let locked = crate::reproduce::lock(&pipeline, &run_folder, 0.01);
        assert!(matches!(&locked, Err(Error::WorkPending(pending)) if pending.len() == 1), "{locked:?}");
        fs::write(folder.path().join("v.txt"), "good 1 0\nbad 0 1\n").expect("written");
        let second = run();
        assert_eq!((second.trained, second.failed, second.pending), (1, 0, 0));
    }

    /// A failure of the cell itself is repeated until an input changes.
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
        let local = |jobs, pack| Local { concurrency: Some(Concurrency { jobs, pack }) };
        let executors = [local(1, 1), local(1, 5), local(2, 64)];
        let [alone, packed, wide] = [0, 1, 2].map(|at| {
            let run = RunFolder::new(folder.path().join(at.to_string()));
            let outline =
                run_with(&executors[at], &pipeline, &run, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
            assert_eq!((outline.trained, outline.failed, outline.pending), (12, 12, 0));
            let mut cells = outline.summary.cells;
            cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()).for_each(|outcome| outcome.seconds = 0.0);
            cells
        });
        assert_eq!(alone, packed);
        assert_eq!(alone, wide);
    }
}
