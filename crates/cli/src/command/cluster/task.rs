//! `task`: one task of a submission, in this process: trains its cells, encodes its share of the texts, or writes the report.
//!
//! Whatever happens to it, the run folder stays whole, and another submission does what is left.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use emberline_base::file::is_local;
use emberline_base::number::{agreeing, counted};
use emberline_base::record::Status;
use emberline_cache::Cache;
use emberline_cluster::{Error as ClusterError, Manifest, Task as Work};
use emberline_device::{Device, DeviceChoice};
use emberline_embedding::encode::Event;
use emberline_pipeline::{
    CellCache, Local, Options, Outline, Pipeline, Plan, RunFolder, Scope, TextShare, embed_share, run_with,
};

use crate::args::Task;
use crate::exit::{Code, Error};
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{Verbosity, say};

/// How long a network file system may show a folder as it was.
const STALE: Duration = Duration::from_secs(30);
/// The program ends this long before Slurm would kill it.
const MARGIN_S: u32 = 5;

/// A task with what it works on.
struct Context<'t> {
    args: &'t Task,
    manifest: Manifest,
    index: usize,
    pipeline: Pipeline,
    folder: RunFolder,
}

pub(in crate::command) fn run(args: &Task) -> Result<Code, Error> {
    let manifest = read(args)?;
    let index = number("SLURM_ARRAY_TASK_ID").unwrap_or(0);
    let no_such_task = || {
        let manifest = args.manifest.display();
        Error::Usage(format!(
            "{manifest}: there is no task {index} of a job `{}`; `emberline submit` makes the calls of this command",
            args.job
        ))
    };
    let task = manifest.job(&args.job).and_then(|job| job.tasks.get(index)).cloned().ok_or_else(no_such_task)?;
    signals::set_grace(Duration::from_secs(manifest.grace_s.saturating_sub(MARGIN_S).max(1).into()));
    let pipeline = Pipeline::load(&manifest.pipeline, &manifest.set)?;
    let folder = RunFolder::new(&manifest.run);
    let context = Context { args, manifest, index, pipeline, folder };
    let ended = match &task {
        Work::Cells(cells) => context.train(cells),
        Work::Embed { cell, part, parts } => context.embed(TextShare { cell, part: *part, parts: *parts }),
        Work::Report => context.report(),
    };
    match (ended, signals::received()) {
        // What failed was the work that the signal has ended.
        (Err(_), Some(code)) => Ok(code),
        (ended, _) => ended,
    }
}

/// Reads the manifest. A network file system may not show it at once.
fn read(args: &Task) -> Result<Manifest, Error> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(100));
    loop {
        match Manifest::load(&args.manifest) {
            Err(ClusterError::File(error)) if error.is_not_a_file() && begun.elapsed() + pause < STALE => {
                thread::sleep(pause);
                pause *= 2;
            }
            loaded => return Ok(loaded?),
        }
    }
}

/// Returns a number that Slurm has put into the environment.
fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

impl Context<'_> {
    /// Trains cells; those that are done already stay.
    fn train(&self, cells: &[String]) -> Result<Code, Error> {
        let plan = Plan::of(&self.pipeline);
        if let Some(cell) = cells.iter().find(|cell| plan.find(cell).is_none()) {
            let (manifest, pipeline) = (self.args.manifest.clone(), self.pipeline.file.clone());
            return Err(ClusterError::OtherPlan { manifest, cell: cell.clone(), pipeline }.into());
        }
        let options = Options { only: cells.to_vec(), ..self.options(Scope::Cells)? };
        let outline = self.run(&options)?;
        let failures = outline.summary.cells.iter().filter(|cell| cell.status == Status::Failed);
        for cell in failures {
            say(&format!("failed: {}: {}", cell.id, cell.error.as_deref().unwrap_or("the cause isn't known")));
        }
        let (trained, kept) = (counted(outline.trained, "cell"), outline.kept);
        let shared = match outline.shared {
            0 => String::new(),
            cells => format!("{cells} taken from the cell cache, "),
        };
        say(&format!("{trained} trained, {kept} done before, {shared}{} failed", outline.failed));
        let ended = if outline.failed > 0 { Code::CellsFailed } else { Code::Fine };
        Ok(signals::received().filter(|_| outline.interrupted).unwrap_or(ended))
    }

    fn embed(&self, share: TextShare<'_>) -> Result<Code, Error> {
        let options = self.options(Scope::Cells)?;
        let cache = options.cache.as_ref().map(|cache| cache.folder().display().to_string()).unwrap_or_default();
        let mut is_cached = true;
        let on_event = &mut |event: Event| {
            if let Event::Warning(message) = event {
                say(&format!("warning: {message}"));
                is_cached = false;
            }
        };
        let encoded = embed_share(&self.pipeline, share, &options, on_event);
        let encoded = encoded.map_err(|error| Error::of_pipeline(&self.pipeline, error))?;
        say(&format!("{} in the cache {cache}, {} of them before", counted(encoded.texts, "text"), encoded.cached));
        // Training would encode all texts again in each of its tasks.
        if is_cached { Ok(Code::Fine) } else { Ok(Code::Unexpected) }
    }

    /// Writes the summary and the reports, and lists the cells that are missing.
    fn report(&self) -> Result<Code, Error> {
        let planned: Vec<String> = Plan::of(&self.pipeline).cells.into_iter().map(|cell| cell.id).collect();
        if !is_local(self.folder.path()) {
            self.folder.wait_for_records(&planned, STALE);
        }
        let outline = self.run(&self.options(Scope::Summary)?)?;
        let missing = outline.summary.cells.iter().filter(|cell| cell.status == Status::Pending);
        let mut out = io::stdout().lock();
        missing.map(|cell| &cell.id).try_for_each(|id| writeln!(out, "{id}"))?;
        if outline.pending > 0 {
            let (cells, are) = (counted(outline.pending, "cell"), agreeing(outline.pending, "is", "are"));
            say(&format!(
                "{cells} {are} missing; `emberline submit {}` submits them again",
                self.pipeline.file.display()
            ));
        }
        say(&format!("report: {}", self.folder.path().join("report.html").display()));
        let is_whole = outline.pending == 0 && outline.failed == 0;
        let ended = if is_whole { Code::Fine } else { Code::CellsFailed };
        Ok(signals::received().filter(|_| outline.interrupted).unwrap_or(ended))
    }

    fn run(&self, options: &Options) -> Result<Outline, Error> {
        let mut progress = Progress::new(Verbosity::Verbose);
        let outcome = run_with(&Local::default(), &self.pipeline, &self.folder, options, &mut progress);
        outcome.map_err(|error| Error::of_pipeline(&self.pipeline, error))
    }

    fn options(&self, scope: Scope) -> Result<Options, Error> {
        let choice: DeviceChoice = self
            .manifest
            .device
            .parse::<DeviceChoice>()
            .map_err(|error| Error::Usage(format!("{}: device: {error}", self.args.manifest.display())))?;
        let device = choice.resolve()?;
        // A node may have more cores than the task was given.
        let cpus = NonZeroUsize::new(number("SLURM_CPUS_PER_TASK").unwrap_or(1));
        let array = std::env::var("SLURM_ARRAY_JOB_ID").ok();
        Ok(Options {
            auto: choice == DeviceChoice::Auto,
            cache: Cache::for_current_user(),
            // The cells' own tasks have offered theirs.
            cell_cache: CellCache::of_environment().filter(|_| scope == Scope::Cells),
            scope,
            task: array.map(|array| format!("{array}_{}", self.index)),
            retry_failed: self.manifest.retry_failed && scope == Scope::Cells,
            jobs: cpus.filter(|_| device == Device::Cpu),
            interrupt: signals::interrupt(),
            ..Options::on(device)
        })
    }
}
