//! How many labels an embedding is worth: scores by the number of training rows, beside TF-IDF under logistic regression.
//!
//! Input: a run with the axis `data.split.train` or `data.split.per_class`, whose training rows are nested. Output: a chart, a table
//! with intervals, and sentences. A sentence that compares with TF-IDF does so on the same rows, split by split; with at least two
//! splits it has an interval that allows for the rows that splits share.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::record::{Outcome, Summary};
use emberline_statistics::{Estimate, Protocol, corrected};

use crate::document::{Column, Field, Prose, Row, Table};
use crate::growth::{self, By, GrowthChart, Points};
use crate::moments::{mean, standard_deviation};
use crate::number::{count, decimals, fixed, single};
use crate::ranking::{MainMetric, Ranking};

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
    let main = ranking.main.as_ref()?;
    let mut series = growth::gather(summary, main, By::TrainingRows);
    let has_baseline = !baseline_points(summary, main).is_empty();
    series.extend(has_baseline.then(|| (BASELINE.1.to_owned(), baseline_points(summary, main))));
    let table = table(&series, main, sentences(summary, main, &series, has_baseline));
    Some(LabelEfficiency { chart: growth::chart_of(series, main, By::TrainingRows)?, table })
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
    if has_baseline {
        sentences.push(pays(summary, main, label));
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
    let opening = format!("With {} labels, {label} has a {} of {}", count(fewest as u64), main.name, single(score));
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

/// States up to how many labels a series is better than the baseline, by more than chance if there are several splits.
fn pays(summary: &Summary, main: &MainMetric, label: &str) -> String {
    let differences = differences(summary, main, label);
    let told_apart = |differences: &Vec<f64>| {
        estimate(summary, differences).map_or(mean(differences) > 0.0, |estimate| {
            estimate.value > 0.0 && estimate.interval(ALPHA).excludes_zero()
        })
    };
    let by_chance = differences.values().all(|differences| differences.len() < 2);
    let how = if by_chance { "" } else { " by more than chance" };
    let stops = differences.iter().find(|(_, differences)| !told_apart(differences));
    match stops {
        Some((&rows, _)) => format!(
            "{label} stops paying at {} labels: from there on it isn't better than {}{how}.",
            count(rows as u64),
            BASELINE.1
        ),
        None => format!("{label} is better than {} at every number of labels here{how}.", BASELINE.1),
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

/// Returns the mean advantage with its corrected error; `None` for fewer than two splits.
fn estimate(summary: &Summary, differences: &[f64]) -> Option<Estimate> {
    let evaluated =
        growth::done(summary).map(|(_, outcome): (_, &Outcome)| outcome.split.n_test.or(outcome.split.n_valid));
    let evaluated = evaluated.flatten().max()?;
    let rows = summary.data.rows_read.max(evaluated + 1);
    (differences.len() > 1).then(|| corrected(differences, Protocol::Pool { rows, evaluated }, 0.0)).flatten()
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

    #[test]
    fn one_number_of_labels_has_no_section() {
        for run in [sample::course(), sample::single(), sample::empty()] {
            assert!(label_efficiency(&run.summary, &Ranking::of(&run.summary)).is_none());
        }
    }
}
