//! `cancel`: cancels the jobs of a run that are queued or running. What is done stays, and checkpoints too.

use std::collections::BTreeSet;
use std::io::{self, Write};

use emberline_base::number::counted;
use emberline_cluster::{Slurm, submissions};

use super::{absolute_run_folder, load_absolute};
use crate::args::Cancel;
use crate::exit::{Code, Error};
use crate::terminal::say;

pub(in crate::command) fn run(args: &Cancel) -> Result<Code, Error> {
    let pipeline = load_absolute(&args.pipeline)?;
    let folder = absolute_run_folder(&pipeline, args.out.as_ref());
    let slurm = Slurm::find()?;
    let queue = slurm.queue()?;
    let mut jobs = BTreeSet::new();
    for submission in submissions(folder.path()) {
        jobs.extend(submission.live_jobs(&queue)?);
    }
    slurm.cancel(&jobs)?;
    let mut out = io::stdout().lock();
    jobs.iter().try_for_each(|job| writeln!(out, "{job}"))?;
    say(&format!("{} cancelled", counted(jobs.len(), "job")));
    Ok(Code::Fine)
}
