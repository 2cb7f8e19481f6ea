//! A fence around code that may panic: libraries that trust their input, and a cell's own faults.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `call` gives, or the message of its panic. What `call` shares with others must stay sound when it is left half done.
///
/// # Errors
/// When `call` panics.
pub fn fenced<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        text.unwrap_or("for an unknown reason").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told() {
        assert_eq!(fenced(|| 1), Ok(1));
        assert_eq!(fenced(|| -> u8 { panic!("a {}", "fault") }), Err("a fault".to_owned()));
        assert_eq!(fenced(|| -> u8 { std::panic::panic_any(7) }), Err("for an unknown reason".to_owned()));
    }
}
