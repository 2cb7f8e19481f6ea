//! Calls of Slurm's commands. Each is one request to the controller, whose load is what users of clusters are asked to spare; `sacct`
//! and `--json` are not used, since many clusters have neither.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::Error;
use crate::profile::{Profile, Resources};

/// Seconds that a node may take to be found for a [`probe`](Slurm::probe).
const PROBE_SECONDS: u32 = 15;
/// Slurm's own default of `MaxArraySize`.
const DEFAULT_MAX_ARRAY: usize = 1001;

/// Slurm, as its commands on the `PATH`.
#[derive(Clone, Copy, Debug)]
pub struct Slurm(());

/// A task in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InQueue {
    /// The id of its job.
    pub job: String,
    /// Its index in the array; none for a job that is no array.
    pub index: Option<usize>,
    /// Its state as Slurm calls it, such as `RUNNING`.
    pub state: String,
    /// Why it waits, such as `Resources`; `None` while it runs.
    pub reason: String,
}

impl InQueue {
    /// Returns whether it is on a node, or about to be or to leave one.
    pub fn is_running(&self) -> bool {
        !["PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"].contains(&self.state.as_str())
    }
}

impl Slurm {
    /// Finds Slurm's commands.
    ///
    /// # Errors
    /// [`Error::NoSlurm`].
    pub fn find() -> Result<Self, Error> {
        let folders: Vec<_> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
        let missing = |command: &&str| !folders.iter().any(|folder| folder.join(command).is_file());
        match ["sbatch", "squeue", "scontrol", "scancel"].into_iter().find(missing) {
            Some(command) => Err(Error::NoSlurm { command }),
            None => Ok(Self(())),
        }
    }

    /// Returns the maximum number of tasks of an array.
    ///
    /// # Errors
    /// If the controller doesn't answer.
    pub fn max_array(self) -> Result<usize, Error> {
        let text = run("scontrol", &["show", "config"])?;
        let value = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.split('=').nth(1));
        let size = value.and_then(|value| value.trim().parse().ok()).unwrap_or(DEFAULT_MAX_ARRAY);
        // Indices are smaller than `MaxArraySize`, and 0 switches arrays off.
        Ok(size.max(1))
    }

    /// Asks whether Slurm would accept a script; nothing is queued. Returns what it says if not.
    ///
    /// # Errors
    /// If `sbatch` can't be run.
    pub fn refusal(self, script: &Path) -> Result<Option<String>, Error> {
        let output = output("sbatch", &["--test-only", &script.to_string_lossy()])?;
        Ok((!output.status.success()).then(|| said(&output)))
    }

    /// Queues a script, to start once jobs have ended, and returns the id of its job.
    ///
    /// # Errors
    /// If Slurm refuses it.
    pub fn submit(self, script: &Path, dependency: Option<&str>) -> Result<String, Error> {
        let dependency = dependency.map(|jobs| format!("--dependency={jobs}"));
        let script = script.to_string_lossy();
        let args: Vec<&str> = ["--parsable"].into_iter().chain(dependency.as_deref()).chain([&*script]).collect();
        let text = run("sbatch", &args)?;
        // `id`, or `id;cluster`; a site's own messages may come before.
        let last = text.lines().last().unwrap_or_default();
        let id = last.split(';').next().unwrap_or_default().trim();
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(id.to_owned());
        }
        Err(Error::Slurm { command: shown("sbatch", &args), said: format!("{last:?} is no job id") })
    }

    /// Lists the user's tasks that are queued or running, each task of an array by itself.
    ///
    /// # Errors
    /// If the controller doesn't answer.
    pub fn queue(self) -> Result<Vec<InQueue>, Error> {
        let text = run("squeue", &["--me", "--noheader", "--array", "--format=%F|%K|%T|%r"])?;
        Ok(text.lines().filter_map(in_queue).collect())
    }

    /// Cancels jobs, running tasks too, in one request per job. Jobs that have ended are no error.
    ///
    /// # Errors
    /// If the controller doesn't answer.
    pub fn cancel(self, jobs: &BTreeSet<String>) -> Result<(), Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let args: Vec<&str> = jobs.iter().map(String::as_str).collect();
        run("scancel", &args).map(drop)
    }

    /// Asks a free node of a partition whether it sees a file. Returns false if no node was free to ask.
    ///
    /// # Errors
    /// [`Error::NotSeen`] if it doesn't.
    pub fn probe(self, profile: &Profile, resources: &Resources, path: &Path) -> Result<bool, Error> {
        let Resources { partition, constraint, extra, .. } = resources;
        let mut args: Vec<String> = ["--quiet", "--ntasks=1", "--time=1", "--job-name=emberline-probe", "--chdir=/"]
            .map(str::to_owned)
            .to_vec();
        args.push(format!("--immediate={PROBE_SECONDS}"));
        let named = [("account", &profile.slurm.account), ("partition", partition), ("constraint", constraint)];
        args.extend(named.iter().filter_map(|(key, value)| Some(format!("--{key}={}", value.as_ref()?))));
        // Other options may have the probe wait, or ask for more than it needs.
        let decides = |option: &&String| ["--qos=", "--reservation="].iter().any(|name| option.starts_with(name));
        args.extend(extra.iter().filter(decides).cloned());
        let asks =
            "if test -r \"$1\"; then seen=sees; else seen=lacks; fi; echo \"emberline-probe $seen $SLURMD_NODENAME\"";
        args.extend(["/bin/sh", "-c", asks, "sh"].map(str::to_owned));
        args.push(path.to_string_lossy().into_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Ok(output) = output("srun", &args) else { return Ok(false) };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = text.lines().find_map(|line| line.strip_prefix("emberline-probe ")?.split_once(' '));
        match answer {
            Some(("sees", _)) => Ok(true),
            Some((_, node)) => Err(Error::NotSeen {
                node: node.to_owned(),
                partition: partition.clone().unwrap_or_else(|| "(the default)".to_owned()),
                path: path.to_owned(),
            }),
            None => Ok(false),
        }
    }
}

/// Parses a line of `squeue`. A task of an array that waits may still be listed with its array, as `[3-9%2]`.
fn in_queue(line: &str) -> Option<InQueue> {
    let mut fields = line.trim().splitn(4, '|');
    let (job, index, state) = (fields.next()?, fields.next()?, fields.next()?);
    let reason = fields.next().filter(|reason| *reason != "None").unwrap_or_default();
    Some(InQueue { job: job.to_owned(), index: index.parse().ok(), state: state.to_owned(), reason: reason.to_owned() })
}

fn run(command: &'static str, args: &[&str]) -> Result<String, Error> {
    let output = output(command, args)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Slurm { command: shown(command, args), said: said(&output) })
}

fn output(command: &'static str, args: &[&str]) -> Result<Output, Error> {
    let started = Command::new(command).args(args).env("LC_ALL", "C").stdin(std::process::Stdio::null()).output();
    started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoSlurm { command },
        _ => Error::Slurm { command: shown(command, args), said: error.to_string() },
    })
}

fn shown(command: &str, args: &[&str]) -> String {
    [&[command], args].concat().join(" ")
}

/// Returns what a command printed as its error, on one line.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let without = |line: &str| {
        let line = line.trim();
        let program =
            ["sbatch", "squeue", "scontrol", "scancel", "srun"].iter().find_map(|name| line.strip_prefix(name));
        program.map_or(line, |line| line.trim_start_matches(": error:").trim_start_matches(':').trim()).to_owned()
    };
    let lines: Vec<String> = text.lines().map(without).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { format!("it ended with {}", output.status) } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_read_line_by_line() {
        let task = in_queue("12|3|RUNNING|None\n").expect("a task");
        assert_eq!((task.job.as_str(), task.index, task.is_running(), task.reason.as_str()), ("12", Some(3), true, ""));
        let waiting = in_queue("13|N/A|PENDING|Dependency").expect("a job");
        assert_eq!((waiting.index, waiting.is_running(), waiting.reason.as_str()), (None, false, "Dependency"));
        assert_eq!(in_queue("").or(in_queue("a|b")), None);
    }
}
