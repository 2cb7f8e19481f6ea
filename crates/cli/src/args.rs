//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use emberline_train::device::Choice;

/// Compare pretrained text embeddings under trained heads, from one pipeline file.
#[derive(Debug, Parser)]
#[command(name = "emberline", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a pipeline file and example data that run as they are.
    Init(Init),
    /// Validate pipeline files; with --data, look at the data too.
    Check(Check),
    /// Show the cells of a pipeline, and which are done.
    Plan(Plan),
    /// Run the cells that are missing.
    Run(Run),
    /// Render the reports of a run again, from its records alone.
    Report(Report),
    /// Turn texts into vectors.
    Embed(Embed),
    /// List the devices that can train.
    Devices(Devices),
    /// Print the JSON Schema of a file format.
    Schema(Schema),
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to write to; made where it is missing.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// The pipeline, and what the command line changes in it.
#[derive(Debug, Args)]
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
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Print the whole file with every default filled in, instead.
    #[arg(long)]
    pub(crate) resolved: bool,
    /// The run folder; `runs/<pipeline>` when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Run only this cell; may be repeated.
    #[arg(long, value_name = "CELL")]
    pub(crate) only: Vec<String>,
    /// What trains: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: Choice,
    /// The run folder; `runs/<pipeline>` when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run cells again that are done.
    #[arg(long)]
    pub(crate) force: bool,
    /// End at the first cell that fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Run cells again that failed.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Print the summary as JSON, instead of a table.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run folder, such as runs/quora-insincere.
    pub(crate) run: PathBuf,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorFormat {
    /// A line of JSON a text.
    Jsonl,
    /// A NumPy array, [texts, dim].
    Npy,
    /// A safetensors file with one array, `embeddings`.
    Safetensors,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The kind of source: tfhub, word_vectors, hashing or corpus.
    pub(crate) kind: String,
    /// The source's file or folder, where it has one.
    pub(crate) path: Option<PathBuf>,
    /// Set an option of the source, such as combiner=sum; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Texts, one a line; a file named .jsonl holds objects with a `text` key [default: standard input].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Where the vectors go [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How the vectors are written.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: VectorFormat,
    /// Print the cosine similarity of every two texts, instead.
    #[arg(long)]
    pub(crate) similarity: bool,
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
    /// Which format.
    #[arg(value_enum, default_value = "pipeline")]
    pub(crate) name: SchemaName,
}
