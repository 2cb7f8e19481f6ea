//! The confusion matrix, and the confusions that occur most often.

use std::fmt::Write as _;

use super::parts::{label, signature};
use crate::evaluation::Evaluation;
use crate::evaluation::classes::{Confusion, confusion};
use crate::number::count;

/// Maximum number of classes of the matrix.
const MAX_CLASSES: usize = 25;

/// Maximum number of confusions that are listed.
const MAX_PAIRS: usize = 10;

/// Number of shades of a field.
const SHADES: u64 = 6;

/// Renders the matrix; nothing for a multi-label task.
pub(super) fn render(evaluation: &Evaluation) -> String {
    let Some(confusion) = confusion(evaluation, MAX_CLASSES, MAX_PAIRS) else { return String::new() };
    let mut out = String::from("<h3>What is taken for what</h3>\n<div class=\"side-by-side\">\n");
    out.push_str(&matrix(evaluation, &confusion));
    if evaluation.classes.len() > 2 && !confusion.pairs.is_empty() {
        out.push_str(&pairs(evaluation, &confusion));
    }
    out.push_str("</div>\n");
    let shown = if confusion.is_whole {
        String::new()
    } else {
        format!("the {} classes confused most", confusion.classes.len())
    };
    let rows = format!("n = {} {}", count(evaluation.rows() as u64), evaluation.noun());
    out + &signature(&[rows, shown, "shades: the share of the true class".to_owned()])
}

fn matrix(evaluation: &Evaluation, confusion: &Confusion) -> String {
    let name = |class: usize| label(class_name(evaluation, class));
    let mut out = String::from(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Confusion matrix\" tabindex=\"0\">\n<table class=\"confusion\">\
         <caption><span>True class by row, predicted class by column</span></caption>\n<thead><tr><th scope=\"col\">true \\ predicted</th>",
    );
    for &class in &confusion.classes {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{}</th>", name(class));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (at, counts) in confusion.counts.iter().enumerate() {
        let truth = confusion.classes.get(at).copied().unwrap_or(evaluation.classes.len());
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", name(truth));
        let all = counts.iter().sum::<u64>().max(1);
        for (&n, &predicted) in counts.iter().zip(&confusion.classes) {
            let shade = (n * SHADES).div_ceil(all);
            let kind = if predicted == truth { "right" } else { "wrong" };
            let _ = write!(out, "<td class=\"n {kind} c{shade}\" data-pair=\"{truth} {predicted}\">{}</td>", count(n));
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody></table>\n</div>\n"
}

fn pairs(evaluation: &Evaluation, confusion: &Confusion) -> String {
    let name = |class: usize| label(class_name(evaluation, class));
    let mut out = String::from(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Frequent confusions\" tabindex=\"0\">\n<table>\
         <caption><span>The most frequent confusions</span></caption>\n<thead><tr><th scope=\"col\">true</th>\
         <th scope=\"col\">predicted</th><th scope=\"col\" class=\"n\">rows</th></tr></thead>\n<tbody>\n",
    );
    for &(truth, predicted, rows) in &confusion.pairs {
        let (truth_name, predicted_name) = (name(truth), name(predicted));
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{truth_name}</th><td>{predicted_name}</td><td class=\"n\" data-pair=\"{truth} {predicted}\">{}</td></tr>",
            count(rows)
        );
    }
    out + "</tbody></table>\n</div>\n"
}

/// An index beyond the last class is that of labels unseen in training.
fn class_name(evaluation: &Evaluation, class: usize) -> &str {
    let known = u32::try_from(class).ok().filter(|class| (*class as usize) < evaluation.classes.len());
    evaluation.class_name(known.unwrap_or(crate::evaluation::UNKNOWN_CLASS))
}
