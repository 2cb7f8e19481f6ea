//! From what stands in the label columns to classes: which there are, in which order, and
//! which task they make.
//!
//! | label columns | task |
//! |---|---|
//! | one, with two different labels | binary: `[negative, positive]` |
//! | one, with more | multi-class |
//! | one with `separator`, or that holds lists | multi-label |
//! | several of 0 and 1 | multi-label; the classes are the columns, in the order given |
//!
//! The classes are those of the training file's usable rows, before anything is divided, so
//! that every size of the training split has the same. They stand in numeric order where all
//! are numbers, else in the order of their bytes.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use emberline_base::{Labels, Targets, Task};

use crate::error::{Error, Place, excerpt};
use crate::format::Field;

/// The most classes that a label column may have.
pub(crate) const MOST_CLASSES: usize = 10_000;

/// The first labels, which are tried one after the other.
const FEW: usize = 4;

/// The labels of the rows read so far, as they came.
pub(crate) struct Collector {
    separator: Option<String>,
    /// Whether every label column is a class of its own.
    flags: bool,
    /// Whether a row held a list.
    lists: bool,
    numbers: HashMap<String, u32>,
    /// The labels in the order of their first rows.
    names: Vec<String>,
    /// `rows + 1` positions in `ids`, from the first row on that hasn't one label; nothing before.
    offsets: Vec<usize>,
    ids: Vec<u32>,
}

/// Why the labels of a row were not taken.
pub(crate) enum Refusal {
    /// A label is missing.
    Missing,
    /// One more class than are taken.
    TooMany,
    /// A value that is no label, in the label column with this position.
    Value { column: usize, found: String, expected: &'static str },
}

impl Collector {
    /// Before the first row. `flags`: each label column is a class.
    pub(crate) fn new(separator: Option<String>, flags: bool) -> Self {
        Self {
            separator,
            flags,
            lists: false,
            numbers: HashMap::new(),
            names: Vec::new(),
            offsets: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// The classes of label columns that are one class each.
    pub(crate) fn name_flags(&mut self, columns: &[String]) {
        if self.flags && self.names.is_empty() {
            self.names = columns.to_vec();
        }
    }

    /// Takes one row's labels, or nothing of it.
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
                Field::Text(text) => text.trim(),
                Field::Scalar(scalar) => scalar,
                Field::Missing => return Err(Refusal::Missing),
                Field::List(_) => {
                    return Err(Refusal::Value { column, found: "a list".to_owned(), expected: "0 or 1" });
                }
            };
            if value.is_empty() {
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

    /// One label; blank ones are none.
    fn push_label(&mut self, label: &str) -> Result<(), Refusal> {
        // Most columns hold a few labels, which are compared faster than looked up.
        if let Some(early) = self.names.iter().take(FEW).position(|name| name == label) {
            self.ids.push(early as u32);
            return Ok(());
        }
        let label = label.trim();
        if label.is_empty() {
            return Ok(());
        }
        let number = match self.numbers.get(label) {
            Some(&number) => number,
            None if self.names.len() == MOST_CLASSES => return Err(Refusal::TooMany),
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

    /// The labels as classes. `train`: the rows whose labels are the classes; `place`: of a row.
    pub(crate) fn finish(
        self,
        train: Range<usize>,
        positive: Option<&str>,
        place: impl Fn(usize) -> Place,
    ) -> Result<Labels, Error> {
        let path = || place(train.start).path;
        let mut occurs = vec![self.flags; self.names.len()];
        let in_train = match &self.offsets[..] {
            [] => train.clone(),
            offsets => offsets[train.start]..offsets[train.end],
        };
        for &id in &self.ids[in_train] {
            occurs[id as usize] = true;
        }
        let mut order: Vec<u32> = (0..self.names.len() as u32).filter(|&id| occurs[id as usize]).collect();
        if !self.flags {
            in_order(&mut order, &self.names);
        }
        let single = !self.flags && self.separator.is_none() && !self.lists;
        match order.as_slice() {
            [] => return Err(Error::NoClass { path: path() }),
            [only] => return Err(Error::OneClass { path: path(), class: self.names[*only as usize].clone() }),
            _ => {}
        }
        if let Some(positive) = positive {
            self.put_last(positive, &mut order, single)?;
        }
        let classes: Vec<String> = order.iter().map(|&id| self.names[id as usize].clone()).collect();
        let task = match (single, classes.len()) {
            (true, 2) => Task::Binary,
            (true, _) => Task::MultiClass,
            (false, _) => Task::MultiLabel,
        };
        let mut class_of = vec![None; self.names.len()];
        for (class, &id) in order.iter().enumerate() {
            class_of[id as usize] = Some(class as u32);
        }
        let targets = self.targets(task, &class_of, &classes, &place)?;
        Ok(Labels { task, classes, targets })
    }

    /// Makes `positive` the second of two classes.
    fn put_last(&self, positive: &str, order: &mut [u32], single: bool) -> Result<(), Error> {
        if !single || order.len() != 2 {
            return Err(Error::NoPositive { classes: order.len(), multi_label: !single });
        }
        let names = || order.iter().map(|&id| self.names[id as usize].clone()).collect();
        match order.iter().position(|&id| self.names[id as usize] == positive) {
            Some(0) => order.swap(0, 1),
            Some(_) => {}
            None => return Err(Error::UnknownPositive { positive: positive.to_owned(), classes: names() }),
        }
        Ok(())
    }

    fn targets(
        self,
        task: Task,
        class_of: &[Option<u32>],
        classes: &[String],
        place: &impl Fn(usize) -> Place,
    ) -> Result<Targets, Error> {
        let mut ids = self.ids;
        for (at, id) in ids.iter_mut().enumerate() {
            let Some(class) = class_of[*id as usize] else {
                let row = match &self.offsets[..] {
                    [] => at,
                    offsets => offsets.partition_point(|&offset| offset <= at) - 1,
                };
                let label = self.names[*id as usize].clone();
                return Err(Error::UnseenLabel { place: place(row), label, classes: classes.to_vec() });
            };
            *id = class;
        }
        if task != Task::MultiLabel {
            return Ok(Targets::Single(ids));
        }
        let offsets = if self.offsets.is_empty() { (0..=ids.len()).collect() } else { self.offsets };
        for row in offsets.windows(2) {
            ids[row[0]..row[1]].sort_unstable();
        }
        Ok(Targets::Multi { offsets, ids })
    }
}

/// Numeric order where all are numbers, then by bytes; else by bytes.
fn in_order(order: &mut [u32], names: &[String]) {
    let values: Option<Vec<f64>> = order.iter().map(|&id| number(&names[id as usize])).collect();
    let by_name = |a: &u32, b: &u32| names[*a as usize].as_bytes().cmp(names[*b as usize].as_bytes());
    if values.is_none() {
        order.sort_unstable_by(by_name);
        return;
    }
    let value = |id: &u32| number(&names[*id as usize]).unwrap_or(0.0);
    order.sort_unstable_by(|a, b| {
        value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal).then_with(|| by_name(a, b))
    });
}

/// A finite number in digits; not `nan`, `inf` or `infinity`.
fn number(label: &str) -> Option<f64> {
    label.ends_with(|c: char| c.is_ascii_digit() || c == '.').then(|| label.parse().ok()).flatten()
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" | "0.0" | "false" | "False" | "FALSE" => Some(false),
        "1" | "1.0" | "true" | "True" | "TRUE" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::PathBuf;

    use super::*;
    use crate::error::Unit;

    fn place(row: usize) -> Place {
        Place { path: PathBuf::from("a.csv"), unit: Unit::Line, number: row as u64 + 2 }
    }

    fn text(text: &str) -> Field<'_> {
        Field::Text(Cow::Borrowed(text))
    }

    fn collect(separator: Option<&str>, rows: &[&str]) -> Collector {
        let mut collector = Collector::new(separator.map(str::to_owned), false);
        for row in rows {
            assert!(collector.push(&[text(row)]).is_ok(), "{row}");
        }
        collector
    }

    fn classes(rows: &[&str], positive: Option<&str>) -> Result<Labels, Error> {
        collect(None, rows).finish(0..rows.len(), positive, place)
    }

    #[test]
    fn numbers_stand_in_numeric_order_and_words_in_byte_order() {
        assert_eq!(classes(&["10", "2", " 1 ", "2"], None).expect("classes").classes, ["1", "2", "10"]);
        assert_eq!(classes(&["0.5", "-1", "1e1"], None).expect("classes").classes, ["-1", "0.5", "1e1"]);
        assert_eq!(classes(&["10", "2", "b"], None).expect("classes").classes, ["10", "2", "b"]);
        assert_eq!(classes(&["nan", "2", "10"], None).expect("classes").classes, ["10", "2", "nan"]);
        assert_eq!(classes(&["b", "a", "B"], None).expect("classes").classes, ["B", "a", "b"]);
    }

    #[test]
    fn two_classes_are_binary_and_the_last_is_positive_unless_said() {
        let labels = classes(&["spam", "ham"], None).expect("classes");
        assert_eq!((labels.task, labels.classes), (Task::Binary, vec!["ham".to_owned(), "spam".to_owned()]));
        let labels = classes(&["spam", "ham"], Some("ham")).expect("classes");
        assert_eq!((labels.classes[1].as_str(), labels.targets), ("ham", Targets::Single(vec![0, 1])));
        let error = classes(&["spam", "ham"], Some("Spam")).expect_err("no class");
        assert_eq!(error.to_string(), "`positive` is `Spam`, but the classes are `ham`, `spam`");
        assert!(matches!(classes(&["a", "b", "c"], Some("a")), Err(Error::NoPositive { classes: 3, .. })));
        assert!(matches!(classes(&["a", "a"], None), Err(Error::OneClass { .. })));
    }

    #[test]
    fn a_separator_makes_sets() {
        let labels = collect(Some(","), &["27", "2, 3,2", "3,"]).finish(0..3, None, place).expect("classes");
        assert_eq!((labels.task, labels.classes), (Task::MultiLabel, ["2", "3", "27"].map(str::to_owned).to_vec()));
        assert_eq!(labels.targets, Targets::Multi { offsets: vec![0, 1, 3, 4], ids: vec![2, 0, 1, 1] });
        let mut collector = Collector::new(Some(",".to_owned()), false);
        assert!(matches!(collector.push(&[text(" , ")]), Err(Refusal::Missing)));
    }

    #[test]
    fn columns_of_0_and_1() {
        let mut collector = Collector::new(None, true);
        assert!(collector.push(&[text("0"), text("1")]).is_ok());
        assert!(matches!(collector.push(&[text("1"), text("")]), Err(Refusal::Missing)));
        assert!(matches!(collector.push(&[text("1"), text("2")]), Err(Refusal::Value { column: 1, .. })));
        assert!(collector.push(&[text("false"), Field::Scalar("0".to_owned())]).is_ok());
        collector.name_flags(&["toxic".to_owned(), "insult".to_owned()]);
        let labels = collector.finish(0..2, None, place).expect("classes");
        assert_eq!(labels.classes, ["toxic", "insult"]);
        assert_eq!(labels.targets, Targets::Multi { offsets: vec![0, 1, 1], ids: vec![1] });
    }

    #[test]
    fn a_label_that_training_lacks_is_named_with_its_row() {
        let error = collect(None, &["a", "b", "a", "c", "c"]).finish(0..2, None, place).expect_err("unseen");
        assert!(error.to_string().starts_with("a.csv, line 5: label `c` does not occur"), "{error}");
    }

    #[test]
    fn an_id_column_is_refused_early() {
        let mut collector = Collector::new(None, false);
        for row in 0..MOST_CLASSES {
            assert!(collector.push(&[Field::Scalar(row.to_string())]).is_ok());
        }
        assert!(collector.push(&[Field::Scalar("7".to_owned())]).is_ok());
        assert!(matches!(collector.push(&[Field::Scalar("more".to_owned())]), Err(Refusal::TooMany)));
    }
}
