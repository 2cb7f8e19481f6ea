//! The warning about a cell that learned nothing, judged by the metric that chooses its best epoch or the best setting.

use emberline_base::record::Epoch;
use emberline_base::warning::Code;
use emberline_base::{Metric, Monitor, Task, Warning};

/// Returns a warning if a metric that chooses epochs or settings has its worst value after every epoch. `monitor` is
/// the metric that chooses the best epoch.
pub(super) fn warning(task: Task, monitor: Option<Monitor>, history: &[Epoch]) -> Option<Warning> {
    let monitored = monitor.filter(|monitor| monitor.valid).map(|monitor| monitor.metric);
    let [ranking, ..] = Metric::ranking(task);
    let metric = monitored.into_iter().chain([ranking]).find(|&metric| is_worst(metric, history))?;
    Some(Warning::new(
        Code::NothingLearned,
        format!(
            "`val_{metric}` is 0, its worst value, after every epoch: by this measure nothing was learned, and no epoch is better \
             than another. Train for more epochs, with a larger `learning_rate` or on more rows, and check the labels; val_loss \
             still tells whether training moves."
        ),
    ))
}

/// Returns whether a metric that should be high is 0 on the validation rows after every epoch.
fn is_worst(metric: Metric, history: &[Epoch]) -> bool {
    let value = |epoch: &Epoch| epoch.valid.as_ref().and_then(|scores| scores.get(&metric)).copied();
    metric.is_comparable()
        && !metric.smaller_is_better()
        && !history.is_empty()
        && history.iter().all(|epoch| value(epoch) == Some(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(scores: Option<[f64; 2]>) -> Epoch {
        let valid = scores.map(|[loss, f1]| [(Metric::Loss, loss), (Metric::F1, f1)].into());
        Epoch { epoch: 1, learning_rate: 0.1, seconds: 0.0, train: [(Metric::Loss, 0.0)].into(), valid }
    }

    #[test]
    fn the_worst_value_after_every_epoch_is_warned_of() {
        let of = |task, monitor: Option<&str>, scores: &[Option<[f64; 2]>]| {
            let history: Vec<Epoch> = scores.iter().map(|scores| epoch(*scores)).collect();
            let monitor = monitor.map(|name| name.parse().expect("a metric"));
            warning(task, monitor, &history).map(|warning| warning.text)
        };
        let nothing = [Some([0.5, 0.0]), Some([0.4, 0.0])];
        let text = of(Task::MultiLabel, Some("val_loss"), &nothing).expect("a warning");
        assert!(text.starts_with("`val_f1` is 0, its worst value, after every epoch"), "{text}");
        assert!(of(Task::Binary, Some("val_f1"), &nothing).is_some(), "the epochs are chosen by it");
        assert_eq!(of(Task::Binary, Some("val_loss"), &nothing), None);
        assert_eq!(of(Task::MultiLabel, None, &[Some([0.5, 0.0]), Some([0.4, 0.1])]), None);
        assert_eq!(of(Task::MultiLabel, Some("val_loss"), &[Some([0.0, 0.5])]), None, "no loss is the best one");
        assert_eq!(of(Task::MultiLabel, None, &[None]), None);
        assert_eq!(of(Task::MultiLabel, None, &[]), None);
    }
}
