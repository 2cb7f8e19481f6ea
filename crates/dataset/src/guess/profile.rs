//! Counts what the columns of a table hold.

use std::collections::HashMap;

use super::header::words;
use super::sample::{Cell, Table};
use crate::labels::number;
use crate::missing::{is_missing, trimmed};
use crate::settings::Column;

/// What a column holds.
#[derive(Debug)]
pub(super) struct Profile {
    /// Its name, or its number.
    pub(super) name: String,
    /// How settings name it.
    pub(super) column: Column,
    /// Its place in a row.
    pub(super) at: usize,
    /// Its values that aren't missing.
    pub(super) values: usize,
    /// The rows with each value; a list counts for each of its elements.
    pub(super) counts: HashMap<String, usize>,
    /// How many of the values are lists.
    pub(super) lists: usize,
    /// How many are numbers.
    pub(super) numbers: usize,
    /// How many have a letter.
    pub(super) lettered: usize,
    /// How many are texts, in the sense of a format that tells numbers from texts.
    pub(super) texts: usize,
    /// How many can be neither texts nor labels.
    pub(super) others: usize,
    /// Words of all values together.
    words: usize,
    /// Characters of all values together.
    characters: usize,
}

impl Profile {
    /// Returns the profiles of all columns of a table.
    pub(super) fn of_all(table: &Table) -> Vec<Self> {
        (0..table.columns.len()).map(|at| Self::of(table, at)).collect()
    }

    fn of(table: &Table, at: usize) -> Self {
        let name = table.names[at].clone().unwrap_or_else(|| (at + 1).to_string());
        let mut profile = Self {
            name,
            column: table.columns[at].clone(),
            at,
            values: 0,
            counts: HashMap::new(),
            lists: 0,
            numbers: 0,
            lettered: 0,
            texts: 0,
            others: 0,
            words: 0,
            characters: 0,
        };
        table.rows.iter().filter_map(|row| row.get(at)).for_each(|cell| profile.add(cell));
        profile
    }

    fn add(&mut self, cell: &Cell) {
        match cell {
            Cell::Missing => {}
            Cell::Other => self.others += 1,
            Cell::List(items) => {
                self.values += 1;
                self.lists += 1;
                items.iter().for_each(|item| *self.counts.entry(trimmed(item).to_owned()).or_default() += 1);
            }
            Cell::Text(value) | Cell::Scalar(value) => {
                let value = trimmed(value);
                if is_missing(value) {
                    return;
                }
                self.values += 1;
                self.texts += usize::from(matches!(cell, Cell::Text(_)));
                self.numbers += usize::from(number(value).is_some());
                self.lettered += usize::from(value.contains(char::is_alphabetic));
                self.words += words(value);
                self.characters += value.chars().count();
                *self.counts.entry(value.to_owned()).or_default() += 1;
            }
        }
    }

    /// The number of different values.
    pub(super) fn distinct(&self) -> usize {
        self.counts.len()
    }

    /// Words per value.
    pub(super) fn mean_words(&self) -> f64 {
        self.words as f64 / self.values.max(1) as f64
    }

    /// Characters per value.
    pub(super) fn mean_characters(&self) -> f64 {
        self.characters as f64 / self.values.max(1) as f64
    }

    /// Returns a count as a share of the values.
    pub(super) fn share(&self, count: usize) -> f64 {
        count as f64 / self.values.max(1) as f64
    }

    /// Returns the parts of the name in lower case.
    pub(super) fn name_parts(&self) -> Vec<String> {
        self.name.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
    }

    /// Whether every value is 0 or 1.
    pub(super) fn is_flag(&self) -> bool {
        let flags = ["0", "1", "0.0", "1.0", "true", "false", "True", "False", "TRUE", "FALSE"];
        self.values > 0 && self.lists == 0 && self.counts.keys().all(|value| flags.contains(&value.as_str()))
    }
}
