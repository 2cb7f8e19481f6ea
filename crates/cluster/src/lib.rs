//! Submits cells to a Slurm cluster.
//!
//! What enters: a [`Profile`], which describes the cluster, and the cells to train with the embeddings to compute, as names alone. What
//! leaves: a [`Submission`], a folder with a copy of the profile, an immutable [`Manifest`] (which task runs which cells) and one script
//! per job; and the jobs, queued by [`Slurm`]. This crate knows nothing of pipelines: the tasks run `emberline task`, whose results lie in
//! the run folder.
//!
//! It is no implementation of `emberline_pipeline::Executor`, which returns when its cells have ended: `submit` must return at once, since a
//! process that waits on a login node is killed there, and everything that it would wait for is in the run folder anyway.

mod error;
mod layout;
mod manifest;
mod profile;
mod script;
mod shared;
mod slurm;
mod submission;

pub use error::Error;
pub use layout::{Group, Layout, Share, cells_per_task};
pub use manifest::{Job, Kind, Manifest, Task, VERSION};
pub use profile::{CellsPerTask, Executor, Profile, ProfileSource, Resources, SlurmSettings, Step};
pub use script::{quoted, render};
pub use shared::{check_space, check_within};
pub use slurm::{InQueue, Slurm};
pub use submission::{Submission, submissions};
