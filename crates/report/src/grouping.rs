//! Groups cells into settings: cells that differ only by replicate axes (seed, seed of the split, repeat, fold, draw) form
//! one setting. Replicates are averaged, never ranked.
//!
//! Input: the cells in the order of the plan. Output: settings in the order of their first cells, each with a label made of
//! the axes that vary: `swivel-20 · fine-tuned · dim 64`.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::ReplicateAxis;
use emberline_base::record::answer::Setting as Axes;
use emberline_base::record::{Cell, Outcome, Summary};
use serde_json::Value;

use crate::escape::shorten;

/// Maximum length in characters of an axis's value in a label.
const MAX_VALUE_LENGTH: usize = 48;

/// Identifies a cell among the replicates of its setting. Two settings are compared over the replicates that both have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replicate {
    /// The split of the rows: the values of the axes that change the split; `None` if there are no such axes.
    pub(crate) split: Option<String>,
    /// The seed of initialisation, order and dropout.
    pub(crate) seed: u64,
}

impl Replicate {
    pub(crate) fn of(cell: &Cell) -> Self {
        let moved = ReplicateAxis::ALL.into_iter().filter(|axis| axis.changes_split());
        let values: Vec<String> =
            moved.filter_map(|axis| cell.settings.get(axis.key()).map(Value::to_string)).collect();
        Self { split: (!values.is_empty()).then(|| values.join(" ")), seed: cell.seed }
    }
}

/// The values of a metric by replicate.
pub(crate) type Values = BTreeMap<Replicate, f64>;

/// The cells of one combination of all axes but the replicates.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// The unique label of the setting; it contains text of the user, and isn't escaped.
    pub(crate) label: String,
    /// The cells of the setting, one per replicate, in the order of the plan.
    pub(crate) cells: Vec<&'a Cell>,
}

impl<'a> Setting<'a> {
    /// Iterates over the finished cells.
    pub(crate) fn done(&self) -> impl Iterator<Item = (&'a Cell, &'a Outcome)> + '_ {
        self.cells.iter().filter_map(|cell| cell.outcome.as_ref().map(|outcome| (*cell, outcome)))
    }

    /// Returns the axes of the setting, without those that only replicate it: what an answer calls a setting.
    pub(crate) fn axes(&self) -> Axes {
        let axes = self.cells.first().into_iter().flat_map(|cell| &cell.settings);
        axes.filter(|(axis, _)| !is_replicate(axis)).map(|(axis, value)| (axis.clone(), value.clone())).collect()
    }

    /// Returns the values of a metric by replicate, of the finished cells that have it.
    pub(crate) fn by_replicate(&self, metric: &str) -> Values {
        self.done().filter_map(|(cell, o)| o.metrics.get(metric).map(|value| (Replicate::of(cell), *value))).collect()
    }

    /// Returns the values of a metric, of the finished cells that have it, in the order of the plan.
    pub(crate) fn values(&self, metric: &str) -> Vec<f64> {
        self.done().filter_map(|(_, outcome)| outcome.metrics.get(metric).copied()).collect()
    }
}

/// Groups the cells of a run into settings.
pub(crate) fn settings(summary: &Summary) -> Vec<Setting<'_>> {
    let names = AxisNames::of(summary);
    let mut index = BTreeMap::new();
    let mut settings: Vec<Setting<'_>> = Vec::new();
    for cell in &summary.cells {
        let place = *index.entry(key(cell)).or_insert(settings.len());
        match settings.get_mut(place) {
            Some(setting) => setting.cells.push(cell),
            None => settings.push(Setting { label: names.label(cell), cells: vec![cell] }),
        }
    }
    make_unique(&mut settings);
    settings
}

/// Returns settings with labels of these axes alone, which are made unique among them.
pub(crate) fn labelled_by<'a>(axes: Vec<String>, settings: impl Iterator<Item = Setting<'a>>) -> Vec<Setting<'a>> {
    let names = AxisNames::of_axes(axes);
    let label = |setting: Setting<'a>| {
        let label = setting.cells.first().map_or_else(String::new, |cell| names.label(cell));
        Setting { label, ..setting }
    };
    let mut labelled = settings.map(label).collect::<Vec<_>>();
    make_unique(&mut labelled);
    labelled
}

/// Returns the grouping key of a cell, which is equal for the cells of one setting.
fn key(cell: &Cell) -> String {
    let axes: Vec<(&String, &Value)> = cell.settings.iter().filter(|(axis, _)| !is_replicate(axis)).collect();
    let key = serde_json::to_string(&(axes, &cell.embedding, cell.trainable));
    key.unwrap_or_default()
}

fn make_unique(settings: &mut [Setting<'_>]) {
    let mut taken = BTreeSet::new();
    for setting in settings {
        let base = setting.label.clone();
        let mut number = 1;
        while !taken.insert(setting.label.clone()) {
            number += 1;
            setting.label = format!("{base} ({number})");
        }
    }
}

/// The axes that vary, with their short names for labels.
pub(crate) struct AxisNames {
    axes: Vec<(String, String)>,
}

impl AxisNames {
    fn of(summary: &Summary) -> Self {
        Self::of_axes(varying_axes(summary))
    }

    /// AxisNames axes by the last part of their key, or by the whole key if that would be ambiguous.
    pub(crate) fn of_axes(axes: Vec<String>) -> Self {
        let short = |axis: &str| axis.rsplit('.').next().unwrap_or(axis).to_owned();
        let is_shared = |axis: &str| axes.iter().filter(|other| short(other) == short(axis)).count() > 1;
        let named = axes.iter().map(|axis| (axis.clone(), if is_shared(axis) { axis.clone() } else { short(axis) }));
        Self { axes: named.collect() }
    }

    /// Iterates over the axes: their dotted keys, and their names in labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.axes.iter().map(|(axis, name)| (axis.as_str(), name.as_str()))
    }

    fn label(&self, cell: &Cell) -> String {
        self.text(&cell.embedding, cell.trainable, |axis| cell.settings.get(axis))
    }

    /// Returns the label of a setting with the given embedding and values of the axes.
    pub(crate) fn text<'v>(
        &self,
        embedding: &str,
        trainable: bool,
        value: impl Fn(&str) -> Option<&'v Value>,
    ) -> String {
        if self.axes.is_empty() {
            return format!("{embedding} · {}", tuning(trainable));
        }
        let parts = self.axes.iter().map(|(axis, name)| match (axis.as_str(), value(axis)) {
            ("embedding", _) => embedding.to_owned(),
            ("embedding.trainable", _) => tuning(trainable).to_owned(),
            (_, value) => format!("{name} {}", value.map(value_text).unwrap_or_default()),
        });
        parts.collect::<Vec<_>>().join(" · ")
    }
}

/// Returns a unique, readable name for each of the cells of a plan, whatever became of them: the axes that vary among them, replicate
/// axes last, such as `swivel-20 · fine-tuned · seed 2`. It contains text of the user, and isn't escaped.
pub fn cell_labels(cells: &[Cell]) -> Vec<String> {
    let mut axes: Vec<String> = Vec::new();
    for axis in cells.iter().flat_map(|cell| cell.settings.keys()) {
        if !axes.contains(axis) {
            axes.push(axis.clone());
        }
    }
    axes.retain(|axis| vary(cells, axis));
    let (replicates, axes): (Vec<String>, Vec<String>) = axes.into_iter().partition(|axis| is_replicate(axis));
    let names = AxisNames::of_axes(axes);
    let label = |cell: &Cell| {
        let mut parts = vec![names.label(cell)];
        for axis in ReplicateAxis::ALL.into_iter().filter(|axis| replicates.iter().any(|key| key == axis.key())) {
            parts.extend(cell.settings.get(axis.key()).map(|value| format!("{} {}", axis.noun(), value_text(value))));
        }
        parts.join(" · ")
    };
    let mut taken = BTreeSet::new();
    let unique = |label: String| {
        let mut number = 1;
        let mut unique = label.clone();
        while !taken.insert(unique.clone()) {
            number += 1;
            unique = format!("{label} ({number})");
        }
        unique
    };
    cells.iter().map(label).map(unique).collect()
}

/// Returns the axes, except for replicate axes, that have several values among the cells, in the order of the file.
pub(crate) fn varying_axes(summary: &Summary) -> Vec<String> {
    let mut names: Vec<&String> = summary.axes.keys().collect();
    names.extend(summary.cells.iter().flat_map(|cell| cell.settings.keys()));
    let mut seen = BTreeSet::new();
    let compared = names.into_iter().filter(|axis| !is_replicate(axis) && seen.insert(*axis) && varies(summary, axis));
    compared.cloned().collect()
}

/// Returns whether an axis is a replicate axis.
pub(crate) fn is_replicate(axis: &str) -> bool {
    ReplicateAxis::of(axis).is_some()
}

/// Returns the replicate axes that change the split and have several values among the cells.
pub(crate) fn split_axes(summary: &Summary) -> Vec<ReplicateAxis> {
    let moved = ReplicateAxis::ALL.into_iter().filter(|axis| axis.changes_split());
    moved.filter(|axis| varies(summary, axis.key())).collect()
}

/// Returns whether an axis has several values among the cells.
pub(crate) fn varies(summary: &Summary, axis: &str) -> bool {
    vary(&summary.cells, axis)
}

fn vary(cells: &[Cell], axis: &str) -> bool {
    let mut values = cells.iter().map(|cell| cell.settings.get(axis));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// The nouns for the replicates of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicateNames {
    /// The singular: `seed`.
    pub(crate) one: &'static str,
    /// The plural: `seeds`.
    pub(crate) many: &'static str,
    /// The unit over which settings are compared pairwise: `split` if there are several splits, else `seed`.
    pub(crate) pair: &'static str,
    /// The phrase after "differ": `across seeds on these rows`.
    pub(crate) across: &'static str,
}

impl ReplicateNames {
    /// Chooses the nouns by the replicate axes that vary.
    pub(crate) fn of(summary: &Summary) -> Self {
        let across = "across these splits";
        let splits = |one, many| Self { one, many, pair: "split", across };
        match (split_axes(summary).as_slice(), varies(summary, ReplicateAxis::Seed.key())) {
            ([], _) => Self { one: "seed", many: "seeds", pair: "seed", across: "across seeds on these rows" },
            ([ReplicateAxis::Repeat], false) => splits("repeat", "repeats"),
            ([ReplicateAxis::Fold], false) => splits("fold", "folds"),
            ([ReplicateAxis::Draw], false) => splits("draw", "draws"),
            ([ReplicateAxis::SplitSeed], false) => splits("split", "splits"),
            (_, _) => splits("replicate", "replicates"),
        }
    }
}

/// Returns the word for `trainable` in labels: `fine-tuned` or `frozen`.
pub(crate) fn tuning(trainable: bool) -> &'static str {
    if trainable { "fine-tuned" } else { "frozen" }
}

/// Formats the value of an axis for people: tables have no braces, strings no quotes.
pub(crate) fn value_text(value: &Value) -> String {
    shorten(&unquoted(value), MAX_VALUE_LENGTH)
}

fn unquoted(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(unquoted).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            table.iter().map(|(key, value)| format!("{key} {}", unquoted(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn cells_gather_by_all_axes_but_the_seed() {
        let run = sample::course();
        let settings = settings(&run.summary);
        let labels: Vec<&str> = settings.iter().map(|setting| setting.label.as_str()).collect();
        assert_eq!(labels[..2], ["swivel-20 · frozen", "swivel-20 · fine-tuned"]);
        assert_eq!((labels.len(), settings[0].cells.len()), (6, 3));
        let seeds: Vec<u64> = settings[0].by_replicate("val_pr_auc").keys().map(|replicate| replicate.seed).collect();
        assert_eq!(seeds, [1, 2, 3]);
    }

    #[test]
    fn the_seed_of_the_split_makes_no_setting() {
        let run = sample::of_splits();
        let settings = settings(&run.summary);
        let labels: Vec<&str> = settings.iter().map(|setting| setting.label.as_str()).collect();
        assert_eq!(labels, ["swivel-20", "nnlm-128"]);
        assert!(settings.iter().all(|setting| setting.by_replicate("val_pr_auc").len() == 6));
        assert_eq!(varying_axes(&run.summary), ["embedding"]);
        assert_eq!(ReplicateNames::of(&run.summary).many, "replicates");
    }

    #[test]
    fn folds_repeats_and_draws_make_no_setting() {
        for (axis, many) in
            [(ReplicateAxis::Repeat, "repeats"), (ReplicateAxis::Fold, "folds"), (ReplicateAxis::Draw, "draws")]
        {
            let mut run = sample::of_splits();
            run.summary.cells.retain(|cell| cell.seed == 1);
            for cell in &mut run.summary.cells {
                let split = cell.settings.shift_remove(ReplicateAxis::SplitSeed.key()).expect("a split");
                cell.settings.insert(axis.key().to_owned(), split);
            }
            let settings = settings(&run.summary);
            let labels: Vec<&str> = settings.iter().map(|setting| setting.label.as_str()).collect();
            assert_eq!(labels, ["swivel-20", "nnlm-128"], "{axis:?}");
            assert!(settings.iter().all(|setting| setting.by_replicate("val_pr_auc").len() == 3));
            assert_eq!(ReplicateNames::of(&run.summary).many, many);
        }
    }

    #[test]
    fn cells_are_named_by_what_varies_and_their_replicate() {
        let labels = cell_labels(&sample::course().summary.cells);
        assert_eq!(labels[0], "swivel-20 · frozen · seed 1");
        assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 18);
        assert_eq!(cell_labels(&sample::of_splits().summary.cells)[1], "swivel-20 · seed 2 · split 1");
        assert_eq!(cell_labels(&sample::single().summary.cells), ["swivel-20 · frozen"]);
        let twice = [sample::single().summary.cells, sample::single().summary.cells].concat();
        assert_eq!(cell_labels(&twice), ["swivel-20 · frozen", "swivel-20 · frozen (2)"]);
    }

    #[test]
    fn a_run_without_axes_is_labelled_by_its_embedding() {
        assert_eq!(settings(&sample::single().summary)[0].label, "swivel-20 · frozen");
    }

    #[test]
    fn equal_labels_are_told_apart() {
        let mut run = sample::sweep();
        for (index, cell) in run.summary.cells.iter_mut().enumerate() {
            let value = format!("{}{index}", "x".repeat(100));
            cell.settings.insert("head.layers".to_owned(), Value::String(value));
        }
        let settings = settings(&run.summary);
        let labels: BTreeSet<&String> = settings.iter().map(|setting| &setting.label).collect();
        assert_eq!(labels.len(), run.summary.cells.len());
    }

    #[test]
    fn tables_are_named_without_braces() {
        let value = serde_json::json!([{"dense": 256, "activation": "relu"}, {"dropout": 0.1}]);
        assert_eq!(value_text(&value), "[dense 256 activation relu, dropout 0.1]");
    }
}
