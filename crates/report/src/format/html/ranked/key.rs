//! The key of the picture of ranked settings, and its signature.

use emberline_base::record::Summary;
use emberline_base::record::answer::{Level, ScoredRows};

use super::{BASELINES, Ranked};
use crate::chart::axis::Axis;
use crate::escape::html;
use crate::number::{count, counted, single};
use crate::ranking::Ranking;
use crate::table::baselines::name_of;

/// Renders the key: what dots, bars, rings and lines are, with the scores of baselines that are the same for all settings.
pub(super) fn render(summary: &Summary, rows: &[&Ranked<'_>], axis: &Axis, has_validation: bool) -> String {
    let svg = |inner: &str| format!("<svg class=\"swatch\" viewBox=\"0 0 30 14\" aria-hidden=\"true\">{inner}</svg>");
    let dot = "<circle class=\"dot\" cx=\"15\" cy=\"7\" r=\"5\"/>";
    let mut items = Vec::new();
    if rows.iter().any(|row| row.is_best) {
        items.push(format!("<span class=\"best\">{}</span>the best group: not told apart from the first", svg(dot)));
    }
    let has_intervals = rows.iter().any(|row| row.interval.is_some());
    let bar = "<line class=\"bar\" x1=\"2\" x2=\"28\" y1=\"7\" y2=\"7\"/>";
    let level = summary.answer.as_ref().map_or(0.05, |answer| answer.alpha);
    let words = format!("score with its {:.0} % interval", (1.0 - level) * 100.0);
    items.push(
        svg(&format!("{}{dot}", if has_intervals { bar } else { "" })) + if has_intervals { &words } else { "score" },
    );
    if has_validation {
        items.push(svg("<circle class=\"ring\" cx=\"15\" cy=\"7\" r=\"4\"/>") + "score on validation rows");
    }
    for (kind, (_, words)) in BASELINES.iter().enumerate() {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.baselines[kind]).collect();
        let Some(text) = baseline_text(summary, kind, words, &values, axis) else { continue };
        items.push(svg(&format!("<line class=\"b{kind}\" x1=\"15\" x2=\"15\" y1=\"0\" y2=\"14\"/>")) + &html(&text));
    }
    let items: String = items.iter().map(|item| format!("<li>{item}</li>")).collect();
    format!("<ul class=\"legend key\">{items}</ul>\n")
}

/// Says which baseline a line is, and its score; `None` if there is none.
fn baseline_text(summary: &Summary, kind: usize, words: &str, values: &[f64], axis: &Axis) -> Option<String> {
    let names = BASELINES[kind].0;
    let measured = |name: &&&str| {
        summary.baseline_scores().iter().any(|scores| scores.name == **name && !scores.metrics.is_empty())
    };
    let title = names.iter().filter(measured).map(|name| name_of(name)).collect::<Vec<_>>().join(" or ");
    let (low, high) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
    let score = if low == high { single(low) } else { format!("{} to {}", single(low), single(high)) };
    let place = if axis.place(high) < 0.0 {
        ", left of the picture"
    } else if axis.place(low) > 1.0 {
        ", right of the picture"
    } else {
        ""
    };
    Some(format!("{title} ({words}): {score}{place}"))
}

/// Returns the parts of the signature: what the scores were measured on.
pub(super) fn signed(summary: &Summary, ranking: &Ranking<'_>, settings: usize) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(answer) = &summary.answer {
        let rows = match answer.scored {
            ScoredRows::Test => summary.data.splits.test.as_ref().map(|split| (split.rows, "test")),
            ScoredRows::Validation => summary.data.splits.valid.as_ref().map(|split| (split.rows, "validation")),
        };
        parts.extend(rows.map(|(rows, name)| format!("n = {} {name} rows", count(rows as u64))));
        if answer.replicates.splits > 1 {
            parts.push(counted(answer.replicates.splits, "split"));
        }
        if answer.replicates.seeds > 1 {
            parts.push(format!("{} per split", counted(answer.replicates.seeds, "seed")));
        }
        parts.push(match answer.level {
            Level::Embeddings => "intervals over splits, corrected for shared rows".to_owned(),
            Level::Heads => "intervals over evaluated rows, of the heads trained here".to_owned(),
            Level::None => "no interval".to_owned(),
        });
    }
    let done = ranking.settings.iter().flat_map(|setting| setting.done()).count();
    parts.push(format!("{} of {}", counted(settings, "setting"), counted(done, "cell")));
    parts
}
