//! Arguments of the commands for clusters.

use std::path::PathBuf;

use clap::Args;

use super::{ListFormat, PipelineArgs};

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The cluster's profile: the name of a file in ~/.config/emberline/profiles, without .toml, or a path [default: the environment
    /// variable EMBERLINE_PROFILE].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The file with the cluster's profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) profile_file: Option<PathBuf>,
    /// Print the profile, the manifest and the scripts as they would be written, and queue nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Submit cells again that failed.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The cell; or a task by its name, such as report or embed-minilm-0.
    pub(crate) cell: String,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The run folder, relative to the working folder; `runs/<pipeline>` beside the pipeline file when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Task {
    /// The manifest of the submission.
    pub(crate) manifest: PathBuf,
    /// The job; the environment variable SLURM_ARRAY_TASK_ID says which of its tasks.
    pub(crate) job: String,
}
