//! A shared cancellation flag for work under way.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Set by whoever hears of a signal, and looked at where work can be left without loss. Clones share one flag.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    asked: AtomicBool,
    listeners: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Interrupt {
    /// Asks for the end; it can't be taken back. Listeners are called before this returns.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        let listeners = std::mem::take(&mut *self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        listeners.iter().for_each(|listener| listener());
    }

    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Calls `listener` once when the end is asked for, on the thread that asks; at once if it was asked for before.
    pub fn on_ask(&self, listener: impl Fn() + Send + 'static) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_asked() {
            drop(listeners);
            listener();
        } else {
            listeners.push(Box::new(listener));
        }
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_asked()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn listeners_hear_of_it_once() {
        let (interrupt, heard) = (Interrupt::default(), Arc::new(AtomicUsize::new(0)));
        let listener = || {
            let heard = Arc::clone(&heard);
            move || {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        };
        interrupt.clone().on_ask(listener());
        assert!(!interrupt.is_asked() && heard.load(Ordering::SeqCst) == 0);
        interrupt.ask();
        interrupt.ask();
        assert!(interrupt.is_asked() && heard.load(Ordering::SeqCst) == 1);
        interrupt.on_ask(listener());
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }
}
