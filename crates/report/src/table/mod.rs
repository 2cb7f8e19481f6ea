//! The tables of a report, made from records: one file each.
//!
//! | table | rows |
//! |---|---|
//! | `settings` | a setting: mean and spread over its seeds |
//! | `cells` | a cell: everything that was measured |
//! | `data` | a class: its rows in each split |

pub(crate) mod cells;
pub(crate) mod data;
pub(crate) mod settings;

use std::collections::BTreeSet;

use emberline_base::record::{Outcome, Summary};
use emberline_base::{Metric, Splits};

use crate::number::single;

/// The metrics that any finished cell has, as the records name them: validation, test, then training; within
/// each in the order of [`Metric::ALL`], and names unknown to this program last.
pub(crate) fn metric_names(summary: &Summary) -> Vec<String> {
    let outcomes = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    let present: BTreeSet<&String> = outcomes.flat_map(|outcome: &Outcome| outcome.metrics.keys()).collect();
    let known = ["val_", "test_", ""].into_iter().flat_map(|prefix| Metric::ALL.map(|m| format!("{prefix}{m}")));
    let mut names: Vec<String> = known.filter(|name| present.contains(name)).collect();
    let unknown: Vec<String> = present.into_iter().filter(|name| !names.contains(name)).cloned().collect();
    names.extend(unknown);
    names
}

/// The metric of a record's name, without its split.
pub(crate) fn metric_of(name: &str) -> Option<Metric> {
    let bare = name.strip_prefix("val_").or_else(|| name.strip_prefix("test_")).unwrap_or(name);
    Metric::ALL.into_iter().find(|metric| metric.name() == bare)
}

/// For an accuracy, what always giving the most frequent answer reaches on the same rows.
pub(crate) fn majority_note(name: &str, majority: &Splits<f64>) -> String {
    let reached = match name {
        "accuracy" => Some(majority.train),
        "val_accuracy" => majority.valid,
        "test_accuracy" => majority.test,
        _ => None,
    };
    reached.map(|share| format!("majority {}", single(share))).unwrap_or_default()
}

/// Whether the finished cells were made from different rows.
pub(crate) fn data_differ(summary: &Summary) -> bool {
    let digests = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).map(|o| o.digests.data.as_str());
    digests.collect::<BTreeSet<_>>().len() > 1
}

/// The place of the best of `values`; all of them where several are equal, none where only one is a number.
pub(crate) fn best_of(values: &[f64], metric: Metric) -> Vec<bool> {
    let numbers: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let better = if metric.smaller_is_better() { f64::min } else { f64::max };
    let best = numbers.iter().copied().reduce(better);
    let compared = numbers.len() > 1 && metric != Metric::Threshold;
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
    fn the_best_is_the_lowest_loss_and_the_highest_of_the_rest() {
        let values = [0.2, 0.1, f64::NAN, 0.2];
        assert_eq!(best_of(&values, Metric::Loss), [false, true, false, false]);
        assert_eq!(best_of(&values, Metric::F1), [true, false, false, true]);
        assert_eq!(best_of(&values, Metric::Threshold), [false; 4]);
        assert_eq!(best_of(&[0.1, f64::NAN], Metric::F1), [false; 2]);
    }
}
