//! The table of all cells that `run --verbose` prints after the ranked settings: a row per cell, then the baselines.

use emberline_base::number::fixed;
use emberline_base::record::{BaselineScores, Status, Summary};
use emberline_base::{Metric, SplitName};

use crate::terminal::seconds;

/// Returns the metrics of the table, if the cells have them: those measured in training, the headline metrics of validation, and
/// those of test except the loss.
fn columns() -> impl Iterator<Item = String> {
    let headlines = || Metric::ALL.into_iter().filter(|metric| metric.is_headline());
    let train = Metric::ALL.into_iter().filter(|metric| metric.is_measured_in_training());
    let valid = headlines().map(|metric| format!("val_{metric}"));
    let test = headlines().filter(|metric| *metric != Metric::Loss).map(|metric| format!("test_{metric}"));
    train.map(|metric| metric.to_string()).chain(valid).chain(test)
}

/// Returns the rows of the table, the heading first.
pub(super) fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let has = |metric: &String| {
        summary.cells.iter().filter_map(|c| c.outcome.as_ref()).any(|o| o.metrics.contains_key(metric))
    };
    let metrics: Vec<String> = columns().filter(has).collect();
    let known_words = summary.has_known_words().then_some("known_words");
    let head = ["cell", "status", "epochs"].into_iter().chain(metrics.iter().map(String::as_str));
    let head = head.chain(known_words).chain(["seconds"]);
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for cell in &summary.cells {
        let status = match cell.status {
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Pending => "pending",
        };
        let mut row = vec![cell.id.clone(), status.to_owned()];
        if let Some(outcome) = &cell.outcome {
            row.push(outcome.epochs.to_string());
            row.extend(metrics.iter().map(|name| shown(outcome.metrics.get(name).copied())));
            row.extend(known_words.map(|_| shown(outcome.known_words.as_ref().map(|known| known.all.tokens))));
            row.push(seconds(outcome.seconds, 2));
        }
        rows.push(row);
    }
    rows.extend(prevalence(summary, &metrics, known_words.is_some()));
    rows.extend(baselines(summary, &metrics, known_words.is_some()));
    rows
}

/// Returns a row per baseline that is applicable, with the means over replicates: `(tfidf_lr)`, `(zero_label minilm)`. If an axis
/// changes the rows, its values follow the name: `(tfidf_lr, data.split.train=100)`.
fn baselines(summary: &Summary, metrics: &[String], has_known_words: bool) -> Vec<Vec<String>> {
    let row = |scores: &BaselineScores<'_>| {
        let settings: String = scores.settings.iter().map(|(axis, value)| format!(", {axis}={value}")).collect();
        let embedding = scores.embedding.map(|embedding| format!(" {embedding}")).unwrap_or_default();
        let of_row = [format!("({}{embedding}{settings})", scores.name), String::new(), "-".to_owned()];
        let values = metrics.iter().map(|metric| shown(scores.mean(metric)));
        let others = vec!["-".to_owned(); usize::from(has_known_words) + 1];
        of_row.into_iter().chain(values).chain(others).collect()
    };
    summary.baseline_scores().iter().filter(|scores| scores.not_applicable.is_none()).map(row).collect()
}

/// Formats a number of the table; `-` if there is none.
pub(super) fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| fixed(value, 4))
}

/// Returns the last row of the table, the baseline of PR-AUC: the share of positive rows, or its mean over classes.
fn prevalence(summary: &Summary, metrics: &[String], has_known_words: bool) -> Option<Vec<String>> {
    let share = |metric: &String| match metric.as_str() {
        "val_pr_auc" => summary.data.prevalence(SplitName::Valid),
        "test_pr_auc" => summary.data.prevalence(SplitName::Test),
        _ => None,
    };
    let shares: Vec<Option<f64>> = metrics.iter().map(share).collect();
    shares.iter().any(Option::is_some).then(|| {
        let of_row = ["(prevalence)", "", "-"].map(str::to_owned);
        let others = vec!["-".to_owned(); usize::from(has_known_words) + 1];
        of_row.into_iter().chain(shares.into_iter().map(shown)).chain(others).collect()
    })
}
