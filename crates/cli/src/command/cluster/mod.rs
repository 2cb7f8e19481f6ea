//! The commands for clusters: `submit`, `status`, `logs`, `cancel`, and `task`, which the jobs call.
//!
//! The run folder is the truth of what is done; the queue only adds what is running or waits.

pub(super) mod cancel;
pub(super) mod logs;
pub(super) mod status;
pub(super) mod submit;
pub(super) mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use emberline_cluster::{InQueue, Manifest, Submission, submissions};
use emberline_pipeline::{Pipeline, RunFolder};

use super::run_folder;
use crate::args::PipelineArgs;
use crate::exit::Error;

/// Loads a pipeline file by its absolute path, since jobs run in other folders.
fn load_absolute(args: &PipelineArgs) -> Result<Pipeline, Error> {
    let file = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    Ok(Pipeline::load(&file, &args.set)?)
}

/// Returns the run folder, as an absolute path.
fn absolute_run_folder(pipeline: &Pipeline, out: Option<&PathBuf>) -> RunFolder {
    let folder = run_folder(pipeline, out);
    RunFolder::new(std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned()))
}

/// What the queue holds of a run.
#[derive(Default)]
struct Live {
    /// The submissions with tasks in the queue, with their manifests.
    submissions: Vec<(Submission, Manifest)>,
    /// The ids of jobs that train or encode.
    jobs: BTreeSet<String>,
    /// The cells that wait or are being trained: true if their task runs.
    cells: BTreeMap<String, bool>,
}

impl Live {
    /// Compares the queue with the run's submissions.
    fn of(run: &Path, queue: &[InQueue]) -> Result<Self, Error> {
        let mut live = Self::default();
        for submission in submissions(run) {
            let ids = submission.live_jobs(queue)?;
            if ids.is_empty() {
                continue;
            }
            let manifest = submission.manifest()?;
            for (job, index, task) in submission.queued(&manifest, queue)? {
                for cell in job.tasks[index].cells() {
                    *live.cells.entry(cell.clone()).or_default() |= task.is_running();
                }
            }
            live.jobs.extend(ids);
            live.submissions.push((submission, manifest));
        }
        Ok(live)
    }

    /// Refuses a queue with cells that the plan doesn't have.
    fn check(&self, planned: &BTreeSet<&str>, pipeline: &Pipeline) -> Result<(), Error> {
        let Some(cell) = self.cells.keys().find(|cell| !planned.contains(cell.as_str())) else { return Ok(()) };
        let names_it = |(_, manifest): &&(Submission, Manifest)| manifest.cells().any(|named| named == cell);
        let manifest = self.submissions.iter().find(names_it).map(|(submission, _)| submission.manifest_path());
        Err(emberline_cluster::Error::OtherPlan {
            manifest: manifest.unwrap_or_default(),
            cell: cell.clone(),
            pipeline: pipeline.file.clone(),
        }
        .into())
    }
}
