//! The charts of training curves: accuracy by epoch and loss by epoch, with all settings in each chart.
//!
//! Training curves are dashed, validation curves are solid. A setting with several replicates has the line of their mean, and their range
//! as a band around it. Both end at the first epoch that not every replicate has reached, because a mean over fewer and fewer of them
//! would jump. If there are many settings, the best have colours; the others are grey lines behind them, and a note says so.

use std::collections::BTreeMap;

use emberline_base::Metric;
use emberline_base::record::Epoch;

use crate::Run;
use crate::chart::axis::{self, Axis};
use crate::chart::{Chart, LineStyle, Proportions, Series};
use crate::document::Prose;
use crate::grouping::ReplicateNames;
use crate::moments;
use crate::number::{counted, single};
use crate::ranking::Ranking;
use crate::table::losses_differ;

/// Maximum number of settings whose bands are always seen; of more, the script shows that of the one that is pointed at.
const MAX_WITH_BANDS: usize = 8;

/// Maximum number of settings that are drawn in grey.
const MAX_CONTEXT: usize = 300;

/// Maximum number of points of a grey line.
const MAX_CONTEXT_POINTS: usize = 40;

/// Maximum number of settings whose training curves are drawn in the same chart as their validation curves; those of more have charts
/// of their own.
const MAX_WITH_TRAINING: usize = 8;

/// The charts of training curves, with their legend and notes.
pub(crate) struct Curves {
    /// The charts of accuracy and of loss; a chart without values is absent.
    pub(crate) charts: Vec<Chart>,
    /// Whether training curves are drawn, and whether validation curves are drawn.
    pub(crate) styles: (bool, bool),
    /// The index and label of each setting that is drawn.
    pub(crate) legend: Vec<(usize, String)>,
    /// Notes on how to read the charts, and on what is not drawn.
    pub(crate) notes: Vec<Prose>,
    /// The number of cells whose histories are drawn.
    pub(crate) cells: usize,
    /// Whether so many settings are drawn that bands are only seen where the reader points.
    pub(crate) has_quiet_bands: bool,
}

/// A chart to draw: which metric, and which curves.
#[derive(Clone, Copy)]
struct Subject {
    key: &'static str,
    metric: Metric,
    has_train: bool,
    has_valid: bool,
}

/// The histories of one setting's cells.
struct DrawnSetting<'a> {
    /// The index of the setting among those that have a colour; `None` for a grey one.
    mark: Option<usize>,
    label: &'a str,
    histories: Vec<&'a [Epoch]>,
}

/// Creates the charts of a run.
pub(crate) fn curves(run: &Run, ranking: &Ranking<'_>) -> Curves {
    let (drawn, context): (Vec<_>, Vec<_>) =
        drawn(run, ranking).into_iter().partition(|setting| setting.mark.is_some());
    let mut cut = false;
    let charts = subjects(&drawn).into_iter().filter_map(|subject| {
        let (chart, cut_off) = chart(run, (&drawn, &context), ranking.replicates.many, subject)?;
        cut |= cut_off;
        Some(chart)
    });
    let charts: Vec<Chart> = charts.collect();
    let legend = drawn.iter().filter_map(|drawn| Some((drawn.mark?, drawn.label.to_owned()))).collect();
    let cells = drawn.iter().chain(&context).map(|setting| setting.histories.len()).sum();
    let has = |style: LineStyle| charts.iter().flat_map(|chart| &chart.series).any(|series| series.style == style);
    let styles = (has(LineStyle::Dashed), has(LineStyle::Mean));
    Curves {
        charts,
        styles,
        legend,
        notes: notes(run, ranking, (&drawn, &context), cut),
        cells,
        has_quiet_bands: drawn.len() > MAX_WITH_BANDS,
    }
}

/// Returns the charts to draw: of few settings, training and validation in the same chart; of many, in charts of their own.
fn subjects(drawn: &[DrawnSetting<'_>]) -> Vec<Subject> {
    let is_validated = drawn.iter().flat_map(|d| &d.histories).any(|h| h.iter().any(|epoch| epoch.valid.is_some()));
    let subject = |key, metric, has_train, has_valid| Subject { key, metric, has_train, has_valid };
    if !is_validated || drawn.len() <= MAX_WITH_TRAINING {
        return vec![
            subject("accuracy", Metric::Accuracy, true, is_validated),
            subject("loss", Metric::Loss, true, is_validated),
        ];
    }
    vec![
        subject("accuracy", Metric::Accuracy, false, true),
        subject("loss", Metric::Loss, false, true),
        subject("training-accuracy", Metric::Accuracy, true, false),
        subject("training-loss", Metric::Loss, true, false),
    ]
}

fn drawn<'a>(run: &'a Run, ranking: &'a Ranking<'_>) -> Vec<DrawnSetting<'a>> {
    let with_histories = ranking.settings.iter().zip(ranking.marks()).map(|(setting, mark)| {
        let histories = setting.cells.iter().filter_map(|cell| run.histories.get(&cell.id)).map(Vec::as_slice);
        DrawnSetting { mark, label: &setting.label, histories: histories.filter(|epochs| !epochs.is_empty()).collect() }
    });
    with_histories.filter(|drawn| !drawn.histories.is_empty()).collect()
}

/// Creates one chart; the second value tells whether outliers are cut off.
fn chart(
    run: &Run,
    (drawn, context): (&[DrawnSetting<'_>], &[DrawnSetting<'_>]),
    many: &str,
    Subject { key, metric, has_train, has_valid }: Subject,
) -> Option<(Chart, bool)> {
    let mut series: Vec<Series> =
        context.iter().take(MAX_CONTEXT).filter_map(|setting| context_line(setting, has_valid, metric)).collect();
    if has_train {
        series.extend(drawn.iter().flat_map(|setting| lines(setting, false, !has_valid, metric)));
    }
    if has_valid {
        series.extend(drawn.iter().flat_map(|setting| lines(setting, true, true, metric)));
    }
    // Drawing order: means in front of bands, validation in front of training.
    series.sort_by_key(|series| match series.style {
        LineStyle::Context => 0,
        LineStyle::Band => 1,
        LineStyle::Thin | LineStyle::Dots | LineStyle::Reference => 2,
        LineStyle::Dashed => 3,
        LineStyle::Mean => 4,
    });
    let values: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let (low, high, cut_off) = axis::range(&values)?;
    let last = series.iter().filter_map(|series| series.points.last()).map(|point| point.0).fold(1.0, f64::max);
    let majority = run.summary.data.majority_accuracy.valid.unwrap_or(run.summary.data.majority_accuracy.train);
    let reach = 0.6 * (high - low);
    let is_near = metric == Metric::Accuracy && (low - reach..=high + reach).contains(&majority);
    let reference = is_near.then(|| (majority, format!("most frequent class {}", single(majority))));
    let (low, high) = reference.as_ref().map_or((low, high), |(level, _)| (low.min(*level), high.max(*level)));
    let margin = 0.05 * (high - low);
    let name = if has_valid { metric.to_string() } else { format!("training {metric}") };
    let chart = Chart {
        key,
        title: format!("{name} by epoch"),
        description: description(drawn, metric, many),
        labels: ("epoch".to_owned(), name),
        x: Axis::epochs(last),
        y: Axis::linear(low - margin, high + margin, 5, false),
        reference,
        series,
        proportions: Proportions::Wide,
    };
    Some((chart, cut_off))
}

/// The values of a metric in each replicate of a setting, by epoch: (epoch, value), NaN for none.
fn replicates(setting: &DrawnSetting<'_>, valid: bool, metric: Metric) -> Option<Vec<Vec<(f64, f64)>>> {
    let value = |epoch: &Epoch| {
        let scores = if valid { epoch.valid.as_ref() } else { Some(&epoch.train) };
        scores.and_then(|scores| scores.get(&metric)).copied()
    };
    let of_replicate = |history: &&[Epoch]| -> Vec<(f64, f64)> {
        history.iter().map(|epoch| (f64::from(epoch.epoch), value(epoch).unwrap_or(f64::NAN))).collect()
    };
    let all: Vec<Vec<(f64, f64)>> = setting.histories.iter().map(of_replicate).collect();
    all.iter().flatten().any(|point| !point.1.is_nan()).then_some(all)
}

/// Creates the lines of one setting, for training or validation: the mean, and, if it is asked for, the band of the replicates.
fn lines(setting: &DrawnSetting<'_>, valid: bool, has_band: bool, metric: Metric) -> Vec<Series> {
    let (Some(mark), Some(all)) = (setting.mark, replicates(setting, valid, metric)) else { return Vec::new() };
    let style = if valid { LineStyle::Mean } else { LineStyle::Dashed };
    let line = |style, points| Series { mark, style, shift: 0.0, points };
    let mut series = vec![line(style, mean_line(&all))];
    if all.len() > 1 && has_band {
        series.push(line(LineStyle::Band, band(&all)));
    }
    series
}

/// Creates the grey line of a setting without a colour: its mean, of validation rows if there are any.
fn context_line(setting: &DrawnSetting<'_>, valid: bool, metric: Metric) -> Option<Series> {
    let mean = mean_line(&replicates(setting, valid, metric)?);
    let stride = mean.len().div_ceil(MAX_CONTEXT_POINTS).max(1);
    let last = mean.len().checked_sub(1)?;
    let is_kept = |(index, _): &(usize, (f64, f64))| index % stride == 0 || *index == last;
    let points = mean.into_iter().enumerate().filter(is_kept).map(|(_, point)| point).collect();
    Some(Series { mark: 0, style: LineStyle::Context, shift: 0.0, points })
}

/// Returns the outline of the range of the replicates, for the epochs that all of them have: the lower edge forwards, the upper edge back.
fn band(replicates: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let shared = replicates.iter().map(Vec::len).min().unwrap_or(0);
    let edge = |index: usize, pick: fn(f64, f64) -> f64| {
        let values = replicates.iter().filter_map(|replicate| replicate.get(index)).map(|point| point.1);
        (index as f64 + 1.0, values.reduce(pick).unwrap_or(f64::NAN))
    };
    let lower = (0..shared).map(|index| edge(index, f64::min));
    lower.chain((0..shared).rev().map(|index| edge(index, f64::max))).collect()
}

/// Computes the mean over the seeds, for the epochs that all of them have.
fn mean_line(seeds: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let shared = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |index: usize| {
        let values: Vec<f64> = seeds.iter().filter_map(|seed| seed.get(index)).map(|point| point.1).collect();
        (index as f64 + 1.0, moments::mean(&values))
    };
    (0..shared).map(mean).collect()
}

/// Describes the last values in words, for readers who can't see the chart.
fn description(drawn: &[DrawnSetting<'_>], metric: Metric, many: &str) -> String {
    let last = |drawn: &DrawnSetting<'_>| {
        let ends = drawn.histories.iter().filter_map(|history| history.last());
        let values = |valid: bool| -> Vec<f64> {
            let scores = ends.clone().filter_map(|epoch| if valid { epoch.valid.as_ref() } else { Some(&epoch.train) });
            scores.filter_map(|scores| scores.get(&metric)).copied().collect()
        };
        let (train, valid) = (values(false), values(true));
        let valid =
            if valid.is_empty() { String::new() } else { format!(", validation {}", single(moments::mean(&valid))) };
        format!("{}: training {}{valid}", drawn.label, single(moments::mean(&train)))
    };
    format!("At the last epoch, mean over the {many}. {}.", drawn.iter().map(last).collect::<Vec<_>>().join("; "))
}

fn notes(
    run: &Run,
    ranking: &Ranking<'_>,
    (drawn, context): (&[DrawnSetting<'_>], &[DrawnSetting<'_>]),
    cut: bool,
) -> Vec<Prose> {
    let mut notes = Vec::new();
    let several = drawn.iter().any(|setting| setting.histories.len() > 1);
    if several {
        let ReplicateNames { one, many, .. } = ranking.replicates;
        let band = if drawn.len() <= MAX_WITH_BANDS {
            format!(" The band is the range of the {many}.")
        } else {
            format!(" Point at a name to see the range of its {many} as a band.")
        };
        notes.push(format!("Lines are means over the {many}, as far as every {one} was trained.{band}"));
    }
    if !context.is_empty() {
        let by = ranking
            .main
            .as_ref()
            .map_or("the first in the plan".to_owned(), |main| format!("the best by {}", main.name));
        let all = counted(drawn.len() + context.len(), "setting");
        let grey =
            if context.len() > MAX_CONTEXT { format!("the next {MAX_CONTEXT}") } else { "the others".to_owned() };
        notes.push(format!("Of {all}, {} have a colour: {by}. Grey lines are {grey}.", drawn.len()));
    }
    if losses_differ(&run.summary) {
        notes.push(
            "The settings have different loss functions or class weights, so that the height of their losses can't be compared: \
             only the shape of each curve says something."
                .to_owned(),
        );
    }
    if cut {
        notes.push("Outliers and values that are not finite are not drawn.".to_owned());
    }
    let missing: BTreeMap<&str, ()> = run
        .summary
        .cells
        .iter()
        .filter(|cell| cell.outcome.is_some() && !run.histories.contains_key(&cell.id))
        .map(|cell| (cell.id.as_str(), ()))
        .collect();
    if !missing.is_empty() {
        notes.push(format!("{} without a history.csv are not drawn.", counted(missing.len(), "finished cell")));
    }
    notes.into_iter().map(|note| Prose::default().plain(note)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn curves_of(run: &Run) -> Curves {
        curves(run, &Ranking::of(&run.summary))
    }

    #[test]
    fn a_picture_of_accuracy_and_one_of_loss() {
        let curves = curves_of(&sample::course());
        let keys: Vec<&str> = curves.charts.iter().map(|chart| chart.key).collect();
        assert_eq!((keys, curves.legend.len()), (vec!["accuracy", "loss"], 6));
        // Six settings: a mean for training and one for validation, and a band where there are several seeds.
        let several = Ranking::of(&sample::course().summary).settings.iter().filter(|s| s.done().count() > 1).count();
        assert_eq!(curves.charts[0].series.len(), 2 * 6 + several);
        assert!(curves.charts[0].reference.is_some() && curves.cells == 16);
    }

    #[test]
    fn many_settings_are_capped_and_the_note_says_so() {
        let curves = curves_of(&sample::sweep());
        assert_eq!((curves.legend.len(), curves.charts.len(), curves.has_quiet_bands), (12, 4, true));
        let count = |chart: &Chart, style| chart.series.iter().filter(|series| series.style == style).count();
        let lines = |chart: &Chart| count(chart, LineStyle::Mean) + count(chart, LineStyle::Dashed);
        assert!(curves.charts.iter().all(|chart| lines(chart) == 12 && count(chart, LineStyle::Context) == 28));
        let notes = format!("{:?}", curves.notes);
        assert!(
            notes.contains("Of 40 settings, 12 have a colour: the best by val_pr_auc. Grey lines are the others."),
            "{notes}"
        );
    }

    #[test]
    fn the_band_is_the_range_of_the_seeds() {
        let seeds = [vec![(1.0, 0.2), (2.0, 0.5)], vec![(1.0, 0.4), (2.0, 0.1), (3.0, 0.9)]];
        assert_eq!(band(&seeds), [(1.0, 0.2), (2.0, 0.1), (2.0, 0.5), (1.0, 0.4)]);
    }

    #[test]
    fn other_losses_are_not_held_against_each_other() {
        let has_note = |run: &Run| format!("{:?}", curves_of(run).notes).contains("can't be compared");
        let mut run = sample::course();
        assert!(!has_note(&run));
        let weight = |at: usize| if at.is_multiple_of(2) { "none" } else { "balanced" };
        for (at, cell) in run.summary.cells.iter_mut().enumerate() {
            cell.settings.insert("train.class_weight".to_owned(), weight(at).into());
        }
        assert!(has_note(&run));
    }

    #[test]
    fn the_mean_ends_with_the_first_seed() {
        let seeds = [vec![(1.0, 0.2), (2.0, 0.4)], vec![(1.0, 0.4)]];
        let line = mean_line(&seeds);
        assert!(line.len() == 1 && (line[0].1 - 0.3).abs() < 1e-12);
        assert!(mean_line(&[]).is_empty());
    }

    #[test]
    fn training_alone_is_drawn_and_missing_histories_are_told() {
        let mut run = sample::without_validation();
        assert!(curves_of(&run).charts.iter().all(|chart| chart.series[0].style == LineStyle::Dashed));
        run.histories.clear();
        let curves = curves_of(&run);
        assert!(curves.charts.is_empty() && format!("{:?}", curves.notes).contains("1 finished cell without"));
    }
}
