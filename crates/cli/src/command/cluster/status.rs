//! `status`: counts the cells by what became of them, and lists the jobs in the queue.

use std::collections::BTreeMap;
use std::io::{self, Write};

use emberline_cache::Cache;
use emberline_cluster::{InQueue, Slurm};
use emberline_device::Device;
use emberline_pipeline::{Pipeline, Plan, State, survey};
use serde::Serialize;

use super::super::plan::{state_name, write_json};
use super::{Live, absolute_run_folder, load_absolute};
use crate::args::{ListFormat, Status};
use crate::exit::{Code, Error};
use crate::terminal::{say, table};

/// A cell and what became of it.
#[derive(Serialize)]
struct CellState<'c> {
    id: &'c str,
    /// `done`, `failed`, `running`, `queued`, or another state of a cell that is to be submitted.
    state: &'static str,
}

/// A job with tasks in the queue.
#[derive(Default, Serialize)]
struct JobState {
    submission: u32,
    job: String,
    id: String,
    running: usize,
    queued: usize,
    /// Why tasks wait.
    reason: String,
}

pub(in crate::command) fn run(args: &Status) -> Result<Code, Error> {
    let pipeline = load_absolute(&args.pipeline)?;
    let folder = absolute_run_folder(&pipeline, args.out.as_ref());
    let queue = match Slurm::find().and_then(Slurm::queue) {
        Ok(queue) => queue,
        Err(error) => {
            say(&format!("warning: what is queued or running isn't known: {error}"));
            Vec::new()
        }
    };
    let live = Live::of(folder.path(), &queue)?;
    let plan = Plan::of(&pipeline);
    let survey = survey(&pipeline, &plan, &folder, Device::Cpu, Cache::for_current_user())
        .map_err(|error| Error::of_pipeline(&pipeline, error))?;
    let state = |id: &str, state: &State| match (state, live.cells.get(id)) {
        (State::Done | State::Failed(_), _) | (_, None) => state_name(state),
        (_, Some(true)) => "running",
        (_, Some(false)) => "queued",
    };
    let cells = plan.cells.iter().zip(&survey.states);
    let cells: Vec<CellState<'_>> =
        cells.map(|(cell, s)| CellState { id: &cell.id, state: state(&cell.id, s) }).collect();
    let jobs = jobs(&live, &queue)?;
    match args.format {
        ListFormat::Text => print(&pipeline, &cells, &jobs)?,
        ListFormat::Json => write_json(&mut io::stdout(), &serde_json::json!({"cells": cells, "jobs": jobs}))?,
    }
    Ok(Code::Fine)
}

/// Counts the tasks of each job that is in the queue.
fn jobs(live: &Live, queue: &[InQueue]) -> Result<Vec<JobState>, Error> {
    let mut all = Vec::new();
    for (submission, manifest) in &live.submissions {
        let mut jobs: BTreeMap<usize, JobState> = BTreeMap::new();
        for (job, _, task) in submission.queued(manifest, queue)? {
            let at = manifest.jobs.iter().position(|other| other.name == job.name).unwrap_or_default();
            let entry = jobs.entry(at).or_default();
            (entry.submission, entry.job, entry.id) = (submission.number(), job.name.clone(), task.job.clone());
            if task.is_running() {
                entry.running += 1;
            } else {
                entry.queued += 1;
                entry.reason.clone_from(&task.reason);
            }
        }
        all.extend(jobs.into_values());
    }
    Ok(all)
}

fn print(pipeline: &Pipeline, cells: &[CellState<'_>], jobs: &[JobState]) -> Result<(), Error> {
    let count = |state: &str| cells.iter().filter(|cell| cell.state == state).count();
    let known = ["done", "failed", "running", "queued"].map(|state| (state, count(state)));
    let missing = cells.len() - known.iter().map(|(_, count)| count).sum::<usize>();
    let counts: Vec<String> = known.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "{} cells: {}, {missing} missing", cells.len(), counts.join(", "))?;
    if !jobs.is_empty() {
        let mut rows = vec![["submission", "job", "id", "running", "queued", "reason"].map(str::to_owned).to_vec()];
        rows.extend(jobs.iter().map(|job| {
            let numbers = [job.running, job.queued].map(|number| number.to_string());
            let [running, queued] = numbers;
            vec![job.submission.to_string(), job.job.clone(), job.id.clone(), running, queued, job.reason.clone()]
        }));
        write!(out, "\n{}", table(&rows))?;
    }
    if missing > 0 {
        say(&format!("`emberline submit {}` submits what is missing", pipeline.file.display()));
    }
    Ok(())
}
