//! Cancellation of running work by a shared flag.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A shared cancellation flag; clones share it. It is set when the process gets a signal, and checked where work can be
/// stopped without losing results.
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_cancelled: AtomicBool,
    listeners: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl CancellationToken {
    /// Requests cancellation, which can't be undone. The listeners are called before this function returns.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        let listeners = std::mem::take(&mut *self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        listeners.iter().for_each(|listener| listener());
    }

    /// Returns whether cancellation was requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Registers a listener. It is called once, on the thread that requests cancellation; at once if cancellation was
    /// requested before.
    pub fn on_cancel(&self, listener: impl Fn() + Send + 'static) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            drop(listeners);
            listener();
        } else {
            listeners.push(Box::new(listener));
        }
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancellationToken").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn each_listener_is_called_once() {
        let (interrupt, calls) = (CancellationToken::default(), Arc::new(AtomicUsize::new(0)));
        let listener = || {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        interrupt.clone().on_cancel(listener());
        assert!(!interrupt.is_cancelled() && calls.load(Ordering::SeqCst) == 0);
        interrupt.cancel();
        interrupt.cancel();
        assert!(interrupt.is_cancelled() && calls.load(Ordering::SeqCst) == 1);
        interrupt.on_cancel(listener());
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
