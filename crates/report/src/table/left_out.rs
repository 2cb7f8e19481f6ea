//! The table of the combinations of the grid that were left out, by reason.

use emberline_base::record::{LeftOut, Summary};

use crate::document::{Column, Field, Row, Table};
use crate::grouping::value_text;
use crate::number::count;

/// Creates the table, with one row per reason; `None` if no combination was left out.
pub(crate) fn table(summary: &Summary) -> Option<Table> {
    let columns = vec![Column::text("reason"), Column::text("settings"), Column::number("combinations")];
    let rows: Vec<Row> = summary.left_out.iter().map(row).collect();
    let caption = "Combinations of the grid that are left out".to_owned();
    (!rows.is_empty()).then_some(Table { caption, columns, rows, notes: Vec::new() })
}

/// Returns the number of combinations that were left out.
pub(crate) fn combinations(summary: &Summary) -> usize {
    summary.left_out.iter().map(|left_out| left_out.combinations).sum()
}

fn row(left_out: &LeftOut) -> Row {
    let settings = left_out.settings.iter().map(|(axis, value)| format!("{axis} {}", value_text(value)));
    let number = left_out.combinations;
    let fields = vec![
        Field::text(&left_out.reason),
        Field::text(settings.collect::<Vec<_>>().join(" · ")),
        Field::number(number as f64, count(number as u64)),
    ];
    Row { fields, muted: false }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Format, render, sample};

    #[test]
    fn what_is_left_out_stands_in_the_report_with_its_cure() {
        let mut run = sample::course();
        assert_eq!(table(&run.summary), None);
        assert!(!render(&run, Format::Html).contains("Left out"));
        run.summary.left_out = vec![LeftOut {
            reason: "`glove` can't be cut to 64 numbers; set `reduce` too: pca".to_owned(),
            combinations: 1_500,
            settings: [("embedding".to_owned(), json!("glove")), ("embedding.dim".to_owned(), json!(64))].into(),
        }];
        let fields: Vec<String> =
            table(&run.summary).expect("a table").rows[0].fields.iter().map(|field| field.text.clone()).collect();
        assert_eq!(fields[1..], ["embedding glove · embedding.dim 64", "1,500"]);
        for format in [Format::Html, Format::Markdown] {
            let text = render(&run, format);
            assert!(text.contains("Left out") && text.contains("pca"), "{text}");
            assert!(text.contains("1,500 combinations"), "{text}");
        }
    }
}
