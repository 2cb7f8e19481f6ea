//! In which order, and how many at a time, cells are trained.
//!
//! One thread prepares the inputs, one cell after another in the order of execution, so that nothing is read or embedded
//! twice. Cells of one shape gather in packs, which are trained together. With one job that thread trains each pack as well;
//! with several, as many threads wait for packs, and each trains its pack by itself. What a cell is made of is shared, never
//! copied, and nothing of a result depends on its neighbours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use emberline_device::memory;
use emberline_train::Shape;

use super::locked;
use super::trainer::unharmed;
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;

/// Of cells that wait for others of their shape, there are at most so many packs full: their features are held meanwhile.
const WAITING: usize = 4;

/// A cell that is ready, with its number among all, from 1.
pub(super) struct Ready<'c> {
    pub(super) number: usize,
    pub(super) cell: &'c Cell,
    pub(super) prepared: Result<Prepared, Error>,
}

/// What goes on around the training of cells.
pub(super) trait Work: Sync {
    /// Whether another cell shall begin.
    fn goes_on(&self) -> bool;

    /// A cell's turn has come: its inputs are prepared next.
    fn begins(&self, number: usize, cell: &Cell);

    /// Its inputs.
    ///
    /// # Errors
    /// Why there are none: the cell fails.
    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error>;

    /// What cells must share to be trained together with this one; none where it is trained alone.
    fn shape(&self, ready: &Ready<'_>) -> Option<Shape>;

    /// Trains cells of one shape together, and tells whether others shall follow.
    ///
    /// # Errors
    /// When nothing that follows could be recorded.
    fn train(&self, pack: &[Ready<'_>]) -> Result<bool, Error>;
}

/// How many cells are trained at a time.
#[derive(Clone, Copy)]
pub(super) struct Width {
    /// Packs side by side.
    pub(super) jobs: usize,
    /// The cells of a pack, at most.
    pub(super) pack: usize,
}

/// Trains the cells, of which the first has the number `first`; gives whether others may follow.
///
/// # Errors
/// The first error of [`Work::train`]; cells that are under way are finished first.
pub(super) fn execute(
    width: Width,
    first: usize,
    cells: &[&Cell],
    inputs: &mut Inputs,
    work: &dyn Work,
) -> Result<bool, Error> {
    let wanted = (first..).zip(cells).take_while(|_| work.goes_on());
    let mut ready = wanted.map(|(number, &cell)| {
        work.begins(number, cell);
        Ready { number, cell, prepared: unharmed(|| work.prepare(inputs, cell)) }
    });
    let mut packs = Packs { ready: &mut ready, work, most: width.pack, open: Vec::new() };
    if width.jobs > 1 {
        return side_by_side(width.jobs, &mut packs, work);
    }
    one_by_one(&mut packs, work)
}

/// Trains on the calling thread.
fn one_by_one(packs: &mut Packs<'_, '_>, work: &dyn Work) -> Result<bool, Error> {
    for pack in packs {
        if !work.train(&pack)? {
            return Ok(false);
        }
    }
    Ok(work.goes_on())
}

/// Cells, gathered by their shapes.
struct Packs<'p, 'c> {
    ready: &'p mut dyn Iterator<Item = Ready<'c>>,
    work: &'p dyn Work,
    /// The cells of a full pack.
    most: usize,
    /// Packs that aren't full.
    open: Vec<(Shape, Vec<Ready<'c>>)>,
}

impl<'c> Iterator for Packs<'_, 'c> {
    type Item = Vec<Ready<'c>>;

    fn next(&mut self) -> Option<Vec<Ready<'c>>> {
        while let Some(ready) = self.ready.next() {
            if let Some(pack) = self.add(ready) {
                return Some(pack);
            }
        }
        (!self.open.is_empty()).then(|| self.open.remove(0).1)
    }
}

impl<'c> Packs<'_, 'c> {
    /// Lets a cell wait for others, unless there is a pack to be trained now.
    fn add(&mut self, ready: Ready<'c>) -> Option<Vec<Ready<'c>>> {
        let shape = if self.most > 1 { self.work.shape(&ready) } else { None };
        let Some(shape) = shape else { return Some(vec![ready]) };
        let at = self.open.iter().position(|(known, _)| *known == shape).unwrap_or_else(|| {
            self.open.push((shape, Vec::new()));
            self.open.len() - 1
        });
        self.open[at].1.push(ready);
        if self.open[at].1.len() == self.most {
            return Some(self.open.remove(at).1);
        }
        let waiting: usize = self.open.iter().map(|(_, pack)| pack.len()).sum();
        let fullest = (0..self.open.len()).max_by_key(|&at| self.open[at].1.len())?;
        (waiting >= WAITING * self.most).then(|| self.open.remove(fullest).1)
    }
}

/// What the threads that train share.
struct Counter<'c> {
    /// Where packs come from; none when no other shall be trained.
    ready: Mutex<Option<Receiver<Vec<Ready<'c>>>>>,
    closed: AtomicBool,
    fault: Mutex<Option<Error>>,
}

fn side_by_side<'c>(jobs: usize, packs: &mut Packs<'_, 'c>, work: &dyn Work) -> Result<bool, Error> {
    // A pack is handed from hand to hand: no more than one waits here, so that memory is bounded.
    let (give, take) = sync_channel(0);
    let counter = Counter { ready: Mutex::new(Some(take)), closed: AtomicBool::new(false), fault: Mutex::new(None) };
    let goes_on = thread::scope(|scope| {
        let start = |number: &usize| {
            let thread = thread::Builder::new().name(format!("job {number}"));
            thread.spawn_scoped(scope, || counter.serve(work)).is_ok()
        };
        // The system may start fewer threads than are asked for; each starts another, see `serve`.
        let most = jobs.min(memory::room_for_threads() / 2);
        let started = (1..=most).take_while(start).count();
        if started == 0 {
            return one_by_one(packs, work);
        }
        while !counter.is_closed()
            && let Some(pack) = packs.next()
            && give.send(pack).is_ok()
        {}
        drop(give);
        Ok(!counter.is_closed() && work.goes_on())
    });
    // Threads that were still at work when no more packs came may have ended the run since.
    let goes_on = goes_on? && !counter.is_closed();
    locked(&counter.fault).take().map_or(Ok(goes_on), Err)
}

impl<'c> Counter<'c> {
    /// Trains what is ready, until nothing is to come.
    fn serve(&self, work: &dyn Work) {
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

    fn next(&self) -> Option<Vec<Ready<'c>>> {
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
    use emberline_train::Job;
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

    impl Work for Counting {
        fn goes_on(&self) -> bool {
            true
        }

        fn begins(&self, number: usize, _: &Cell) {
            assert_eq!(self.begun.fetch_add(1, Ordering::SeqCst) + 1, number);
        }

        fn prepare(&self, _: &mut Inputs, _: &Cell) -> Result<Prepared, Error> {
            panic!("a panic while a cell is prepared is its own failure")
        }

        fn shape(&self, ready: &Ready<'_>) -> Option<Shape> {
            (self.shape)(ready.number)
        }

        fn train(&self, pack: &[Ready<'_>]) -> Result<bool, Error> {
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

    /// How a run of 40 cells ends, and what was done.
    fn run(
        width: Width,
        third: fn() -> Result<bool, Error>,
        shape: fn(usize) -> Option<Shape>,
    ) -> (Result<(), Error>, Counting) {
        let seeds: Vec<String> = (0..40).map(|seed| seed.to_string()).collect();
        let text = format!(
            "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n[grid]\nseed = [{}]",
            seeds.join(", ")
        );
        let plan = Plan::of(&Pipeline::parse("p", &text, Path::new(""), &[]).expect("sound"));
        let cells: Vec<&Cell> = plan.cells.iter().collect();
        let (begun, trained, packs) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
        let work = Counting { begun, trained, third, shape, packs };
        let mut inputs = Inputs::new(PathBuf::new(), Device::Cpu, None);
        (execute(width, 1, &cells, &mut inputs, &work).map(drop), work)
    }

    /// How it ends without packs, and how many were trained.
    fn executed(jobs: usize, third: fn() -> Result<bool, Error>) -> (Result<(), Error>, usize) {
        let (ended, work) = run(Width { jobs, pack: 1 }, third, |_| None);
        (ended, work.trained.into_inner())
    }

    /// One of seven shapes, or none for each tenth.
    fn shape(number: usize) -> Option<Shape> {
        let features = Splits { train: Features::Frozen(Matrix::zeros(1, number % 7)), valid: None, test: None };
        let job = Job {
            head: &Head::default(),
            train: &Train::default(),
            seed: 1,
            task: Task::Binary,
            features: &features,
            targets: &Splits { train: Matrix::zeros(1, 1), valid: None, test: None },
            order: None,
            monitor: Monitor::VAL_LOSS,
            initial: None,
        };
        job.shape().filter(|_| !number.is_multiple_of(10))
    }

    #[test]
    fn cells_of_one_shape_gather() {
        for (jobs, pack) in [(1, 1), (1, 2), (2, 3), (1, 8), (3, 40)] {
            let (ended, work) = run(Width { jobs, pack }, || Ok(true), shape);
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
        let packs = locked(&run(Width { jobs: 1, pack: 40 }, || Ok(true), shape).1.packs).clone();
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
