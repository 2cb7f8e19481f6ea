//! The arguments of `lock` and `verify`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use emberline_device::DeviceChoice;

use super::{ListFormat, PipelineArgs};

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
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
    /// Train only this cell again; may be repeated.
    #[arg(long, value_name = "CELL", conflicts_with = "sample")]
    pub(crate) only: Vec<String>,
    /// Train only this number of cells again, sampled by the lock's checksum.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<NonZeroUsize>,
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
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}
