//! `settings.csv` and `settings.json`: one row or object per setting, the best first, with the means over its replicates and what may
//! be claimed of them, so that a notebook need not compute them again.
//!
//! | columns of `settings.csv` | |
//! |---|---|
//! | `setting` | what reports call it |
//! | the grid's axes, by dotted key | without replicate axes |
//! | `embedding`, `source`, `trainable`, `dim` | |
//! | `cells_done`, `cells_failed`, `cells_pending` | |
//! | `metric`, `mean`, `low`, `high`, `confidence` | the score that the answer compares, with its interval |
//! | `rank_low`, `rank_high`, `in_best_group` | the ranks that the setting may have |
//! | `to_leader`, `to_leader_low`, `to_leader_high`, `p_adjusted`, `told_apart` | the score minus the leader's, adjusted for all pairs |
//! | `<metric>_mean`, `<metric>_sd`, `<metric>_n` | of every metric |
//! | `epochs_mean`, `seconds_mean`, `seconds_sd` | |
//! | `parameters_total`, `parameters_trainable`, `bytes_per_text`, `table_bytes`, `encoder_bytes` | |
//!
//! Numbers have all their digits; what is unknown is empty. Text is escaped as in `summary.csv`. `settings.json` is a list of
//! [`SettingScores`] as they are.

use std::collections::BTreeSet;

use super::csv::{axis_value, number, quoted};
use crate::Run;
use crate::escape::csv_text;
use crate::setting_scores::{SettingScores, Spread, setting_scores};
use crate::table::metric_names;

/// Renders `settings.json`.
pub(super) fn json(run: &Run) -> String {
    let mut text = serde_json::to_string_pretty(&setting_scores(&run.summary)).unwrap_or_default();
    text.push('\n');
    text
}

/// Renders `settings.csv`.
pub(super) fn csv(run: &Run) -> String {
    let scores = setting_scores(&run.summary);
    let (axes, metrics) = (axes(&scores), metric_names(&run.summary));
    let mut rows = vec![header(&axes, &metrics)];
    rows.extend(scores.iter().map(|scores| row(scores, &axes, &metrics)));
    rows.iter().map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n").collect()
}

fn axes(scores: &[SettingScores]) -> Vec<&String> {
    // These have columns of their own.
    let mut seen = BTreeSet::from(["embedding"]);
    scores.iter().flat_map(|scores| scores.setting.keys()).filter(|axis| seen.insert(axis.as_str())).collect()
}

fn header(axes: &[&String], metrics: &[String]) -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut header = fixed(&["setting"]);
    header.extend(axes.iter().map(|axis| csv_text(axis)));
    header.extend(fixed(&["embedding", "source", "trainable", "dim", "cells_done", "cells_failed", "cells_pending"]));
    header.extend(fixed(&["metric", "mean", "low", "high", "confidence", "rank_low", "rank_high", "in_best_group"]));
    header.extend(fixed(&["to_leader", "to_leader_low", "to_leader_high", "p_adjusted", "told_apart"]));
    for name in metrics.iter().map(|name| csv_text(name)) {
        header.extend(["mean", "sd", "n"].map(|part| format!("{name}_{part}")));
    }
    header.extend(fixed(&["epochs_mean", "seconds_mean", "seconds_sd", "parameters_total", "parameters_trainable"]));
    header.extend(fixed(&["bytes_per_text", "table_bytes", "encoder_bytes"]));
    header
}

fn row(scores: &SettingScores, axes: &[&String], metrics: &[String]) -> Vec<String> {
    let mut row = vec![csv_text(&scores.label)];
    row.extend(axes.iter().map(|axis| scores.setting.get(*axis).map(axis_value).unwrap_or_default()));
    row.extend([csv_text(&scores.embedding), csv_text(&scores.source), scores.trainable.to_string()]);
    row.push(scores.sizes.map(|sizes| sizes.dim.to_string()).unwrap_or_default());
    row.extend([scores.cells.done, scores.cells.failed, scores.cells.pending].map(|count| count.to_string()));
    row.extend(claims(scores));
    for name in metrics {
        let spread = scores.metrics.get(name);
        row.extend([mean(spread), deviation(spread), spread.map(|spread| spread.n.to_string()).unwrap_or_default()]);
    }
    row.extend([mean(scores.epochs.as_ref()), mean(scores.seconds.as_ref()), deviation(scores.seconds.as_ref())]);
    let size = |of: fn(&crate::SettingSizes) -> Option<u64>| {
        scores.sizes.as_ref().and_then(of).map(|size| size.to_string()).unwrap_or_default()
    };
    row.extend([size(|s| Some(s.parameters)), size(|s| Some(s.trainable_parameters))]);
    row.extend([size(|s| s.bytes_per_text), size(|s| s.table_bytes), size(|s| s.encoder_bytes)]);
    row
}

/// Returns the fields of what the answer claims; empty ones if it claims nothing.
fn claims(scores: &SettingScores) -> Vec<String> {
    let Some(claimed) = &scores.answer else { return vec![String::new(); 13] };
    let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
    let to_leader = claimed.to_leader.as_ref();
    vec![
        csv_text(&claimed.metric),
        number(claimed.mean),
        optional(claimed.low),
        optional(claimed.high),
        number(claimed.confidence),
        claimed.rank_low.to_string(),
        claimed.rank_high.to_string(),
        claimed.in_best_group.to_string(),
        optional(to_leader.map(|pair| pair.difference)),
        optional(to_leader.map(|pair| pair.low)),
        optional(to_leader.map(|pair| pair.high)),
        optional(to_leader.map(|pair| pair.p_adjusted)),
        to_leader.map(|pair| pair.told_apart.to_string()).unwrap_or_default(),
    ]
}

fn mean(spread: Option<&Spread>) -> String {
    spread.map(|spread| number(spread.mean)).unwrap_or_default()
}

fn deviation(spread: Option<&Spread>) -> String {
    spread.and_then(|spread| spread.standard_deviation).map(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sample;

    fn read(run: &Run) -> Vec<Vec<String>> {
        let text = csv(run);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|row| row.expect("rows of equal length").iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_row_a_setting_with_the_answers_numbers_in_full() {
        let run = sample::of_five_splits();
        let rows = read(&run);
        assert_eq!(rows.len(), 3);
        let column = |name: &str| rows[0].iter().position(|column| column == name).expect("the column");
        let answer = run.summary.answer.as_ref().expect("an answer");
        let best = &answer.settings[0];
        assert_eq!(rows[1][column("setting")], best.label);
        assert_eq!(rows[1][column("mean")].parse(), Ok(best.mean));
        assert_eq!(rows[1][column("low")].parse().ok(), best.low);
        assert_eq!(rows[1][column("rank_high")], best.rank_high.to_string());
        assert_eq!(rows[2][column("to_leader")].parse(), Ok(-answer.pairs[0].difference));
        assert_eq!((rows[1][column("val_pr_auc_n")].as_str(), rows[1][column("cells_done")].as_str()), ("10", "10"));
    }

    #[test]
    fn json_holds_the_same() {
        let run = sample::course();
        let list: Vec<Value> = serde_json::from_str(&json(&run)).expect("JSON");
        let rows = read(&run);
        assert_eq!(list.len(), 6);
        for (object, row) in list.iter().zip(&rows[1..]) {
            assert_eq!(object["label"], row[0].as_str());
            assert!(object["metrics"]["val_pr_auc"]["mean"].is_f64() && object["cells"]["done"].is_u64(), "{object}");
        }
    }

    #[test]
    fn hostile_names_are_no_formulas() {
        let run = sample::hostile();
        for field in read(&run).concat() {
            assert!(field.parse::<f64>().is_ok() || !field.starts_with(['=', '+', '-', '@', '\t']), "{field}");
        }
        assert_eq!(csv(&run).lines().count(), 7);
    }
}
