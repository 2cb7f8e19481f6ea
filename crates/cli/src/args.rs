//! The command-line arguments, as the user types them.

mod cache;
mod cluster;
mod compare;
mod distill;
mod embed;
mod lock;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use emberline_device::DeviceChoice;

pub(crate) use self::cache::{Cache, CacheCommand, CacheGc};
pub(crate) use self::cluster::{Cancel, Logs, Status, Submit, Task};
pub(crate) use self::compare::{Compare, CompareFormat, FailIf};
pub(crate) use self::distill::Distill;
pub(crate) use self::embed::{Embed, VectorFormat};
pub(crate) use self::lock::{CheckFormat, Lock, LockFormat, Verify};
use crate::predictions::PredictionFormat;
use crate::terminal::Verbosity;
use crate::texts::TextArgs;

/// Compare pretrained text embeddings under trained heads, from one pipeline file.
#[derive(Debug, Parser)]
#[command(name = "emberline", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a pipeline file that runs as it is: an example, or one for your own data.
    Init(Init),
    /// Validate pipeline files; with --data, look at the data too.
    Check(Check),
    /// Show the cells of a pipeline, and which are done.
    Plan(Plan),
    /// Run the cells that are missing.
    Run(Run),
    /// List the ids of cells, one per line, for other programs to run.
    ///
    /// Several processes may run cells of one run folder at the same time, on one machine or on several that share it:
    ///
    ///   emberline cells p.toml --missing | parallel emberline run p.toml --jobs 1 --only {}
    #[command(verbatim_doc_comment)]
    Cells(Cells),
    /// Submit the missing cells to a Slurm cluster, print the ids of the jobs, and end.
    Submit(Submit),
    /// Show which cells are done, running, queued and missing.
    Status(Status),
    /// Print what the task that trains a cell has printed.
    Logs(Logs),
    /// Cancel the jobs of a run that are queued or running.
    Cancel(Cancel),
    /// Run a task of a submission; the scripts of its jobs call this.
    #[command(hide = true)]
    Task(Task),
    /// Explain why cells would run: which input changed, with its old and new value.
    Explain(Explain),
    /// Write the inputs and results of a finished run to a lock file beside the pipeline file, for `verify`.
    Lock(Lock),
    /// Train the cells of a lock again and compare the results; the exit code says whether they match.
    Verify(Verify),
    /// Render the reports of a run again, from its records alone.
    Report(Report),
    /// Classify texts with a trained cell of a run, or with a bundle.
    Predict(Predict),
    /// Write a trained cell for use elsewhere: a bundle, ONNX, model2vec, word2vec, a fine-tuned encoder.
    Export(Export),
    /// Compare two runs, or a run and a lock, setting by setting.
    Compare(Compare),
    /// Turn texts into vectors.
    Embed(Embed),
    /// Distil a sentence encoder into a static table, as a folder of model2vec.
    Distill(Distill),
    /// List, verify or clear the vectors that neural encoders have made.
    Cache(Cache),
    /// Download the files that a pipeline names; nothing else touches the network.
    Fetch(Fetch),
    /// List the devices that can train.
    Devices(Devices),
    /// Print the JSON Schema of a file format.
    Schema(Schema),
    /// Print a script that completes commands and options in a shell.
    ///
    ///   emberline completions bash > ~/.local/share/bash-completion/completions/emberline
    #[command(verbatim_doc_comment)]
    Completions(Completions),
    /// Write the manual pages, one per command, into a folder.
    Man(Man),
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How much a command says on the way.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct VerbosityArgs {
    /// Print no progress: only the results, warnings and the causes of failures.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Print a line per cell as it ends, with why it ran.
    #[arg(long, short)]
    verbose: bool,
}

impl VerbosityArgs {
    /// Returns how much to say.
    pub(crate) fn level(self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to write to; created if it doesn't exist.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Write a pipeline file for these data: their format, text and label columns are guessed from a sample of the rows, and shown.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// The column of the texts, by its name or number, instead of guessing it.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub(crate) text: Option<String>,
    /// The column of the labels, by its name or number, instead of guessing it.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub(crate) label: Option<String>,
    /// Write nothing; print an experiment as it is written for another program, beside the lines of a pipeline file.
    #[arg(long, value_enum, value_name = "PROGRAM", conflicts_with_all = ["data", "dir"])]
    pub(crate) from: Option<Program>,
}

/// A program whose experiments are shown beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// Keras, with TensorFlow.
    Keras,
    /// scikit-learn.
    Sklearn,
    /// SetFit, with sentence-transformers.
    Setfit,
}

/// The pipeline file, and the keys that the command line overrides.
#[derive(Clone, Debug, Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Set a key of the file, such as train.epochs=5; may be repeated.
    #[arg(short = 'S', long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The pipeline files.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Set a key of every file, such as data.path=train.csv; may be repeated.
    #[arg(short = 'S', long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Read the data too: duplicates across splits, conflicting labels, empty texts, class balance.
    #[arg(long)]
    pub(crate) data: bool,
    /// For people, or as annotations for GitHub Actions.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: CheckFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Print the whole file with every default filled in, instead.
    #[arg(long)]
    pub(crate) resolved: bool,
    /// Print how many more splits, seeds or rows would tell the best setting from the others, and how long that takes, instead.
    #[arg(long, conflicts_with = "resolved")]
    pub(crate) decide: bool,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

/// When `run` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When the best setting is told apart from the others.
    Decided,
}

/// Parses a time such as `30m`, `2h` or `90s`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let whole = number.parse::<u32>().ok().filter(|&number| number > 0 && seconds > 0);
    whole
        .map(|number| Duration::from_secs(u64::from(number) * seconds))
        .ok_or_else(|| "use a time such as 30m, 2h or 90s".to_owned())
}

/// Where cells are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutorName {
    /// On threads of this process.
    Local,
    /// In processes of their own.
    Subprocess,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Run only this cell, or those whose ids match a pattern such as 'corpus-*' (* any characters, ? one); may be repeated.
    #[arg(long, value_name = "CELL")]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
    /// The device to train on: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Take finished cells from this folder, and put those of this run into it, so that other run folders, machines and CI jobs
    /// needn't train them [default: the environment variable EMBERLINE_CELL_CACHE, or none].
    #[arg(long, value_name = "DIR")]
    pub(crate) cell_cache: Option<PathBuf>,
    /// Run cells again that are already done.
    #[arg(long)]
    pub(crate) force: bool,
    /// Stop at the first cell that fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Run cells again that failed.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// The number of cells to train in parallel, each on one core; results don't depend on it [default: the number of cores
    /// on the CPU, 1 on a GPU].
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// On a GPU, the maximum number of cells to train as one computation, if they differ only in seed, learning rate or frozen
    /// embedding: a single small head keeps the GPU waiting for kernel launches [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) pack: Option<NonZeroUsize>,
    /// Where cells are trained: on threads of this process, or in `--jobs` separate processes. If one of those crashes, only
    /// its own work is lost.
    #[arg(long, value_enum, default_value = "local")]
    pub(crate) executor: ExecutorName,
    /// Stop when standard input is closed, as `--executor subprocess` asks its processes to.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
    /// Refuse to run if an input differs from the pipeline's lock.
    #[arg(long)]
    pub(crate) locked: bool,
    /// Write the records of cells alone, without baselines, summary, answer and reports, for which every cell of the grid is read: for
    /// one of many processes that share a large grid. A later `run` writes them.
    #[arg(long, conflicts_with_all = ["until", "baseline", "summary_markdown"])]
    pub(crate) records_only: bool,
    /// Train on 5 splits, then on 10, 20 and 40 in all, until the best setting is told apart from the others or no such number can be
    /// expected to do it.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["only", "locked", "force"])]
    pub(crate) until: Option<Until>,
    /// With --until: don't begin a further look that is expected to end after this time, such as 30m, 2h or 90s.
    #[arg(long, value_name = "TIME", requires = "until", value_parser = parse_time)]
    pub(crate) budget: Option<Duration>,
    /// Don't use the network. A run never does, so this changes nothing.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print the summary as JSON, instead of a table.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
    /// State in the Markdown report what changed against this run folder or lock.
    #[arg(long, value_name = "RUN_OR_LOCK")]
    pub(crate) baseline: Option<PathBuf>,
    /// Append the Markdown report to this file, such as "$GITHUB_STEP_SUMMARY", with the change against the baseline or else against
    /// the pipeline's lock, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) summary_markdown: Option<PathBuf>,
}

/// How ids are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CellsFormat {
    /// One id per line.
    Lines,
    /// An array of objects with `id` and `state`.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Cells {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Only these cells: an id, or a pattern such as 'corpus-*'; may be repeated.
    #[arg(long, value_name = "CELL")]
    pub(crate) only: Vec<String>,
    /// Only cells that `run` would run.
    #[arg(long, conflicts_with_all = ["failed", "done"])]
    pub(crate) missing: bool,
    /// Only cells that failed by themselves, which `run --retry-failed` runs again.
    #[arg(long, conflicts_with = "done")]
    pub(crate) failed: bool,
    /// Only cells that are done.
    #[arg(long)]
    pub(crate) done: bool,
    /// The run folder; `runs/<pipeline>` when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// One id per line, or JSON.
    #[arg(long, value_enum, default_value = "lines")]
    pub(crate) format: CellsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Only this cell, done or not; all cells that would run when left out.
    pub(crate) cell: Option<String>,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Fetch everything that the file names, not only what the cells of the grid need.
    #[arg(long)]
    pub(crate) all: bool,
    /// Download files again that exist already.
    #[arg(long, conflicts_with = "offline")]
    pub(crate) force: bool,
    /// Don't download anything; only report what is missing.
    #[arg(long)]
    pub(crate) offline: bool,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run folder, such as runs/quora-insincere.
    #[arg(required_unless_present = "from")]
    pub(crate) run: Option<PathBuf>,
    /// A report.html: write the files that it carries (summary, pipeline, lock, predictions) instead of rendering reports.
    #[arg(long, value_name = "PAGE", conflicts_with = "run")]
    pub(crate) from: Option<PathBuf>,
    /// The folder that the files of --from are written to [default: beside the page, named like it with -files].
    #[arg(long, value_name = "DIR", requires = "from")]
    pub(crate) out: Option<PathBuf>,
    /// State in the Markdown report what changed against this run folder or lock.
    #[arg(long, value_name = "RUN_OR_LOCK", conflicts_with = "from")]
    pub(crate) baseline: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The run folder, or a bundle.
    pub(crate) run: PathBuf,
    /// The cell that classifies [default: the refit, or else the best one of the best setting].
    #[arg(long, value_name = "CELL")]
    pub(crate) cell: Option<String>,
    /// The device for neural encoders: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// The folder that the paths of the embedding's files are relative to [default: the pipeline file's].
    #[arg(long, value_name = "DIR")]
    pub(crate) assets: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// The column of the texts, by its name, or by its number (1 is the first) if a file has no header [default: the
    /// pipeline's].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text: Option<String>,
    /// The file to write the predictions to [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format of the output [default: by the output's name; else JSON Lines for JSON Lines input, and CSV otherwise].
    #[arg(long, value_enum)]
    pub(crate) format: Option<PredictionFormat>,
    /// Add a column with the probability of each class.
    #[arg(long)]
    pub(crate) all: bool,
    /// Add a column with the words that influenced the decision most, and how much its probability drops without each. Only for
    /// tables of words.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Add a column with the K training rows (at most 1000) whose vectors are nearest to the text's, by cosine similarity. The data
    /// are read again.
    #[arg(long, value_name = "K", alias = "neighbors", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) neighbours: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The run folder.
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) targets: ExportTargets,
    /// The input of the ONNX graph [default: vectors].
    #[arg(long, value_enum, value_name = "INPUT", conflicts_with_all = ["bundle", "model2vec", "word2vec", "sentence_transformer"])]
    pub(crate) onnx_input: Option<OnnxInputName>,
    /// The cell that is exported [default: the refit, or else the best one of the best setting].
    #[arg(long, value_name = "CELL")]
    pub(crate) cell: Option<String>,
    /// The folder that the paths of the embedding's files are relative to [default: the pipeline file's].
    #[arg(long, value_name = "DIR")]
    pub(crate) assets: Option<PathBuf>,
    /// Replace an existing file or folder.
    #[arg(long)]
    pub(crate) force: bool,
}

/// The format to export, and the path to write to; exactly one is given.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct ExportTargets {
    /// Write one file that classifies: the model, its embedding with all files that it reads, classes and thresholds.
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Write an ONNX graph (opset 17) that gives logits and probabilities.
    #[arg(long, value_name = "FILE")]
    pub(crate) onnx: Option<PathBuf>,
    /// Write the table, fine-tuned as it is, as a folder that the Python package model2vec loads.
    #[arg(long, value_name = "DIR")]
    pub(crate) model2vec: Option<PathBuf>,
    /// Write the table, fine-tuned as it is, as word2vec text, which gensim loads.
    #[arg(long, value_name = "FILE")]
    pub(crate) word2vec: Option<PathBuf>,
    /// Write the fine-tuned encoder, without the head, as a folder that the Python package sentence-transformers loads.
    #[arg(long, value_name = "DIR")]
    pub(crate) sentence_transformer: Option<PathBuf>,
}

/// The input of an ONNX graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnnxInputName {
    /// `vectors` [batch, dim], made by the embedding.
    #[default]
    Vectors,
    /// `ids` [batch, tokens], rows of the table, which is in the file; -1 is padding.
    TokenIds,
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

/// A file format that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// The pipeline file.
    Pipeline,
    /// summary.json.
    Summary,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The file format.
    #[arg(value_enum, default_value = "pipeline")]
    pub(crate) name: SchemaName,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder to write to; created if it doesn't exist. `man -l emberline.1` shows a page.
    #[arg(default_value = "man")]
    pub(crate) dir: PathBuf,
}
