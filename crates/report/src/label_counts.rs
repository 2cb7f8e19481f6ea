//! Groups the settings of a run by their number of labels, that is, of training rows.
//!
//! Settings with unequal numbers of labels aren't compared: a number of labels is a cost that somebody pays, not a candidate. Input:
//! settings. Output: groups, the most labels first; one group if no axis changes the number.

use std::cmp::Reverse;

use emberline_base::canonical;
use emberline_base::record::Summary;

use crate::grouping::{Setting, varying_axes};

/// Settings with equal numbers of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelCount {
    /// The number of training rows; `None` unless settings differ in it.
    pub(crate) labels: Option<usize>,
    /// Indices of the settings, in the order of the plan.
    pub(crate) settings: Vec<usize>,
}

/// Returns whether an axis changes the number of labels.
pub(crate) fn is_number_of_labels(axis: &str) -> bool {
    matches!(axis, "data.split.train" | "data.split.per_class")
}

/// Groups settings. Numbers of labels of which no cell is done are left out, since their number of rows isn't known, unless none is
/// done of all.
pub(crate) fn label_counts(summary: &Summary, settings: &[Setting<'_>]) -> Vec<LabelCount> {
    let axes: Vec<String> = varying_axes(summary).into_iter().filter(|axis| is_number_of_labels(axis)).collect();
    let key = |setting: &Setting<'_>| -> Vec<String> {
        let cell = setting.cells.first();
        axes.iter().map(|axis| cell.and_then(|cell| cell.settings.get(axis)).map_or(String::new(), canonical)).collect()
    };
    let mut groups: Vec<(Vec<String>, LabelCount)> = Vec::new();
    for (index, setting) in settings.iter().enumerate() {
        let (key, rows) = (key(setting), setting.done().map(|(_, outcome)| outcome.split.n_train).max());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => {
                group.settings.push(index);
                group.labels = group.labels.max(rows);
            }
            None => groups.push((key, LabelCount { labels: rows, settings: vec![index] })),
        }
    }
    let mut counts: Vec<LabelCount> =
        groups.into_iter().map(|(_, group)| group).filter(|group| group.labels.is_some()).collect();
    counts.sort_by_key(|group| Reverse(group.labels));
    if axes.is_empty() || counts.is_empty() {
        return vec![LabelCount { labels: None, settings: (0..settings.len()).collect() }];
    }
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{grouping, sample};

    fn counts(run: &crate::Run) -> Vec<(Option<usize>, usize)> {
        let settings = grouping::settings(&run.summary);
        let counts = label_counts(&run.summary, &settings);
        counts.into_iter().map(|group| (group.labels, group.settings.len())).collect()
    }

    #[test]
    fn without_such_an_axis_all_settings_are_one_group() {
        assert_eq!(counts(&sample::course()), [(None, 6)]);
        assert_eq!(counts(&sample::empty()), [(None, 0)]);
    }

    #[test]
    fn the_most_labels_come_first_and_unknown_numbers_are_left_out() {
        let mut run = sample::of_several_label_counts();
        assert_eq!(counts(&run), [(Some(800), 2), (Some(50), 2)]);
        let of_50 = |cell: &&mut emberline_base::record::Cell| cell.settings["data.split.train"] == json!(50);
        run.summary.cells.iter_mut().filter(of_50).for_each(|cell| cell.outcome = None);
        assert_eq!(counts(&run), [(Some(800), 2)]);
        run.summary.cells.iter_mut().for_each(|cell| cell.outcome = None);
        assert_eq!(counts(&run), [(None, 4)]);
    }
}
