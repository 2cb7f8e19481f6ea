//! A submission: the folder `<run>/submit/<n>/`, which says what was asked of the cluster.
//!
//! ```text
//! profile.toml    the profile as it was
//! manifest.json   which task runs which cells; never changed
//! <job>.sh        the script of each job
//! jobs.json       the ids of the jobs that were queued
//! logs/           what the tasks print: <job>-<index>.log
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::run_files::SUBMIT;

use crate::slurm::InQueue;
use crate::{Error, Job, Manifest};

const JOBS: &str = "jobs.json";

/// A submission of a run.
#[derive(Clone, Debug)]
pub struct Submission {
    folder: PathBuf,
    number: u32,
}

/// Returns the submissions of a run, the oldest first.
pub fn submissions(run: &Path) -> Vec<Submission> {
    let entries = fs::read_dir(run.join(SUBMIT)).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| Submission::of(run, number)).collect()
}

impl Submission {
    fn of(run: &Path, number: u32) -> Self {
        Self { folder: run.join(SUBMIT).join(number.to_string()), number }
    }

    /// Returns the next submission of a run, without making its folder.
    pub fn next(run: &Path) -> Self {
        let last = submissions(run).last().map_or(0, |last| last.number);
        Self::of(run, last + 1)
    }

    /// Makes the folder of the next submission; two processes never get the same.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn create(run: &Path) -> Result<Self, Error> {
        file::make_folder_below(run, Path::new(SUBMIT))?;
        loop {
            let next = Self::next(run);
            match fs::create_dir(&next.folder) {
                Ok(()) => {
                    file::make_folder(&next.folder.join("logs"))?;
                    return Ok(next);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FileError::new("make the folder", &next.folder)(error).into()),
            }
        }
    }

    /// Returns the number among the run's submissions, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.folder.join("manifest.json")
    }

    /// Returns the path of a job's script.
    pub fn script(&self, job: &str) -> PathBuf {
        self.folder.join(format!("{job}.sh"))
    }

    /// Returns the path of what a task prints.
    pub fn log(&self, job: &Job, index: usize) -> PathBuf {
        let index = if job.kind == crate::Kind::Report { String::new() } else { format!("-{index}") };
        self.folder.join("logs").join(format!("{}{index}.log", job.name))
    }

    /// Writes a file of the submission.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        Ok(file::write_atomic(&self.folder.join(name), text.as_bytes())?)
    }

    /// Removes the folder: nothing was queued.
    pub fn discard(&self) {
        // What stays is a folder without ids of jobs, which no command minds.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub fn manifest(&self) -> Result<Manifest, Error> {
        Manifest::load(&self.manifest_path())
    }

    /// Records the ids of the jobs that were queued so far, by their names.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn note_jobs(&self, jobs: &BTreeMap<String, String>) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(jobs).expect("names and ids are plain data") + "\n";
        self.write(JOBS, &text)
    }

    /// Returns the ids of the jobs that were queued, by their names; none if nothing was.
    ///
    /// # Errors
    /// If the list is damaged.
    pub fn jobs(&self) -> Result<BTreeMap<String, String>, Error> {
        let path = self.folder.join(JOBS);
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let bytes = file::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
            path,
            fault: format!(
                "the list of job ids is damaged: {error}; `squeue --me` shows the jobs, and `scancel` ends them"
            ),
        })
    }

    /// Returns the tasks of this submission that are in the queue: the job, the index, and what the queue says.
    ///
    /// # Errors
    /// If the list of jobs is damaged.
    pub fn queued<'m, 'q>(
        &self,
        manifest: &'m Manifest,
        queue: &'q [InQueue],
    ) -> Result<Vec<(&'m Job, usize, &'q InQueue)>, Error> {
        let ids = self.jobs()?;
        let mut found = Vec::new();
        for job in &manifest.jobs {
            let Some(id) = ids.get(&job.name) else { continue };
            for task in queue.iter().filter(|task| task.job == *id) {
                // A task that is listed without its index stands for the whole array.
                let indices = task.index.map_or(0..job.tasks.len(), |index| index..index + 1);
                found.extend(indices.filter(|&index| index < job.tasks.len()).map(|index| (job, index, task)));
            }
        }
        Ok(found)
    }

    /// Returns the ids of the submission's jobs that are in the queue.
    ///
    /// # Errors
    /// If the list of jobs is damaged.
    pub fn live_jobs(&self, queue: &[InQueue]) -> Result<BTreeSet<String>, Error> {
        let live: BTreeSet<&String> = queue.iter().map(|task| &task.job).collect();
        Ok(self.jobs()?.into_values().filter(|id| live.contains(id)).collect())
    }
}
