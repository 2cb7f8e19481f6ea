//! The manifest: which task of which job runs which cells. It is written once and never changed.
//!
//! ```json
//! { "version": 1, "pipeline": "/scratch/me/p.toml", "set": [], "run": "/scratch/me/runs/p", "device": "auto", "grace_s": 60,
//!   "jobs": [ { "name": "embed-minilm", "kind": "embed", "after": [],
//!               "tasks": [ { "embed": { "cell": "minilm-s1-3f9a1c2b", "part": 0, "parts": 2 } } ] },
//!             { "name": "train-minilm", "kind": "train", "after": ["embed-minilm"], "tasks": [ { "cells": ["minilm-s1-3f9a1c2b"] } ] },
//!             { "name": "report", "kind": "report", "after": ["train-minilm"], "tasks": [ "report" ] } ] }
//! ```
//! The number of a task in its job is its index in the job array.

use std::path::{Path, PathBuf};

use emberline_base::file;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The version of the file's format.
pub const VERSION: u32 = 1;

/// What a submission runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The pipeline file, as an absolute path.
    pub pipeline: PathBuf,
    /// The keys of the file that the command line overrides (`-S`).
    pub set: Vec<String>,
    /// The run folder, as an absolute path.
    pub run: PathBuf,
    /// The device that trains and encodes.
    pub device: String,
    /// Whether cells run again that failed.
    pub retry_failed: bool,
    /// Seconds that a task has to save its work when it is signalled.
    pub grace_s: u32,
    /// The jobs; one comes after those that it waits for.
    pub jobs: Vec<Job>,
}

/// A job: an array of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The name, which is unique in the manifest; it names the script and the logs.
    pub name: String,
    /// What its tasks do.
    pub kind: Kind,
    /// The names of the jobs that it waits for.
    pub after: Vec<String>,
    /// The tasks, by their index in the array.
    pub tasks: Vec<Task>,
}

/// What the tasks of a job do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// They put vectors of texts into the cache.
    Embed,
    /// They train cells.
    Train,
    /// One task writes the summary and the reports.
    Report,
}

impl Kind {
    /// The section of the profile with what such a job asks for.
    pub fn section(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Train => "train",
            Self::Report => "report",
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Trains these cells, unless they are done.
    Cells(Vec<String>),
    /// Encodes a share of a cell's texts.
    Embed {
        /// The cell whose data and embedding are meant.
        cell: String,
        /// Which share, from 0.
        part: usize,
        /// The number of shares.
        parts: usize,
    },
    /// Writes the summary and the reports.
    Report,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// If it can't be read, was changed, or is of another version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = file::read(path)?;
        let damaged = |fault: String| Error::Damaged { path: path.to_owned(), fault };
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("the manifest is damaged: {error}; submit again")))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                return Err(damaged(format!(
                    "the manifest has version {version}, and this program reads {VERSION}; submit again with this program"
                )));
            }
            None => return Err(damaged("the manifest has no version; submit again".to_owned())),
        }
        serde_json::from_value(value)
            .map_err(|error| damaged(format!("the manifest is damaged: {error}; submit again")))
    }

    /// Returns the text of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a manifest is plain data") + "\n"
    }

    /// Returns a job.
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name == name)
    }

    /// Returns all cells that are trained, in order.
    pub fn cells(&self) -> impl Iterator<Item = &String> {
        self.jobs.iter().flat_map(|job| &job.tasks).flat_map(Task::cells)
    }
}

impl Task {
    /// Returns the cells that the task trains.
    pub fn cells(&self) -> &[String] {
        match self {
            Self::Cells(cells) => cells,
            Self::Embed { .. } | Self::Report => &[],
        }
    }
}
