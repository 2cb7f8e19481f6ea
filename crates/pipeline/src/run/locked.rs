//! Locks a mutex whether or not a thread that held it panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. The data behind the mutexes of a run are never left half changed by a panic, so a poisoned one is used all
/// the same.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
