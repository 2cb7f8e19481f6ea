//! Catches panics of code that may panic: libraries that trust their input, and faults of the program within one cell.
//!
//! What a library prints when it panics would stand on the terminal before our own message. A panic hook, installed once,
//! keeps quiet about panics that a fence will catch; every other panic is printed as usual.
//!
//! Code behind a fence may panic on a worker of a rayon pool, its own or a library's, which passes the panic on to the
//! thread that waits behind the fence. So a panic of a worker is kept quiet about while any fence is up, and
//! [`report_panics`] prints it after all if it turns out that no fence caught it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// How many fences are up in the whole process.
static FENCES: AtomicUsize = AtomicUsize::new(0);
/// What panics of workers would have printed, until a fence has caught them.
static UNPRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// No more panics than this are remembered: a pool may panic once for each of its tasks.
const MAX_UNPRINTED: usize = 8;

thread_local! {
    /// How many fences are up on this thread, one within another.
    static FENCES_HERE: Cell<usize> = const { Cell::new(0) };
}

/// What `call` gives, or the message of its panic. What `call` shares with others must stay sound when it is left half done.
///
/// # Errors
/// When `call` panics.
pub fn fenced<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    install_panic_hook();
    let fence = Fence::raise();
    let result = catch_unwind(AssertUnwindSafe(call));
    drop(fence);
    result.map_err(|payload| {
        // The panic may have begun on another thread, whose words are now told by the error.
        unprinted().clear();
        message(payload.as_ref()).to_owned()
    })
}

/// Installs the panic hook that keeps quiet about panics behind a fence.
fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if FENCES_HERE.get() > 0 {
                return;
            }
            if FENCES.load(Ordering::SeqCst) > 0 && rayon::current_thread_index().is_some() {
                remember(info);
            } else {
                default(info);
            }
        }));
    });
}

/// Runs the whole program. A panic of a worker that no fence caught, although one was up, is printed before it goes on.
pub fn report_panics<T>(program: impl FnOnce() -> T) -> T {
    install_panic_hook();
    catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|payload| {
        print_unprinted();
        panic::resume_unwind(payload)
    })
}

#[expect(clippy::print_stderr, reason = "it stands in for the panic hook, which prints to standard error")]
fn print_unprinted() {
    for text in unprinted().drain(..) {
        eprintln!("{text}");
    }
}

fn remember(info: &PanicHookInfo<'_>) {
    let mut texts = unprinted();
    if texts.len() < MAX_UNPRINTED {
        texts.push(info.to_string());
    }
}

fn unprinted() -> MutexGuard<'static, Vec<String>> {
    UNPRINTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fence that is up as long as this lives.
struct Fence;

impl Fence {
    fn raise() -> Self {
        FENCES.fetch_add(1, Ordering::SeqCst);
        FENCES_HERE.set(FENCES_HERE.get() + 1);
        Self
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        FENCES_HERE.set(FENCES_HERE.get() - 1);
        FENCES.fetch_sub(1, Ordering::SeqCst);
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("for an unknown reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told() {
        assert_eq!(fenced(|| 1), Ok(1));
        assert_eq!(fenced(|| -> u8 { panic!("a {}", "fault") }), Err("a fault".to_owned()));
        assert_eq!(fenced(|| -> u8 { std::panic::panic_any(7) }), Err("for an unknown reason".to_owned()));
        assert_eq!(fenced(|| fenced(|| -> u8 { panic!("within") })), Ok(Err("within".to_owned())));
        assert_eq!(FENCES_HERE.get(), 0);
    }
}
