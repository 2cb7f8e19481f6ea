//! Derives classes from the collected labels: which labels are classes, in which order, and which class is positive.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;

use emberline_base::record::ChosenBy;
use emberline_base::{Labels, Targets, Task, suggest};

use super::Collector;
use super::forms::{number, says_yes};
use crate::error::Error;

/// The labels that are classes: those of the training file.
pub(crate) struct Classes {
    /// The labels in the order of the classes, as positions in the collector's names; binary: negative, positive.
    order: Vec<u32>,
    /// Whether each label is a class.
    is_class: Vec<bool>,
    /// Whether every row has exactly one label.
    single: bool,
    /// How the positive class was chosen, in a binary task.
    pub(crate) positive: Option<Positive>,
}

/// How the positive class was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positive {
    pub(crate) by: ChosenBy,
    /// The number of its rows in all files.
    pub(crate) rows: usize,
    /// The number of rows of both classes in all files.
    pub(crate) of: usize,
}

impl Classes {
    pub(crate) fn task(&self) -> Task {
        match (self.single, self.order.len()) {
            (true, 2) => Task::Binary,
            (true, _) => Task::MultiClass,
            (false, _) => Task::MultiLabel,
        }
    }

    /// Returns the names of the classes in order.
    pub(crate) fn names(&self, collector: &Collector) -> Vec<String> {
        self.order.iter().map(|&label| collector.names[label as usize].clone()).collect()
    }

    fn is_class(&self, label: u32) -> bool {
        self.is_class[label as usize]
    }
}

impl Collector {
    /// Returns the labels of the rows `train` as classes, in numeric order if all are numbers, else in byte order; flags in the order
    /// of their columns. `path` is the file of these rows.
    ///
    /// # Errors
    /// When there are fewer than two classes.
    pub(crate) fn classes(&self, train: Range<usize>, path: &Path) -> Result<Classes, Error> {
        let mut is_class = vec![self.flags; self.names.len()];
        for &label in &self.ids[self.ids_of(train)] {
            is_class[label as usize] = true;
        }
        let mut order: Vec<u32> = (0..self.names.len() as u32).filter(|&label| is_class[label as usize]).collect();
        if !self.ranks.is_empty() {
            order.sort_unstable_by_key(|&label| self.ranks[label as usize]);
        } else if !self.flags {
            sort_labels(&mut order, &self.names);
        }
        let path = path.to_owned();
        match order.as_slice() {
            [] => return Err(Error::NoClass { path }),
            [only] => return Err(Error::OneClass { path, class: self.names[*only as usize].clone() }),
            _ => {}
        }
        let single = !self.flags && self.separator.is_none() && !self.lists;
        Ok(Classes { order, is_class, single, positive: None })
    }

    /// Returns the rows with a label that is no class, in order.
    pub(crate) fn rows_of_unknown(&self, classes: &Classes) -> Vec<usize> {
        if classes.is_class.iter().all(|&is_class| is_class) {
            return Vec::new();
        }
        let is_unknown = |&row: &usize| self.of_row(row).iter().any(|&id| !classes.is_class(id));
        (0..self.len()).filter(is_unknown).collect()
    }

    /// Returns the first label of a row that is no class.
    pub(crate) fn unknown_label(&self, row: usize, classes: &Classes) -> &str {
        let unknown = self.of_row(row).iter().find(|&&id| !classes.is_class(id));
        unknown.map_or("", |&id| &self.names[id as usize])
    }

    /// Chooses the positive one of two classes, by the rows of all files, and makes it the second.
    ///
    /// # Errors
    /// When `positive` is no class, or there aren't two.
    pub(crate) fn choose_positive(&self, classes: &mut Classes, positive: Option<&str>) -> Result<(), Error> {
        let (task, number) = (classes.task(), classes.order.len());
        let &mut [first, second] = &mut classes.order[..] else {
            return match positive {
                Some(_) => Err(Error::NoPositive { classes: number, multi_label: task == Task::MultiLabel }),
                None => Ok(()),
            };
        };
        if task != Task::Binary {
            return positive.map_or(Ok(()), |_| Err(Error::NoPositive { classes: number, multi_label: true }));
        }
        let rows = |label: u32| self.ids.iter().filter(|&&id| id == label).count();
        let counts = [rows(first), rows(second)];
        let names = [first, second].map(|label| self.names[label as usize].as_str());
        let (at, by) = match (positive, names.map(says_yes)) {
            (Some(positive), _) => (position_of(positive, names)?, ChosenBy::Setting),
            (None, [true, false]) => (0, ChosenBy::Name),
            (None, [false, true]) => (1, ChosenBy::Name),
            (None, _) if counts[0] == counts[1] => (1, ChosenBy::Order),
            (None, _) => (usize::from(counts[1] < counts[0]), ChosenBy::Minority),
        };
        if at == 0 {
            classes.order.swap(0, 1);
        }
        classes.positive = Some(Positive { by, rows: counts[at], of: counts[0] + counts[1] });
        Ok(())
    }

    /// Converts the labels to classes. A row whose label is no class gets the class [`Labels::UNKNOWN`]; in a multi-label task,
    /// labels that are no classes are left out.
    pub(crate) fn finish(self, classes: &Classes) -> Labels {
        let task = classes.task();
        let mut class_of = vec![Labels::UNKNOWN; self.names.len()];
        for (class, &label) in classes.order.iter().enumerate() {
            class_of[label as usize] = class as u32;
        }
        let names = classes.names(&self);
        let mut ids = self.ids;
        ids.iter_mut().for_each(|id| *id = class_of[*id as usize]);
        let targets = match task {
            Task::Binary | Task::MultiClass => Targets::Single(ids),
            Task::MultiLabel if self.offsets.is_empty() => sets(&(0..=ids.len()).collect::<Vec<_>>(), &ids),
            Task::MultiLabel => sets(&self.offsets, &ids),
        };
        Labels { task, classes: names, targets }
    }
}

/// Returns the sorted set of known classes of each row.
fn sets(offsets: &[usize], classes: &[u32]) -> Targets {
    let (mut ends, mut ids) = (Vec::with_capacity(offsets.len()), Vec::with_capacity(classes.len()));
    ends.push(0);
    for row in offsets.windows(2) {
        let start = ids.len();
        ids.extend(classes[row[0]..row[1]].iter().filter(|&&class| class != Labels::UNKNOWN));
        ids[start..].sort_unstable();
        ends.push(ids.len());
    }
    Targets::Multi { offsets: ends, ids }
}

fn position_of(positive: &str, classes: [&str; 2]) -> Result<usize, Error> {
    classes.iter().position(|&class| class == positive).ok_or_else(|| {
        let nearest = suggest::nearest(positive, classes).map(str::to_owned);
        let classes = classes.map(str::to_owned).to_vec();
        Error::UnknownPositive { positive: positive.to_owned(), nearest, classes }
    })
}

/// Sorts labels in numeric order if all are numbers, equal numbers in byte order; else in byte order.
fn sort_labels(order: &mut [u32], names: &[String]) {
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
