//! The errors of submitting to a cluster.

use std::path::PathBuf;

use emberline_base::file::FileError;

/// An error of submitting to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No profile was named.
    #[error(
        "no profile says which cluster this is; name one with --profile NAME, --profile-file FILE or the environment variable \
         EMBERLINE_PROFILE (docs/slurm.md has an example)"
    )]
    NoProfile,
    /// There is no such profile.
    #[error("there is no profile {}; docs/slurm.md has an example{}", path.display(), others(known))]
    NoSuchProfile {
        /// Where it was looked for.
        path: PathBuf,
        /// The names of the profiles that are there.
        known: Vec<String>,
    },
    /// A profile can't be used.
    #[error("{}: {fault}", path.display())]
    Profile {
        /// The profile.
        path: PathBuf,
        /// What is wrong, where, and the cure.
        fault: String,
    },
    /// A command of Slurm isn't there.
    #[error(
        "there is no `{command}` on this machine's PATH: run this on a login node of a Slurm cluster, or give the cells to other \
         programs: `emberline cells FILE --missing` lists them"
    )]
    NoSlurm {
        /// The command.
        command: &'static str,
    },
    /// A command of Slurm failed.
    #[error("`{command}` failed: {said}{}", hint(said))]
    Slurm {
        /// The command with its arguments.
        command: String,
        /// What it said.
        said: String,
    },
    /// Slurm refuses a job before it is queued.
    #[error(
        "{}: Slurm refuses what [slurm.{section}] asks for: {said}; correct that section{}; nothing was queued", profile.display(),
        lists(said)
    )]
    Refused {
        /// The profile.
        profile: PathBuf,
        /// The section of the profile: `embed`, `train` or `report`.
        section: &'static str,
        /// What `sbatch --test-only` said.
        said: String,
    },
    /// Something that jobs need lies outside of the folder that all nodes see.
    #[error(
        "{what} {} isn't in `shared_dir` {}, so compute nodes may not see it; move it there, or name a folder above both as \
         `shared_dir` in {}; nothing was queued", path.display(), shared_dir.display(), profile.display()
    )]
    NotShared {
        /// What it is, such as `the run folder`.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The shared folder.
        shared_dir: PathBuf,
        /// The profile.
        profile: PathBuf,
    },
    /// A compute node doesn't see a file that this machine sees.
    #[error(
        "the node {node} of partition {partition} doesn't see {}, which this machine sees: `shared_dir` must be a file system that all nodes mount \
         at the same path; nothing was queued", path.display()
    )]
    NotSeen {
        /// The node.
        node: String,
        /// Its partition.
        partition: String,
        /// The file.
        path: PathBuf,
    },
    /// The shared folder takes no more data.
    #[error("can't write {needed} MB to {}: {why}; free some space or have the quota raised; nothing was queued", folder.display())]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// The megabytes that were tried.
        needed: u64,
        /// What the system said.
        why: String,
    },
    /// A manifest names a cell that its pipeline file doesn't have any more.
    #[error(
        "{}: its cell `{cell}` isn't in the plan of {} any more, which was changed since it was submitted; `emberline cancel {}` ends its jobs, \
         then submit again", manifest.display(), pipeline.display(), pipeline.display()
    )]
    OtherPlan {
        /// The manifest.
        manifest: PathBuf,
        /// The cell.
        cell: String,
        /// The pipeline file.
        pipeline: PathBuf,
    },
    /// A manifest or a list of jobs isn't as it was written.
    #[error("{}: {fault}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the cure.
        fault: String,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

fn others(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) }
}

/// Returns where a user finds what Slurm would accept.
fn lists(said: &str) -> &'static str {
    let is_of_partition = said.contains("partition");
    if is_of_partition { " (`sinfo --summarize` lists the partitions)" } else { "" }
}

/// Returns what may help against what a command of Slurm said.
fn hint(said: &str) -> &'static str {
    if said.contains("Unable to contact slurm controller") {
        "; the cluster's controller doesn't answer: try again later"
    } else {
        ""
    }
}
