//! The heat map: the mean of a metric by the values of two axes.
//!
//! Input: the settings of a run. Output: a [`HeatMap`] of the two axes that move the main metric most, and the numbers from which the
//! script of a page makes the map of any two axes ([`Grid`]). A field is the mean over all settings that have both values, so that an
//! axis with more values has no better chance.

use emberline_base::Metric;
use emberline_base::record::{Cell, Summary};
use serde::Serialize;

use crate::grouping::{AxisNames, tuning, value_text, varying_axes};
use crate::moments::mean;
use crate::ranking::Ranking;
use crate::table::{metric_names, metric_of};

/// Number of colours of a map.
pub(crate) const LEVELS: usize = 9;

/// Maximum number of values of an axis.
const MAX_VALUES: usize = 40;

/// The settings of a run by their values of the axes, with the means of their metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Grid {
    /// The axes that vary.
    pub(crate) axes: Vec<GridAxis>,
    /// The metrics, the main one first.
    pub(crate) metrics: Vec<GridMetric>,
    /// The settings: the index of its value of each axis, and the mean of each metric (`None` if it has none).
    pub(crate) settings: Vec<(Vec<usize>, Vec<Option<f64>>)>,
}

/// An axis of a grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GridAxis {
    /// The name.
    pub(crate) name: String,
    /// The values in words, in the order of the plan.
    pub(crate) values: Vec<String>,
}

/// A metric of a grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GridMetric {
    /// The name.
    pub(crate) name: String,
    /// Whether a smaller value is better.
    pub(crate) smaller_is_better: bool,
}

/// The map of two axes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeatMap {
    /// The axes of the rows and of the columns, as indices into those of the grid.
    pub(crate) axes: (usize, usize),
    /// The fields, `[row, column]`; `None` without a setting.
    pub(crate) fields: Vec<Vec<Option<f64>>>,
}

/// Returns the grid of a run; `None` unless at least two axes vary and there is a metric.
pub(crate) fn grid(summary: &Summary, ranking: &Ranking<'_>) -> Option<Grid> {
    let names = AxisNames::of_axes(varying_axes(summary));
    let axes: Vec<(&str, GridAxis)> = names.iter().map(|(key, name)| (key, axis(summary, key, name))).collect();
    let axes: Vec<(&str, GridAxis)> =
        axes.into_iter().filter(|(_, axis)| (2..=MAX_VALUES).contains(&axis.values.len())).collect();
    let metrics = metrics(summary, ranking);
    if axes.len() < 2 || metrics.is_empty() {
        return None;
    }
    let of_setting = |setting: &crate::grouping::Setting<'_>| {
        let cell = setting.cells.first()?;
        let index = |(key, axis): &(&str, GridAxis)| axis.values.iter().position(|value| *value == text(cell, key));
        let indices = axes.iter().map(index).collect::<Option<Vec<usize>>>()?;
        let means =
            metrics.iter().map(|metric| Some(mean(&setting.values(&metric.name))).filter(|value| value.is_finite()));
        Some((indices, means.collect()))
    };
    let settings = ranking.settings.iter().filter_map(of_setting).collect();
    Some(Grid { axes: axes.into_iter().map(|(_, axis)| axis).collect(), metrics, settings })
}

fn axis(summary: &Summary, key: &str, name: &str) -> GridAxis {
    let mut values = Vec::new();
    for cell in &summary.cells {
        let value = text(cell, key);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    GridAxis { name: name.to_owned(), values }
}

/// Returns the value of an axis in words.
fn text(cell: &Cell, key: &str) -> String {
    match (key, cell.settings.get(key)) {
        ("embedding", _) => cell.embedding.clone(),
        ("embedding.trainable", _) => tuning(cell.trainable).to_owned(),
        (_, value) => value.map(value_text).unwrap_or_else(|| "–".to_owned()),
    }
}

/// Returns the main metric, and the headline metrics after it.
fn metrics(summary: &Summary, ranking: &Ranking<'_>) -> Vec<GridMetric> {
    let main = ranking.main.iter().map(|main| main.name.clone());
    let is_shown = |name: &String| {
        let is_main = ranking.main.as_ref().is_some_and(|main| main.name == *name);
        !is_main
            && (name.starts_with("val_") || name.starts_with("test_"))
            && metric_of(name).is_some_and(Metric::is_headline)
    };
    let names = main.chain(metric_names(summary).into_iter().filter(is_shown));
    let metric =
        |name: String| GridMetric { smaller_is_better: metric_of(&name).is_some_and(Metric::smaller_is_better), name };
    names.map(metric).collect()
}

impl Grid {
    /// Returns the map of the two axes that move the main metric most: whose means differ most between their values.
    pub(crate) fn map(&self) -> HeatMap {
        let mut axes: Vec<(usize, f64)> = (0..self.axes.len()).map(|axis| (axis, self.range(axis))).collect();
        axes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let (mut rows, mut columns) = (axes[0].0, axes[1].0);
        // The longer axis goes down the page.
        if self.axes[columns].values.len() > self.axes[rows].values.len() {
            std::mem::swap(&mut rows, &mut columns);
        }
        let field = |row: usize, column: usize| self.mean(|indices| indices[rows] == row && indices[columns] == column);
        let line = |row| (0..self.axes[columns].values.len()).map(|column| field(row, column)).collect();
        HeatMap { axes: (rows, columns), fields: (0..self.axes[rows].values.len()).map(line).collect() }
    }

    /// Returns how much the means of the main metric differ between the values of an axis.
    fn range(&self, axis: usize) -> f64 {
        let means = (0..self.axes[axis].values.len()).filter_map(|value| self.mean(|indices| indices[axis] == value));
        let (low, high) =
            means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
        if high >= low { high - low } else { 0.0 }
    }

    /// Returns the mean of the main metric over the settings with these indices of values.
    fn mean(&self, takes: impl Fn(&[usize]) -> bool) -> Option<f64> {
        let taken = self.settings.iter().filter(|(indices, _)| takes(indices));
        let values: Vec<f64> = taken.filter_map(|(_, metrics)| metrics[0]).collect();
        (!values.is_empty()).then(|| mean(&values))
    }
}

/// Returns the colour of a value, from 0 to [`LEVELS`] - 1, the best one last. `ends` are the lowest and the highest value.
pub(crate) fn level(value: f64, ends: (f64, f64), smaller_is_better: bool) -> usize {
    let share = if ends.1 > ends.0 { (value - ends.0) / (ends.1 - ends.0) } else { 0.5 };
    let share = if smaller_is_better { 1.0 - share } else { share };
    ((share * LEVELS as f64) as usize).min(LEVELS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn fields_are_means_over_the_other_axes() {
        let run = sample::sweep();
        let grid = grid(&run.summary, &Ranking::of(&run.summary)).expect("three axes");
        let names: Vec<&str> = grid.axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["embedding", "dim", "learning_rate"]);
        assert_eq!((grid.settings.len(), grid.metrics[0].name.as_str()), (40, "val_pr_auc"));
        let map = grid.map();
        let (rows, columns) = map.axes;
        assert!(rows == 1 && columns != 1, "the dimension has most values and moves the score most: {:?}", map.axes);
        let of_field: Vec<f64> = grid
            .settings
            .iter()
            .filter(|(indices, _)| indices[rows] == 0 && indices[columns] == 0)
            .filter_map(|(_, metrics)| metrics[0])
            .collect();
        assert_eq!(map.fields[0][0], Some(mean(&of_field)));
    }

    #[test]
    fn one_axis_has_no_map() {
        for run in [sample::single(), sample::of_splits(), sample::all_failed(), sample::empty()] {
            assert_eq!(grid(&run.summary, &Ranking::of(&run.summary)), None);
        }
    }

    #[test]
    fn the_best_value_has_the_last_colour() {
        assert_eq!([0.1, 0.5, 0.9].map(|value| level(value, (0.1, 0.9), false)), [0, 4, 8]);
        assert_eq!([0.1, 0.5, 0.9].map(|value| level(value, (0.1, 0.9), true)), [8, 4, 0]);
        assert_eq!(level(0.5, (0.5, 0.5), false), 4);
    }
}
