//! The format-independent content of a report: paragraphs and tables of plain text.
//!
//! The text is not escaped yet; each format escapes it as its last step.

use crate::number::count;

/// A run of text with one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Plain text.
    Plain(String),
    /// Emphasised text: the name of a setting, the number that the sentence is about.
    Strong(String),
}

/// A paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prose(pub(crate) Vec<Span>);

impl Prose {
    /// Appends plain text.
    pub(crate) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Plain(text.into()));
        self
    }

    /// Appends emphasised text.
    pub(crate) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Strong(text.into()));
        self
    }
}

/// A table; the first field of each row is the row's heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// The caption: what the table shows, in a few words.
    pub(crate) caption: String,
    /// The headings of the columns.
    pub(crate) columns: Vec<Column>,
    /// The rows; each has one field per column.
    pub(crate) rows: Vec<Row>,
    /// Notes below the table, which explain how to read it.
    pub(crate) notes: Vec<Prose>,
}

impl Table {
    /// Keeps at most the first `rows` rows, and adds a note if rows were left out.
    pub(crate) fn capped(mut self, rows: usize) -> Self {
        let all = self.rows.len();
        if all > rows {
            self.rows.truncate(rows);
            let text =
                format!("The first {} of {} rows; summary.csv has every cell.", count(rows as u64), count(all as u64));
            self.notes.insert(0, Prose::default().plain(text));
        }
        self
    }
}

/// The heading of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// The name of the metric or axis.
    pub(crate) name: String,
    /// A second line in small type: `majority 0.9380`.
    pub(crate) note: String,
    /// Whether the fields are numbers, which are aligned to the right.
    pub(crate) numeric: bool,
    /// Whether the column is left out on paper, where a wide table has no room.
    pub(crate) is_minor: bool,
}

impl Column {
    /// Creates a column of text.
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Creates a column of numbers.
    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: true, ..Self::default() }
    }

    /// Leaves the column out on paper.
    pub(crate) fn minor(self) -> Self {
        Self { is_minor: true, ..self }
    }

    /// Sets the second line.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// The fields, one per column.
    pub(crate) fields: Vec<Field>,
    /// Whether the row is greyed out, because its cells aren't done.
    pub(crate) muted: bool,
}

/// A field of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Field {
    /// The text, or the formatted number.
    pub(crate) text: String,
    /// Text in small type after it: `± 0.0041`.
    pub(crate) detail: String,
    /// The number by which the column is sorted.
    pub(crate) value: Option<f64>,
    /// Whether the number is the best of its column.
    pub(crate) best: bool,
    /// The index of the setting among those that are drawn, which determines its colour and marker shape.
    pub(crate) mark: Option<usize>,
}

impl Field {
    /// Creates a field of text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Creates a field of a number with its formatted text.
    pub(crate) fn number(value: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), value: Some(value), ..Self::default() }
    }

    /// Creates a field without a value, shown as a dash.
    pub(crate) fn none() -> Self {
        Self::text("–")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_says_what_it_leaves_out() {
        let table = Table { rows: vec![Row::default(); 5000], ..Table::default() };
        let capped = table.capped(1000);
        let note = Prose::default().plain("The first 1,000 of 5,000 rows; summary.csv has every cell.");
        assert_eq!((capped.rows.len(), capped.notes), (1000, vec![note]));
    }
}
