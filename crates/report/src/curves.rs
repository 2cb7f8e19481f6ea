//! The charts of training curves: accuracy by epoch and loss by epoch, with all settings in each chart.
//!
//! Training curves are dashed, validation curves are solid. A setting with several seeds has a bold mean and, if there are
//! few settings, one thin line per seed. The mean ends at the first epoch that not every seed has reached, because a mean
//! over fewer and fewer seeds would jump. If there are many settings, only the best are drawn, and a note says so.

use std::collections::BTreeMap;

use emberline_base::Metric;
use emberline_base::record::Epoch;

use crate::Run;
use crate::chart::axis::{self, Axis};
use crate::chart::{Chart, LineStyle, Series};
use crate::document::Prose;
use crate::grouping::ReplicateNames;
use crate::moments;
use crate::number::{counted, single};
use crate::ranking::{MAX_DRAWN, Ranking};
use crate::table::losses_differ;

/// Maximum number of settings for which each seed is drawn.
const MAX_WITH_SEEDS: usize = 6;

/// Maximum number of settings for which training curves are drawn besides validation curves.
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
}

/// The histories of one setting's cells.
struct DrawnSetting<'a> {
    mark: usize,
    label: &'a str,
    histories: Vec<&'a [Epoch]>,
}

/// Creates the charts of a run.
pub(crate) fn curves(run: &Run, ranking: &Ranking<'_>) -> Curves {
    let drawn = drawn(run, ranking);
    let mut cut = false;
    let charts = [("accuracy", Metric::Accuracy), ("loss", Metric::Loss)].into_iter().filter_map(|(key, metric)| {
        let (chart, cut_off) = chart(run, &drawn, ranking.replicates.many, key, metric)?;
        cut |= cut_off;
        Some(chart)
    });
    let charts: Vec<Chart> = charts.collect();
    let legend = drawn.iter().map(|drawn| (drawn.mark, drawn.label.to_owned())).collect();
    let has = |style: LineStyle| charts.iter().flat_map(|chart| &chart.series).any(|series| series.style == style);
    let styles = (has(LineStyle::Dashed), has(LineStyle::Mean));
    Curves { charts, styles, legend, notes: notes(run, ranking, &drawn, cut) }
}

fn drawn<'a>(run: &'a Run, ranking: &'a Ranking<'_>) -> Vec<DrawnSetting<'a>> {
    let marks = ranking.marks();
    let marked = ranking.settings.iter().zip(marks).filter_map(|(setting, mark)| mark.map(|mark| (setting, mark)));
    let with_histories = marked.map(|(setting, mark)| {
        let histories = setting.cells.iter().filter_map(|cell| run.histories.get(&cell.id)).map(Vec::as_slice);
        DrawnSetting { mark, label: &setting.label, histories: histories.filter(|epochs| !epochs.is_empty()).collect() }
    });
    with_histories.filter(|drawn| !drawn.histories.is_empty()).collect()
}

/// Creates one chart; the second value tells whether outliers are cut off.
fn chart(
    run: &Run,
    drawn: &[DrawnSetting<'_>],
    many: &str,
    key: &'static str,
    metric: Metric,
) -> Option<(Chart, bool)> {
    let has_valid = drawn.iter().flat_map(|d| &d.histories).any(|h| h.iter().any(|epoch| epoch.valid.is_some()));
    let mut series = Vec::new();
    if drawn.len() <= MAX_WITH_TRAINING || !has_valid {
        series.extend(drawn.iter().flat_map(|setting| lines(setting, drawn.len(), false, metric)));
    }
    series.extend(drawn.iter().flat_map(|setting| lines(setting, drawn.len(), true, metric)));
    // Drawing order: means in front of single seeds, validation in front of training.
    series.sort_by_key(|series| match series.style {
        LineStyle::ThinDashed => 0,
        LineStyle::Thin | LineStyle::Dots => 1,
        LineStyle::Dashed => 2,
        LineStyle::Mean => 3,
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
    let chart = Chart {
        key,
        title: format!("{metric} by epoch"),
        description: description(drawn, metric, many),
        labels: ("epoch".to_owned(), metric.to_string()),
        x: Axis::epochs(last),
        y: Axis::linear(low - margin, high + margin, 5, false),
        reference,
        series,
    };
    Some((chart, cut_off))
}

/// Creates the lines of one setting, for training or validation: the mean, and each seed if there are few settings.
fn lines(setting: &DrawnSetting<'_>, settings: usize, valid: bool, metric: Metric) -> Vec<Series> {
    let value = |epoch: &Epoch| {
        let scores = if valid { epoch.valid.as_ref() } else { Some(&epoch.train) };
        scores.and_then(|scores| scores.get(&metric)).copied()
    };
    let of_seed = |history: &&[Epoch]| -> Vec<(f64, f64)> {
        history.iter().map(|epoch| (f64::from(epoch.epoch), value(epoch).unwrap_or(f64::NAN))).collect()
    };
    let seeds: Vec<Vec<(f64, f64)>> = setting.histories.iter().map(of_seed).collect();
    if seeds.iter().flatten().all(|point| point.1.is_nan()) {
        return Vec::new();
    }
    let (thin, bold) =
        if valid { (LineStyle::Thin, LineStyle::Mean) } else { (LineStyle::ThinDashed, LineStyle::Dashed) };
    let mut series = vec![Series { mark: setting.mark, style: bold, shift: 0.0, points: mean_line(&seeds) }];
    if seeds.len() > 1 && settings <= MAX_WITH_SEEDS {
        series.extend(seeds.into_iter().map(|points| Series { mark: setting.mark, style: thin, shift: 0.0, points }));
    }
    series
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

fn notes(run: &Run, ranking: &Ranking<'_>, drawn: &[DrawnSetting<'_>], cut: bool) -> Vec<Prose> {
    let mut notes = Vec::new();
    let several = drawn.iter().any(|setting| setting.histories.len() > 1);
    if several {
        let ReplicateNames { one, many, .. } = ranking.replicates;
        let thin =
            if drawn.len() <= MAX_WITH_SEEDS { format!(" Thin lines are single {many}.") } else { String::new() };
        notes.push(format!("Bold lines are means over the {many}, as far as every {one} was trained.{thin}"));
    }
    let finished = ranking.settings.iter().filter(|setting| setting.done().next().is_some()).count();
    if finished > MAX_DRAWN {
        let by = ranking
            .main
            .as_ref()
            .map_or("the first in the plan".to_owned(), |main| format!("the best by {}", main.name));
        notes.push(format!("Of {} the {MAX_DRAWN} drawn are {by}.", counted(finished, "setting")));
    }
    if drawn.len() > MAX_WITH_TRAINING {
        notes.push("Training curves are left out, because many settings are drawn.".to_owned());
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
        // Six settings of three seeds, less two cells: a mean and a line a seed, for training and validation.
        assert_eq!(curves.charts[0].series.len(), 2 * (6 + 16) - 2 * usize::from(has_single_seed()));
        assert!(curves.charts[0].reference.is_some());
    }

    /// Returns whether a setting of the sample has a single seed, which is then not drawn as a thin line.
    fn has_single_seed() -> bool {
        Ranking::of(&sample::course().summary).settings.iter().any(|setting| setting.done().count() == 1)
    }

    #[test]
    fn many_settings_are_capped_and_the_note_says_so() {
        let curves = curves_of(&sample::sweep());
        assert_eq!(curves.legend.len(), MAX_DRAWN);
        assert!(curves.charts.iter().all(|chart| chart.series.len() == MAX_DRAWN));
        let notes = format!("{:?}", curves.notes);
        assert!(notes.contains("Of 40 settings the 12 drawn are the best by val_pr_auc."), "{notes}");
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
