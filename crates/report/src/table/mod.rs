//! The tables of a report, one module per table.
//!
//! | table | rows |
//! |---|---|
//! | `settings` | one per setting: mean and standard deviation over its seeds |
//! | `baselines` | one per baseline: its metrics on the same rows |
//! | `cells` | one per cell: all metrics and facts about training |
//! | `data` | one per class: its number of rows in each split |
//! | `fits` | one per setting: the verdicts on its fits |
//! | `left_out` | one per reason why combinations of the grid were left out |

pub(crate) mod baselines;
pub(crate) mod cells;
pub(crate) mod data;
pub(crate) mod fits;
pub(crate) mod left_out;
pub(crate) mod settings;

use std::collections::BTreeSet;

use emberline_base::record::{Data, Outcome, Summary};
use emberline_base::{Metric, SplitName, Task};

use crate::grouping::varying_axes;
use crate::number::single;

/// Returns the names of the metrics that any finished cell has: those of validation, of test, then of training, each in the
/// order of [`Metric::ALL`], and last the names that this program doesn't know.
pub fn metric_names(summary: &Summary) -> Vec<String> {
    let outcomes = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    let present: BTreeSet<&String> = outcomes.flat_map(|outcome: &Outcome| outcome.metrics.keys()).collect();
    let known = ["val_", "test_", ""].into_iter().flat_map(|prefix| Metric::ALL.map(|m| format!("{prefix}{m}")));
    let mut names: Vec<String> = known.filter(|name| present.contains(name)).collect();
    let unknown: Vec<String> = present.into_iter().filter(|name| !names.contains(name)).cloned().collect();
    names.extend(unknown);
    names
}

/// Parses the name of a metric in the records, ignoring its split: `val_f1` is F1.
pub(crate) fn metric_of(name: &str) -> Option<Metric> {
    let metric = name.strip_prefix("val_").or_else(|| name.strip_prefix("test_")).unwrap_or(name);
    Metric::from_name(metric)
}

/// Formats the value of a metric for a model without skill.
pub(crate) fn reference_note(name: &str, data: &Data) -> String {
    reference_score(name, data).map(|(kind, share)| format!("{kind} {}", single(share))).unwrap_or_default()
}

/// Returns the value of a metric for a model without skill, and what it is called: for an accuracy, always predicting the most frequent
/// class; for a PR-AUC, random scores, which reach the share of positive rows (the mean over the classes if there are several).
pub fn reference_score(name: &str, data: &Data) -> Option<(&'static str, f64)> {
    let split = match name {
        _ if name.starts_with("val_") => SplitName::Valid,
        _ if name.starts_with("test_") => SplitName::Test,
        _ => SplitName::Train,
    };
    match metric_of(name)? {
        Metric::Accuracy => Some(("majority", *data.majority_accuracy.get(split)?)),
        Metric::PrAuc if data.task == Task::Binary => Some(("prevalence", data.prevalence(split)?)),
        Metric::PrAuc => Some(("mean prevalence", data.prevalence(split)?)),
        _ => None,
    }
}

/// Returns whether the finished cells were made from different rows.
pub(crate) fn data_differ(summary: &Summary) -> bool {
    let digests = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).map(|o| o.digests.data.as_str());
    digests.collect::<BTreeSet<_>>().len() > 1
}

/// Marks the best of the values of a metric by name, unless they can't be compared: losses are comparable neither across loss
/// functions nor across weights of classes.
pub(crate) fn best_in(summary: &Summary, name: &str, values: &[f64]) -> Vec<bool> {
    match metric_of(name) {
        Some(Metric::Loss) if losses_differ(summary) => vec![false; values.len()],
        Some(metric) => best_of(values, metric),
        None => vec![false; values.len()],
    }
}

/// Returns whether cells were trained with different losses, which can't be compared: other loss functions, or weights of classes.
pub(crate) fn losses_differ(summary: &Summary) -> bool {
    let changes_loss = |axis: &String| {
        let keys = ["train.loss", "train.class_weight", "train.sampling"];
        axis == "train" || keys.iter().any(|key| axis == key || axis.starts_with(&format!("{key}.")))
    };
    varying_axes(summary).iter().any(changes_loss)
}

/// Marks the best of `values`: all of them if several are equal, none if fewer than two are finite.
pub(crate) fn best_of(values: &[f64], metric: Metric) -> Vec<bool> {
    let numbers: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let better = if metric.smaller_is_better() { f64::min } else { f64::max };
    let best = numbers.iter().copied().reduce(better);
    let compared = numbers.len() > 1 && metric.is_comparable();
    values.iter().map(|value| compared && Some(*value) == best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn metrics_are_listed_validation_first() {
        let names = metric_names(&sample::course().summary);
        assert_eq!(names[..2], ["val_loss", "val_accuracy"]);
        assert_eq!(names[names.len() - 2..], ["loss", "accuracy"]);
    }

    #[test]
    fn accuracy_and_pr_auc_have_a_reference() {
        let data = sample::course().summary.data;
        assert_eq!(reference_note("val_accuracy", &data), "majority 0.9381");
        assert_eq!(reference_note("accuracy", &data), "majority 0.9381");
        assert_eq!(reference_note("val_pr_auc", &data), "prevalence 0.0619");
        assert_eq!(reference_note("test_pr_auc", &data), "");
        assert_eq!(reference_note("val_f1", &data), "");
        assert_eq!(reference_note("val_pr_auc", &sample::many_classes().summary.data), "mean prevalence 0.0130");
    }

    #[test]
    fn losses_of_other_weights_have_no_best() {
        let mut summary = sample::course().summary;
        let values = [0.2, 0.1];
        assert_eq!(best_in(&summary, "val_loss", &values), [false, true]);
        for (at, cell) in summary.cells.iter_mut().enumerate() {
            cell.settings.insert("train.class_weight.insincere".to_owned(), at.into());
        }
        assert_eq!(best_in(&summary, "val_loss", &values), [false; 2]);
        assert_eq!(best_in(&summary, "val_accuracy", &values), [true, false]);
    }

    #[test]
    fn the_best_is_the_lowest_loss_and_the_highest_of_the_rest() {
        let values = [0.2, 0.1, f64::NAN, 0.2];
        assert_eq!(best_of(&values, Metric::Loss), [false, true, false, false]);
        assert_eq!(best_of(&values, Metric::F1), [true, false, false, true]);
        assert_eq!(best_of(&values, Metric::Threshold), [false; 4]);
        assert_eq!(best_of(&[0.1, f64::NAN], Metric::F1), [false; 2]);
    }
}
