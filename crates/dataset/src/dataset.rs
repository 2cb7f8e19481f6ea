//! A dataset after the split: which rows belong to which split, its digest, and its record.
//!
//! `divide.rs` decides which rows belong to which split. The rows of a split are in the order of their file, so that a pass over
//! a million texts reads memory in order. Training takes its rows in another order, which is kept separately.

use std::sync::Arc;

use emberline_base::digest::{Digest, PartsHasher};
use emberline_base::record::{Data, SplitRows};
use emberline_base::{Labels, SplitName, Splits, Task, TextList};
use indexmap::IndexMap;

use crate::divide::{Divider, Division};
use crate::error::Error;
use crate::rows::{Part, Rows};
use crate::settings::{Duplicates, Split};
use crate::texts::Texts;

/// Texts and labels, and the rows of each split.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The usable texts of all files, in the order in which they were read.
    pub texts: Arc<Texts>,
    /// A label, or a set of labels, for each of `texts`.
    pub labels: Arc<Labels>,
    /// Positions in `texts`, ascending.
    pub splits: Splits<Vec<usize>>,
    /// The order in which training takes its rows, as positions in `splits.train`.
    pub order: Vec<usize>,
    /// The record of what was read and how it was split.
    pub data: Data,
    /// The number of rows left out of each split that has a file, because their text is also in the file of a more protected
    /// split (test before validation before training).
    pub leaks: Splits<usize>,
    /// The number of usable rows in no split: rows that no amount covers, leaks, and duplicates.
    pub unused: usize,
}

impl Dataset {
    /// Returns the texts of one split, in order; none if there is no such split.
    pub fn texts_of(&self, split: SplitName) -> impl ExactSizeIterator<Item = &str> {
        self.splits.get(split).map(Vec::as_slice).unwrap_or_default().iter().map(|&row| &self.texts[row])
    }

    /// Returns the texts of every split, in order, as bytes.
    pub fn lists(&self) -> Splits<SplitTexts<'_>> {
        self.splits.map(|_, rows| SplitTexts { texts: &self.texts, rows })
    }

    /// Returns the digest of the content of every split: classes, texts and labels, in order. The names of files, other rows and
    /// other columns don't enter it.
    pub fn digest(&self) -> Digest {
        let mut parts = PartsHasher::new();
        parts.add(match self.labels.task {
            Task::Binary => b"binary",
            Task::MultiClass => b"multi_class",
            Task::MultiLabel => b"multi_label",
        });
        parts.add(&(self.labels.classes.len() as u32).to_le_bytes());
        self.labels.classes.iter().for_each(|class| parts.add(class.as_bytes()));
        for (name, _) in self.splits.iter() {
            parts.add(name.to_string().as_bytes());
            parts.add(self.split_digest(name).as_str().as_bytes());
        }
        parts.digest()
    }

    /// Returns the digest of the texts and labels of one split, and of the order in which training takes them.
    pub fn split_digest(&self, split: SplitName) -> Digest {
        let mut parts = PartsHasher::new();
        let rows = self.splits.get(split).map(Vec::as_slice).unwrap_or_default();
        rows.iter().for_each(|&row| self.add_row(row, &mut parts));
        if split == SplitName::Train {
            parts.add(&self.order.iter().flat_map(|&at| (at as u32).to_le_bytes()).collect::<Vec<_>>());
        }
        parts.digest()
    }

    fn add_row(&self, row: usize, parts: &mut PartsHasher) {
        let labels = self.labels.of_row(row);
        parts.add(self.texts.bytes(row));
        parts.add(&(labels.len() as u32).to_le_bytes());
        labels.iter().for_each(|&class| parts.add(self.labels.classes[class as usize].as_bytes()));
    }
}

/// The texts of one split, looked up by row: a list of a million slices would take 16 MB.
pub struct SplitTexts<'d> {
    texts: &'d Texts,
    rows: &'d [usize],
}

impl TextList for SplitTexts<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn text(&self, at: usize) -> &[u8] {
        self.texts.bytes(self.rows[at])
    }
}

impl Rows {
    /// Splits the rows; `seed` is used if the settings give none.
    ///
    /// # Errors
    /// When the settings ask for more rows than there are, or a split would be empty.
    pub fn split(&self, split: &Split, seed: u64) -> Result<Dataset, Error> {
        let has_valid_file = self.pools.valid.is_some();
        let split = split.resolved(has_valid_file);
        let Division { splits, train_order } = Divider::new(self, &split, seed).divide()?;
        self.refuse_one_class(&splits.train, &split)?;
        let used: usize = splits.iter().map(|(_, rows)| rows.len()).sum();
        let leaks = self.leaks.clone();
        Ok(Dataset {
            texts: Arc::clone(&self.texts),
            labels: Arc::clone(&self.labels),
            data: self.data(&splits),
            unused: self.texts.len() - used,
            order: positions_in(&splits.train, &train_order, self.texts.len()),
            splits,
            leaks,
        })
    }

    /// Returns the file of a split.
    pub(crate) fn part(&self, split: SplitName) -> Option<&Part> {
        self.parts.iter().find(|part| part.split == split)
    }

    fn data(&self, splits: &Splits<Vec<usize>>) -> Data {
        let labels = &self.labels;
        let warnings = self.warnings.iter().cloned().chain(self.untrained_classes(splits)).collect();
        let splits = splits.map(|_, rows| split_rows(labels, rows));
        let count = |part: fn(&Part) -> usize| self.parts.iter().map(part).sum();
        Data {
            task: labels.task,
            classes: labels.classes.clone(),
            positive: self.positive().map(str::to_owned),
            positive_by: self.positive.map(|positive| positive.by),
            majority_accuracy: majority_accuracy(labels.task, &splits),
            splits,
            rows_read: count(|part| part.read),
            empty_texts: count(|part| part.empty.count),
            missing_labels: count(|part| part.unlabelled.count),
            duplicate_texts: self.texts.len() - self.conflicts.len(),
            duplicates_kept: self.duplicates == Duplicates::Keep,
            shared_texts: self.leaks.iter().map(|(_, rows)| rows).sum::<usize>() - self.group_leaks,
            shared_groups: self.group_leaks,
            unknown_labels: count(|part| part.unknown.count),
            conflicting_labels: self.conflicts.iter().filter(|&&conflict| conflict).count(),
            warnings,
        }
    }
}

/// Returns the position of each of `rows` in `ascending`, which holds the same rows: rows `[7, 2]` among `[2, 5, 7]` are
/// `[2, 0]`. `count` is the number of rows in all files.
fn positions_in(ascending: &[usize], rows: &[u32], count: usize) -> Vec<usize> {
    let mut positions = vec![0; count];
    ascending.iter().enumerate().for_each(|(position, &row)| positions[row] = position);
    rows.iter().map(|&row| positions[row as usize]).collect()
}

/// Counts the rows of each class.
pub(crate) fn split_rows(labels: &Labels, rows: &[usize]) -> SplitRows {
    let classes: IndexMap<String, usize> = labels.classes.iter().cloned().zip(labels.counts(rows)).collect();
    SplitRows { rows: rows.len(), classes }
}

/// Returns the accuracy of always predicting the most frequent class of the training rows (the first of several). For a
/// multi-label task, each class is predicted by itself (a tie counts as absent), and the accuracy is averaged over classes.
fn majority_accuracy(task: Task, splits: &Splits<SplitRows>) -> Splits<f64> {
    let train = &splits.train;
    if task != Task::MultiLabel {
        let most = (0..train.classes.len()).rev().max_by_key(|&class| train.classes[class]).unwrap_or(0);
        return splits.map(|_, split| split.classes[most] as f64 / split.rows.max(1) as f64);
    }
    splits.map(|_, split| {
        let right = |(&count, &in_train): (&usize, &usize)| {
            if 2 * in_train > train.rows { count } else { split.rows - count }
        };
        let right: usize = split.classes.values().zip(train.classes.values()).map(right).sum();
        right as f64 / (split.rows * train.classes.len()).max(1) as f64
    })
}
