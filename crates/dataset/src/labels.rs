//! Collects the values of the label columns, and derives the classes, their order and the task.
//!
//! | label columns | task |
//! |---|---|
//! | one, with two different labels | binary: `[negative, positive]` |
//! | one, with more | multi-class |
//! | one with `separator`, or that holds lists | multi-label |
//! | several of 0 and 1 | multi-label; the classes are the columns, in the order given |
//!
//! The classes are those of the usable rows of the training file, before the split, so that they don't depend on the size of the
//! training split. They are in numeric order if all are numbers, else in byte order; of two classes, the positive one is the
//! second (`classes.rs`). With `data.class_names`, labels have names, and are in the order of that file. `missing.rs` defines which labels are missing.

mod classes;
mod forms;

use std::collections::HashMap;
use std::ops::Range;

pub(crate) use self::classes::{Classes, Positive};
pub(crate) use self::forms::{number, similar, similar_to};
use crate::class_names::ClassNames;
use crate::error::excerpt;
use crate::format::Field;
use crate::missing::{is_missing, trimmed};

/// The largest number of classes that a label column may have.
pub(crate) const MAX_CLASSES: usize = 10_000;

/// The number of first labels that are compared one by one before the hash map is used.
const FEW: usize = 4;

/// The labels of the rows read so far, numbered in the order of their first rows.
pub(crate) struct Collector {
    separator: Option<String>,
    /// Where a label ends, if it isn't taken whole.
    until: Option<String>,
    /// Whether every label column is a class of its own.
    flags: bool,
    /// Whether a row held a list.
    lists: bool,
    numbers: HashMap<String, u32>,
    /// The labels in the order of their first rows.
    names: Vec<String>,
    /// The places of the labels in the file of class names; empty without such a file.
    ranks: Vec<u32>,
    /// The labels of row `r` are `ids[offsets[r]..offsets[r + 1]]`. Empty as long as every row has exactly one label.
    offsets: Vec<usize>,
    ids: Vec<u32>,
}

/// Why the labels of a row were not taken.
pub(crate) enum Refusal {
    /// A label is missing.
    Missing,
    /// There are more classes than are supported.
    TooMany,
    /// A value that is no label, in the label column at this position.
    Value { column: usize, found: String, expected: &'static str },
}

impl Collector {
    /// Returns a collector without rows. `flags`: each label column is a class.
    pub(crate) fn new(separator: Option<String>, flags: bool) -> Self {
        Self {
            separator,
            until: None,
            flags,
            lists: false,
            numbers: HashMap::new(),
            names: Vec::new(),
            ranks: Vec::new(),
            offsets: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// Returns the same collector, which takes a label only up to the text `until`.
    pub(crate) fn until(mut self, until: Option<String>) -> Self {
        self.until = until;
        self
    }

    /// Replaces the labels by their names. Returns the first label that has none, as its position in [`names`](Self::names).
    pub(crate) fn rename(&mut self, names: &ClassNames) -> Result<(), u32> {
        for at in 0..self.names.len() {
            let (rank, name) = names.of(&self.names[at]).ok_or(at as u32)?;
            self.ranks.push(rank);
            self.names[at] = name.to_owned();
        }
        Ok(())
    }

    /// Sets the classes to the names of the label columns, if each column is a class.
    pub(crate) fn name_flags(&mut self, columns: &[String]) {
        if self.flags && self.names.is_empty() {
            self.names = columns.to_vec();
        }
    }

    /// Adds the labels of a row. If they are refused, nothing of the row is kept.
    pub(crate) fn push(&mut self, fields: &[Field<'_>]) -> Result<(), Refusal> {
        let before = self.ids.len();
        let taken = if self.flags { self.push_flags(fields) } else { self.push_labels(fields) };
        if taken.is_err() {
            self.ids.truncate(before);
            return taken;
        }
        if self.ids.len() - before > 1 {
            self.ids[before..].sort_unstable();
            let mut kept = before + 1;
            for at in before + 1..self.ids.len() {
                if self.ids[at] != self.ids[kept - 1] {
                    self.ids[kept] = self.ids[at];
                    kept += 1;
                }
            }
            self.ids.truncate(kept);
        }
        if self.offsets.is_empty() && self.ids.len() != before + 1 {
            self.offsets.extend(0..=before);
        }
        if !self.offsets.is_empty() {
            self.offsets.push(self.ids.len());
        }
        Ok(())
    }

    fn push_flags(&mut self, fields: &[Field<'_>]) -> Result<(), Refusal> {
        for (column, field) in fields.iter().enumerate() {
            let value = match field {
                Field::Text(text) => trimmed(text),
                Field::Scalar(scalar) => scalar,
                Field::Missing => return Err(Refusal::Missing),
                Field::List(_) => {
                    return Err(Refusal::Value { column, found: "a list".to_owned(), expected: "0 or 1" });
                }
            };
            if is_missing(value) {
                return Err(Refusal::Missing);
            }
            match flag(value) {
                Some(true) => self.ids.push(column as u32),
                Some(false) => {}
                None => {
                    return Err(Refusal::Value { column, found: format!("`{}`", excerpt(value)), expected: "0 or 1" });
                }
            }
        }
        Ok(())
    }

    fn push_labels(&mut self, fields: &[Field<'_>]) -> Result<(), Refusal> {
        match fields.first() {
            Some(Field::Text(text)) => {
                let before = self.ids.len();
                match self.separator.take() {
                    Some(separator) => {
                        let taken = text.split(&separator).try_for_each(|label| self.push_label(label));
                        self.separator = Some(separator);
                        taken?;
                    }
                    None => self.push_label(text)?,
                }
                if self.ids.len() == before { Err(Refusal::Missing) } else { Ok(()) }
            }
            Some(Field::Scalar(scalar)) => self.push_label(scalar),
            Some(Field::List(labels)) => {
                self.lists = true;
                labels.iter().try_for_each(|label| self.push_label(label))
            }
            Some(Field::Missing) | None => Err(Refusal::Missing),
        }
    }

    /// Adds one label; a missing one is skipped.
    fn push_label(&mut self, label: &str) -> Result<(), Refusal> {
        // Most columns hold few labels, and comparing with them is faster than hashing.
        if let Some(early) = self.names.iter().take(FEW).position(|name| name == label) {
            self.ids.push(early as u32);
            return Ok(());
        }
        let whole = trimmed(label);
        let label = match &self.until {
            Some(until) => whole.split(until).next().map_or(whole, trimmed),
            None => whole,
        };
        if is_missing(label) {
            return Ok(());
        }
        let number = match self.numbers.get(label) {
            Some(&number) => number,
            None if self.names.len() == MAX_CLASSES => return Err(Refusal::TooMany),
            None => {
                let number = self.names.len() as u32;
                self.numbers.insert(label.to_owned(), number);
                self.names.push(label.to_owned());
                number
            }
        };
        self.ids.push(number);
        Ok(())
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        if self.offsets.is_empty() { self.ids.len() } else { self.offsets.len() - 1 }
    }

    /// The labels in the order of their first rows.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether each label column is a class of its own.
    pub(crate) fn are_flags(&self) -> bool {
        self.flags
    }

    /// The labels of a row, as positions in [`names`](Self::names).
    pub(crate) fn of_row(&self, row: usize) -> &[u32] {
        &self.ids[self.ids_of(row..row + 1)]
    }

    /// Returns the number of rows with each label.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        self.ids.iter().for_each(|&label| counts[label as usize] += 1);
        counts
    }

    /// Returns the first row with a label.
    pub(crate) fn first_row(&self, label: u32) -> Option<usize> {
        let at = self.ids.iter().position(|&id| id == label)?;
        Some(match &self.offsets[..] {
            [] => at,
            offsets => offsets.partition_point(|&offset| offset <= at) - 1,
        })
    }

    /// Removes the rows whose `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let (mut ids, mut offsets) = (Vec::with_capacity(self.ids.len()), vec![0]);
        for row in (0..self.len()).filter(|&row| keep[row]) {
            ids.extend_from_slice(self.of_row(row));
            offsets.push(ids.len());
        }
        if !self.offsets.is_empty() {
            self.offsets = offsets;
        }
        self.ids = ids;
    }

    /// Returns the range of the labels of `rows` in `ids`.
    fn ids_of(&self, rows: Range<usize>) -> Range<usize> {
        match &self.offsets[..] {
            [] => rows,
            offsets => offsets[rows.start]..offsets[rows.end],
        }
    }
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" | "0.0" | "false" | "False" | "FALSE" => Some(false),
        "1" | "1.0" | "true" | "True" | "TRUE" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
