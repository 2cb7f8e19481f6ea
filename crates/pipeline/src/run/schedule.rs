//! Schedules the cells of this process: one after another, concurrently on threads, or in packs.
//!
//! One thread prepares the inputs, one cell after another in execution order, so that nothing is read or embedded
//! twice. Cells of one shape gather in packs, which are trained together. With one job, that thread trains each pack as
//! well; with several, as many threads wait for packs, and each trains its pack by itself. Inputs are shared, never
//! copied, and no result depends on the other cells.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use emberline_device::memory;

use super::locked::locked;
use super::packs::Packs;
use super::work::{PreparedCell, Work, catch_cell_panic};
use crate::Error;
use crate::inputs::Inputs;
use crate::plan::Cell;

/// The number of cells that are trained concurrently.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concurrency {
    /// The number of packs that are trained at the same time.
    pub(super) jobs: usize,
    /// Maximum number of cells in a pack.
    pub(super) pack: usize,
}

/// Trains the cells. The first one has the number `next`, which is incremented per cell. Returns whether more cells may
/// follow.
///
/// # Errors
/// The first error of [`Work::train`]; cells that are being trained are finished first.
pub(super) fn execute<'c>(
    concurrency: Concurrency,
    next: &mut usize,
    cells: &[&'c Cell],
    inputs: &mut Inputs,
    work: &dyn Work<'c>,
) -> Result<bool, Error> {
    let mut ready = cells.iter().take_while(|_| work.should_continue()).filter_map(|&cell| {
        let lock = work.claim(cell, inputs)?;
        let number = std::mem::replace(next, *next + 1);
        work.begins(number, cell);
        Some(PreparedCell { number, cell, lock, prepared: catch_cell_panic(|| work.prepare(inputs, cell)) })
    });
    let mut packs = Packs { ready: &mut ready, work, most: concurrency.pack, open: Vec::new() };
    if concurrency.jobs > 1 {
        return side_by_side(concurrency.jobs, &mut packs, work);
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

/// State that the training threads share.
struct WorkerPool<'c> {
    /// The channel of packs; `None` once no more packs should be trained.
    ready: Mutex<Option<Receiver<Vec<PreparedCell<'c>>>>>,
    closed: AtomicBool,
    fault: Mutex<Option<Error>>,
}

fn side_by_side<'c>(jobs: usize, packs: &mut Packs<'_, 'c>, work: &dyn Work<'c>) -> Result<bool, Error> {
    // A channel without a buffer: at most one pack waits here, so that memory is bounded.
    let (give, take) = sync_channel(0);
    let pool = WorkerPool { ready: Mutex::new(Some(take)), closed: AtomicBool::new(false), fault: Mutex::new(None) };
    let may_continue = thread::scope(|scope| {
        let start = |number: &usize| {
            let thread = thread::Builder::new().name(format!("job {number}"));
            thread.spawn_scoped(scope, || pool.work(work)).is_ok()
        };
        // The system may allow fewer threads than requested; each of them starts another one, see `work`.
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
    // Threads that were still training when the packs ran out may have ended the run since.
    let may_continue = may_continue? && !pool.is_closed();
    locked(&pool.fault).take().map_or(Ok(may_continue), Err)
}

impl<'c> WorkerPool<'c> {
    /// Trains packs until there are no more.
    fn work(&self, work: &dyn Work<'c>) {
        // Each job has a thread pool of one thread, since a cell that used all cores would take them from the other
        // jobs.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some(pack) = self.next() {
            let train = || catch_cell_panic(|| work.train(&pack));
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

    /// Stops training. A sender that waits with a pack gets an error, since nobody receives it.
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
    use emberline_train::settings::{Head, Train};
    use emberline_train::{DecisionSpec, FitSpec, Shape};

    use super::*;
    use crate::inputs::Prepared;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;
    use crate::run_folder::Lock;

    /// Counts cells; training the third one returns what the test asks for.
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

    /// Returns how a run of 40 cells ends, and what was done; five more cells belong to another process.
    fn run(
        concurrency: Concurrency,
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
        (execute(concurrency, &mut 1, &cells, &mut inputs, &work).map(drop), work)
    }

    /// Returns how a run without packs ends, and the number of trained cells.
    fn executed(jobs: usize, third: fn() -> Result<bool, Error>) -> (Result<(), Error>, usize) {
        let (ended, work) = run(Concurrency { jobs, pack: 1 }, third, |_| None);
        (ended, work.trained.into_inner())
    }

    /// Returns one of seven shapes, or none for each tenth cell.
    fn shape(number: usize) -> Option<Shape> {
        let features = Splits { train: Features::Frozen(Matrix::zeros(1, number % 7)), valid: None, test: None };
        let job = FitSpec {
            head: &Head::default(),
            train: &Train::default(),
            seed: 1,
            task: Task::Binary,
            classes: &[],
            features: &features,
            targets: &Splits { train: Matrix::zeros(1, 1), valid: None, test: None },
            order: None,
            monitor: Some(Monitor::VAL_LOSS),
            encoder: None,
            initial: None,
            decision: DecisionSpec::default(),
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
        // Six cells of each shape, and each tenth cell alone.
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
