//! `run --baseline` and `run --summary-markdown`: the Markdown report with what changed, in the run folder and on a page of CI.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_pipeline::compare::Side;
use emberline_pipeline::{Lock, RunFolder};

use crate::args::Run;
use crate::command::compare::side;
use crate::exit::Error;
use crate::terminal::say;

/// Writes what the command asks for.
pub(super) fn write(args: &Run, folder: &RunFolder) -> Result<(), Error> {
    if let Some(baseline) = &args.baseline {
        folder.write_reports(Some(&side(baseline)?))?;
    }
    let Some(path) = &args.summary_markdown else { return Ok(()) };
    let lock = Lock::path_of(&args.pipeline.file);
    let baseline = match &args.baseline {
        Some(baseline) => Some(side(baseline)?),
        None if lock.is_file() => of_lock(&lock),
        None => None,
    };
    append(path, &folder.markdown(baseline.as_ref())?)
}

/// Returns the pipeline's own lock as the baseline; none, after a warning, if it can't be read, since nobody asked for it.
fn of_lock(lock: &Path) -> Option<Side> {
    let read = side(lock);
    if let Err(error) = &read {
        say(&format!("warning: what changed since the lock can't be told: {error}"));
    }
    read.ok()
}

/// Refuses arguments that can't be followed, before anything is trained.
pub(super) fn check(args: &Run) -> Result<(), Error> {
    if args.summary_markdown.as_deref() == Some(Path::new("-")) {
        let why =
            "--summary-markdown takes a file, since standard output has the results; say --summary-markdown report.md";
        return Err(Error::Usage(why.to_owned()));
    }
    args.baseline.as_deref().map(side).transpose()?;
    Ok(())
}

/// Appends a text to a file, which is made if it doesn't exist. A page of CI may have parts that other steps wrote.
fn append(path: &Path, text: &str) -> Result<(), Error> {
    file::make_folder(file::folder_of(path))?;
    let mut options = OpenOptions::new();
    let mut opened = options.create(true).append(true).open(path).map_err(FileError::new("append to", path))?;
    Ok(opened.write_all(text.as_bytes()).map_err(FileError::new("append to", path))?)
}
