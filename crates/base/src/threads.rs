//! Scoped worker threads: if the system can't start as many as requested, fewer run; there is no panic.

use std::thread::{Builder, ScopedJoinHandle};
use std::{panic, thread};

/// Runs `work` on `count` threads at once, and returns the result of each. If the system starts fewer threads, fewer run; if
/// it starts none, the calling thread does the work. Therefore `work` must take its tasks from a shared queue until that is
/// empty. `name` is the name of the threads.
///
/// # Panics
/// If `work` panics.
pub fn run_on_threads<T: Send>(count: usize, name: &str, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let start = |_| Builder::new().name(name.to_owned()).spawn_scoped(scope, &work).ok();
        let started: Vec<ScopedJoinHandle<'_, T>> = (0..count).map_while(start).collect();
        if started.is_empty() {
            return vec![work()];
        }
        let join = |thread: ScopedJoinHandle<'_, T>| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        started.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_is_done_by_however_many_threads() {
        for count in [0, 1, 3] {
            let next = AtomicUsize::new(0);
            let take =
                || std::iter::repeat_with(|| next.fetch_add(1, Ordering::SeqCst)).take_while(|&at| at < 100).count();
            let done = run_on_threads(count, "worker", take);
            assert_eq!((done.len(), done.iter().sum::<usize>()), (count.max(1), 100));
        }
    }
}
