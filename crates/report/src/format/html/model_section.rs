//! The section on the chosen model: its curves, what moves with the threshold, its classes, its mistakes and its slices.

use std::fmt::Write as _;

use emberline_base::Task;

use super::interactive::Interactive;
use super::parts::{Section, label, notes, pictures, signature, table};
use super::{confusion, judged, mistakes};
use crate::document::Prose;
use crate::evaluation::mistakes::predicted_rows;
use crate::evaluation::slices::slices;
use crate::evaluation::{Evaluation, curves};
use crate::number::{count, counted, single};

/// Maximum number of classes whose curves are drawn: those with the most rows.
const MAX_CURVES: usize = 12;

/// Renders the section; without stored predictions it says so.
pub(super) fn render(evaluation: Option<&Evaluation>, interactive: &mut Interactive) -> Section {
    let Some(evaluation) = evaluation else {
        let body =
            "<p>There are no stored predictions of a chosen model, so there are no curves, mistakes and slices.</p>\n";
        return Section::new("model", "The chosen model", body.to_owned()).linked("Chosen model");
    };
    let mut body = introduction(evaluation);
    let drawn = curves::of_outputs(evaluation, MAX_CURVES);
    let (charts, legend) = judged::charts(evaluation, &drawn);
    body.push_str("<h3>How well it ranks, and whether its probabilities are right</h3>\n");
    body.push_str(&pictures(&charts, &legend, &signed(evaluation, &drawn)));
    body.push_str(&judged_notes(evaluation, drawn.len()));
    body.push_str(&threshold(evaluation));
    body.push_str(&confusion::render(evaluation));
    body.push_str(&table(&judged::class_table(evaluation)));
    let predicted = predicted_rows(evaluation);
    body.push_str(&mistakes::render(evaluation, &predicted));
    let slices = slices(evaluation, &predicted);
    if !slices.is_empty() {
        body.push_str("<h3>Where it is good, and where it isn't</h3>\n");
        body.push_str(&table(&judged::slice_table(evaluation, &slices)));
    }
    interactive.set_model(evaluation);
    Section::new("model", "The chosen model", body).linked("Chosen model")
}

fn introduction(evaluation: &Evaluation) -> String {
    format!(
        "<p class=\"lead\"><strong>{}</strong>: the model that <code>predict</code> and <code>export</code> use, \
         unless there is a refit, on the {} {} of its own split.</p>\n<p class=\"notes\">{}</p>\n",
        label(&evaluation.setting),
        count(evaluation.rows() as u64),
        evaluation.noun(),
        label(&format!("Cell {}: {}.", evaluation.cell, evaluation.choice))
    )
}

fn signed(evaluation: &Evaluation, drawn: &[curves::OutputCurves]) -> Vec<String> {
    let rows = format!("n = {} {}", count(evaluation.rows() as u64), evaluation.noun());
    let areas = match drawn {
        [only] if evaluation.task == Task::Binary => {
            let area = |area: Option<f64>| area.map_or_else(|| "–".to_owned(), single);
            let positives = counted(only.positives, "positive row");
            format!("{positives}, average precision {}, ROC-AUC {}", area(only.average_precision), area(only.roc_auc))
        }
        _ => "each class against the rest".to_owned(),
    };
    let error = curves::calibration(&evaluation.predictions()).1;
    vec![rows, areas, format!("calibration error {} in 15 bins", single(error)), "1 cell".to_owned()]
}

fn judged_notes(evaluation: &Evaluation, drawn: usize) -> String {
    let mut lines = Vec::new();
    if !evaluation.others.is_empty() {
        let others = counted(evaluation.others.len(), "other replicate");
        lines.push(format!("Thin lines: the {others} of the setting, each on its own rows."));
    }
    if evaluation.logits.cols() > drawn {
        lines.push(format!(
            "Drawn are the {drawn} classes with the most rows of {}.",
            counted(evaluation.logits.cols(), "class")
        ));
    }
    lines.push(
        "Calibration: bars are 95 % intervals of how often a probability came true; on the diagonal it is right."
            .to_owned(),
    );
    let lines: Vec<Prose> = lines.into_iter().map(|line| Prose::default().plain(line)).collect();
    notes(&lines)
}

/// Renders the counts at the threshold. The script adds the control that moves it.
fn threshold(evaluation: &Evaluation) -> String {
    let chosen = evaluation.threshold.unwrap_or(0.5);
    let mut out = String::from("<div class=\"threshold\" id=\"threshold\">\n<h3>What the threshold decides</h3>\n");
    match evaluation.task {
        Task::Binary => {
            let counts = judged::class_counts(evaluation, 1);
            let why = if evaluation.threshold.is_some() { "chosen on validation rows" } else { "the default" };
            let _ = writeln!(
                out,
                "<p class=\"decides\">A text is predicted as <strong>{}</strong> from a probability of {} on, {why}: {} of {} are found \
                 (recall {}), and {} of {} predictions are right (precision {}); F1 {}.</p>",
                label(evaluation.class_of_output(0)),
                single(chosen),
                count(counts.counts.true_positives as u64),
                count(counts.counts.positives as u64),
                single(counts.recall),
                count(counts.counts.true_positives as u64),
                count(counts.counts.predicted as u64),
                single(counts.precision),
                single(counts.f1)
            );
        }
        Task::MultiClass => out.push_str(
            "<p class=\"decides\">The most probable class is predicted. To find the texts of one class, its probability can have a threshold.</p>\n",
        ),
        Task::MultiLabel => {
            out.push_str("<p class=\"decides\">Every label with a probability above 0.5 is predicted.</p>\n");
        }
    }
    let rows = format!("n = {} {}", count(evaluation.rows() as u64), evaluation.noun());
    out.push_str(&signature(&[rows, "the threshold moves here only; it changes no record".to_owned()]));
    out + "</div>\n"
}
