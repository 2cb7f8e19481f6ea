//! A cell that is being trained, and the line that shows it.

use std::time::{Duration, Instant};

use emberline_base::number::fixed;
use emberline_base::record::Epoch;
use emberline_base::{Metric, Monitor};
use emberline_pipeline::Queued;
use emberline_train::callback::PairProgress;

use super::estimate::{Bound, TimeLeft, time};
use crate::layout::{shortened, shortened_name, width};

/// Minimum number of columns that a cell's name keeps if the line is too long, on a narrow terminal; on a wider one it is two fifths.
const MIN_NAME: usize = 16;

/// A cell that has begun.
#[derive(Debug)]
pub(super) struct Running {
    /// What the cell is called, with control characters escaped.
    pub(super) name: String,
    pub(super) kind: String,
    epochs: Option<u32>,
    may_stop_early: bool,
    monitor: Monitor,
    /// When its training began; none while its inputs are prepared.
    trains_since: Option<Instant>,
    /// How far the training of its encoder on pairs is, before the first epoch.
    pairs: Option<PairProgress>,
    /// The step on pairs that was shown first, and when.
    first_pairs: Option<(u32, Instant)>,
    latest: Option<Epoch>,
    /// The best epoch by the monitor, with its value.
    best: Option<(u32, f64)>,
    /// The number of epochs whose time was measured, and that time.
    measured: (u32, f64),
    /// What its callbacks have printed since the last line end.
    pub(super) printed: String,
}

impl Running {
    pub(super) fn of(queued: &Queued, name: String) -> Self {
        Self {
            name,
            kind: queued.kind.clone(),
            epochs: queued.epochs,
            may_stop_early: queued.may_stop_early,
            monitor: queued.monitor,
            trains_since: None,
            pairs: None,
            first_pairs: None,
            latest: None,
            best: None,
            measured: (0, 0.0),
            printed: String::new(),
        }
    }

    pub(super) fn trains(&mut self, now: Instant) {
        self.trains_since = Some(now);
    }

    pub(super) fn is_training(&self) -> bool {
        self.trains_since.is_some()
    }

    /// Returns how long the cell has been trained.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.trains_since.map(|since| now.saturating_duration_since(since)).unwrap_or_default()
    }

    pub(super) fn epoch(&mut self, epoch: &Epoch) {
        if let Some(value) = self.value(epoch)
            && self.best.is_none_or(|(_, best)| self.monitor.improves(value, best, 0.0))
        {
            self.best = Some((epoch.epoch, value));
        }
        self.measured = (self.measured.0 + 1, self.measured.1 + epoch.seconds);
        self.latest = Some(epoch.clone());
    }

    pub(super) fn pairs(&mut self, progress: &PairProgress, now: Instant) {
        self.first_pairs.get_or_insert((progress.step, now));
        self.pairs = Some(*progress);
    }

    /// Returns the parts of the line while the encoder is trained on pairs. A resumed cell doesn't begin with the first step.
    fn parts_of_pairs(&self, PairProgress { step, steps, loss }: PairProgress, now: Instant) -> Vec<(u8, String)> {
        let mut parts = vec![(0, format!("pairs, step {step}/{steps}")), (2, format!("loss {}", fixed(loss, 4)))];
        if let Some((first, since)) = self.first_pairs.filter(|(first, _)| step > *first) {
            let per_step = now.saturating_duration_since(since).div_f64(f64::from(step - first));
            let left = TimeLeft { time: per_step.mul_f64(f64::from(steps - step)), bound: Bound::About };
            parts.push((1, left.to_string()));
        }
        parts
    }

    /// Returns the value of the monitored metric in an epoch, if it was measured.
    fn value(&self, epoch: &Epoch) -> Option<f64> {
        let scores = if self.monitor.valid { epoch.valid.as_ref()? } else { &epoch.train };
        scores.get(&self.monitor.metric).copied().filter(|value| value.is_finite())
    }

    /// Returns the time that the cell has left by its measured epochs; none if there are none.
    fn left(&self) -> Option<TimeLeft> {
        let (epochs, latest) = (self.epochs?, self.latest.as_ref()?);
        let (count, seconds) = self.measured;
        let more = f64::from(epochs.saturating_sub(latest.epoch));
        let time = Duration::try_from_secs_f64(seconds / f64::from(count) * more).ok()?;
        Some(TimeLeft { time, bound: if self.may_stop_early { Bound::AtMost } else { Bound::About } })
    }

    /// Returns the cell's line, of at most `columns` columns: its name, padded to `name` columns, and how far it is. What matters less
    /// is left out of a line that is too long.
    pub(super) fn line(&self, name: usize, columns: usize, now: Instant) -> String {
        let mut parts = self.parts(now);
        let length = |parts: &[(u8, String)]| parts.iter().map(|(_, part)| width(part) + 2).sum::<usize>();
        let name = name.min(columns);
        let least = name.min(MIN_NAME.max(columns * 2 / 5));
        while least + length(&parts) > columns && parts.len() > 1 {
            let at = (0..parts.len()).max_by_key(|&at| parts[at].0).expect("there are parts");
            parts.remove(at);
        }
        let room = columns.saturating_sub(length(&parts)).min(name).max(least);
        let mut line = shortened_name(&self.name, room);
        line += &" ".repeat(room.saturating_sub(width(&line)));
        for (_, part) in parts {
            line += "  ";
            line += &part;
        }
        shortened(line.trim_end(), columns)
    }

    /// Returns the parts of the line after the name, each with its importance: 0 is the most important.
    fn parts(&self, now: Instant) -> Vec<(u8, String)> {
        if self.trains_since.is_none() {
            return vec![(0, "preparing".to_owned())];
        }
        let Some(latest) = &self.latest else {
            if let Some(pairs) = self.pairs.filter(|pairs| pairs.step < pairs.steps) {
                return self.parts_of_pairs(pairs, now);
            }
            let what = if self.epochs.is_some() { "first epoch" } else { "fitting until it converges" };
            return vec![(0, format!("{what}, {}", time(self.elapsed(now))))];
        };
        let epochs = self.epochs.map(|epochs| format!("/{epochs}")).unwrap_or_default();
        let mut parts = vec![(0, format!("epoch {}{epochs}", latest.epoch))];
        parts.extend(latest.train.get(&Metric::Loss).map(|loss| (4, format!("loss {}", fixed(*loss, 4)))));
        let valid = latest.valid.as_ref().and_then(|valid| valid.get(&Metric::Loss));
        parts.extend(valid.map(|loss| (2, format!("val_loss {}", fixed(*loss, 4)))));
        parts.extend(
            self.best.map(|(epoch, value)| (3, format!("best {} {} at {epoch}", self.monitor, fixed(value, 4)))),
        );
        parts.extend(self.left().map(|left| (1, left.to_string())));
        parts
    }

    /// Returns how far the cell is, in a few words for a line of text.
    pub(super) fn in_words(&self, now: Instant) -> String {
        let parts: Vec<String> = self.parts(now).into_iter().map(|(_, part)| part).collect();
        format!("{}: {}", self.name, parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::Scores;
    use emberline_pipeline::State;

    use super::*;

    fn queued(label: &str, may_stop_early: bool) -> Queued {
        Queued {
            id: "id".to_owned(),
            label: label.to_owned(),
            state: State::Missing,
            kind: "kind".to_owned(),
            epochs: Some(100),
            may_stop_early,
            monitor: Monitor::VAL_LOSS,
        }
    }

    fn epoch(number: u32, val_loss: f64) -> Epoch {
        let scores = |loss| Scores::from([(Metric::Loss, loss)]);
        Epoch { epoch: number, learning_rate: 1e-3, seconds: 0.5, train: scores(0.25), valid: Some(scores(val_loss)) }
    }

    fn trained(label: &str, may_stop_early: bool) -> Running {
        let mut running = Running::of(&queued(label, may_stop_early), label.to_owned());
        running.trains(Instant::now());
        [0.5, 0.4, 0.45].into_iter().zip(1..).for_each(|(loss, number)| running.epoch(&epoch(number, loss)));
        running
    }

    #[test]
    fn a_line_says_how_far_the_training_on_pairs_is() {
        let start = Instant::now();
        let mut running = Running::of(&queued("minilm", false), "minilm".to_owned());
        running.trains(start);
        let progress = |step| PairProgress { step, steps: 120, loss: 0.25 };
        running.pairs(&progress(20), start);
        assert_eq!(running.line(6, 80, start), "minilm  pairs, step 20/120  loss 0.2500");
        running.pairs(&progress(30), start + Duration::from_secs(10));
        let line = running.line(6, 80, start + Duration::from_secs(10));
        assert_eq!(line, "minilm  pairs, step 30/120  loss 0.2500  about 1 min 30 s left");
        running.pairs(&progress(120), start + Duration::from_secs(100));
        assert!(running.line(6, 80, start).contains("first epoch"));
    }

    #[test]
    fn a_line_tells_epoch_losses_best_and_time_left() {
        let now = Instant::now();
        let line = trained("nnlm · frozen", false).line(13, 120, now);
        assert_eq!(
            line,
            "nnlm · frozen  epoch 3/100  loss 0.2500  val_loss 0.4500  best val_loss 0.4000 at 2  about 48 s left"
        );
        // With early stopping, the time is only a bound.
        assert!(trained("a", true).line(1, 120, now).ends_with("at most 48 s left"));
        let untrained = Running::of(&queued("a", true), "a".to_owned());
        assert_eq!(untrained.line(1, 80, now), "a  preparing");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let now = Instant::now();
        for label in [
            "a",
            "pretrained · fine-tuned · train 1000 · repeat 5",
            "日本語の埋め込み・凍結・シード一二三四五六七八九",
            "👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬👩‍🔬",
        ] {
            let running = trained(label, true);
            for columns in 1..200 {
                let line = running.line(width(label), columns, now);
                assert!(width(&line) <= columns, "{columns}: {line}");
                assert!(columns < 60 || line.contains("epoch 3/100") && line.contains("left"), "{columns}: {line}");
            }
        }
    }
}
