//! Tables that fit a width: the first column is shortened, and columns on the right are left out.

use crate::layout::{padded, shortened, shortened_name, width};

/// Blanks between two columns.
const GAP: usize = 2;
/// Number of columns of the terminal that the first column keeps before others are left out.
const MIN_FIRST: usize = 30;

/// A column: its heading and its fields, one per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Column {
    pub(crate) head: String,
    pub(crate) fields: Vec<String>,
}

impl Column {
    pub(crate) fn new(head: impl Into<String>, fields: Vec<String>) -> Self {
        Self { head: head.into(), fields }
    }

    fn width(&self) -> usize {
        self.fields.iter().map(|field| width(field)).chain([width(&self.head)]).max().unwrap_or(0)
    }

    fn is_numeric(&self) -> bool {
        self.fields.iter().all(|field| is_number(field))
    }
}

/// Returns whether a field is aligned as a number.
pub(crate) fn is_number(text: &str) -> bool {
    text.is_empty() || text == "-" || text.replace([',', '_'], "").parse::<f64>().is_ok()
}

/// Returns the lines of a table of at most `columns` columns, the heading first. The first column names the rows; the others are in
/// the order of their importance.
pub(crate) fn fitted(mut table: Vec<Column>, columns: usize) -> Vec<String> {
    let Some(first) = table.first().map(Column::width) else { return Vec::new() };
    let others = |table: &[Column]| table.iter().skip(1).map(|column| column.width() + GAP).sum::<usize>();
    while table.len() > 2 && first.min(MIN_FIRST) + others(&table) > columns {
        table.pop();
    }
    let first = first.min(columns.saturating_sub(others(&table)).max(first.min(MIN_FIRST)));
    let shapes: Vec<(usize, bool)> = table
        .iter()
        .enumerate()
        .map(|(at, column)| (if at == 0 { first } else { column.width() }, at > 0 && column.is_numeric()))
        .collect();
    let rows = table.iter().map(|column| column.fields.len()).max().unwrap_or(0);
    let line = |field: &dyn Fn(&Column) -> String| {
        let fields = table
            .iter()
            .zip(&shapes)
            .map(|(column, &(width, is_numeric))| padded(&shortened_name(&field(column), width), width, is_numeric));
        let line = fields.collect::<Vec<_>>().join(&" ".repeat(GAP));
        shortened(line.trim_end(), columns)
    };
    let heading = line(&|column| column.head.clone());
    let rows = (0..rows).map(|row| line(&|column| column.fields.get(row).cloned().unwrap_or_default()));
    std::iter::once(heading).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Column> {
        let fields = |fields: [&str; 2]| fields.map(str::to_owned).to_vec();
        vec![
            Column::new("setting", fields(["pretrained · fine-tuned · train 1000", "日本語 · frozen"])),
            Column::new("test_f1", fields(["0.5000", "-"])),
            Column::new("interval", fields(["[0.4, 0.6]", ""])),
            Column::new("seconds", fields(["12.5", "1,000.0"])),
        ]
    }

    #[test]
    fn columns_align_and_numbers_stand_on_the_right() {
        assert_eq!(
            fitted(table(), 100),
            [
                "setting                               test_f1  interval    seconds",
                "pretrained · fine-tuned · train 1000   0.5000  [0.4, 0.6]     12.5",
                "日本語 · frozen                             -              1,000.0",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_right() {
        assert_eq!(
            fitted(table(), 52),
            [
                "setting                          test_f1  interval",
                "pretrained · fi…ed · train 1000   0.5000  [0.4, 0.6]",
                "日本語 · frozen                        -",
            ]
        );
        for columns in 1..120 {
            assert!(fitted(table(), columns).iter().all(|line| width(line) <= columns), "{columns}");
        }
        assert_eq!(fitted(Vec::new(), 10), Vec::<String>::new());
    }
}
