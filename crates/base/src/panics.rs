//! Catches panics and turns them into errors: panics of libraries that trust their input, and internal errors within one
//! cell.
//!
//! The default panic hook would print a message to the terminal before our own error message. Therefore a panic hook,
//! installed once, suppresses the message of a panic that will be caught by [`catch_panic`]; every other panic is printed as usual.
//!
//! A guarded call may panic on a worker thread of a rayon pool, its own or a library's, which passes the panic on to the
//! thread that waits in [`catch_panic`]. So the message of a worker's panic is held back while any thread is in a guarded call,
//! and [`report_panics`] prints it if no such call caught the panic after all.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Number of guarded calls in progress in the whole process.
static GUARDED_CALLS: AtomicUsize = AtomicUsize::new(0);
/// Messages of workers' panics that are held back until the panic is caught.
static UNPRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Maximum number of messages that are held back: a pool may panic once per task.
const MAX_UNPRINTED: usize = 8;

thread_local! {
    /// Number of nested guarded calls in progress on this thread.
    static GUARDED_CALLS_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Calls a function and returns its result, or the message of its panic. Data that `call` shares with other code must stay
/// valid if the call is left halfway.
///
/// # Errors
/// If `call` panics.
pub fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    install_panic_hook();
    let guard = CallGuard::enter();
    let result = catch_unwind(AssertUnwindSafe(call));
    drop(guard);
    result.map_err(|payload| {
        // The panic may have begun on a worker thread: its message is in the error now and must not be printed as well.
        unprinted().clear();
        message(payload.as_ref()).to_owned()
    })
}

/// Installs the panic hook that suppresses the messages of panics in guarded calls.
fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED_CALLS_HERE.get() > 0 {
                return;
            }
            if GUARDED_CALLS.load(Ordering::SeqCst) > 0 && rayon::current_thread_index().is_some() {
                hold_back(info);
            } else {
                default(info);
            }
        }));
    });
}

/// Runs the whole program. If it panics, the messages of workers' panics that were held back are printed before the panic
/// continues.
pub fn report_panics<T>(program: impl FnOnce() -> T) -> T {
    install_panic_hook();
    catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|payload| {
        print_unprinted();
        panic::resume_unwind(payload)
    })
}

#[expect(clippy::print_stderr, reason = "it replaces the panic hook, which prints to standard error")]
fn print_unprinted() {
    for text in unprinted().drain(..) {
        eprintln!("{text}");
    }
}

fn hold_back(info: &PanicHookInfo<'_>) {
    let mut texts = unprinted();
    if texts.len() < MAX_UNPRINTED {
        texts.push(info.to_string());
    }
}

fn unprinted() -> MutexGuard<'static, Vec<String>> {
    UNPRINTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a guarded call as in progress until it is dropped.
struct CallGuard;

impl CallGuard {
    fn enter() -> Self {
        GUARDED_CALLS.fetch_add(1, Ordering::SeqCst);
        GUARDED_CALLS_HERE.set(GUARDED_CALLS_HERE.get() + 1);
        Self
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        GUARDED_CALLS_HERE.set(GUARDED_CALLS_HERE.get() - 1);
        GUARDED_CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns the message of a panic's payload.
fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("for an unknown reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        assert_eq!(catch_panic(|| 1), Ok(1));
        assert_eq!(catch_panic(|| -> u8 { panic!("a {}", "fault") }), Err("a fault".to_owned()));
        assert_eq!(catch_panic(|| -> u8 { std::panic::panic_any(7) }), Err("for an unknown reason".to_owned()));
        assert_eq!(catch_panic(|| catch_panic(|| -> u8 { panic!("within") })), Ok(Err("within".to_owned())));
        assert_eq!(GUARDED_CALLS_HERE.get(), 0);
    }
}
