//! In which order, and how many at a time, cells are trained.
//!
//! One thread prepares the inputs, one cell after another in the order of execution, so that nothing is read or embedded
//! twice. With one job it trains each cell as well; with several, as many threads wait for cells, and each trains its
//! cell by itself. What a cell is made of is shared, never copied, and nothing of a result depends on its neighbours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::locked;
use super::trainer::unharmed;
use crate::Error;
use crate::inputs::{Inputs, Prepared};
use crate::plan::Cell;

/// A cell that is ready, with its number among all, from 1.
pub(super) struct Ready<'c> {
    pub(super) number: usize,
    pub(super) cell: &'c Cell,
    pub(super) prepared: Result<Prepared, Error>,
}

/// What goes on around the training of a cell.
pub(super) trait Work: Sync {
    /// A cell's turn has come: its inputs are prepared next.
    fn begins(&self, number: usize, cell: &Cell);

    /// Its inputs.
    ///
    /// # Errors
    /// Why there are none: the cell fails.
    fn prepare(&self, inputs: &mut Inputs, cell: &Cell) -> Result<Prepared, Error>;

    /// Trains it, and tells whether others shall follow.
    ///
    /// # Errors
    /// When nothing that follows could be recorded.
    fn train(&self, ready: Ready<'_>) -> Result<bool, Error>;
}

/// Trains the cells, at most `jobs` at a time.
///
/// # Errors
/// The first error of [`Work::train`]; cells that are under way are finished first.
pub(super) fn execute(jobs: usize, cells: &[&Cell], inputs: &mut Inputs, work: &dyn Work) -> Result<(), Error> {
    let mut ready = cells.iter().enumerate().map(|(at, &cell)| {
        work.begins(at + 1, cell);
        Ready { number: at + 1, cell, prepared: unharmed(|| work.prepare(inputs, cell)) }
    });
    if jobs > 1 {
        return side_by_side(jobs, &mut ready, work);
    }
    for cell in ready {
        if !work.train(cell)? {
            break;
        }
    }
    Ok(())
}

/// What the threads that train share.
struct Counter<'c> {
    /// Where ready cells come from; none when no other shall be trained.
    ready: Mutex<Option<Receiver<Ready<'c>>>>,
    closed: AtomicBool,
    fault: Mutex<Option<Error>>,
}

fn side_by_side<'c>(jobs: usize, ready: &mut dyn Iterator<Item = Ready<'c>>, work: &dyn Work) -> Result<(), Error> {
    // A cell is handed from hand to hand: no more than one is prepared ahead, so that memory is bounded.
    let (give, take) = sync_channel(0);
    let counter = Counter { ready: Mutex::new(Some(take)), closed: AtomicBool::new(false), fault: Mutex::new(None) };
    thread::scope(|scope| {
        (0..jobs).for_each(|_| drop(scope.spawn(|| counter.serve(work))));
        while !counter.is_closed()
            && let Some(cell) = ready.next()
            && give.send(cell).is_ok()
        {}
        drop(give);
    });
    locked(&counter.fault).take().map_or(Ok(()), Err)
}

impl<'c> Counter<'c> {
    /// Trains what is ready, until nothing is to come.
    fn serve(&self, work: &dyn Work) {
        // A cell that spreads over all cores would only take them from the others.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some(cell) = self.next() {
            let train = || unharmed(|| work.train(cell));
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

    fn next(&self) -> Option<Ready<'c>> {
        let cell = locked(&self.ready).as_ref()?.recv().ok()?;
        (!self.is_closed()).then_some(cell)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nothing is trained after this; whoever waits with a cell learns that nobody takes it.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        *locked(&self.ready) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicUsize;

    use emberline_device::Device;

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    /// Counts cells; the third answers as told.
    struct Counting {
        begun: AtomicUsize,
        trained: AtomicUsize,
        third: fn() -> Result<bool, Error>,
    }

    impl Work for Counting {
        fn begins(&self, number: usize, _: &Cell) {
            assert_eq!(self.begun.fetch_add(1, Ordering::SeqCst) + 1, number);
        }

        fn prepare(&self, _: &mut Inputs, _: &Cell) -> Result<Prepared, Error> {
            panic!("a panic while a cell is prepared is its own failure")
        }

        fn train(&self, ready: Ready<'_>) -> Result<bool, Error> {
            assert!(matches!(ready.prepared, Err(Error::Panic(_))));
            self.trained.fetch_add(1, Ordering::SeqCst);
            if ready.number == 3 { (self.third)() } else { Ok(true) }
        }
    }

    /// How a run of 40 cells ends, and how many were trained.
    fn executed(jobs: usize, third: fn() -> Result<bool, Error>) -> (Result<(), Error>, usize) {
        let seeds: Vec<String> = (0..40).map(|seed| seed.to_string()).collect();
        let text = format!(
            "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n[grid]\nseed = [{}]",
            seeds.join(", ")
        );
        let plan = Plan::of(&Pipeline::parse("p", &text, Path::new(""), &[]).expect("sound"));
        let cells: Vec<&Cell> = plan.cells.iter().collect();
        let work = Counting { begun: AtomicUsize::new(0), trained: AtomicUsize::new(0), third };
        let mut inputs = Inputs::new(PathBuf::new(), Device::Cpu, None);
        let ended = execute(jobs, &cells, &mut inputs, &work);
        (ended, work.trained.into_inner())
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
