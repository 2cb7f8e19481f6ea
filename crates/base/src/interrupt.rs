//! The wish that work under way should end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked for by whoever hears of a signal, and heeded where work can be left without loss. Clones are one wish.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for the end; it can't be taken back.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
