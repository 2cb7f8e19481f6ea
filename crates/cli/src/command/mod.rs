//! The commands, one file each: arguments in, text and exit code out.

mod cache;
mod check;
mod devices;
mod embed;
mod explain;
mod fetch;
mod init;
mod lock;
mod plan;
mod published;
mod report;
mod run;
mod schema;
mod verify;

use std::path::PathBuf;

use emberline_base::file;
use emberline_pipeline::{Pipeline, RunFolder};

use crate::args::{Command, PipelineArgs};
use crate::exit::{Code, Error};

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<Code, Error> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Schema(args) => schema::run(&args),
    }
}

/// Reads the pipeline of a command that writes. What killed commands left half written beside its file is removed.
fn load(args: &PipelineArgs) -> Result<Pipeline, Error> {
    let pipeline = Pipeline::load(&args.file, &args.set)?;
    file::clear_litter(file::folder_of(&args.file));
    Ok(pipeline)
}

/// The folder that is named, or `runs/<pipeline>` below the current one.
fn run_folder(pipeline: &Pipeline, out: Option<&PathBuf>) -> RunFolder {
    RunFolder::new(out.cloned().unwrap_or_else(|| PathBuf::from("runs").join(&pipeline.settings.name)))
}
