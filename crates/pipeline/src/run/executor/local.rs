//! Trains cells in this process: one after another, side by side on threads, or in packs.
//!
//! One thread prepares the inputs, one cell after another in the order of execution, so that nothing is read or embedded
//! twice. Cells of one shape gather in packs, which are trained together. With one job that thread trains each pack as well;
//! with several, as many threads wait for packs, and each trains its pack by itself. What a cell is made of is shared, never
//! copied, and nothing of a result depends on its neighbours.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use emberline_device::{Device, memory};
use emberline_train::Shape;

use super::super::locked;
use super::super::options::Options;
use super::super::trainer::unharmed;
use super::packs::Packs;
use super::{Executor, Job};
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;
use crate::run_folder::Lock;

/// Runs cells on threads of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local {
    /// How many cells at a time; none: as the options say.
    pub(in crate::run) width: Option<Concurrency>,
}

impl Executor for Local {
    fn execute(&self, job: &Job<'_>) -> Result<(), Error> {
        let runner = job.runner;
        let width = self.width.unwrap_or_else(|| width(runner.options(), &runner.usual(job.cells())));
        job.starts(width.jobs * width.pack);
        runner.run(width, job.cells().to_vec(), &mut job.inputs())
    }
}

/// How many cells are trained at a time: no more than there are. A processor is given no packs, which would only keep its cells
/// waiting for each other.
fn width(options: &Options, cells: &[&Cell]) -> Concurrency {
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

/// A cell that is ready, with its number among all, from 1.
pub(in crate::run) struct PreparedCell<'c> {
    pub(in crate::run) number: usize,
    pub(in crate::run) cell: &'c Cell,
    /// Keeps other processes off the cell.
    pub(in crate::run) lock: Lock,
    pub(in crate::run) prepared: Result<Prepared, Error>,
}

/// What goes on around the training of cells.
pub(in crate::run) trait Work<'c>: Sync {
    /// Returns false once the run should stop starting cells.
    fn should_continue(&self) -> bool;

    /// Takes a cell for this process; none if another process works on it, or has run it meanwhile.
    fn claim(&self, cell: &'c Cell, inputs: &mut Inputs) -> Option<Lock>;

    /// A cell's turn has come: its inputs are prepared next.
    fn begins(&self, number: usize, cell: &Cell);

    /// Its inputs.
    ///
    /// # Errors
    /// Why there are none: the cell fails.
    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error>;

    /// What cells must share to be trained together with this one; none where it is trained alone.
    fn shape(&self, ready: &PreparedCell<'_>) -> Option<Shape>;

    /// Trains cells of one shape together, and tells whether others shall follow.
    ///
    /// # Errors
    /// When nothing that follows could be recorded.
    fn train(&self, pack: &[PreparedCell<'_>]) -> Result<bool, Error>;
}

/// How many cells are trained at a time.
#[derive(Clone, Copy, Debug)]
pub(in crate::run) struct Concurrency {
    /// Packs side by side.
    pub(in crate::run) jobs: usize,
    /// The cells of a pack, at most.
    pub(in crate::run) pack: usize,
}

/// Trains the cells, of which the first has the number `next`, which is raised; gives whether others may follow.
///
/// # Errors
/// The first error of [`Work::train`]; cells that are under way are finished first.
pub(in crate::run) fn execute<'c>(
    width: Concurrency,
    next: &mut usize,
    cells: &[&'c Cell],
    inputs: &mut Inputs,
    work: &dyn Work<'c>,
) -> Result<bool, Error> {
    let mut ready = cells.iter().take_while(|_| work.should_continue()).filter_map(|&cell| {
        let lock = work.claim(cell, inputs)?;
        let number = std::mem::replace(next, *next + 1);
        work.begins(number, cell);
        Some(PreparedCell { number, cell, lock, prepared: unharmed(|| work.prepare(inputs, cell)) })
    });
    let mut packs = Packs { ready: &mut ready, work, most: width.pack, open: Vec::new() };
    if width.jobs > 1 {
        return side_by_side(width.jobs, &mut packs, work);
    }
    one_by_one(&mut packs, work)
}

/// Trains on the calling thread.
fn one_by_one<'c>(packs: &mut Packs<'_, 'c>, work: &dyn Work<'c>) -> Result<bool, Error> {
    for pack in packs {
        if !work.train(&pack)? {
            return Ok(false);
        }
    }
    Ok(work.should_continue())
}

/// The threads that train, and what they share.
struct WorkerPool<'c> {
    /// Where packs come from; none when no other shall be trained.
    ready: Mutex<Option<Receiver<Vec<PreparedCell<'c>>>>>,
    closed: AtomicBool,
    fault: Mutex<Option<Error>>,
}

fn side_by_side<'c>(jobs: usize, packs: &mut Packs<'_, 'c>, work: &dyn Work<'c>) -> Result<bool, Error> {
    // A pack is handed from hand to hand: no more than one waits here, so that memory is bounded.
    let (give, take) = sync_channel(0);
    let pool = WorkerPool { ready: Mutex::new(Some(take)), closed: AtomicBool::new(false), fault: Mutex::new(None) };
    let goes_on = thread::scope(|scope| {
        let start = |number: &usize| {
            let thread = thread::Builder::new().name(format!("job {number}"));
            thread.spawn_scoped(scope, || pool.work(work)).is_ok()
        };
        // The system may start fewer threads than are asked for; each starts another, see `work`.
        let most = jobs.min(memory::max_additional_threads() / 2);
        let started = (1..=most).take_while(start).count();
        if started == 0 {
            return one_by_one(packs, work);
        }
        while !pool.is_closed()
            && let Some(pack) = packs.next()
            && give.send(pack).is_ok()
        {}
        drop(give);
        Ok(!pool.is_closed() && work.should_continue())
    });
    // Threads that were still at work when no more packs came may have ended the run since.
    let goes_on = goes_on? && !pool.is_closed();
    locked(&pool.fault).take().map_or(Ok(goes_on), Err)
}

impl<'c> WorkerPool<'c> {
    /// Trains what is ready, until nothing is to come.
    fn work(&self, work: &dyn Work<'c>) {
        // A cell that spreads over all cores would only take them from the others.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some(pack) = self.next() {
            let train = || unharmed(|| work.train(&pack));
            let go_on = match &alone {
                Some(alone) => alone.install(train),
                None => train(),
            };
            match go_on {
                Ok(true) => {}
                Ok(false) => self.close(),
                Err(error) => {
                    locked(&self.fault).get_or_insert(error);
                    self.close();
                }
            }
        }
    }

    fn next(&self) -> Option<Vec<PreparedCell<'c>>> {
        let pack = locked(&self.ready).as_ref()?.recv().ok()?;
        (!self.is_closed()).then_some(pack)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nothing is trained after this; whoever waits with a pack learns that nobody takes it.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        *locked(&self.ready) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use emberline_base::{Features, Matrix, Monitor, Splits, Task};
    use emberline_device::Device;
    use emberline_train::FitSpec;
    use emberline_train::settings::{Head, Train};

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    /// Counts cells; the third answers as told.
    struct Counting {
        begun: AtomicUsize,
        trained: AtomicUsize,
        third: fn() -> Result<bool, Error>,
        shape: fn(usize) -> Option<Shape>,
        packs: Mutex<Vec<Vec<usize>>>,
    }

    impl<'c> Work<'c> for Counting {
        fn should_continue(&self) -> bool {
            true
        }

        fn claim(&self, cell: &'c Cell, _: &mut Inputs) -> Option<Lock> {
            (cell.settings.seed < 40).then(Lock::none)
        }

        fn begins(&self, number: usize, _: &Cell) {
            assert_eq!(self.begun.fetch_add(1, Ordering::SeqCst) + 1, number);
        }

        fn prepare(&self, _: &mut Inputs, _: &Cell) -> Result<Prepared, Error> {
            panic!("a panic while a cell is prepared is its own failure")
        }

        fn shape(&self, ready: &PreparedCell<'_>) -> Option<Shape> {
            (self.shape)(ready.number)
        }

        fn train(&self, pack: &[PreparedCell<'_>]) -> Result<bool, Error> {
            assert!(pack.iter().all(|ready| matches!(ready.prepared, Err(Error::Panic(_)))));
            self.trained.fetch_add(pack.len(), Ordering::SeqCst);
            locked(&self.packs).push(pack.iter().map(|ready| ready.number).collect());
            if pack.iter().any(|ready| ready.number == 3) {
                return (self.third)();
            }
            // The others must not have trained all cells before the third has ended.
            thread::sleep(Duration::from_millis(2));
            Ok(true)
        }
    }

    /// How a run of 40 cells ends, and what was done; five more are another process's.
    fn run(
        width: Concurrency,
        third: fn() -> Result<bool, Error>,
        shape: fn(usize) -> Option<Shape>,
    ) -> (Result<(), Error>, Counting) {
        let seeds: Vec<String> = (0..45).map(|seed| seed.to_string()).collect();
        let text = format!(
            "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n[grid]\nseed = [{}]",
            seeds.join(", ")
        );
        let plan = Plan::of(&Pipeline::parse("p", &text, Path::new(""), &[]).expect("sound"));
        let cells: Vec<&Cell> = plan.cells.iter().collect();
        let (begun, trained, packs) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
        let work = Counting { begun, trained, third, shape, packs };
        let mut inputs = Inputs::new(PathBuf::new(), Device::Cpu, None);
        (execute(width, &mut 1, &cells, &mut inputs, &work).map(drop), work)
    }

    /// How it ends without packs, and how many were trained.
    fn executed(jobs: usize, third: fn() -> Result<bool, Error>) -> (Result<(), Error>, usize) {
        let (ended, work) = run(Concurrency { jobs, pack: 1 }, third, |_| None);
        (ended, work.trained.into_inner())
    }

    /// One of seven shapes, or none for each tenth.
    fn shape(number: usize) -> Option<Shape> {
        let features = Splits { train: Features::Frozen(Matrix::zeros(1, number % 7)), valid: None, test: None };
        let job = FitSpec {
            head: &Head::default(),
            train: &Train::default(),
            seed: 1,
            task: Task::Binary,
            features: &features,
            targets: &Splits { train: Matrix::zeros(1, 1), valid: None, test: None },
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            initial: None,
        };
        job.shape().filter(|_| !number.is_multiple_of(10))
    }

    #[test]
    fn cells_of_one_shape_gather() {
        for (jobs, pack) in [(1, 1), (1, 2), (2, 3), (1, 8), (3, 40)] {
            let (ended, work) = run(Concurrency { jobs, pack }, || Ok(true), shape);
            let packs = locked(&work.packs).clone();
            assert!(ended.is_ok());
            let mut all = packs.concat();
            all.sort_unstable();
            assert_eq!(all, (1..=40).collect::<Vec<_>>());
            for cells in packs {
                assert!(
                    cells.len() <= pack && (cells.len() == 1 || cells.iter().all(|&n| shape(n) == shape(cells[0]))),
                    "{cells:?}"
                );
            }
        }
        // Six of each shape, but for each tenth cell, which is alone.
        let packs = locked(&run(Concurrency { jobs: 1, pack: 40 }, || Ok(true), shape).1.packs).clone();
        assert_eq!(packs.len(), 7 + 4);
    }

    #[test]
    fn every_cell_is_trained_once() {
        for jobs in [1, 2, 7] {
            let (ended, trained) = executed(jobs, || Ok(true));
            assert!(ended.is_ok() && trained == 40, "{jobs} jobs: {trained}");
        }
    }

    #[test]
    fn the_end_and_an_error_keep_others_from_beginning() {
        assert_eq!(executed(1, || Ok(false)).1, 3);
        let no_cells = || Err(Error::NoCells("a fault".to_owned()));
        let (ended, trained) = executed(1, no_cells);
        assert!(ended.is_err() && trained == 3);
        for jobs in [2, 4] {
            let (ended, trained) = executed(jobs, || Ok(false));
            assert!(ended.is_ok() && trained < 40, "{jobs} jobs: {trained}");
            assert!(matches!(executed(jobs, no_cells).0, Err(Error::NoCells(_))), "{jobs} jobs");
            assert!(matches!(executed(jobs, || panic!("a fault")).0, Err(Error::Panic(_))), "{jobs} jobs");
        }
    }
}
