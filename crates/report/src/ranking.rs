//! Ranks the settings of a run by the main metric.
//!
//! | task | main metric | otherwise |
//! |---|---|---|
//! | binary | `val_pr_auc` | `val_accuracy`, `val_log_loss` |
//! | multi-class | `val_accuracy` | `val_f1`, `val_log_loss` |
//! | multi-label | `val_f1` | `val_pr_auc`, `val_log_loss` |
//!
//! Without validation rows, the same metric of the test rows is used, and the report says so; training scores are never used.
//! Binary data are mostly unbalanced, where accuracy hardly distinguishes models but average precision does.

use std::cmp::Ordering;

use emberline_base::Metric;
use emberline_base::record::{Outcome, Summary};

use crate::grouping::{self, ReplicateNames, Setting, Values};
use crate::label_counts::label_counts;
use crate::moments::mean;
use crate::table::metric_of;

/// Maximum number of settings that are drawn in a chart.
pub(crate) const MAX_DRAWN: usize = 12;

/// The metric that settings are ranked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MainMetric {
    /// The name in the records: `val_pr_auc`.
    pub(crate) name: String,
    /// The metric without its split.
    pub(crate) metric: Metric,
    /// Whether it is the metric of the test rows, because there are no validation rows.
    pub(crate) on_test: bool,
}

/// The settings of a run and their rank.
pub(crate) struct Ranking<'a> {
    /// The settings, in the order of the plan.
    pub(crate) settings: Vec<Setting<'a>>,
    /// Indices into `settings`, best first; settings without a value of the main metric come last, in the order of the plan.
    pub(crate) order: Vec<usize>,
    /// The main metric; `None` if there are neither validation nor test scores.
    pub(crate) main: Option<MainMetric>,
    /// The nouns for the replicates.
    pub(crate) replicates: ReplicateNames,
    /// Whether every value of the main metric is the worst possible one, so that no setting is better than another.
    pub(crate) is_worst_throughout: bool,
    /// The index of the best setting of those with the most labels, and its values by replicate.
    best: Option<(usize, Values)>,
}

impl<'a> Ranking<'a> {
    /// Groups and ranks the cells of a run.
    pub(crate) fn of(summary: &'a Summary) -> Self {
        let settings = grouping::settings(summary);
        let main = main_metric(summary);
        let mut order: Vec<usize> = (0..settings.len()).collect();
        if let Some(main) = &main {
            let means: Vec<f64> = settings.iter().map(|s| mean(&s.values(&main.name))).collect();
            order.sort_by(|&a, &b| better_first(main.metric, means[a], means[b]));
        }
        let replicates = ReplicateNames::of(summary);
        let is_worst_throughout = main.as_ref().is_some_and(|main| is_worst_throughout(main, &settings));
        let ranking = Self { settings, order, main, replicates, is_worst_throughout, best: None };
        // Settings with fewer labels are no candidates, even if chance lets one score more.
        let most_labels = label_counts(summary, &ranking.settings).swap_remove(0).settings;
        let best = ranking.ranked_indices().find(|(index, _)| most_labels.contains(index));
        Self { best, ..ranking }
    }

    /// Iterates over the settings that have only finite values, best first: their index and their values by replicate. It is
    /// empty if no setting is better than another.
    fn ranked_indices(&self) -> impl Iterator<Item = (usize, Values)> + '_ {
        let main = self.main.as_ref().filter(|_| !self.is_worst_throughout);
        let places = main.map(|main| (main, &self.order)).into_iter();
        let all = places.flat_map(|(main, order)| order.iter().map(move |&index| (main, index)));
        let valued = all.filter_map(|(main, index)| Some((index, self.settings.get(index)?.by_replicate(&main.name))));
        valued.filter(|(_, values)| !values.is_empty() && values.values().all(|value| value.is_finite()))
    }

    /// Returns the settings that have only finite values of the main metric, best first, with their values by replicate.
    pub(crate) fn ranked(&self) -> Vec<(&Setting<'a>, Values)> {
        let places = self.ranked_indices();
        places.filter_map(|(index, values)| Some((self.settings.get(index)?, values))).collect()
    }

    /// Returns the index of each setting among those that are drawn, in the order of the plan; `None` for settings beyond the
    /// best [`MAX_DRAWN`] and for those without a finished cell.
    pub(crate) fn marks(&self) -> Vec<Option<usize>> {
        let has_cells = |index: &usize| self.settings.get(*index).is_some_and(|s| s.done().next().is_some());
        let mut drawn: Vec<usize> = self.order.iter().copied().filter(has_cells).take(MAX_DRAWN).collect();
        drawn.sort_unstable();
        (0..self.settings.len()).map(|index| drawn.binary_search(&index).ok()).collect()
    }

    /// Returns the best setting, of those with the most labels.
    pub(crate) fn best(&self) -> Option<&Setting<'a>> {
        self.best.as_ref().and_then(|(index, _)| self.settings.get(*index))
    }
}

/// Returns whether every finished cell has the worst value, 0, of a metric of which a larger value is better.
fn is_worst_throughout(main: &MainMetric, settings: &[Setting<'_>]) -> bool {
    let values = || settings.iter().flat_map(|setting| setting.values(&main.name));
    !main.metric.smaller_is_better() && values().next().is_some() && values().all(|value| value == 0.0)
}

/// Orders means: finite ones before the rest, better ones first.
fn better_first(metric: Metric, a: f64, b: f64) -> Ordering {
    let by_value = if metric.smaller_is_better() { a.total_cmp(&b) } else { b.total_cmp(&a) };
    b.is_finite().cmp(&a.is_finite()).then(if a.is_finite() { by_value } else { Ordering::Equal })
}

/// Returns the metric that the answer is about, or else the first metric, in order of preference, of which any cell has a finite
/// value.
pub(crate) fn main_metric(summary: &Summary) -> Option<MainMetric> {
    let outcomes: Vec<&Outcome> = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).collect();
    let is_there = |name: &String| outcomes.iter().any(|o| o.metrics.get(name).is_some_and(|value| value.is_finite()));
    let candidates = [("val", false), ("test", true)].into_iter().flat_map(|(prefix, on_test)| {
        let asked = summary.answer.as_ref().and_then(|answer| metric_of(&answer.metric));
        let metrics = asked.into_iter().chain(Metric::ranking(summary.data.task));
        metrics.map(move |metric| MainMetric { name: format!("{prefix}_{metric}"), metric, on_test })
    });
    candidates.into_iter().find(|main| is_there(&main.name))
}

#[cfg(test)]
mod tests {
    use emberline_base::Task;

    use super::*;
    use crate::sample;

    #[test]
    fn the_best_mean_comes_first_and_unranked_settings_last() {
        let mut run = sample::course();
        for cell in run.summary.cells.iter_mut().filter(|cell| cell.embedding == "nnlm-50" && !cell.trainable) {
            cell.outcome = None;
        }
        let ranking = Ranking::of(&run.summary);
        assert_eq!(ranking.main.as_ref().map(|main| main.name.as_str()), Some("val_pr_auc"));
        let ranked = ranking.ranked_indices().map(|(index, _)| &ranking.settings[index]);
        let means: Vec<f64> = ranked.map(|setting| mean(&setting.values("val_pr_auc"))).collect();
        assert!(means.len() == 5 && means.is_sorted_by(|a, b| a >= b), "{means:?}");
        assert_eq!(ranking.order.last(), Some(&2));
    }

    #[test]
    fn where_every_value_is_the_worst_no_setting_is_best() {
        let mut run = sample::course();
        let set = |run: &mut crate::Run, value: f64| {
            for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
                outcome.metrics.insert("val_pr_auc".to_owned(), value);
            }
        };
        set(&mut run, 0.0);
        let ranking = Ranking::of(&run.summary);
        assert!(ranking.is_worst_throughout && ranking.best().is_none() && ranking.ranked_indices().next().is_none());
        set(&mut run, 0.1);
        assert!(Ranking::of(&run.summary).best().is_some());
    }

    #[test]
    fn fewer_labels_are_never_best() {
        let mut run = sample::of_several_label_counts();
        for cell in run.summary.cells.iter_mut().filter(|cell| cell.settings["data.split.train"] == 50) {
            cell.outcome.as_mut().expect("done").metrics.insert("val_pr_auc".to_owned(), 0.99);
        }
        let ranking = Ranking::of(&run.summary);
        assert!(ranking.settings[ranking.order[0]].label.ends_with("train 50"));
        assert_eq!(ranking.best().map(|best| best.label.as_str()), Some("nnlm-128 · train 800"));
    }

    #[test]
    fn losses_rank_upwards_and_what_diverged_ranks_last() {
        let order = |a, b| better_first(Metric::Loss, a, b);
        assert_eq!(
            (order(0.1, 0.2), order(f64::NAN, 9.0), order(f64::NAN, f64::NAN)),
            (Ordering::Less, Ordering::Greater, Ordering::Equal)
        );
    }

    #[test]
    fn each_task_has_its_main_metric() {
        let mut run = sample::course();
        run.summary.answer = None;
        let mut main_of = |task| {
            run.summary.data.task = task;
            main_metric(&run.summary).map(|main| main.name)
        };
        assert_eq!(main_of(Task::Binary).as_deref(), Some("val_pr_auc"));
        assert_eq!(main_of(Task::MultiClass).as_deref(), Some("val_accuracy"));
        assert_eq!(main_of(Task::MultiLabel).as_deref(), Some("val_f1"));
    }

    #[test]
    fn without_validation_the_test_rows_rank_and_without_both_nothing_does() {
        let mut run = sample::course();
        for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
            outcome.metrics.retain(|name, _| !name.starts_with("val_"));
            outcome.metrics.insert("test_loss".to_owned(), 0.5);
        }
        assert_eq!(main_metric(&run.summary), None, "losses may be of several loss functions");
        for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
            outcome.metrics.insert("test_log_loss".to_owned(), 0.5);
        }
        let main = main_metric(&run.summary).expect("test scores");
        assert!(main.on_test && main.name == "test_log_loss");
        assert_eq!(main_metric(&sample::without_validation().summary), None);
    }
}
