//! `summary.csv`: one row per cell, for spreadsheets and data frames.
//!
//! | columns | |
//! |---|---|
//! | `id`, `status` | |
//! | the grid's axes, by dotted key | except `embedding` and `seed`, which have their own columns |
//! | `embedding`, `source`, `dim`, `trainable`, `seed` | |
//! | `epochs`, `best_epoch`, `stopped`, `seconds` | |
//! | `parameters_total`, `parameters_trainable` | |
//! | `bytes_per_text`, `table_bytes`, `encoder_bytes` | of a text's vector, of the table, and of the trained weights of a fine-tuned encoder; empty where there is none |
//! | `known_words`, `texts_without_known_word` | shares; empty for encoders of whole texts |
//! | every metric, by name | |
//! | `device`, `error` | |
//!
//! Numbers have all their digits. Text that a spreadsheet would interpret as a formula gets a leading apostrophe; control
//! characters are escaped, so that a cell is always on one line. UTF-8, comma-separated, LF.

use std::collections::BTreeSet;

use emberline_base::record::{Cell, KnownWords, Outcome, Summary};
use serde_json::Value;

use crate::Run;
use crate::escape::csv_text;
use crate::table::cells::{status_name, stop_name};

/// Renders the table of cells.
pub(super) fn render(run: &Run) -> String {
    let axes = axes(&run.summary);
    let metrics = metrics(&run.summary);
    let mut rows = vec![header(&axes, &metrics)];
    rows.extend(run.summary.cells.iter().map(|cell| row(cell, &axes, &metrics)));
    let lines = rows.iter().map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n");
    lines.collect()
}

/// Quotes a field if necessary.
pub(super) fn quoted(field: &str) -> String {
    if field.contains([',', '"', ' ', ';']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

fn axes(summary: &Summary) -> Vec<&String> {
    let keys = summary.axes.keys().chain(summary.cells.iter().flat_map(|cell| cell.settings.keys()));
    let mut seen = BTreeSet::from(["embedding", "seed"]);
    keys.filter(|axis| seen.insert(axis.as_str())).collect()
}

fn metrics(summary: &Summary) -> Vec<&String> {
    let outcomes = summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    outcomes.flat_map(|outcome| outcome.metrics.keys()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn header(axes: &[&String], metrics: &[&String]) -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut header = fixed(&["id", "status"]);
    header.extend(axes.iter().map(|axis| csv_text(axis)));
    header.extend(fixed(&["embedding", "source", "dim", "trainable", "seed"]));
    header.extend(fixed(&["epochs", "best_epoch", "stopped", "seconds", "parameters_total", "parameters_trainable"]));
    header.extend(fixed(&["bytes_per_text", "table_bytes", "encoder_bytes"]));
    header.extend(fixed(&["known_words", "texts_without_known_word"]));
    header.extend(metrics.iter().map(|name| csv_text(name)));
    header.extend(fixed(&["device", "error"]));
    header
}

fn row(cell: &Cell, axes: &[&String], metrics: &[&String]) -> Vec<String> {
    let of = |get: &dyn Fn(&Outcome) -> String| cell.outcome.as_ref().map(get).unwrap_or_default();
    let mut row = vec![csv_text(&cell.id), status_name(cell.status).to_owned()];
    row.extend(axes.iter().map(|axis| cell.settings.get(*axis).map(axis_value).unwrap_or_default()));
    row.extend([csv_text(&cell.embedding), csv_text(&cell.source), of(&|o| o.dim.to_string())]);
    row.extend([cell.trainable.to_string(), cell.seed.to_string()]);
    row.extend([of(&|o| o.epochs.to_string()), of(&|o| o.best_epoch.to_string())]);
    row.extend([of(&|o| stop_name(o.stopped).to_owned()), of(&|o| number(o.seconds))]);
    row.extend([of(&|o| o.parameters.total.to_string()), of(&|o| o.parameters.trainable.to_string())]);
    let bytes = |bytes: fn(&Outcome) -> Option<u64>| of(&|o| bytes(o).map(|b| b.to_string()).unwrap_or_default());
    row.extend([bytes(|o| o.bytes_per_text), bytes(|o| o.table_bytes), bytes(|o| o.encoder_bytes)]);
    let known =
        |share: fn(&KnownWords) -> f64| of(&|o| o.known_words.as_ref().map(|k| number(share(k))).unwrap_or_default());
    row.extend([known(|known| known.all.tokens), known(|known| known.all.texts_without)]);
    row.extend(metrics.iter().map(|name| of(&|o| o.metrics.get(*name).map(|v| number(*v)).unwrap_or_default())));
    row.extend([of(&|o| csv_text(&o.device)), cell.error.as_deref().map(csv_text).unwrap_or_default()]);
    row
}

/// Formats a number in the shortest form that reads back as the same 64-bit float.
pub(super) fn number(value: f64) -> String {
    format!("{value:?}")
}

/// Formats the value of an axis.
pub(super) fn axis_value(value: &Value) -> String {
    match value {
        Value::String(text) => csv_text(text),
        Value::Number(number) => number.to_string(),
        other => csv_text(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn read(run: &Run) -> Vec<Vec<String>> {
        let text = render(run);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows = reader.records().map(|row| row.expect("a row of equal length").iter().map(str::to_owned).collect());
        rows.collect()
    }

    #[test]
    fn a_row_a_cell_with_numbers_in_full() {
        let run = sample::course();
        let rows = read(&run);
        assert_eq!(rows.len(), 19);
        let column = |name: &str| rows[0].iter().position(|column| column == name).expect("the column");
        assert_eq!(rows[0][..4], ["id", "status", "embedding.trainable", "embedding"]);
        let outcome = run.summary.cells[0].outcome.as_ref().expect("done");
        assert_eq!(rows[1][column("val_pr_auc")].parse(), Ok(outcome.metrics["val_pr_auc"]));
        assert_eq!(rows[1][column("stopped")], "early_stopping");
        assert_eq!((rows[15][column("status")].as_str(), rows[15][column("dim")].as_str()), ("failed", ""));
        assert!(rows[15][column("error")].contains("free\\nin the"));
    }

    #[test]
    fn no_field_is_a_formula_and_no_cell_takes_two_lines() {
        let run = sample::hostile();
        assert_eq!(render(&run).lines().count(), 19);
        for field in read(&run).concat() {
            let number = field.parse::<f64>().is_ok();
            assert!(number || !field.starts_with(['=', '+', '-', '@', '\t']), "{field}");
        }
    }

    #[test]
    fn negative_numbers_stay_numbers() {
        assert_eq!(axis_value(&serde_json::json!(-0.5)), "-0.5");
        assert_eq!(axis_value(&serde_json::json!("-0.5")), "'-0.5");
    }
}
