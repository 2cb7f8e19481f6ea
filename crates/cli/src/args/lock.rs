//! The arguments of `lock` and `verify`, and the formats of what CI reads.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use emberline_device::DeviceChoice;
use emberline_pipeline::Shard;

use super::{PipelineArgs, VerbosityArgs};

/// How faults of a pipeline file are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    Text,
    /// Annotations that GitHub Actions shows at the lines of files.
    Github,
}

/// How differences from a lock are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LockFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Annotations that GitHub Actions shows at the lines of files.
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Write nothing: say whether the lock fits the pipeline file (exit code 5 if not). Neither data nor models are read.
    #[arg(long, conflicts_with_all = ["out", "tolerance"])]
    pub(crate) check: bool,
    /// For people, for programs, or as annotations for GitHub Actions; of --check only.
    #[arg(long, value_enum, default_value = "text", requires = "check")]
    pub(crate) format: LockFormat,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The tolerance of a metric on another kind of device; it is relative for losses above 1.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.01)]
    pub(crate) tolerance: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Train only this cell again, or those whose ids match a pattern such as 'corpus-*'; may be repeated.
    #[arg(long, value_name = "CELL", conflicts_with_all = ["sample", "shard"])]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
    /// Train only this number of cells again, drawn by --challenge, or else by the lock itself.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<NonZeroUsize>,
    /// Draw the sample by this text, such as the hash of a commit, that the author of the lock could not know.
    #[arg(long, value_name = "HASH", requires = "sample", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) challenge: Option<String>,
    /// Train only this share of the cells, or of the sample, again: 2/5 is the second of five, which together are all.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// The device to train on: auto, cpu, cuda or wgpu.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// The run folder to train in, where cells that are done are trained again; a temporary one when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The number of cells to train in parallel [default: the number of cores on the CPU, 1 on a GPU].
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Encode every text again; the cache is neither read nor written.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Write a JUnit file for a CI service.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write an in-toto statement of the outcome, to be signed by a tool for provenance.
    #[arg(long, value_name = "FILE")]
    pub(crate) attest: Option<PathBuf>,
    /// For people, for programs, or as annotations for GitHub Actions.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: LockFormat,
}
