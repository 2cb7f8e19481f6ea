//! The scores of each setting over its replicates, as plain data: what the terminal prints at the end of a run, and what
//! `settings.csv` and `settings.json` hold.
//!
//! Input: a summary. Output: one [`SettingScores`] per setting, the best first. Means and deviations are computed here of the cells;
//! ranks, intervals and differences are those of `summary.answer`, so that no output can contradict it.

use emberline_base::Metric;
use emberline_base::record::answer::{Answer, ComparedSetting, Level};
use emberline_base::record::{Outcome, Status, Summary};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::grouping::Setting;
use crate::moments::{mean, standard_deviation};
use crate::ranking::Ranking;
use crate::table::{metric_names, metric_of};

/// The scores of one setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingScores {
    /// What the setting is called in reports; it is unique among the settings, and contains text of the user.
    pub label: String,
    /// The value of each axis that isn't a replicate axis, by dotted key.
    pub setting: IndexMap<String, Value>,
    /// The embedding's name in the pipeline file.
    pub embedding: String,
    /// The embedding's kind.
    pub source: String,
    /// Whether the embedding was fine-tuned.
    pub trainable: bool,
    /// The number of cells by what became of them.
    pub cells: CellCounts,
    /// What the answer claims of the setting; none if nothing is claimed.
    pub answer: Option<Claimed>,
    /// The metrics by name, over the finished cells that have them.
    pub metrics: IndexMap<String, Spread>,
    /// The number of epochs that were trained; none without a finished cell.
    pub epochs: Option<Spread>,
    /// The seconds of training; none without a finished cell.
    pub seconds: Option<Spread>,
    /// Sizes of the first finished cell; none without one.
    pub sizes: Option<SettingSizes>,
}

/// How many cells of a setting are done, failed and pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CellCounts {
    /// Finished cells.
    pub done: usize,
    /// Failed cells.
    pub failed: usize,
    /// Cells that haven't run.
    pub pending: usize,
}

/// The mean of some values, and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n - 1); none for a single value.
    pub standard_deviation: Option<f64>,
}

/// What the answer says of a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claimed {
    /// The metric of the score, such as `test_pr_auc`.
    pub metric: String,
    /// The mean score.
    pub mean: f64,
    /// The lower bound of its interval; none if there is no evidence for one.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// The level of the interval, such as 0.95.
    pub confidence: f64,
    /// The best rank that the setting may have.
    pub rank_low: usize,
    /// The worst rank that the setting may have.
    pub rank_high: usize,
    /// Whether the setting is in the group among which the best one is.
    pub in_best_group: bool,
    /// The score minus that of the leader; none for the leader itself, and where it isn't compared.
    pub to_leader: Option<ToLeader>,
}

/// The difference between a setting and the leader, adjusted for all comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ToLeader {
    /// The setting's score minus the leader's.
    pub difference: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The p-value, adjusted for all comparisons.
    pub p_adjusted: f64,
    /// Whether the two are told apart.
    pub told_apart: bool,
}

/// The sizes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SettingSizes {
    /// The dimension of a text's vector.
    pub dim: usize,
    /// All parameters of the model.
    pub parameters: u64,
    /// The parameters that training changes.
    pub trainable_parameters: u64,
    /// The bytes of a text's vector; none in records of earlier versions.
    pub bytes_per_text: Option<u64>,
    /// The bytes of the embedding's table; none for an encoder of whole texts.
    pub table_bytes: Option<u64>,
    /// The bytes of the trained weights of a fine-tuned encoder; none if no encoder was trained.
    pub encoder_bytes: Option<u64>,
}

/// Returns the scores of every setting of a run: those of the answer first, in its order, the most labels first, then the others by the
/// main metric.
pub fn setting_scores(summary: &Summary) -> Vec<SettingScores> {
    let ranking = Ranking::of(summary);
    let names = metric_names(summary);
    let settings = ranking.order.iter().filter_map(|&index| ranking.settings.get(index));
    let index = summary.answer.as_ref().map(Answer::index).unwrap_or_default();
    let scores = settings.map(|setting| {
        let found = index.find(&setting.axes());
        let place = found.map_or(usize::MAX, |found| found.place);
        (place, scores_of(setting, found, &names))
    });
    let mut scores: Vec<(usize, SettingScores)> = scores.collect();
    // The sort is stable, so settings without an answer keep their order.
    scores.sort_by_key(|(place, _)| *place);
    scores.into_iter().map(|(_, scores)| scores).collect()
}

/// Returns the name of the metric that settings are ranked by: the answer's, or else the main metric; none without scores.
pub fn ranking_metric(summary: &Summary) -> Option<String> {
    if summary.cells.iter().all(|cell| cell.outcome.is_none()) {
        return None;
    }
    let claimed = summary.answer.as_ref().filter(|answer| !answer.settings.is_empty());
    claimed.map(|answer| answer.metric.clone()).or_else(|| Ranking::of(summary).main.map(|main| main.name))
}

/// Returns the names of the metrics that summarise a run, those of validation, of test, then of training.
pub fn headline_metrics(summary: &Summary) -> Vec<String> {
    metric_names(summary).into_iter().filter(|name| metric_of(name).is_some_and(Metric::is_headline)).collect()
}

fn scores_of(setting: &Setting<'_>, compared: Option<ComparedSetting<'_>>, names: &[String]) -> SettingScores {
    let count = |status: Status| setting.cells.iter().filter(|cell| cell.status == status).count();
    let spread = |get: &dyn Fn(&Outcome) -> Option<f64>| {
        Spread::of(&setting.done().filter_map(|(_, outcome)| get(outcome)).collect::<Vec<f64>>())
    };
    let metrics = names.iter().filter_map(|name| {
        Some((name.clone(), spread(&|outcome| outcome.metrics.get(name).copied().filter(|value| value.is_finite()))?))
    });
    let metrics = metrics.collect();
    let first = setting.cells.first();
    SettingScores {
        label: setting.label.clone(),
        answer: compared.and_then(claimed),
        setting: setting.axes(),
        embedding: first.map(|cell| cell.embedding.clone()).unwrap_or_default(),
        source: first.map(|cell| cell.source.clone()).unwrap_or_default(),
        trainable: first.is_some_and(|cell| cell.trainable),
        cells: CellCounts { done: count(Status::Done), failed: count(Status::Failed), pending: count(Status::Pending) },
        metrics,
        epochs: spread(&|outcome| Some(f64::from(outcome.epochs))),
        seconds: spread(&|outcome| Some(outcome.seconds)),
        sizes: setting.done().next().map(|(_, outcome)| SettingSizes::of(outcome)),
    }
}

/// Returns what an answer claims of one of its settings; none if it claims nothing of any.
fn claimed(compared: ComparedSetting<'_>) -> Option<Claimed> {
    let ComparedSetting { answer, setting: known, pair, is_best, place: _ } = compared;
    if answer.level == Level::None {
        return None;
    }
    // The pair's difference is the leader's score minus this one's.
    let to_leader = pair.map(|pair| ToLeader {
        difference: -pair.difference,
        low: -pair.high,
        high: -pair.low,
        p_adjusted: pair.p_holm,
        told_apart: pair.told_apart,
    });
    Some(Claimed {
        metric: answer.metric.clone(),
        mean: known.mean,
        low: known.low,
        high: known.high,
        confidence: 1.0 - answer.alpha,
        rank_low: known.rank_low,
        rank_high: known.rank_high,
        in_best_group: is_best,
        to_leader,
    })
}

impl Spread {
    /// Returns the mean and deviation of values; none if there are no values.
    fn of(values: &[f64]) -> Option<Self> {
        (!values.is_empty()).then(|| Self {
            n: values.len(),
            mean: mean(values),
            standard_deviation: standard_deviation(values),
        })
    }
}

impl SettingSizes {
    fn of(outcome: &Outcome) -> Self {
        Self {
            dim: outcome.dim,
            parameters: outcome.parameters.total,
            trainable_parameters: outcome.parameters.trainable,
            bytes_per_text: outcome.bytes_per_text,
            table_bytes: outcome.table_bytes,
            encoder_bytes: outcome.encoder_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn settings_stand_in_the_order_of_the_answer_with_its_numbers() {
        let summary = sample::of_five_splits().summary;
        let answer = summary.answer.as_ref().expect("an answer");
        let scores = setting_scores(&summary);
        let labels: Vec<&String> = scores.iter().map(|scores| &scores.label).collect();
        assert_eq!(labels, answer.settings.iter().map(|setting| &setting.label).collect::<Vec<_>>());
        for (scores, known) in scores.iter().zip(&answer.settings) {
            let claimed = scores.answer.as_ref().expect("a claim");
            assert_eq!((claimed.mean, claimed.low, claimed.rank_high), (known.mean, known.low, known.rank_high));
            assert_eq!(scores.metrics[&answer.metric].n, 10);
            assert!((scores.metrics[&answer.metric].mean - known.mean).abs() < 1e-12);
        }
        assert_eq!(
            scores.iter().filter(|scores| scores.answer.as_ref().is_some_and(|a| a.to_leader.is_none())).count(),
            1
        );
        assert_eq!(ranking_metric(&summary).as_ref(), Some(&answer.metric));
    }

    #[test]
    fn failed_and_pending_cells_are_counted_and_have_no_scores() {
        let summary = sample::course().summary;
        let scores = setting_scores(&summary);
        let counts = |of: fn(&CellCounts) -> usize| scores.iter().map(|scores| of(&scores.cells)).sum::<usize>();
        assert_eq!((counts(|c| c.done), counts(|c| c.failed), counts(|c| c.pending)), (16, 1, 1));
        let none = setting_scores(&sample::all_failed().summary);
        assert!(
            none.iter().all(|scores| scores.metrics.is_empty() && scores.epochs.is_none() && scores.sizes.is_none())
        );
        assert_eq!(ranking_metric(&sample::all_failed().summary), None);
    }

    #[test]
    fn a_single_cell_has_no_deviation() {
        let scores = setting_scores(&sample::single().summary);
        let spread = scores[0].epochs.expect("epochs");
        assert_eq!((scores.len(), spread.n, spread.standard_deviation), (1, 1, None));
    }

    #[test]
    fn settings_of_every_number_of_labels_have_their_claims() {
        let run = sample::of_several_label_counts();
        let scores = setting_scores(&run.summary);
        let answer = run.summary.answer.as_ref().expect("an answer");
        let answered: Vec<_> = answer.of_each_number().flat_map(|answer| &answer.settings).collect();
        assert_eq!(scores.len(), 4);
        for (scores, known) in scores.iter().zip(answered) {
            assert_eq!(scores.setting, known.setting);
            assert_eq!(scores.answer.as_ref().map(|claimed| claimed.mean), Some(known.mean));
        }
    }
}
