//! How many labels an embedding is worth: scores by the number of training rows, beside TF-IDF under logistic regression.
//!
//! Input: a run with the axis `data.split.train` or `data.split.per_class`, whose training rows are nested. Output: a chart, a table
//! with deviations, and sentences, of test rows if there are any. A sentence that compares with TF-IDF does so on the same rows, split
//! by split, and only with at least five splits; it allows for the rows that splits share, and for the number of comparisons.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::record::Summary;
use emberline_statistics::{LEAST_SPLITS, Protocol, corrected};

use crate::document::{Column, Field, Prose, Row, Table};
use crate::growth::{self, By, GrowthChart, Points};
use crate::moments::{mean, standard_deviation};
use crate::number::{count, decimals, fixed, single};
use crate::ranking::{MainMetric, Ranking};
use crate::study;

/// The name of the baseline in the records, and in reports.
const BASELINE: (&str, &str) = ("tfidf_lr", "TF-IDF + logistic regression");

/// The probability that an interval misses.
const ALPHA: f64 = 0.05;

/// What a report shows of label efficiency.
pub(crate) struct LabelEfficiency {
    /// The chart.
    pub(crate) chart: GrowthChart,
    /// The scores by the number of training rows.
    pub(crate) table: Table,
}

/// Returns the section; `None` unless there are several numbers of training rows.
pub(crate) fn label_efficiency(summary: &Summary, ranking: &Ranking<'_>) -> Option<LabelEfficiency> {
    let main = &on_test(summary, ranking.main.as_ref()?);
    let mut series = growth::gather(summary, main, By::TrainingRows);
    let has_baseline = !baseline_points(summary, main).is_empty();
    series.extend(has_baseline.then(|| (BASELINE.1.to_owned(), baseline_points(summary, main))));
    let table = table(&series, main, sentences(summary, main, &series, has_baseline));
    Some(LabelEfficiency { chart: growth::chart_of(series, main, By::TrainingRows)?, table })
}

/// Returns the metric of test rows if all cells have it, as the answer does: validation rows also chose the epoch of the cells, but not
/// that of the baseline.
fn on_test(summary: &Summary, main: &MainMetric) -> MainMetric {
    let name = format!("test_{}", main.metric);
    let is_known = growth::done(summary).all(|(_, outcome)| outcome.metrics.contains_key(&name));
    if is_known { MainMetric { name, on_test: true, metric: main.metric } } else { main.clone() }
}

/// Returns the scores of the baseline by the number of training rows.
fn baseline_points(summary: &Summary, main: &MainMetric) -> Points {
    let mut points = Points::new();
    for rows in &summary.baselines {
        let baseline = rows.baselines.iter().find(|baseline| baseline.name == BASELINE.0);
        if let Some(&value) = baseline.and_then(|baseline| baseline.metrics.get(&main.name)) {
            points.entry(rows.n_train).or_default().push(value);
        }
    }
    points
}

fn table(series: &[(String, Points)], main: &MainMetric, notes: Vec<Prose>) -> Table {
    let numbers: BTreeSet<usize> = series.iter().flat_map(|(_, points)| points.keys().copied()).collect();
    let digits = decimals(series.iter().flat_map(|(_, points)| points.values().map(|values| mean(values))));
    let row = |number: &usize| {
        let scores = series.iter().map(|(_, points)| match points.get(number) {
            Some(values) => {
                let deviation = standard_deviation(values).map(|deviation| format!("± {}", fixed(deviation, digits)));
                let value = mean(values);
                Field { detail: deviation.unwrap_or_default(), ..Field::number(value, fixed(value, digits)) }
            }
            None => Field::none(),
        });
        let first = Field::number(*number as f64, count(*number as u64));
        Row { fields: std::iter::once(first).chain(scores).collect(), muted: false }
    };
    let columns = series.iter().map(|(label, _)| Column::number(label));
    Table {
        caption: format!(
            "{} by the number of training rows, mean and standard deviation over the replicates",
            main.name
        ),
        columns: std::iter::once(Column::number("training rows")).chain(columns).collect(),
        rows: numbers.iter().map(row).collect(),
        notes,
    }
}

/// Returns what the fewest labels are worth, and from how many labels on the best series no longer pays.
fn sentences(summary: &Summary, main: &MainMetric, series: &[(String, Points)], has_baseline: bool) -> Vec<Prose> {
    let own = series.len() - usize::from(has_baseline);
    let Some((label, points)) = best_with_fewest(&series[..own], main) else { return Vec::new() };
    let Some((&fewest, values)) = points.first_key_value() else { return Vec::new() };
    let score = mean(values);
    let mut sentences = Vec::new();
    for (other, other_points) in series.iter().filter(|(other, _)| other != label) {
        sentences.extend(worth(main, label, fewest, score, other, other_points));
    }
    if !sentences.is_empty() {
        sentences.push(
            "These numbers of labels are interpolated between means; another draw of rows gives others.".to_owned(),
        );
    }
    if has_baseline {
        sentences.push(pays(summary, main, label, own));
    }
    sentences.into_iter().map(|text| Prose::default().plain(text)).collect()
}

/// Returns the series with the best mean at its fewest training rows.
fn best_with_fewest<'s>(series: &'s [(String, Points)], main: &MainMetric) -> Option<&'s (String, Points)> {
    let fewest =
        |points: &Points| points.first_key_value().map_or(f64::NAN, |(_, values)| oriented(main, mean(values)));
    series.iter().max_by(|a, b| fewest(&a.1).total_cmp(&fewest(&b.1)))
}

/// States how many labels another series needs for the score that one has with `fewest`; `None` if it has it with fewer.
fn worth(main: &MainMetric, label: &str, fewest: usize, score: f64, other: &str, points: &Points) -> Option<String> {
    let curve: Vec<(f64, f64)> =
        points.iter().map(|(&rows, values)| (rows as f64, oriented(main, mean(values)))).collect();
    let (first, last) = (curve.first()?, curve.last()?);
    let target = oriented(main, score);
    if first.1 >= target {
        return None;
    }
    let opening =
        format!("With {} labels, {label} has a mean {} of {}", count(fewest as u64), main.name, single(score));
    let crossing = curve.windows(2).find(|pair| pair[0].1 < target && pair[1].1 >= target);
    Some(match crossing {
        Some(pair) => {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            // Scores grow about in proportion to the logarithm of the number of labels.
            let rows = from * (to / from).powf((target - low) / (high - low));
            format!("{opening}, for which {other} needs about {} labels.", count(rows.round() as u64))
        }
        None => format!("{opening}, which {other} doesn't reach with {} labels.", count(last.0 as u64)),
    })
}

/// States with how many labels a series is better than the baseline. `series`: the number of series that it was chosen from.
fn pays(summary: &Summary, main: &MainMetric, label: &str, series: usize) -> String {
    let differences = differences(summary, main, label);
    let protocol = study::protocol_of_run(summary);
    let baseline = BASELINE.1;
    let enough = differences.values().all(|differences| differences.len() >= LEAST_SPLITS);
    if !enough || differences.is_empty() || protocol == Protocol::SharedRows {
        return format!(
            "Whether {label} is better than {baseline} isn't answered: that needs at least {LEAST_SPLITS} splits with evaluated rows of \
             their own (`[data.split] repeats = {LEAST_SPLITS}`)."
        );
    }
    // The series was chosen among all, and is compared at every number of labels (Bonferroni).
    let alpha = ALPHA / (series.max(1) * differences.len()) as f64;
    let is_better = |differences: &Vec<f64>| {
        let estimate = corrected(differences, protocol, 0.0);
        estimate.is_some_and(|estimate| estimate.value > 0.0 && estimate.interval(alpha).excludes_zero())
    };
    let verdicts: Vec<(usize, bool)> = differences.iter().map(|(&rows, of_rows)| (rows, is_better(of_rows))).collect();
    let numbers = |sought: bool| -> String {
        let found = verdicts.iter().filter(|(_, better)| *better == sought);
        found.map(|(rows, _)| count(*rows as u64)).collect::<Vec<_>>().join(", ")
    };
    let last_better = verdicts.iter().rposition(|(_, better)| *better);
    match last_better.map(|last| (verdicts.get(last + 1), verdicts[..last].iter().all(|(_, better)| *better))) {
        None => format!("{label} isn't shown to be better than {baseline} at any number of labels here."),
        Some((None, true)) => {
            format!("{label} is better than {baseline} at every number of labels here by more than chance.")
        }
        Some((Some((rows, _)), true)) => format!(
            "{label} stops paying at {} labels: from there on it isn't shown to be better than {baseline}.",
            count(*rows as u64)
        ),
        Some((_, false)) => format!(
            "{label} is better than {baseline} with {} labels by more than chance; with {} it isn't shown to be.",
            numbers(true),
            numbers(false)
        ),
    }
}

/// Returns the advantage of a series over the baseline on the same rows, one value per set of rows, by the number of training
/// rows. Seeds on the same rows are averaged.
fn differences(summary: &Summary, main: &MainMetric, label: &str) -> BTreeMap<usize, Vec<f64>> {
    let apart = growth::axes_apart(summary, By::TrainingRows);
    let mut found = BTreeMap::new();
    for rows in &summary.baselines {
        let baseline = rows.baselines.iter().find(|baseline| baseline.name == BASELINE.0);
        let Some(&reached) = baseline.and_then(|baseline| baseline.metrics.get(&main.name)) else { continue };
        let scores: Vec<f64> = growth::done(summary)
            .filter(|(cell, outcome)| outcome.digests.data == rows.data && growth::label(cell, &apart) == label)
            .filter_map(|(_, outcome)| outcome.metrics.get(&main.name).copied())
            .collect();
        if !scores.is_empty() {
            let advantage = oriented(main, mean(&scores) - reached);
            found.entry(rows.n_train).or_insert_with(Vec::new).push(advantage);
        }
    }
    found
}

fn oriented(main: &MainMetric, value: f64) -> f64 {
    if main.metric.smaller_is_better() { -value } else { value }
}

#[cfg(test)]
mod tests {
    use emberline_base::record::{Baseline, Baselines};
    use serde_json::json;

    use super::*;
    use crate::sample;

    /// Five splits of three numbers of labels. The embedding scores .6, .7, .8 and TF-IDF `tfidf`, with a little noise.
    fn run(tfidf: [f64; 3]) -> crate::Run {
        let mut run = sample::of_five_splits();
        run.summary.cells.retain(|cell| cell.embedding == "nnlm-128" && cell.seed == 1);
        let cells = std::mem::take(&mut run.summary.cells);
        for (size, labels) in [50, 200, 800].into_iter().enumerate() {
            for (split, cell) in cells.iter().enumerate() {
                let mut cell = cell.clone();
                cell.id = format!("{}-{labels}", cell.id);
                cell.settings.insert("data.split.train".to_owned(), json!(labels));
                let noise = 0.002 * split as f64;
                let outcome = cell.outcome.as_mut().expect("done");
                outcome.split.n_train = labels;
                outcome.metrics.insert("val_pr_auc".to_owned(), 0.6 + 0.1 * size as f64 + noise);
                outcome.digests.data = emberline_base::Digest::of(format!("{labels} {split}").as_bytes());
                let metrics = [("val_pr_auc".to_owned(), tfidf[size] - noise)].into();
                run.summary.baselines.push(Baselines {
                    data: outcome.digests.data.clone(),
                    computation: 1,
                    settings: Default::default(),
                    n_train: labels,
                    baselines: vec![Baseline { name: BASELINE.0.to_owned(), metrics, ..Baseline::default() }],
                });
                run.summary.cells.push(cell);
            }
        }
        sample::answered(run)
    }

    fn text(run: &crate::Run) -> String {
        let found = label_efficiency(&run.summary, &Ranking::of(&run.summary)).expect("several numbers of labels");
        assert_eq!(found.table.rows.len(), 3);
        assert_eq!(found.chart.legend.len(), 2);
        format!("{:?}", found.table.notes)
    }

    #[test]
    fn labels_are_counted_by_interpolation() {
        // .496 at 50 and .696 at 200: .604 is 54 % of the way, on a logarithmic scale.
        let told = text(&run([0.5, 0.7, 0.79]));
        assert!(told.contains("With 50 labels") && told.contains("needs about 106 labels"), "{told}");
    }

    #[test]
    fn what_no_number_of_labels_reaches_is_said() {
        let told = text(&run([0.2, 0.3, 0.4]));
        assert!(told.contains("doesn't reach with 800 labels"), "{told}");
        assert!(
            told.contains(
                "better than TF-IDF + logistic regression at every number of labels here by more than chance"
            ),
            "{told}"
        );
    }

    #[test]
    fn an_embedding_stops_paying_where_tfidf_catches_up() {
        let told = text(&run([0.5, 0.71, 0.9]));
        assert!(told.contains("stops paying at 200 labels"), "{told}");
    }

    /// Between two numbers of labels at which it is better, one at which it isn't shown to be: nothing "stops".
    #[test]
    fn what_is_better_again_with_more_labels_does_not_stop_paying() {
        let told = text(&run([0.5, 0.7, 0.7]));
        assert!(told.contains("with 50, 800 labels by more than chance; with 200 it isn't shown to be"), "{told}");
    }

    #[test]
    fn few_splits_and_shared_rows_answer_nothing() {
        let mut few = run([0.2, 0.3, 0.4]);
        few.summary.cells.retain(|cell| cell.settings["data.split.seed"] != json!(1));
        let data: BTreeSet<_> =
            few.summary.cells.iter().filter_map(|cell| cell.outcome.as_ref()).map(|o| o.digests.data.clone()).collect();
        few.summary.baselines.retain(|rows| data.contains(&rows.data));
        let mut shared = run([0.2, 0.3, 0.4]);
        for outcome in shared.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
            outcome.split.valid_rows = Some(emberline_base::Digest::of(b"one file"));
        }
        for run in [few, shared] {
            let told = text(&run);
            assert!(told.contains("isn't answered: that needs at least 5 splits"), "{told}");
        }
    }

    #[test]
    fn test_rows_come_before_validation_rows() {
        let mut run = run([0.5, 0.7, 0.79]);
        let main =
            |run: &crate::Run| on_test(&run.summary, Ranking::of(&run.summary).main.as_ref().expect("scores")).name;
        assert_eq!(main(&run), "val_pr_auc");
        for outcome in run.summary.cells.iter_mut().filter_map(|cell| cell.outcome.as_mut()) {
            outcome.metrics.insert("test_pr_auc".to_owned(), 0.5);
        }
        assert_eq!(main(&run), "test_pr_auc");
    }

    #[test]
    fn one_number_of_labels_has_no_section() {
        for run in [sample::course(), sample::single(), sample::empty()] {
            assert!(label_efficiency(&run.summary, &Ranking::of(&run.summary)).is_none());
        }
    }
}
