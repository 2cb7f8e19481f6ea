//! Threads that the system may not start: too few are fewer threads, never a panic.

use std::thread::{Builder, ScopedJoinHandle};
use std::{panic, thread};

/// Runs `work` on several threads at once, and gives what each made of it. Where the system starts fewer than `count`
/// threads, fewer run; where it starts none, the calling thread does the work. So `work` must take what is to be done from
/// something shared, until nothing is left. The threads are called `name`.
///
/// # Panics
/// When `work` does.
pub fn work_on<T: Send>(count: usize, name: &str, work: impl Fn() -> T + Sync) -> Vec<T> {
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
            let done = work_on(count, "worker", take);
            assert_eq!((done.len(), done.iter().sum::<usize>()), (count.max(1), 100));
        }
    }
}
