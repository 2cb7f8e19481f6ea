//! How long a run and its cells will take, from what was measured in this run alone.
//!
//! A cell's own time left is that of its measured epochs times the epochs that may follow; early stopping makes it an upper bound. The
//! time left of the grid is made of the times of cells that have ended: cells of one kind (embedding, frozen or fine-tuned) take about
//! the same. What was never measured is not guessed: then the estimate is a lower bound, and says so.

use std::collections::HashMap;
use std::time::Duration;

/// The wall times of ended cells, by kind.
#[derive(Debug, Default)]
pub(super) struct Times(HashMap<String, (u32, Duration)>);

/// The time that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeLeft {
    pub(super) time: Duration,
    pub(super) bound: Bound,
}

/// What an estimate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// An estimate of all that is left.
    About,
    /// An estimate of a part: more of it can't be estimated yet.
    AtLeast,
    /// The time if nothing ends early.
    AtMost,
}

/// The cells of one kind that haven't ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfinished {
    /// Cells that haven't begun to train.
    pub(super) queued: u32,
    /// Cells that train.
    pub(super) running: u32,
    /// How long those have trained, together.
    pub(super) elapsed: Duration,
}

impl Times {
    /// Adds the time of a cell that has ended.
    pub(super) fn add(&mut self, kind: &str, time: Duration) {
        let (count, sum) = self.0.entry(kind.to_owned()).or_default();
        *count += 1;
        *sum += time;
    }

    /// Returns whether a cell of this kind has ended.
    pub(super) fn knows(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    fn mean(&self, kind: &str) -> Option<Duration> {
        self.0.get(kind).map(|(count, sum)| *sum / *count)
    }

    /// Returns the time that is left for cells of each kind, `at_once` of which train at a time; none if nothing is known.
    pub(super) fn left<'k>(
        &self,
        kinds: impl Iterator<Item = (&'k str, Unfinished)>,
        at_once: usize,
    ) -> Option<TimeLeft> {
        let (mut work, mut cells, mut is_whole) = (Duration::ZERO, 0, true);
        for (kind, Unfinished { queued, running, elapsed }) in
            kinds.filter(|(_, cells)| cells.queued + cells.running > 0)
        {
            match self.mean(kind) {
                Some(mean) => {
                    work += mean * queued + (mean * running).saturating_sub(elapsed);
                    cells += queued + running;
                }
                None => is_whole = false,
            }
        }
        let side_by_side = (cells as usize).clamp(1, at_once.max(1)) as u32;
        let bound = if is_whole { Bound::About } else { Bound::AtLeast };
        (cells > 0).then(|| TimeLeft { time: work / side_by_side, bound })
    }
}

impl std::fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.bound {
            Bound::About => "about",
            Bound::AtLeast => "more than",
            Bound::AtMost => "at most",
        };
        write!(f, "{word} {} left", time(self.time))
    }
}

/// Formats a time: `7 s`, `2 min 7 s`, `3 h 5 min`.
pub(super) fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished(queued: u32, running: u32, elapsed: u64) -> Unfinished {
        Unfinished { queued, running, elapsed: Duration::from_secs(elapsed) }
    }

    #[test]
    fn times_read_well() {
        let shown = [0, 59, 60, 127, 3599, 3600, 11_100].map(|seconds| time(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0 s", "59 s", "1 min 0 s", "2 min 7 s", "59 min 59 s", "1 h 0 min", "3 h 5 min"]);
    }

    #[test]
    fn nothing_measured_gives_no_estimate() {
        assert_eq!(Times::default().left([("a", unfinished(5, 1, 3))].into_iter(), 2), None);
    }

    #[test]
    fn the_work_that_is_left_is_shared_by_those_that_do_it() {
        let mut times = Times::default();
        times.add("a", Duration::from_secs(8));
        times.add("a", Duration::from_secs(12));
        let left = |cells, at_once| times.left([("a", cells)].into_iter(), at_once).expect("measured").to_string();
        // Five cells of 10 s, of which one has run for 4 s.
        assert_eq!(left(unfinished(4, 1, 4), 1), "about 46 s left");
        assert_eq!(left(unfinished(4, 1, 4), 2), "about 23 s left");
        // A cell that takes longer than the others doesn't count backwards, and one cell has no use for eight cores.
        assert_eq!(left(unfinished(0, 1, 60), 1), "about 0 s left");
        assert_eq!(left(unfinished(1, 0, 0), 8), "about 10 s left");
    }

    #[test]
    fn what_was_not_measured_makes_a_lower_bound() {
        let mut times = Times::default();
        times.add("a", Duration::from_secs(10));
        let left = times.left([("a", unfinished(2, 0, 0)), ("b", unfinished(3, 0, 0))].into_iter(), 1);
        assert_eq!(left.map(|left| left.to_string()).as_deref(), Some("more than 20 s left"));
        let left = times.left([("a", unfinished(2, 0, 0)), ("b", Unfinished::default())].into_iter(), 1);
        assert_eq!(left.map(|left| left.bound), Some(Bound::About));
    }
}
