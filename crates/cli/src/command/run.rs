//! `run`: trains the cells that are missing, and prints a table of results.

mod until;

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use emberline_base::number::{agreeing, counted, fixed};
use emberline_base::record::{BaselineScores, Status, Summary};
use emberline_base::{Metric, SplitName};
use emberline_cache::Cache;
use emberline_device::{Device, DeviceChoice};
use emberline_pipeline::{
    Executor, Local, Lock, Options, Outline, Pipeline, RunFolder, Subprocess, run_with, sentences,
};

use super::plan::shared_texts;
use super::{load, run_folder};
use crate::args::{ExecutorName, ListFormat, Run, Until};
use crate::exit::{Code, Error};
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{printable, say, seconds, table, warn};

pub(super) fn run(args: &Run) -> Result<Code, Error> {
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
        only: args.only.clone(),
        force: args.force,
        retry_failed: args.retry_failed,
        fail_fast: args.fail_fast,
        jobs: args.jobs,
        pack: args.pack,
        locked,
        sequential,
        interrupt: signals::interrupt(),
    };
    if args.until_stdin_closes {
        signals::end_with_stdin(&options.interrupt);
    }
    let executor: Box<dyn Executor> = match args.executor {
        ExecutorName::Local => Box::new(Local::default()),
        ExecutorName::Subprocess => Box::new(subprocess(args, &folder)?),
    };
    let outcome = run_with(executor.as_ref(), pipeline, &folder, &options, &mut Progress::default());
    outcome.map_err(|error| Error::of_pipeline(pipeline, error))
}

/// Prints the results, and returns the exit code.
fn print(args: &Run, pipeline: &Pipeline, outline: &Outline) -> Result<Code, Error> {
    let (device, folder) = (args.device.resolve()?, run_folder(pipeline, args.out.as_ref()));
    let mut out = io::stdout();
    match args.format {
        ListFormat::Text => {
            write!(out, "{}", table(&rows(&outline.summary)))?;
            let sentences = outline.summary.answer.iter().flat_map(sentences);
            let lines: String = sentences.map(|sentence| sentence.text + "\n").collect();
            write!(out, "{}", printable(&format!("\n{lines}")))?;
            if let Some(expected) = &outline.summary.expected {
                writeln!(out, "{}", printable(&expected.to_string()))?;
            }
            let also = |count: usize, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
            let kept = also(outline.kept, "done before") + &also(outline.elsewhere, "run by other processes");
            let mut outcomes = outline.summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
            let both = device != Device::Cpu && outcomes.any(|outcome| outcome.device == Device::Cpu.name());
            let too = if both { " and cpu" } else { "" };
            say(&format!("{} trained on {device}{too}{kept}", counted(outline.trained, "cell")));
        }
        ListFormat::Json => {
            let text = serde_json::to_string_pretty(&outline.summary).expect("a summary is plain JSON");
            writeln!(out, "{text}")?;
        }
    }
    if let Some(message) = shared_texts(&outline.summary.data) {
        say(&message);
    }
    // Warnings about the data were printed when the run began.
    outline.summary.warnings.iter().filter(|warning| !warning.cells.is_empty()).for_each(warn);
    if outline.pending > 0 {
        let are = agreeing(outline.pending, "is", "are");
        say(&format!("{} {are} left to run", counted(outline.pending, "cell")));
    }
    if outline.failed > 0 {
        let (failed, them) = (counted(outline.failed, "cell"), agreeing(outline.failed, "it", "them"));
        say(&format!("{failed} failed; the report says why, `--retry-failed` tries {them} again"));
    }
    if let Some(refit) = &outline.refit {
        say(&refit.to_string());
    }
    say(&format!("report: {}", folder.path().join("report.html").display()));
    if pipeline.settings.callbacks.tensorboard.is_some() {
        say(&format!("curves: tensorboard --logdir {}", folder.tensorboard().display()));
    }
    let ended = if outline.failed > 0 { Code::CellsFailed } else { Code::Fine };
    Ok(signals::received().filter(|_| outline.interrupted).unwrap_or(ended))
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

/// Returns the metrics of the table, if the cells have them: those measured in training, the headline metrics of validation, and
/// those of test except the loss.
fn columns() -> impl Iterator<Item = String> {
    let headlines = || Metric::ALL.into_iter().filter(|metric| metric.is_headline());
    let train = Metric::ALL.into_iter().filter(|metric| metric.is_measured_in_training());
    let valid = headlines().map(|metric| format!("val_{metric}"));
    let test = headlines().filter(|metric| *metric != Metric::Loss).map(|metric| format!("test_{metric}"));
    train.map(|metric| metric.to_string()).chain(valid).chain(test)
}

fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let has = |metric: &String| {
        summary.cells.iter().filter_map(|c| c.outcome.as_ref()).any(|o| o.metrics.contains_key(metric))
    };
    let metrics: Vec<String> = columns().filter(has).collect();
    let known_words = summary.has_known_words().then_some("known_words");
    let head = ["cell", "status", "epochs"].into_iter().chain(metrics.iter().map(String::as_str));
    let head = head.chain(known_words).chain(["seconds"]);
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for cell in &summary.cells {
        let status = match cell.status {
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Pending => "pending",
        };
        let mut row = vec![cell.id.clone(), status.to_owned()];
        if let Some(outcome) = &cell.outcome {
            row.push(outcome.epochs.to_string());
            row.extend(metrics.iter().map(|name| shown(outcome.metrics.get(name).copied())));
            row.extend(known_words.map(|_| shown(outcome.known_words.as_ref().map(|known| known.all.tokens))));
            row.push(seconds(outcome.seconds, 2));
        }
        rows.push(row);
    }
    rows.extend(prevalence(summary, &metrics, known_words.is_some()));
    rows.extend(baselines(summary, &metrics, known_words.is_some()));
    rows
}

/// Returns a row per baseline that is applicable, with the means over replicates: `(tfidf_lr)`, `(zero_label minilm)`. If an axis
/// changes the rows, its values follow the name: `(tfidf_lr, data.split.train=100)`.
fn baselines(summary: &Summary, metrics: &[String], has_known_words: bool) -> Vec<Vec<String>> {
    let row = |scores: &BaselineScores<'_>| {
        let settings: String = scores.settings.iter().map(|(axis, value)| format!(", {axis}={value}")).collect();
        let embedding = scores.embedding.map(|embedding| format!(" {embedding}")).unwrap_or_default();
        let of_row = [format!("({}{embedding}{settings})", scores.name), String::new(), "-".to_owned()];
        let values = metrics.iter().map(|metric| shown(scores.mean(metric)));
        let others = vec!["-".to_owned(); usize::from(has_known_words) + 1];
        of_row.into_iter().chain(values).chain(others).collect()
    };
    summary.baseline_scores().iter().filter(|scores| scores.not_applicable.is_none()).map(row).collect()
}

/// Formats a number of the table; `-` if there is none.
fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| fixed(value, 4))
}

/// Returns the last row of the table, the baseline of PR-AUC: the share of positive rows, or its mean over classes.
fn prevalence(summary: &Summary, metrics: &[String], has_known_words: bool) -> Option<Vec<String>> {
    let share = |metric: &String| match metric.as_str() {
        "val_pr_auc" => summary.data.prevalence(SplitName::Valid),
        "test_pr_auc" => summary.data.prevalence(SplitName::Test),
        _ => None,
    };
    let shares: Vec<Option<f64>> = metrics.iter().map(share).collect();
    shares.iter().any(Option::is_some).then(|| {
        let of_row = ["(prevalence)", "", "-"].map(str::to_owned);
        let others = vec!["-".to_owned(); usize::from(has_known_words) + 1];
        of_row.into_iter().chain(shares.into_iter().map(shown)).chain(others).collect()
    })
}
