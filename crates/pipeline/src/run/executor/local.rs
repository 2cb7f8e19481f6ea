//! Runs cells on threads of this process: decides how many run concurrently, and leaves the rest to the [`Runner`](super::super::runner).

use std::num::NonZeroUsize;
use std::thread;

use emberline_device::Device;

use super::super::options::Options;
use super::super::schedule::Concurrency;
use super::{Executor, Job};
use crate::Error;
use crate::plan::Cell;

/// Runs cells on threads of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local {
    /// How many cells are trained concurrently; `None` takes this from the options.
    pub(in crate::run) concurrency: Option<Concurrency>,
}

impl Executor for Local {
    fn execute(&self, job: &Job<'_>) -> Result<(), Error> {
        let runner = job.runner;
        let concurrency = self.concurrency.unwrap_or_else(|| concurrency(runner.options(), &runner.usual(job.cells())));
        job.starts(concurrency.jobs * concurrency.pack);
        runner.run(concurrency, job.cells().to_vec(), &mut job.inputs())
    }
}

/// Decides how many cells are trained concurrently, at most as many as there are. The CPU gets no packs, in which its
/// cells would only wait for each other.
fn concurrency(options: &Options, cells: &[&Cell]) -> Concurrency {
    let on_processor = cells.iter().all(|cell| options.device_of(cell) == Device::Cpu);
    let cells = cells.len();
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let asked = |number: Option<NonZeroUsize>| number.map(NonZeroUsize::get);
    let (jobs, pack) = if on_processor {
        (asked(options.jobs).unwrap_or_else(cores), 1)
    } else {
        (asked(options.jobs).unwrap_or(1), asked(options.pack).unwrap_or(1))
    };
    let pack = pack.min(cells.max(1));
    Concurrency { jobs: jobs.min(cells.div_ceil(pack).max(1)), pack }
}
