//! `logs`: prints what the task of a cell has printed, in its latest submission.

use std::fs::File;
use std::io;

use emberline_cluster::{Manifest, Submission, submissions};
use emberline_pipeline::Plan;

use super::{absolute_run_folder, load_absolute};
use crate::args::Logs;
use crate::exit::{Code, Error};
use crate::terminal::say;

pub(in crate::command) fn run(args: &Logs) -> Result<Code, Error> {
    let pipeline = load_absolute(&args.pipeline)?;
    let folder = absolute_run_folder(&pipeline, args.out.as_ref());
    let mut waits = None;
    for submission in submissions(folder.path()).into_iter().rev() {
        let Ok(manifest) = submission.manifest() else { continue };
        let Some((log, task)) = log(&submission, &manifest, &args.cell) else { continue };
        let Ok(mut file) = File::open(&log) else {
            waits.get_or_insert(task);
            continue;
        };
        say(&format!("{}:", log.display()));
        io::copy(&mut file, &mut io::stdout())?;
        return Ok(Code::Fine);
    }
    if let Some(task) = waits {
        return Err(Error::Usage(format!("`{}` has printed nothing yet: its task {task} hasn't begun", args.cell)));
    }
    // An id that the plan doesn't have is named, with the nearest one.
    Plan::of(&pipeline).select(std::slice::from_ref(&args.cell))?;
    Err(Error::Usage(format!("`{}` was never submitted; `emberline submit` submits what is missing", args.cell)))
}

/// Finds the log of a cell, or of a task by its name; with the task's name.
fn log(submission: &Submission, manifest: &Manifest, asked: &str) -> Option<(std::path::PathBuf, String)> {
    let mut tasks = manifest.jobs.iter().flat_map(|job| job.tasks.iter().enumerate().map(move |task| (job, task)));
    tasks.find_map(|(job, (index, task))| {
        let log = submission.log(job, index);
        let name = log.file_stem()?.to_string_lossy().into_owned();
        (name == asked || task.cells().iter().any(|cell| cell == asked)).then_some((log, name))
    })
}
