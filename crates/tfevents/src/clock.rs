//! The wall time of events.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where an event file takes its times from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always these seconds since 1970: the file's bytes depend on what is logged alone.
    Fixed(f64),
}

impl Clock {
    /// Seconds since 1970; 0 where the system's clock stands before.
    pub fn seconds(self) -> f64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64()),
            Self::Fixed(seconds) => seconds,
        }
    }
}
