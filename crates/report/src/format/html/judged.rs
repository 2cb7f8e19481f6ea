//! The charts and tables of the chosen model's decisions: precision-recall, ROC and calibration curves, classes and slices.

use emberline_base::Task;

use crate::chart::axis::Axis;
use crate::chart::{Chart, LineStyle, Proportions, Series};
use crate::document::{Column, Field, Prose, Row, Table};
use crate::evaluation::Evaluation;
use crate::evaluation::classes::{self, ClassRow};
use crate::evaluation::curves::{OutputCurves, calibration, of_output};
use crate::evaluation::slices::Slice;
use crate::number::{count, fixed, single};

/// The decimals of shares in tables.
const DIGITS: usize = 4;

/// Returns the three charts, and the legend of the classes; a binary task has one curve and needs no legend.
pub(super) fn charts(evaluation: &Evaluation, drawn: &[OutputCurves]) -> (Vec<Chart>, Vec<(usize, String)>) {
    let others: Vec<OutputCurves> =
        evaluation.others.iter().map(|(logits, targets)| of_output(evaluation.task, logits, targets, 0)).collect();
    let lines = |points: fn(&OutputCurves) -> &Vec<(f64, f64)>| {
        let line =
            |mark, style, curves: &OutputCurves| Series { mark, style, shift: 0.0, points: points(curves).clone() };
        let thin = others.iter().map(|curves| line(0, LineStyle::Thin, curves));
        let bold = drawn.iter().enumerate().map(|(mark, curves)| line(mark, LineStyle::Mean, curves));
        thin.chain(bold).collect::<Vec<_>>()
    };
    let prevalence = match drawn {
        [only] => Some(only.positives as f64 / evaluation.rows() as f64),
        _ => None,
    };
    let precision_recall = Chart {
        title: "precision by recall".to_owned(),
        description: describe(evaluation, drawn, "average precision", |curves| curves.average_precision),
        reference: prevalence.map(|share| (share, format!("no skill {}", single(share)))),
        series: lines(|curves| &curves.precision_recall),
        ..square("pr", "recall", "precision")
    };
    let diagonal = Series { mark: 0, style: LineStyle::Reference, shift: 0.0, points: vec![(0.0, 0.0), (1.0, 1.0)] };
    let mut roc_lines = lines(|curves| &curves.roc);
    roc_lines.insert(0, diagonal);
    let roc = Chart {
        title: "ROC: true positive rate by false positive rate".to_owned(),
        description: describe(evaluation, drawn, "area under the ROC curve", |curves| curves.roc_auc),
        series: roc_lines,
        ..square("roc", "false positive rate", "true positive rate")
    };
    let legend =
        drawn.iter().enumerate().map(|(mark, curves)| (mark, evaluation.class_of_output(curves.output).to_owned()));
    let legend = if evaluation.task == Task::Binary { Vec::new() } else { legend.collect() };
    (vec![precision_recall, roc, calibration_chart(evaluation)], legend)
}

/// Returns an empty chart of two shares.
fn square(key: &'static str, x: &str, y: &str) -> Chart {
    Chart {
        key,
        title: String::new(),
        description: String::new(),
        labels: (x.to_owned(), y.to_owned()),
        x: Axis::share(),
        y: Axis::share(),
        reference: None,
        series: Vec::new(),
        proportions: Proportions::Square,
    }
}

fn describe(
    evaluation: &Evaluation,
    drawn: &[OutputCurves],
    area: &str,
    of: fn(&OutputCurves) -> Option<f64>,
) -> String {
    let one = |curves: &OutputCurves| {
        let value = of(curves).map_or_else(|| "not defined".to_owned(), single);
        format!("{}: {value}", evaluation.class_of_output(curves.output))
    };
    format!("The {area}. {}.", drawn.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn calibration_chart(evaluation: &Evaluation) -> Chart {
    let (points, error) = calibration(&evaluation.predictions());
    let series = |style, points| Series { mark: 0, style, shift: 0.0, points };
    let mut lines = vec![series(LineStyle::Reference, vec![(0.0, 0.0), (1.0, 1.0)])];
    lines.extend(points.iter().map(|point| {
        let (low, high) = point.interval;
        series(LineStyle::Thin, vec![(point.probability, low), (point.probability, high)])
    }));
    lines.push(series(LineStyle::Mean, points.iter().map(|point| (point.probability, point.frequency)).collect()));
    let of_what = match evaluation.task {
        Task::Binary => "the positive class",
        Task::MultiClass => "the predicted class",
        Task::MultiLabel => "every label",
    };
    let bins = points.iter().map(|point| format!("{} at {}", single(point.frequency), single(point.probability)));
    Chart {
        title: format!("calibration: how often a probability of {of_what} came true"),
        description: format!("Calibration error {}. {}.", single(error), bins.collect::<Vec<_>>().join(", ")),
        series: lines,
        ..square("calibration", &format!("probability of {of_what}"), "came true")
    }
}

/// Returns the decisions for one class.
pub(super) fn class_counts(evaluation: &Evaluation, class: usize) -> ClassRow {
    classes::rows(evaluation).swap_remove(class)
}

/// Returns the table of precision, recall and F1 by class.
pub(super) fn class_table(evaluation: &Evaluation) -> Table {
    let row = |of: ClassRow| {
        let share = |value: f64| Field::number(value, fixed(value, DIGITS));
        let number = |value: f64| Field::number(value, count(value as u64));
        let name = Field::text(evaluation.class_name(of.class as u32));
        let counts = [of.counts.positives, of.counts.predicted, of.counts.true_positives].map(number);
        Row {
            fields: [name].into_iter().chain(counts).chain([of.precision, of.recall, of.f1].map(share)).collect(),
            muted: false,
        }
    };
    let decided = match (evaluation.task, evaluation.threshold) {
        (Task::Binary, Some(threshold)) => format!("decided at {}", single(threshold)),
        (Task::Binary | Task::MultiLabel, _) => "decided at 0.5".to_owned(),
        (Task::MultiClass, _) => "the most probable class".to_owned(),
    };
    Table {
        caption: format!("Classes on {} {}, {decided}", count(evaluation.rows() as u64), evaluation.noun()),
        columns: [Column::text("class")]
            .into_iter()
            .chain(["rows", "predicted", "right", "precision", "recall", "F1"].map(Column::number))
            .collect(),
        rows: classes::rows(evaluation).into_iter().map(row).collect(),
        notes: Vec::new(),
    }
}

/// Returns the table of slices.
pub(super) fn slice_table(evaluation: &Evaluation, slices: &[Slice]) -> Table {
    let has_f1 = slices.iter().any(|slice| slice.f1.is_some());
    let row = |slice: &Slice| {
        let (low, high) = slice.interval;
        let interval = format!("[{}, {}]", fixed(low, DIGITS), fixed(high, DIGITS));
        let mut fields = vec![
            Field::text(slice.by),
            Field::text(&slice.name),
            Field::number(slice.rows as f64, count(slice.rows as u64)),
            Field { detail: interval, ..Field::number(slice.right, fixed(slice.right, DIGITS)) },
        ];
        fields.extend(has_f1.then(|| slice.f1.map_or_else(Field::none, |f1| Field::number(f1, fixed(f1, DIGITS)))));
        Row { fields, muted: false }
    };
    let right = if evaluation.task == Task::MultiLabel { "all labels right" } else { "right" };
    let mut columns = vec![Column::text("by"), Column::text("slice"), Column::number("rows")];
    columns.push(Column::number(right).with_note("95 % interval"));
    columns.extend(has_f1.then(|| Column::number("F1").with_note(evaluation.class_of_output(0).to_owned())));
    let note =
        "Many slices are compared here at once, so one of them is easily low by chance: its interval says how easily.";
    Table {
        caption: format!("Slices of the {}", evaluation.noun()),
        columns,
        rows: slices.iter().map(row).collect(),
        notes: vec![Prose::default().plain(note)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::curves::of_outputs;
    use crate::sample;

    #[test]
    fn a_binary_task_has_three_charts_of_one_curve() {
        let evaluation = sample::evaluation();
        let (charts, legend) = charts(&evaluation, &of_outputs(&evaluation, 12));
        assert_eq!(charts.iter().map(|chart| chart.key).collect::<Vec<_>>(), ["pr", "roc", "calibration"]);
        assert!(legend.is_empty() && charts[0].reference.is_some());
    }

    #[test]
    fn several_classes_have_a_curve_each() {
        for evaluation in [sample::evaluation_of_classes(), sample::evaluation_of_labels()] {
            let (charts, legend) = charts(&evaluation, &of_outputs(&evaluation, 2));
            let bold = charts[0].series.iter().filter(|series| series.style == LineStyle::Mean).count();
            assert_eq!((legend.len(), bold), (2, 2));
        }
    }
}
