//! Runs cells in processes of their own: `emberline run FILE --only CELL...`, one process per worker at a time.
//!
//! A process that dies costs what it was doing and no more: the cells that it left go to another process, and the markers of
//! cells under way (`crash_markers.rs`) see to it that one cell can't kill process after process. Progress is seen where
//! results are: in the run folder. A process ends when its standard input is closed, and so with this one.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::super::locked;
use super::{Executor, Job};
use crate::Error;
use crate::plan::Cell;

/// How often a process and its results are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// As many processes in a row may die without leaving a result.
const DEATHS: usize = 5;
/// Exit codes of processes whose cells have all ended, some of them by failing.
const ENDED: [i32; 2] = [0, 7];
/// Exit codes of processes that were asked to end.
const INTERRUPTED: [i32; 2] = [75, 130];

/// Runs cells in processes of their own.
#[derive(Clone, Debug)]
pub struct Subprocess {
    command: Vec<OsString>,
    workers: usize,
}

impl Subprocess {
    /// Runs `command`, a program and its arguments, completed by `--only CELL` for each cell, in so many processes at once.
    pub fn new(command: Vec<OsString>, workers: usize) -> Self {
        Self { command, workers: workers.max(1) }
    }

    /// Runs cells in one process after another until all have ended.
    fn work<'c>(&self, cells: &[&'c Cell], job: &Job<'c>) -> Result<(), Error> {
        let (mut left, mut deaths) = (cells.to_vec(), 0);
        while !left.is_empty() && job.should_continue() {
            let before = left.len();
            let (status, said) = self.run_process(&mut left, job)?;
            left.retain(|cell| !job.take_outcome(cell));
            match status.code() {
                Some(code) if ENDED.contains(&code) || INTERRUPTED.contains(&code) => return Ok(()),
                Some(_) => return Err(Error::Subprocess { ended: status.to_string(), said }),
                None if left.len() < before => deaths = 0,
                None if deaths + 1 == DEATHS => return Err(Error::Subprocess { ended: status.to_string(), said }),
                None => deaths += 1,
            }
        }
        Ok(())
    }

    /// Runs cells in one process, takes over their results as they come, and gives how the process ended and its last words.
    fn run_process<'c>(&self, left: &mut Vec<&'c Cell>, job: &Job<'c>) -> Result<(ExitStatus, String), Error> {
        let mut process = self.start(left)?;
        let stderr = process.stderr.take().expect("it is piped");
        let mut lifeline = process.stdin.take();
        let status = thread::scope(|scope| {
            let said = scope.spawn(|| forward(stderr, job));
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
                thread::sleep(LOOK_EVERY);
            };
            Ok((status, said.join().unwrap_or_default()))
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
            // Neighbours share data and embedding: they stay together.
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

/// Hands a process's warnings on; gives its last line.
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
