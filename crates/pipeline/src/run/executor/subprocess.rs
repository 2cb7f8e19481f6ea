//! Runs cells in processes of their own: `emberline run FILE --only CELL...`, one process per worker at a time.
//!
//! A process that dies costs only the cell that it was running: the remaining cells go to another process, and the
//! crash markers (`crash_markers.rs`) keep one cell from killing process after process. Results are read from the run
//! folder. A process ends when its standard input is closed, and so also when this process ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::super::locked::locked;
use super::{Executor, Job};
use crate::Error;
use crate::plan::Cell;

/// Time between two looks at a process and its results.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum number of processes in a row that may die without leaving a result.
const MAX_DEATHS: usize = 5;
/// Exit codes of processes whose cells have all ended, possibly some with failures.
const ENDED: [i32; 2] = [0, 7];
/// Exit codes of processes that were interrupted.
const INTERRUPTED: [i32; 2] = [75, 130];

/// Runs cells in processes of their own.
#[derive(Clone, Debug)]
pub struct Subprocess {
    command: Vec<OsString>,
    workers: usize,
}

impl Subprocess {
    /// Returns an executor that runs `command`, a program and its arguments, with `--only CELL` appended for each cell,
    /// in at most `workers` processes at once.
    pub fn new(command: Vec<OsString>, workers: usize) -> Self {
        Self { command, workers: workers.max(1) }
    }

    /// Runs cells in one process after another until all have ended.
    fn work<'c>(&self, cells: &[&'c Cell], job: &Job<'c>) -> Result<(), Error> {
        let (mut left, mut deaths) = (cells.to_vec(), 0);
        while !left.is_empty() && job.should_continue() {
            let before = left.len();
            let (status, last_line) = self.run_process(&mut left, job)?;
            left.retain(|cell| !job.take_outcome(cell));
            match status.code() {
                Some(code) if ENDED.contains(&code) || INTERRUPTED.contains(&code) => return Ok(()),
                Some(_) => return Err(Error::Subprocess { ended: status.to_string(), said: last_line }),
                None if left.len() < before => deaths = 0,
                None if deaths + 1 == MAX_DEATHS => {
                    return Err(Error::Subprocess { ended: status.to_string(), said: last_line });
                }
                None => deaths += 1,
            }
        }
        Ok(())
    }

    /// Runs cells in one process and takes over their results as they appear. Returns the exit status and the last line
    /// of standard error.
    fn run_process<'c>(&self, left: &mut Vec<&'c Cell>, job: &Job<'c>) -> Result<(ExitStatus, String), Error> {
        let mut process = self.start(left)?;
        let stderr = process.stderr.take().expect("it is piped");
        let mut lifeline = process.stdin.take();
        let status = thread::scope(|scope| {
            let last_line = scope.spawn(|| forward(stderr, job));
            let status = loop {
                if let Some(status) = process.try_wait().map_err(failed)? {
                    break status;
                }
                if !job.should_continue() {
                    lifeline = None;
                }
                while left.first().is_some_and(|cell| job.take_outcome(cell)) {
                    left.remove(0);
                }
                thread::sleep(POLL_INTERVAL);
            };
            Ok((status, last_line.join().unwrap_or_default()))
        });
        drop(lifeline);
        status
    }

    fn start(&self, cells: &[&Cell]) -> Result<Child, Error> {
        let mut parts = self.command.iter();
        let mut command = Command::new(parts.next().cloned().unwrap_or_default());
        command.args(parts).args(cells.iter().flat_map(|cell| ["--only", cell.id.as_str()]));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().map_err(failed)
    }
}

impl Executor for Subprocess {
    fn execute(&self, job: &Job<'_>) -> Result<(), Error> {
        let cells = job.cells();
        let workers = self.workers.min(cells.len()).max(1);
        job.starts(workers);
        let fault = Mutex::new(None);
        thread::scope(|scope| {
            // Consecutive cells share data and embedding, so each worker gets a consecutive part.
            for share in cells.chunks(cells.len().div_ceil(workers).max(1)) {
                let fault = &fault;
                scope.spawn(move || {
                    if let Err(error) = self.work(share, job) {
                        locked(fault).get_or_insert(error);
                    }
                });
            }
        });
        locked(&fault).take().map_or(Ok(()), Err)
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::Subprocess { ended: "an error of the system".to_owned(), said: error.to_string() }
}

/// Forwards a process's warnings, and returns the last line that it printed.
fn forward(stderr: ChildStderr, job: &Job<'_>) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(warning) = line.strip_prefix("warning: ") {
            job.warn(warning);
        }
        if !line.trim().is_empty() {
            last = line;
        }
    }
    last
}
