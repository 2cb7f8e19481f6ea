//! Which setting is best, by the main metric.
//!
//! | task | main metric | else |
//! |---|---|---|
//! | binary | `val_pr_auc` | `val_accuracy`, `val_loss` |
//! | multi-class | `val_accuracy` | `val_f1`, `val_loss` |
//! | multi-label | `val_f1` | `val_pr_auc`, `val_loss` |
//!
//! Without validation rows the same of the test rows, which the report then says; training scores rank nothing.
//! Binary data are mostly unbalanced, where accuracy hardly tells models apart and average precision does.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use emberline_base::Metric;
use emberline_base::record::{Outcome, Summary};

use crate::grouping::{self, ReplicateNames, Setting, Values};
use crate::statistics::{self, Interval, LEVEL};

/// How many settings a picture shows at most.
pub(crate) const DRAWN: usize = 12;

/// The measure that settings are ranked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MainMetric {
    /// As in the records: `val_pr_auc`.
    pub(crate) name: String,
    /// Which one it is.
    pub(crate) metric: Metric,
    /// Whether it is read on the test rows, for want of validation rows.
    pub(crate) on_test: bool,
}

/// The settings of a run and their order.
pub(crate) struct Ranking<'a> {
    /// In the order of the plan.
    pub(crate) settings: Vec<Setting<'a>>,
    /// Positions in `settings`, best first; those with nothing to rank by come last, in the order of the plan.
    pub(crate) order: Vec<usize>,
    /// What they are ranked by; nothing where there are neither validation nor test scores.
    pub(crate) main: Option<MainMetric>,
    /// What repetitions of a setting are called.
    pub(crate) replicates: ReplicateNames,
    /// Whether every value that could rank has the worst value of the metric, so that no setting is better than another.
    pub(crate) is_worst_throughout: bool,
    /// The best setting's place and its values by replicate.
    best: Option<(usize, Values)>,
}

impl<'a> Ranking<'a> {
    /// Groups and ranks the cells of a run.
    pub(crate) fn of(summary: &'a Summary) -> Self {
        let settings = grouping::settings(summary);
        let main = main_metric(summary);
        let mut order: Vec<usize> = (0..settings.len()).collect();
        if let Some(main) = &main {
            let means: Vec<f64> = settings.iter().map(|s| statistics::mean(&s.values(&main.name))).collect();
            order.sort_by(|&a, &b| better_first(main.metric, means[a], means[b]));
        }
        let replicates = ReplicateNames::of(summary);
        let is_worst_throughout = main.as_ref().is_some_and(|main| is_worst_throughout(main, &settings));
        let ranking = Self { settings, order, main, replicates, is_worst_throughout, best: None };
        let best = ranking.ranked_places().next();
        Self { best, ..ranking }
    }

    /// Places and values by replicate of the settings whose every value is a number, best first; none if none is better than
    /// another.
    fn ranked_places(&self) -> impl Iterator<Item = (usize, Values)> + '_ {
        let main = self.main.as_ref().filter(|_| !self.is_worst_throughout);
        let places = main.map(|main| (main, &self.order)).into_iter();
        let all = places.flat_map(|(main, order)| order.iter().map(move |&index| (main, index)));
        let valued = all.filter_map(|(main, index)| Some((index, self.settings.get(index)?.by_replicate(&main.name))));
        valued.filter(|(_, values)| !values.is_empty() && values.values().all(|value| value.is_finite()))
    }

    /// The settings that the main metric ranks, best first, with their values by replicate.
    pub(crate) fn ranked(&self) -> Vec<(&Setting<'a>, Values)> {
        let places = self.ranked_places();
        places.filter_map(|(index, values)| Some((self.settings.get(index)?, values))).collect()
    }

    /// The place of each setting among the drawn curves, in the order of the plan; nothing for those beyond the
    /// best [`DRAWN`] and those with no finished cell.
    pub(crate) fn marks(&self) -> Vec<Option<usize>> {
        let has_cells = |index: &usize| self.settings.get(*index).is_some_and(|s| s.done().next().is_some());
        let mut drawn: Vec<usize> = self.order.iter().copied().filter(has_cells).take(DRAWN).collect();
        drawn.sort_unstable();
        (0..self.settings.len()).map(|index| drawn.binary_search(&index).ok()).collect()
    }

    /// The best setting.
    pub(crate) fn best(&self) -> Option<&Setting<'a>> {
        self.best.as_ref().and_then(|(index, _)| self.settings.get(*index))
    }

    /// How far a setting lies behind the best one, over the replicates that both have: its value minus the best one's.
    pub(crate) fn behind(&self, setting: &Setting<'_>) -> Option<Interval> {
        let main = self.main.as_ref()?;
        let (_, best) = self.best.as_ref()?;
        paired(&setting.by_replicate(&main.name), best)
    }
}

/// Whether each finished cell has the worst value of a metric of which more is better: 0.
fn is_worst_throughout(main: &MainMetric, settings: &[Setting<'_>]) -> bool {
    let values = || settings.iter().flat_map(|setting| setting.values(&main.name));
    !main.metric.smaller_is_better() && values().next().is_some() && values().all(|value| value == 0.0)
}

/// The interval of `a - b` over the replicates that both have. Where they are of several splits, a split counts once, with
/// the mean over its seeds: seeds say little about other rows.
pub(crate) fn paired(a: &Values, b: &Values) -> Option<Interval> {
    let mut of_splits: BTreeMap<&Option<String>, Vec<f64>> = BTreeMap::new();
    for (replicate, value) in a {
        if let Some(other) = b.get(replicate) {
            of_splits.entry(&replicate.split).or_default().push(value - other);
        }
    }
    let differences: Vec<f64> = match of_splits.len() {
        1 => of_splits.into_values().flatten().collect(),
        _ => of_splits.values().map(|differences| statistics::mean(differences)).collect(),
    };
    statistics::t_interval(&differences, LEVEL)
}

/// Finite means before the rest, the better one first.
fn better_first(metric: Metric, a: f64, b: f64) -> Ordering {
    let by_value = if metric.smaller_is_better() { a.total_cmp(&b) } else { b.total_cmp(&a) };
    b.is_finite().cmp(&a.is_finite()).then(if a.is_finite() { by_value } else { Ordering::Equal })
}

/// The first choice that any cell has a finite value of.
fn main_metric(summary: &Summary) -> Option<MainMetric> {
    let outcomes: Vec<&Outcome> = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).collect();
    let is_there = |name: &String| outcomes.iter().any(|o| o.metrics.get(name).is_some_and(|value| value.is_finite()));
    let candidates = [("val", false), ("test", true)].into_iter().flat_map(|(prefix, on_test)| {
        Metric::ranking(summary.data.task).map(|metric| MainMetric {
            name: format!("{prefix}_{metric}"),
            metric,
            on_test,
        })
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
        let means: Vec<f64> = ranking.ranked().iter().map(|(s, _)| statistics::mean(&s.values("val_pr_auc"))).collect();
        assert!(means.len() == 5 && means.is_sorted_by(|a, b| a >= b), "{means:?}");
        assert_eq!(ranking.order.last(), Some(&2));
    }

    #[test]
    fn a_split_counts_once_however_many_seeds_it_has() {
        let run = sample::of_splits();
        let ranking = Ranking::of(&run.summary);
        let [(_, best), (second, _)] = ranking.ranked().try_into().expect("two settings");
        assert_eq!(best.len(), 6);
        assert_eq!(ranking.behind(second).map(|gap| gap.count), Some(3));
        let mut one_split = run.clone();
        one_split.summary.cells.retain(|cell| cell.settings["data.split.seed"] == 1);
        let ranking = Ranking::of(&one_split.summary);
        assert_eq!(ranking.behind(ranking.ranked()[1].0).map(|gap| gap.count), Some(2));
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
        assert!(ranking.is_worst_throughout && ranking.best().is_none() && ranking.ranked().is_empty());
        set(&mut run, 0.1);
        assert!(Ranking::of(&run.summary).best().is_some());
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
        let main = main_metric(&run.summary).expect("test scores");
        assert!(main.on_test && main.name == "test_loss");
        assert_eq!(main_metric(&sample::without_validation().summary), None);
    }
}
