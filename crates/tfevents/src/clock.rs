//! The wall time of events.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock that an event file takes its times from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always this time, in seconds since 1970, so that the file's bytes depend on the logged values alone.
    Fixed(f64),
}

impl Clock {
    /// Returns the seconds since 1970; 0 if the system's clock is set to an earlier time.
    pub fn seconds(self) -> f64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64()),
            Self::Fixed(seconds) => seconds,
        }
    }
}
