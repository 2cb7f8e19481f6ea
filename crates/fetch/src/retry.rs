//! Retries: which failures are transient, how long to wait, and when to give up.
//!
//! Delays double from attempt to attempt, up to a maximum. `Retry-After` (RFC 9110, section 10.2.3: seconds or a date)
//! is obeyed up to the same maximum. An attempt that advanced the download doesn't count.

use std::thread;
use std::time::{Duration, SystemTime};

use crate::options::RetryPolicy;
use crate::{Error, Observer};

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A transient failure, after which another attempt may succeed.
    Transient {
        /// The error to report if no attempt succeeds.
        error: Error,
        /// The delay that the server asked for.
        after: Option<Duration>,
        /// Whether the attempt advanced the download.
        progress: bool,
    },
    /// A permanent failure.
    Permanent(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Permanent(error.into())
    }
}

/// Repeats an attempt until it succeeds, fails permanently, or has failed too often.
///
/// # Errors
/// The last failure.
pub(crate) fn retry<T>(
    policy: &RetryPolicy,
    observer: &mut dyn Observer,
    mut attempt: impl FnMut(&mut dyn Observer) -> Result<T, Failure>,
) -> Result<T, Error> {
    let mut failed = 0;
    loop {
        let (error, after) = match attempt(observer) {
            Ok(value) => return Ok(value),
            Err(Failure::Permanent(error)) => return Err(error),
            Err(Failure::Transient { error, after, progress }) => {
                failed = if progress { 1 } else { failed + 1 };
                (error, after)
            }
        };
        if failed >= policy.max_attempts || after.is_some_and(|after| after > policy.max_delay) {
            return Err(error);
        }
        let delay = after.unwrap_or_else(|| delay(policy, failed));
        observer.on_message(&format!("{error}; trying again in {:.0} s", delay.as_secs_f64().ceil()));
        thread::sleep(delay);
    }
}

/// Returns the delay after a number of failures.
fn delay(policy: &RetryPolicy, failed: u32) -> Duration {
    let doubled = policy.initial_delay.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
    doubled.min(policy.max_delay)
}

/// Parses the value of `Retry-After`.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IgnoreProgress;

    fn transient(after: Option<Duration>, progress: bool) -> Failure {
        let error = Error::Network { url: "x".to_owned(), reason: "broke".to_owned() };
        Failure::Transient { error, after, progress }
    }

    fn policy() -> RetryPolicy {
        RetryPolicy { max_attempts: 3, initial_delay: Duration::ZERO, ..RetryPolicy::default() }
    }

    fn count(mut failure: impl FnMut(u32) -> Result<(), Failure>) -> (u32, bool) {
        let mut attempts = 0;
        let ended = retry(&policy(), &mut IgnoreProgress, |_| {
            attempts += 1;
            failure(attempts)
        });
        (attempts, ended.is_ok())
    }

    #[test]
    fn attempts_are_counted() {
        assert_eq!(count(|_| Ok(())), (1, true));
        assert_eq!(count(|_| Err(transient(None, false))), (3, false));
        assert_eq!(count(|n| if n < 3 { Err(transient(None, false)) } else { Ok(()) }), (3, true));
        assert_eq!(count(|n| if n < 9 { Err(transient(None, true)) } else { Ok(()) }), (9, true));
        let gone = || Failure::Permanent(Error::Network { url: String::new(), reason: String::new() });
        assert_eq!(count(|_| Err(gone())), (1, false));
    }

    #[test]
    fn a_server_that_asks_for_too_long_a_delay_isnt_waited_for() {
        assert_eq!(count(|_| Err(transient(Some(Duration::from_secs(3600)), false))), (1, false));
        assert_eq!(count(|n| if n < 2 { Err(transient(Some(Duration::ZERO), false)) } else { Ok(()) }), (2, true));
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let policy = RetryPolicy::default();
        let delays: Vec<u64> = (1..10).map(|failed| delay(&policy, failed).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").expect("a date");
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
