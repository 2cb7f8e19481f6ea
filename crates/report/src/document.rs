//! What every format shows, before it is HTML or Markdown: sentences and tables of plain text.
//!
//! The text in here is as the user wrote it; each format escapes it as its last step.

use crate::number::count;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Words.
    Plain(String),
    /// Something to stand out: a setting's name, the figure that the sentence is about.
    Strong(String),
}

/// A paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prose(pub(crate) Vec<Span>);

impl Prose {
    /// Adds words.
    pub(crate) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Plain(text.into()));
        self
    }

    /// Adds what stands out.
    pub(crate) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Strong(text.into()));
        self
    }
}

/// A table; the first field of each row is its heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// What it shows, in a few words.
    pub(crate) caption: String,
    /// The headings.
    pub(crate) columns: Vec<Column>,
    /// As many fields a row as there are columns.
    pub(crate) rows: Vec<Row>,
    /// What a reader has to know to read it.
    pub(crate) notes: Vec<Prose>,
}

impl Table {
    /// The table with its first rows only, and a note where rows are left out.
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

/// A heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// The metric's or axis's name.
    pub(crate) name: String,
    /// A second, small line: `majority 0.9380`.
    pub(crate) note: String,
    /// Whether the fields are numbers, which are set flush right.
    pub(crate) numeric: bool,
}

impl Column {
    /// A column of words.
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: true, ..Self::default() }
    }

    /// The same with a second line.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// A line of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// One a column.
    pub(crate) fields: Vec<Field>,
    /// Whether it stands back, as what is not done does.
    pub(crate) muted: bool,
}

/// What stands in a row and column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Field {
    /// The text, or the number as it is shown.
    pub(crate) text: String,
    /// What follows it more quietly: `± 0.0041`.
    pub(crate) aside: String,
    /// The number to sort by.
    pub(crate) value: Option<f64>,
    /// Whether it is the best of its column.
    pub(crate) best: bool,
    /// The place of the setting among the drawn curves, which gives its colour and shape.
    pub(crate) mark: Option<usize>,
}

impl Field {
    /// Words.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number and how it is shown.
    pub(crate) fn number(value: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), value: Some(value), ..Self::default() }
    }

    /// Nothing to show.
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
