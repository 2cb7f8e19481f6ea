//! `run`: trains the cells that are missing, and prints the answer with the ranked settings.

mod cell_table;
mod markdown;
mod results;
mod until;

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use emberline_base::Warning;
use emberline_base::number::{agreeing, counted};
use emberline_base::record::Invocation;
use emberline_base::secret::mask_urls;
use emberline_cache::Cache;
use emberline_device::{Device, DeviceChoice};
use emberline_pipeline::{
    CellCache, Executor, Local, Lock, Options, Outline, Pipeline, RunFolder, Scope, Subprocess, run_with,
};

use super::plan::shared_texts;
use super::{load, run_folder};
use crate::args::{ExecutorName, ListFormat, Run, Until};
use crate::exit::{Code, Error};
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{Verbosity, say, warn};

pub(super) fn run(args: &Run) -> Result<Code, Error> {
    markdown::check(args)?;
    match args.until {
        Some(Until::Decided) => until::run(args),
        None => {
            let pipeline = load(&args.pipeline)?;
            let outline = train(args, &pipeline, false)?;
            print(args, &pipeline, &outline)
        }
    }
}

/// Runs what is missing. `sequential`: whether the answer is a look of a comparison that goes on until it is decided.
fn train(args: &Run, pipeline: &Pipeline, sequential: bool) -> Result<Outline, Error> {
    let device = args.device.resolve()?;
    let folder = run_folder(pipeline, args.out.as_ref());
    let locked = args.locked.then(|| Lock::load(&Lock::path_of(&args.pipeline.file))).transpose()?;
    let options = Options {
        device,
        auto: args.device == DeviceChoice::Auto,
        cache: Cache::for_current_user(),
        cell_cache: cell_cache(args),
        only: args.only.clone(),
        scope: if args.records_only { Scope::Cells } else { Scope::Whole },
        task: None,
        force: args.force,
        retry_failed: args.retry_failed,
        fail_fast: args.fail_fast,
        jobs: args.jobs,
        pack: args.pack,
        locked,
        sequential,
        invocation: invocation(args),
        interrupt: signals::interrupt(),
    };
    if args.until_stdin_closes {
        signals::end_with_stdin(&options.interrupt);
    }
    let executor: Box<dyn Executor> = match args.executor {
        ExecutorName::Local => Box::new(Local::default()),
        ExecutorName::Subprocess => Box::new(subprocess(args, &folder)?),
    };
    let mut progress = Progress::new(args.verbosity.level());
    let outcome = run_with(executor.as_ref(), pipeline, &folder, &options, &mut progress);
    outcome.map_err(|error| Error::of_pipeline(pipeline, error))
}

/// Returns the arguments that decide the result, without secrets in addresses; none if there are none.
fn invocation(args: &Run) -> Option<Invocation> {
    let assigned = |set: &[String]| set.iter().flat_map(|it| ["-S".to_owned(), mask_urls(it)]).collect::<Vec<_>>();
    let (all, mut run) = (assigned(&args.pipeline.set), assigned(&args.pipeline.set));
    if args.until.is_some() {
        // The last assignment is the number of splits of this look, which `--until` chose.
        run = assigned(args.pipeline.set.split_last().map_or(&[][..], |(_, own)| own));
        run.extend(["--until", "decided"].map(str::to_owned));
        run.extend(args.budget.iter().flat_map(|time| ["--budget".to_owned(), format!("{}s", time.as_secs())]));
    }
    (!all.is_empty()).then_some(Invocation { run, lock: all })
}

/// Returns the cell cache that the command or the environment names; an empty name is none.
fn cell_cache(args: &Run) -> Option<CellCache> {
    match &args.cell_cache {
        Some(folder) => Some(CellCache::new(folder)).filter(|_| !folder.as_os_str().is_empty()),
        None => CellCache::of_environment(),
    }
}

/// Prints the results, and returns the exit code.
fn print(args: &Run, pipeline: &Pipeline, outline: &Outline) -> Result<Code, Error> {
    let folder = run_folder(pipeline, args.out.as_ref());
    let summary = &outline.summary;
    let level = args.verbosity.level();
    if args.records_only {
        return records_written(args, outline);
    }
    match args.format {
        ListFormat::Text => results::print(summary, level)?,
        ListFormat::Json => {
            let text = serde_json::to_string_pretty(summary).expect("a summary is plain JSON");
            writeln!(io::stdout(), "{text}")?;
        }
    }
    results::print_failures(summary);
    if let Some(message) = shared_texts(&summary.data).filter(|_| level != Verbosity::Quiet) {
        say(&message);
    }
    // Warnings about the data were printed when the run began.
    let is_new = |warning: &&Warning| !warning.cells.is_empty() || !summary.data.warnings.contains(warning);
    // A process of an executor knows its own cells alone: the executor's own process says what is to be said of all.
    summary.warnings.iter().filter(|_| !args.until_stdin_closes).filter(is_new).for_each(warn);
    if outline.pending > 0 {
        let are = agreeing(outline.pending, "is", "are");
        say(&format!("{} {are} left to run", counted(outline.pending, "cell")));
    }
    if level != Verbosity::Quiet {
        say(&counts(args, outline)?);
        outline.refit.iter().for_each(|refit| say(&refit.to_string()));
        say(&format!("report: {}", folder.path().join("report.html").display()));
        if pipeline.settings.callbacks.tensorboard.is_some() {
            say(&format!("curves: tensorboard --logdir {}", folder.tensorboard().display()));
        }
    }
    markdown::write(args, &folder)?;
    Ok(ending(outline))
}

/// Prints how cells ended whose records alone were written, and returns the exit code.
fn records_written(args: &Run, outline: &Outline) -> Result<Code, Error> {
    results::print_failures(&outline.summary);
    if args.verbosity.level() != Verbosity::Quiet {
        say(&counts(args, outline)?);
        say("no summary and no reports were written; `emberline run` without --records-only writes them");
    }
    Ok(ending(outline))
}

/// Returns the exit code of a run.
fn ending(outline: &Outline) -> Code {
    let ended = if outline.failed > 0 { Code::CellsFailed } else { Code::Fine };
    signals::received().filter(|_| outline.interrupted).unwrap_or(ended)
}

/// Returns how many cells were trained, and on which device: `3 cells trained on cpu, 5 done before`.
fn counts(args: &Run, outline: &Outline) -> Result<String, Error> {
    let device = args.device.resolve()?;
    let also = |count: usize, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let kept = also(outline.shared, "taken from the cell cache")
        + &also(outline.kept, "done before")
        + &also(outline.elsewhere, "run by other processes");
    let mut outcomes = outline.summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    let both = device != Device::Cpu && outcomes.any(|outcome| outcome.device == Device::Cpu.name());
    let too = if both { " and cpu" } else { "" };
    Ok(format!("{} trained on {device}{too}{kept}", counted(outline.trained, "cell")))
}

/// Returns an executor that runs cells in processes of this program, with the same options as this command except the cells and
/// the number of jobs.
fn subprocess(args: &Run, folder: &RunFolder) -> Result<Subprocess, Error> {
    let program = std::env::current_exe()
        .map_err(|error| Error::Usage(format!("this program can't be started again: {error}")))?;
    let device = match args.device {
        DeviceChoice::Auto => "auto".to_owned(),
        DeviceChoice::Only(device) => device.to_string(),
    };
    let mut command: Vec<OsString> = vec![program.into(), "run".into(), args.pipeline.file.clone().into()];
    command.extend(args.pipeline.set.iter().flat_map(|set| ["-S".into(), set.into()]));
    command.extend(["--out".into(), folder.path().into(), "--device".into(), device.into()]);
    command.extend(["--jobs", "1", "--until-stdin-closes"].map(OsString::from));
    command.extend(args.cell_cache.iter().flat_map(|folder| ["--cell-cache".into(), folder.into()]));
    command.extend(args.pack.into_iter().flat_map(|pack| ["--pack".into(), pack.to_string().into()]));
    let flags = [
        (args.force, "--force"),
        (args.retry_failed, "--retry-failed"),
        (args.fail_fast, "--fail-fast"),
        (args.locked, "--locked"),
    ];
    command.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.into()));
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Ok(Subprocess::new(command, args.jobs.map_or_else(cores, NonZeroUsize::get)))
}
