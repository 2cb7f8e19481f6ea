//! Charts of the main metric by a number that grows along an axis: the embedding's dimension, or the number of training rows.
//!
//! A line connects settings that differ in that axis alone: each embedding has its own line for frozen and for fine-tuned
//! vectors and for each value of another axis, since two embeddings differ in more than their dimension. Small dots are
//! cells; the line connects the means over the replicates.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::record::{Cell, Outcome, Summary};

use crate::chart::axis::{self, Axis};
use crate::chart::{Chart, LineStyle, Proportions, Series};
use crate::grouping::{self, tuning, value_text};
use crate::label_counts::is_number_of_labels;
use crate::moments;
use crate::ranking::{MAX_DRAWN, MainMetric, Ranking};

/// A chart with its legend.
pub(crate) struct GrowthChart {
    /// The chart.
    pub(crate) chart: Chart,
    /// The index and label of each series.
    pub(crate) legend: Vec<(usize, String)>,
    /// Whether only the best series are drawn, because there are too many.
    pub(crate) cut: bool,
}

/// The number that a chart is drawn by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The dimension of the vectors.
    Dimension,
    /// The number of training rows.
    TrainingRows,
}

impl By {
    /// Returns whether an axis makes the number: `embedding.dim`, `embedding.NAME.KIND.dim`; `data.split.train`.
    fn is_made_by(self, axis: &str) -> bool {
        match self {
            Self::Dimension => axis.starts_with("embedding.") && axis.ends_with(".dim"),
            Self::TrainingRows => is_number_of_labels(axis),
        }
    }

    fn of(self, outcome: &Outcome) -> usize {
        match self {
            Self::Dimension => outcome.dim,
            Self::TrainingRows => outcome.split.n_train,
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Dimension => "dimension",
            Self::TrainingRows => "labels",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Dimension => ("dimension of the embedding", "dimension (log scale)"),
            Self::TrainingRows => ("number of training rows", "training rows (log scale)"),
        }
    }
}

/// The values of a series by its number.
pub(crate) type Points = BTreeMap<usize, Vec<f64>>;

/// Creates the chart; `None` if there is no main metric or only one number.
pub(crate) fn growth_chart(summary: &Summary, ranking: &Ranking<'_>, by: By) -> Option<GrowthChart> {
    let main = ranking.main.as_ref()?;
    chart_of(gather(summary, main, by), main, by)
}

/// Creates the chart of these series.
pub(crate) fn chart_of(mut series: Vec<(String, Points)>, main: &MainMetric, by: By) -> Option<GrowthChart> {
    let numbers: BTreeSet<usize> = series.iter().flat_map(|(_, points)| points.keys().copied()).collect();
    if numbers.len() < 2 {
        return None;
    }
    let cut = series.len() > MAX_DRAWN;
    if cut {
        series.sort_by(|a, b| best(main, &b.1).total_cmp(&best(main, &a.1)));
        series.truncate(MAX_DRAWN);
    }
    let values: Vec<f64> = series.iter().flat_map(|(_, points)| points.values().flatten().copied()).collect();
    let (low, high, _) = axis::range(&values)?;
    let margin = 0.06 * (high - low);
    let places: Vec<f64> = numbers.iter().map(|number| *number as f64).collect();
    let (title, label) = by.words();
    let chart = Chart {
        key: by.key(),
        title: format!("{} by {title}", main.name),
        description: describe(&series),
        labels: (label.to_owned(), main.name.clone()),
        x: Axis::logarithmic(&places),
        y: Axis::linear(low - margin, high + margin, 5, false),
        reference: None,
        series: draw(&series),
        proportions: Proportions::Wide,
    };
    let legend = series.into_iter().enumerate().map(|(mark, (label, _))| (mark, label)).collect();
    Some(GrowthChart { chart, legend, cut })
}

fn best(main: &MainMetric, points: &Points) -> f64 {
    let sign = if main.metric.smaller_is_better() { -1.0 } else { 1.0 };
    points.values().map(|values| sign * moments::mean(values)).fold(f64::NEG_INFINITY, f64::max)
}

fn draw(series: &[(String, Points)]) -> Vec<Series> {
    let at = |dim: &usize, value: f64| (*dim as f64, value);
    let middle = (series.len().max(1) - 1) as f64 / 2.0;
    let dots = series.iter().enumerate().map(|(mark, (_, points))| {
        let points = points.iter().flat_map(|(dim, values)| values.iter().map(move |value| at(dim, *value)));
        Series { mark, style: LineStyle::Dots, shift: 5.0 * (mark as f64 - middle), points: points.collect() }
    });
    let means = series.iter().enumerate().map(|(mark, (_, points))| {
        let points = points.iter().map(|(dim, values)| at(dim, moments::mean(values)));
        Series { mark, style: LineStyle::Mean, shift: 0.0, points: points.collect() }
    });
    dots.chain(means).collect()
}

fn describe(series: &[(String, Points)]) -> String {
    let one = |(label, points): &(String, Points)| {
        let means =
            points.iter().map(|(dim, values)| format!("{} at {dim}", crate::number::single(moments::mean(values))));
        format!("{label}: {}", means.collect::<Vec<_>>().join(", "))
    };
    format!("Means. {}.", series.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// Groups the finished cells' values by series, in the order of the plan.
pub(crate) fn gather(summary: &Summary, main: &MainMetric, by: By) -> Vec<(String, Points)> {
    let apart = axes_apart(summary, by);
    let mut series: Vec<(String, Points)> = Vec::new();
    let mut index = BTreeMap::new();
    for (cell, outcome) in done(summary) {
        let Some(value) = outcome.metrics.get(&main.name).copied().filter(|value| value.is_finite()) else { continue };
        let label = label(cell, &apart);
        let place = *index.entry(label.clone()).or_insert(series.len());
        if place == series.len() {
            series.push((label, Points::new()));
        }
        if let Some((_, points)) = series.get_mut(place) {
            points.entry(by.of(outcome)).or_default().push(value);
        }
    }
    series
}

/// Returns the axes that tell series apart: all that vary, except the one that makes the number.
pub(crate) fn axes_apart(summary: &Summary, by: By) -> Vec<String> {
    grouping::varying_axes(summary).into_iter().filter(|axis| !by.is_made_by(axis)).collect()
}

pub(crate) fn done(summary: &Summary) -> impl Iterator<Item = (&Cell, &Outcome)> {
    summary.cells.iter().filter_map(|cell| cell.outcome.as_ref().map(|outcome| (cell, outcome)))
}

pub(crate) fn label(cell: &Cell, apart: &[String]) -> String {
    let parts = apart.iter().map(|axis| match axis.as_str() {
        "embedding" => cell.embedding.clone(),
        "embedding.trainable" => tuning(cell.trainable).to_owned(),
        _ => {
            let name = axis.rsplit('.').next().unwrap_or(axis);
            format!("{name} {}", cell.settings.get(axis).map(value_text).unwrap_or_default())
        }
    });
    let label = parts.collect::<Vec<_>>().join(" · ");
    if label.is_empty() { "all cells".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn labels(run: &crate::Run) -> Vec<String> {
        let chart = growth_chart(&run.summary, &Ranking::of(&run.summary), By::Dimension).expect("several dimensions");
        chart.legend.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn each_embedding_and_state_is_a_series_of_its_own() {
        let run = sample::course();
        let expected = ["swivel-20", "nnlm-50", "nnlm-128"]
            .map(|name| [format!("{name} · frozen"), format!("{name} · fine-tuned")]);
        assert_eq!(labels(&run), expected.concat());
        let chart = growth_chart(&run.summary, &Ranking::of(&run.summary), By::Dimension).expect("several dimensions");
        let joined =
            chart.chart.series.iter().filter(|series| series.style == LineStyle::Mean && series.points.len() > 1);
        assert_eq!(joined.count(), 0, "no line joins embeddings");
    }

    #[test]
    fn sources_of_several_sizes_are_told_apart() {
        let labels = labels(&sample::sweep());
        assert_eq!((labels.len(), labels[0].as_str()), (8, "corpus · learning_rate 0.0001"));
    }

    #[test]
    fn one_dimension_or_no_metric_has_no_picture() {
        for run in [sample::single(), sample::many_classes(), sample::all_failed(), sample::empty()] {
            assert!(growth_chart(&run.summary, &Ranking::of(&run.summary), By::Dimension).is_none());
        }
    }
}
