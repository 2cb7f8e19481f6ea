//! The table of all cells, in the order of the plan: settings, every metric, and how training went.
//!
//! The column `fit` is the [`FitVerdict`], and `gap` the difference of the validation and the training loss that belongs to it.

use emberline_base::Metric;
use emberline_base::record::{Cell, Outcome, Status, Stop, Summary};

use super::{best_in, metric_names, metric_of, reference_note};
use crate::Run;
use crate::document::{Column, Field, Prose, Row, Table};
use crate::fit_verdict::{FitVerdict, Gap};
use crate::grouping::{self, tuning, value_text};
use crate::number::{count, decimals, fixed};
use crate::ranking;

/// Axes that always have a column, whether they vary or not.
const ALWAYS_SHOWN: [&str; 2] = ["embedding", "embedding.trainable"];

/// Creates the table, with one row per cell.
pub(crate) fn table(run: &Run) -> Table {
    let summary = &run.summary;
    let mut axes: Vec<String> =
        grouping::varying_axes(summary).into_iter().filter(|axis| !ALWAYS_SHOWN.contains(&axis.as_str())).collect();
    axes.extend(grouping::split_axes(summary).into_iter().map(|axis| axis.key().to_owned()));
    let mut columns = vec![Column::text("cell"), Column::text("status")];
    columns.extend([Column::text("embedding").minor(), Column::text("source").minor()]);
    columns.extend([Column::number("dim").minor(), Column::text("tuning").minor()]);
    columns.extend(axes.iter().map(|axis| axis_column(summary, axis)));
    columns.push(Column::number("seed"));
    let mut rows: Vec<Row> = summary.cells.iter().map(|cell| settings(cell, &axes)).collect();
    let main = ranking::main_metric(summary).map(|main| main.name);
    for (column, fields) in metrics(summary).into_iter().chain(fits(run)).chain(training(summary)) {
        let is_major = column.name == "fit" || main.as_ref() == Some(&column.name);
        columns.push(if is_major { column } else { column.minor() });
        for (row, field) in rows.iter_mut().zip(fields) {
            row.fields.push(field);
        }
    }
    let caption = "Every cell of the grid, in the order of the plan".to_owned();
    let notes = if columns.iter().any(|column| column.name == GAP) { vec![gap_note()] } else { Vec::new() };
    Table { caption, columns, rows, notes }
}

/// Returns the id and the error message of each failed cell.
pub(crate) fn failures(summary: &Summary) -> Vec<(&str, &str)> {
    let failed = summary.cells.iter().filter(|cell| cell.status == Status::Failed);
    failed.map(|cell| (cell.id.as_str(), cell.error.as_deref().unwrap_or("no cause was recorded"))).collect()
}

/// Returns the name of a status.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Done => "done",
        Status::Failed => "failed",
        Status::Pending => "pending",
    }
}

/// Returns the name of the reason why a fit ended, as in the records.
pub(crate) fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::Epochs => "epochs",
        Stop::EarlyStopping => "early_stopping",
        Stop::Converged => "converged",
        Stop::NotConverged => "not_converged",
    }
}

fn axis_column(summary: &Summary, axis: &str) -> Column {
    let values = summary.cells.iter().filter_map(|cell| cell.settings.get(axis));
    Column {
        name: axis.to_owned(),
        note: String::new(),
        numeric: values.clone().count() > 0 && values.clone().all(|v| v.is_number()),
        ..Column::default()
    }
}

fn settings(cell: &Cell, axes: &[String]) -> Row {
    let dim = cell.outcome.as_ref().map_or_else(Field::none, |o| Field::number(o.dim as f64, o.dim.to_string()));
    let mut fields = vec![
        Field::text(&cell.id),
        Field::text(status_name(cell.status)),
        Field::text(&cell.embedding),
        Field::text(&cell.source),
        dim,
        Field::text(tuning(cell.trainable)),
    ];
    fields.extend(axes.iter().map(|axis| match cell.settings.get(axis) {
        Some(value) => Field { value: value.as_f64(), ..Field::text(value_text(value)) },
        None => Field::none(),
    }));
    fields.push(Field::number(cell.seed as f64, cell.seed.to_string()));
    Row { fields, muted: cell.outcome.is_none() }
}

type Measured = (Column, Vec<Field>);

fn metrics(summary: &Summary) -> Vec<Measured> {
    let column = |name: String| {
        let values = numbers(summary, |outcome| outcome.metrics.get(&name).copied());
        let known: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        let best = best_in(summary, &name, &known);
        let digits = decimals(known);
        let fields = values.iter().zip(best).map(|(value, best)| match value {
            Some(value) => Field { best, ..Field::number(*value, fixed(*value, digits)) },
            None => Field::none(),
        });
        let fields = fields.collect();
        (Column::number(&name).with_note(reference_note(&name, &summary.data)), fields)
    };
    metric_names(summary).into_iter().filter(|name| is_shown(name)).map(column).collect()
}

/// Returns whether a metric has a column: those that are measured after every epoch, the cross-fitted F1 beside them, and
/// names that this program doesn't know. All others are in `summary.csv`.
fn is_shown(name: &str) -> bool {
    metric_of(name).is_none_or(|metric| metric.is_measured_each_epoch() || metric == Metric::CrossFittedF1)
}

fn numbers(summary: &Summary, of: impl Fn(&Outcome) -> Option<f64>) -> Vec<Option<f64>> {
    summary.cells.iter().map(|cell| cell.outcome.as_ref().and_then(&of)).collect()
}

/// The name of the column of gaps.
const GAP: &str = "gap";

/// Creates the columns of the verdicts on the fits; the gap is left out if no cell has validation rows.
fn fits(run: &Run) -> Vec<Measured> {
    let verdict = |cell: &Cell| {
        let history = run.histories.get(&cell.id).map_or(&[][..], Vec::as_slice);
        cell.outcome.as_ref().map(|outcome| FitVerdict::of(outcome, history))
    };
    let verdicts: Vec<Option<FitVerdict>> = run.summary.cells.iter().map(verdict).collect();
    let words = verdicts.iter().map(|verdict| match verdict.as_ref().map(FitVerdict::words) {
        Some(words) if !words.is_empty() => Field::text(words),
        Some(_) | None => Field::none(),
    });
    let mut columns = vec![(Column::text("fit"), words.collect())];
    let gaps: Vec<Option<Gap>> = verdicts.iter().map(|verdict| verdict.as_ref().and_then(|v| v.gap)).collect();
    if gaps.iter().any(Option::is_some) {
        columns.push((Column::number(GAP).with_note("val_loss − loss"), gap_fields(&gaps)));
    }
    columns
}

fn gap_fields(gaps: &[Option<Gap>]) -> Vec<Field> {
    let digits = decimals(gaps.iter().flatten().map(|gap| gap.value));
    let field = |Gap { value, interval }: &Gap| Field {
        detail: interval
            .map(|(low, high)| format!("[{}, {}]", fixed(low, digits), fixed(high, digits)))
            .unwrap_or_default(),
        ..Field::number(*value, fixed(*value, digits))
    };
    gaps.iter().map(|gap| gap.as_ref().map_or_else(Field::none, field)).collect()
}

fn gap_note() -> Prose {
    Prose::default().plain(
        "Gap: how much higher the loss of the best epoch is on the validation rows than it was on the training rows, with \
         its 95 % interval over validation rows.",
    )
}

/// Creates the columns about training: epochs, time, parameters, device and known words.
fn training(summary: &Summary) -> Vec<Measured> {
    let column = |column: Column, field: &dyn Fn(&Outcome) -> Field| {
        let fields = summary.cells.iter().map(|cell| cell.outcome.as_ref().map_or_else(Field::none, field));
        (column, fields.collect::<Vec<_>>())
    };
    let mut columns = vec![
        column(Column::number("best epoch"), &|o| Field {
            detail: format!("of {}", o.epochs),
            ..Field::number(o.best_epoch.into(), o.best_epoch.to_string())
        }),
        column(Column::text("stopped by"), &|o| Field::text(stop_name(o.stopped).replace('_', " "))),
        column(Column::number("seconds"), &|o| Field::number(o.seconds, fixed(o.seconds, 1))),
        column(Column::number("parameters").with_note("total"), &|o| total(o.parameters.total)),
        column(Column::number("trainable"), &|o| total(o.parameters.trainable)),
        column(Column::text("device"), &|o| Field::text(&o.device)),
    ];
    if summary.has_known_words() {
        columns.push(column(Column::number("known words"), &|o| share(o.known_words.as_ref().map(|k| k.all.tokens))));
        let without = |o: &Outcome| share(o.known_words.as_ref().map(|known| known.all.texts_without));
        columns.push(column(Column::number("texts without").with_note("a known word"), &without));
    }
    columns
}

/// Creates a field of a share, shown as a percentage.
pub(crate) fn share(share: Option<f64>) -> Field {
    share.map_or_else(Field::none, |share| Field::number(share, format!("{:.1} %", 100.0 * share)))
}

fn total(parameters: u64) -> Field {
    Field::number(parameters as f64, count(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_cell_has_a_whole_row_and_failures_their_cause() {
        let run = sample::course();
        let table = table(&run);
        assert_eq!(table.rows.len(), 18);
        assert!(table.rows.iter().all(|row| row.fields.len() == table.columns.len()));
        let statuses: Vec<&str> = table.rows.iter().map(|row| row.fields[1].text.as_str()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == "done").count(), 16);
        assert_eq!(failures(&run.summary).len(), 1);
        assert!(failures(&run.summary)[0].1.contains("out of memory"));
    }

    #[test]
    fn varying_axes_have_columns_and_fixed_ones_do_not() {
        let names: Vec<String> = table(&sample::sweep()).columns.into_iter().map(|c| c.name).collect();
        assert!(
            names.contains(&"embedding.dim".to_owned())
                && names.contains(&"train.optimizer.adam.learning_rate".to_owned())
        );
        assert!(!names.contains(&"embedding.trainable".to_owned()));
    }
}
