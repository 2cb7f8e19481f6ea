//! The table of the data: rows per split and class, the rows that were left out, and the majority accuracy.

use emberline_base::number::agreeing;
use emberline_base::record::Data;
use emberline_base::{SplitName, Task};

use crate::document::{Column, Field, Prose, Row, Table};
use crate::number::{count, counted, percent, single};

/// Creates the table, with one row per class, after a row for all classes, and one column per split, whose heading has the
/// majority accuracy.
pub(crate) fn table(data: &Data) -> Table {
    let mut columns = vec![Column::text("class")];
    columns.extend(data.splits.iter().map(|(name, _)| {
        let majority = data.majority_accuracy.get(name).map(|share| format!("majority {}", single(*share)));
        Column::number(split_title(name)).with_note(majority.unwrap_or_default())
    }));
    let all = data.splits.iter().map(|(_, split)| rows(split.rows, split.rows)).collect();
    let mut table_rows = vec![row("all rows", all)];
    for class in &data.classes {
        let fields = data.splits.iter().map(|(_, s)| rows(s.classes.get(class).copied().unwrap_or(0), s.rows));
        let mut row = row(class, fields.collect());
        if data.positive.as_ref() == Some(class) {
            "positive".clone_into(&mut row.fields[0].detail);
        }
        table_rows.push(row);
    }
    Table { caption: "Rows of each split and class".to_owned(), columns, rows: table_rows, notes: notes(data) }
}

fn row(name: &str, fields: Vec<Field>) -> Row {
    let fields = std::iter::once(Field::text(name)).chain(fields).collect();
    Row { fields, muted: false }
}

fn rows(part: usize, whole: usize) -> Field {
    // Padding with figure spaces aligns the counts, whatever the length of the percentage.
    let detail = format!("{:\u{2007}>7}", percent(part, whole));
    Field { detail, ..Field::number(part as f64, count(part as u64)) }
}

/// Returns the name of a split in reports.
pub(crate) fn split_title(name: SplitName) -> &'static str {
    match name {
        SplitName::Train => "training",
        SplitName::Valid => "validation",
        SplitName::Test => "test",
    }
}

/// Returns the name of a task in reports.
pub(crate) fn task_title(task: Task) -> &'static str {
    match task {
        Task::Binary => "binary",
        Task::MultiClass => "multi-class",
        Task::MultiLabel => "multi-label",
    }
}

fn notes(data: &Data) -> Vec<Prose> {
    let read = Some(Prose::default().plain(rows_read(data)));
    let repeated = Some(Prose::default().plain(repeated_texts(data)));
    let counts = [
        (
            data.shared_texts,
            "left out whose text is also in the file of a more protected split (test before validation before training).",
        ),
        (data.shared_groups, "left out whose group is also in the file of a more protected split."),
        (
            data.unknown_labels,
            "of validation and test with a label that no training row has (data.unknown_labels says what becomes of them).",
        ),
    ];
    let counted_rows = counts
        .into_iter()
        .map(|(rows, which)| (rows > 0).then(|| Prose::default().plain(format!("{} {which}", counted(rows, "row")))));
    let majority = Some(Prose::default().plain(match data.task {
        Task::MultiLabel => {
            "Majority: the accuracy of giving each class its more frequent answer in the training rows."
        }
        Task::Binary | Task::MultiClass => {
            "Majority: the accuracy of always giving the most frequent class of the training rows."
        }
    }));
    [read, repeated].into_iter().chain(counted_rows).chain([majority]).flatten().collect()
}

/// Says how many rows were read, left out and used.
fn rows_read(data: &Data) -> String {
    let used: usize = data.splits.iter().map(|(_, split)| split.rows).sum();
    let left_out = data.empty_texts.saturating_add(data.missing_labels);
    format!(
        "{} read; {} left out ({}, {}); {} used.",
        counted(data.rows_read, "row"),
        count(left_out as u64),
        counted(data.empty_texts, "empty text"),
        counted(data.missing_labels, "missing label"),
        count(used as u64),
    )
}

/// Says how many texts occur several times, and with how many different labels.
fn repeated_texts(data: &Data) -> String {
    format!(
        "{} whose text had occurred before ({}); {} different labels in different rows.",
        counted(data.duplicate_texts, "row"),
        if data.duplicates_kept { "kept, as data.duplicates says" } else { "left out" },
        match data.conflicting_labels {
            0 => "no text has".to_owned(),
            n => format!("{} {}", counted(n, "text"), agreeing(n, "has", "have")),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn classes_splits_and_the_majority() {
        let table = table(&sample::course().summary.data);
        let texts: Vec<Vec<&str>> =
            table.rows.iter().map(|row| row.fields.iter().map(|field| field.text.as_str()).collect()).collect();
        assert_eq!(texts[0], ["all rows", "13,061", "1,293"]);
        assert_eq!(texts[2], ["insincere", "808", "80"]);
        assert_eq!(
            (table.rows[1].fields[0].detail.as_str(), table.rows[2].fields[0].detail.as_str()),
            ("", "positive")
        );
        assert_eq!(table.rows[2].fields[1].detail.trim_start_matches('\u{2007}'), "6.2 %");
        assert_eq!((texts.len(), table.columns[2].note.as_str()), (3, "majority 0.9381"));
        assert_eq!(
            table.notes[0],
            Prose::default().plain("20,000 rows read; 6 left out (4 empty texts, 2 missing labels); 14,354 used.")
        );
    }

    #[test]
    fn kept_copies_of_texts_are_told() {
        let mut data = sample::course().summary.data;
        let notes_of = |data: &Data| format!("{:?}", table(data).notes);
        assert!(notes_of(&data).contains("31 rows whose text had occurred before (left out)"));
        data.duplicates_kept = true;
        assert!(notes_of(&data).contains("31 rows whose text had occurred before (kept, as data.duplicates says)"));
    }

    #[test]
    fn rows_that_are_left_out_for_their_group_are_told() {
        let mut data = sample::course().summary.data;
        (data.shared_texts, data.shared_groups) = (1, 3);
        let told = format!("{:?}", table(&data).notes);
        assert!(
            told.contains("1 row left out whose text is also") && told.contains("3 rows left out whose group"),
            "{told}"
        );
    }

    #[test]
    fn many_classes_are_all_there() {
        assert_eq!(table(&sample::many_classes().summary.data).rows.len(), 78);
    }
}
