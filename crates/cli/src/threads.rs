//! Starts the threads that all computations share: rayon's global pool.
//!
//! Left to itself, rayon starts one thread per core when it is first needed, and panics if the system starts fewer
//! (`ulimit -u`, a container's limit of processes). So the threads are started here first, and the pool is as large as there
//! are threads.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use emberline_device::memory;
use rayon::{ThreadBuilder, ThreadPoolBuilder};

use crate::terminal::say;

/// Starts the pool: one thread per core, or the number in `RAYON_NUM_THREADS`. If the system doesn't start all of them, half of
/// those that it does start are left for other uses.
///
/// # Errors
/// When not a single thread can be started.
pub(crate) fn start_pool() -> io::Result<()> {
    let wanted = wanted();
    let (hand_out, tasks) = channel::<ThreadBuilder>();
    let tasks = Arc::new(Mutex::new(tasks));
    let most = wanted.min(memory::max_additional_threads().max(1));
    let mut started = 0;
    while started < most {
        match start_thread(&tasks) {
            Ok(()) => started += 1,
            Err(error) if started == 0 => return Err(error),
            Err(_) => break,
        }
    }
    let used = if started < most { started.div_ceil(2) } else { most };
    if used < wanted {
        say(&format!(
            "warning: only {used} of {wanted} threads compute; the limits of processes (`ulimit -u`, the container's) and of the address space (`ulimit -v`) allow no more"
        ));
    }
    let hand_out = move |task| hand_out.send(task).map_err(|_| io::Error::other("the threads have ended"));
    ThreadPoolBuilder::new().num_threads(used).spawn_handler(hand_out).build_global().map_err(io::Error::other)
}

/// Starts a thread that works for the pool, or ends if the pool needs no more threads.
fn start_thread(tasks: &Arc<Mutex<Receiver<ThreadBuilder>>>) -> io::Result<()> {
    let tasks = Arc::clone(tasks);
    let work = move || {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        drop(tasks);
        if let Ok(task) = task {
            task.run();
        }
    };
    thread::Builder::new().spawn(work).map(drop)
}

fn wanted() -> usize {
    let set = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse::<usize>().ok());
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    set.filter(|&number| number > 0).unwrap_or_else(cores)
}
