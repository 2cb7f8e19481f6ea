//! The commands, one file each: they take arguments, print text and return an exit code.

mod cache;
mod cells;
mod check;
mod cluster;
mod compare;
mod completions;
mod devices;
mod distill;
mod embed;
mod explain;
mod export;
mod fetch;
mod init;
mod lock;
mod man;
mod plan;
mod predict;
mod published;
mod report;
mod run;
mod schema;
mod verify;

use std::path::{Path, PathBuf};

use emberline_base::file;
use emberline_pipeline::{Pipeline, RunFolder};

use crate::args::{Command, LockFormat, PipelineArgs};
use crate::exit::{Code, Error};
use crate::github;
use crate::terminal::say;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<Code, Error> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Cells(args) => cells::run(&args),
        Command::Submit(args) => cluster::submit::run(&args),
        Command::Status(args) => cluster::status::run(&args),
        Command::Logs(args) => cluster::logs::run(&args),
        Command::Cancel(args) => cluster::cancel::run(&args),
        Command::Task(args) => cluster::task::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Distill(args) => distill::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Loads the pipeline of a command that writes, and removes stale temporary files of killed commands beside it.
fn load(args: &PipelineArgs) -> Result<Pipeline, Error> {
    let pipeline = Pipeline::load(&args.file, &args.set)?;
    file::remove_stale(file::folder_of(&args.file));
    Ok(pipeline)
}

/// Prints an error as an annotation, if these are asked for; it is printed for people, too.
fn annotate(format: LockFormat, error: &Error, pipeline: &Path) {
    if format == LockFormat::Github {
        // A failure to write is ignored, as it is for messages.
        let _ = github::print(&github::of_error(error, pipeline));
    }
}

/// Returns the run folder: `out`, or else `runs/<pipeline>` beside the pipeline file.
///
/// Earlier versions kept runs in the working folder: if there is a run of this pipeline there and none beside the file, a message
/// says so.
fn run_folder(pipeline: &Pipeline, out: Option<&PathBuf>) -> RunFolder {
    if let Some(out) = out {
        return RunFolder::new(out);
    }
    let (beside, earlier) =
        (RunFolder::beside(pipeline), RunFolder::new(Path::new("runs").join(&pipeline.settings.name)));
    if !beside.path().exists() && earlier.is_of(pipeline) {
        let (beside, earlier) = (beside.path().display(), earlier.path().display());
        say(&format!(
            "{earlier} holds a run of this pipeline, but runs lie beside the pipeline file now; move it to {beside}, or name it \
             with --out {earlier}"
        ));
    }
    beside
}
