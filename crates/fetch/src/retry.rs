//! Attempts: which failures may pass, how long to wait for them, and when to give up.
//!
//! Waits double from attempt to attempt, up to a longest one; `Retry-After` (RFC 9110, section 10.2.3: seconds or a
//! date) is obeyed up to the same. An attempt that brought a download forward doesn't count.

use std::thread;
use std::time::{Duration, SystemTime};

use crate::options::Patience;
use crate::{Error, Observer};

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may pass: what happened, and when the server wants to be asked again.
    Passing {
        /// What to say if it doesn't pass.
        error: Error,
        /// What the server asked for.
        after: Option<Duration>,
        /// Whether the attempt brought the download forward.
        progress: bool,
    },
    /// It won't.
    Final(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

/// Tries until it succeeds, fails for good, or has failed too often.
///
/// # Errors
/// The last failure.
pub(crate) fn persist<T>(
    patience: &Patience,
    observer: &mut dyn Observer,
    mut attempt: impl FnMut(&mut dyn Observer) -> Result<T, Failure>,
) -> Result<T, Error> {
    let mut failed = 0;
    loop {
        let (error, after) = match attempt(observer) {
            Ok(value) => return Ok(value),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing { error, after, progress }) => {
                failed = if progress { 1 } else { failed + 1 };
                (error, after)
            }
        };
        if failed >= patience.tries || after.is_some_and(|after| after > patience.longest_pause) {
            return Err(error);
        }
        let pause = after.unwrap_or_else(|| pause(patience, failed));
        observer.says(&format!("{error}; trying again in {:.0} s", pause.as_secs_f64().ceil()));
        thread::sleep(pause);
    }
}

/// The pause after so many failures.
fn pause(patience: &Patience, failed: u32) -> Duration {
    let doubled = patience.pause.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
    doubled.min(patience.longest_pause)
}

/// What `Retry-After` asks for.
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
    use crate::Silent;

    fn passing(after: Option<Duration>, progress: bool) -> Failure {
        let error = Error::Network { url: "x".to_owned(), reason: "broke".to_owned() };
        Failure::Passing { error, after, progress }
    }

    fn patience() -> Patience {
        Patience { tries: 3, pause: Duration::ZERO, ..Patience::default() }
    }

    fn count(mut failure: impl FnMut(u32) -> Result<(), Failure>) -> (u32, bool) {
        let mut attempts = 0;
        let ended = persist(&patience(), &mut Silent, |_| {
            attempts += 1;
            failure(attempts)
        });
        (attempts, ended.is_ok())
    }

    #[test]
    fn attempts_are_counted() {
        assert_eq!(count(|_| Ok(())), (1, true));
        assert_eq!(count(|_| Err(passing(None, false))), (3, false));
        assert_eq!(count(|n| if n < 3 { Err(passing(None, false)) } else { Ok(()) }), (3, true));
        assert_eq!(count(|n| if n < 9 { Err(passing(None, true)) } else { Ok(()) }), (9, true));
        let gone = || Failure::Final(Error::Network { url: String::new(), reason: String::new() });
        assert_eq!(count(|_| Err(gone())), (1, false));
    }

    #[test]
    fn a_server_that_wants_too_long_a_pause_isnt_waited_for() {
        assert_eq!(count(|_| Err(passing(Some(Duration::from_secs(3600)), false))), (1, false));
        assert_eq!(count(|n| if n < 2 { Err(passing(Some(Duration::ZERO), false)) } else { Ok(()) }), (2, true));
    }

    #[test]
    fn pauses_double_to_the_longest() {
        let patience = Patience::default();
        let pauses: Vec<u64> = (1..10).map(|failed| pause(&patience, failed).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
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
