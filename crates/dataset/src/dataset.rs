//! Dividing the rows, and what a divided dataset tells.
//!
//! | split | its own file | no file |
//! |---|---|---|
//! | test, then validation | all rows of it, or the amount | the amount, out of the training file; none without one |
//! | training | what those two left, or the amount | |
//!
//! Without any amount, and without a file of validation rows, 0.2 of the rows validate.
//! Fractions are of the usable rows of the file that the rows are taken from, rounded to the
//! nearest. The rows of a split lie in the order of their file, so that what is made of a million texts meets them where they
//! lie in memory; training takes its own in a random order, which is kept beside them.

use std::sync::Arc;

use emberline_base::digest::{Digest, Parts};
use emberline_base::record::{Data, SplitRows};
use emberline_base::{Labels, SplitName, Splits, Substream, Task, TextList};
use indexmap::IndexMap;

use crate::error::Error;
use crate::rows::{Part, Rows};
use crate::settings::{Amount, Split};
use crate::split::Deck;
use crate::texts::Texts;

/// Texts and labels, and which rows belong to which split.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The usable texts of all files, as they came.
    pub texts: Arc<Texts>,
    /// A label, or a set of labels, for each of `texts`.
    pub labels: Arc<Labels>,
    /// Positions in `texts`, ascending.
    pub splits: Splits<Vec<usize>>,
    /// The order in which training takes its rows: positions in the split of training.
    pub order: Vec<usize>,
    /// What was read, and how it was divided.
    pub data: Data,
    /// Rows kept out of each split that has a file, since their text stands in the file of a
    /// more protected split too (test before validation before training).
    pub leaks: Splits<usize>,
    /// Usable rows in no split: not asked for, leaks, or the rest of a group of equal texts that
    /// was cut to meet a count.
    pub unused: usize,
}

impl Dataset {
    /// The texts of one split, in order; none where there is no such split.
    pub fn texts_of(&self, split: SplitName) -> impl ExactSizeIterator<Item = &str> {
        self.splits.get(split).map(Vec::as_slice).unwrap_or_default().iter().map(|&row| &self.texts[row])
    }

    /// The texts of every split, in order, as bytes.
    pub fn lists(&self) -> Splits<SplitTexts<'_>> {
        self.splits.map(|_, rows| SplitTexts { texts: &self.texts, rows })
    }

    /// The content of every split: classes, texts and labels, in order. Files' names, other
    /// rows and other columns don't matter.
    pub fn digest(&self) -> Digest {
        let mut parts = Parts::new();
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

    /// The texts and labels of one split, and in which order training takes them.
    pub fn split_digest(&self, split: SplitName) -> Digest {
        let mut parts = Parts::new();
        let rows = self.splits.get(split).map(Vec::as_slice).unwrap_or_default();
        rows.iter().for_each(|&row| self.add_row(row, &mut parts));
        if split == SplitName::Train {
            parts.add(&self.order.iter().flat_map(|&at| (at as u32).to_le_bytes()).collect::<Vec<_>>());
        }
        parts.digest()
    }

    fn add_row(&self, row: usize, parts: &mut Parts) {
        let labels = self.labels.of_row(row);
        parts.add(self.texts.bytes(row));
        parts.add(&(labels.len() as u32).to_le_bytes());
        labels.iter().for_each(|&class| parts.add(self.labels.classes[class as usize].as_bytes()));
    }
}

/// The texts of one split, found where they lie: a million slices would take 16 MB.
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
    /// Divides the rows; `seed` is used where the settings give none.
    ///
    /// # Errors
    /// When more rows are asked for than there are, or a split would be empty.
    pub fn split(&self, split: &Split, seed: u64) -> Result<Dataset, Error> {
        let has_valid_file = self.pools.valid.is_some();
        let split = split.resolved(has_valid_file);
        let divider = Divider { rows: self, seed: split.seed.unwrap_or(seed), split: &split };
        let (splits, order) = divider.divide()?;
        self.refuse_one_class(&splits.train, &split)?;
        let used: usize = splits.iter().map(|(_, rows)| rows.len()).sum();
        let leaks = self.pools.map(|name, pool| self.part(name).map_or(0, |part| part.rows.len() - pool.len()));
        Ok(Dataset {
            texts: Arc::clone(&self.texts),
            labels: Arc::clone(&self.labels),
            data: self.data(&splits, leaks.iter().map(|(_, rows)| rows).sum()),
            unused: self.texts.len() - used,
            splits,
            order,
            leaks,
        })
    }

    /// The file of a split.
    pub(crate) fn part(&self, split: SplitName) -> Option<&Part> {
        self.parts.iter().find(|part| part.split == split)
    }

    fn data(&self, splits: &Splits<Vec<usize>>, shared_texts: usize) -> Data {
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
            shared_texts,
            unknown_labels: count(|part| part.unknown.count),
            conflicting_labels: self.conflicts.iter().filter(|&&conflict| conflict).count(),
            warnings,
        }
    }
}

/// Rows per class.
pub(crate) fn split_rows(labels: &Labels, rows: &[usize]) -> SplitRows {
    let classes: IndexMap<String, usize> = labels.classes.iter().cloned().zip(labels.counts(rows)).collect();
    SplitRows { rows: rows.len(), classes }
}

/// Of always answering what most training rows have: the first among equal classes; multi-label:
/// for each class by itself (a tie is no), averaged over classes.
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

/// One division of the rows.
struct Divider<'a> {
    rows: &'a Rows,
    split: &'a Split,
    seed: u64,
}

impl Divider<'_> {
    /// The rows of every split, and the order in which training takes its own.
    fn divide(&self) -> Result<(Splits<Vec<usize>>, Vec<usize>), Error> {
        let mut test = self.of_own_file(SplitName::Test, self.rows.pools.test.as_deref(), self.split.test)?;
        let mut valid = self.of_own_file(SplitName::Valid, self.rows.pools.valid.as_deref(), self.split.valid)?;
        let pool = &self.rows.pools.train;
        let carved = |own: &Option<Vec<usize>>, amount: Option<Amount>| amount.filter(|_| own.is_none());
        let (from_test, from_valid) = (carved(&test, self.split.test), carved(&valid, self.split.valid));
        let sizes = self.sizes(pool.len(), from_test, from_valid)?;
        let mut deck = self.deck("split", pool);
        if from_test.is_some() {
            test = Some(self.taken(&mut deck, SplitName::Test, sizes.test)?);
        }
        if from_valid.is_some() {
            valid = Some(self.taken(&mut deck, SplitName::Valid, sizes.valid)?);
        }
        let mut train = deck.layout();
        if let Some(count) = sizes.train {
            // A group that was cut for test or valid may leave a row less than a fraction asks for.
            if count > train.len() && !matches!(self.split.train, Some(Amount::Fraction(_))) {
                let asked = format!("{count} rows for train beside test and valid");
                return Err(self.too_few(SplitName::Train, asked, sizes.test + sizes.valid + train.len()));
            }
            train.truncate(count);
        }
        if train.is_empty() {
            let few = self.rows.few_texts().map(|few| format!(" ({few})")).unwrap_or_default();
            let reason = format!("test and valid take all; lower `split`{few}");
            return Err(self.empty(SplitName::Train, SplitName::Train, reason));
        }
        Substream::new(self.seed, "split/train order").shuffle(&mut train);
        let (train, order) = self.in_order(&train);
        Ok((Splits { train, valid, test }, order))
    }

    /// These rows in the order of their file; and where each of them stands then, in the order in which they came.
    fn in_order(&self, rows: &[u32]) -> (Vec<usize>, Vec<usize>) {
        const ELSEWHERE: u32 = u32::MAX;
        let mut places = vec![ELSEWHERE; self.rows.texts.len()];
        rows.iter().for_each(|&row| places[row as usize] = 0);
        let mut sorted = Vec::with_capacity(rows.len());
        for (row, place) in places.iter_mut().enumerate().filter(|(_, place)| **place != ELSEWHERE) {
            *place = sorted.len() as u32;
            sorted.push(row);
        }
        (sorted, rows.iter().map(|&row| places[row as usize] as usize).collect())
    }

    /// A split that has a file: all of it, or the amount.
    fn of_own_file(
        &self,
        name: SplitName,
        pool: Option<&[u32]>,
        amount: Option<Amount>,
    ) -> Result<Option<Vec<usize>>, Error> {
        let (Some(pool), Some(amount)) = (pool, amount) else {
            return Ok(pool.map(|pool| pool.iter().map(|&row| row as usize).collect()));
        };
        let count = self.rows_of(name, name, amount, pool.len())?;
        if count > pool.len() {
            return Err(self.too_few(name, format!("{count} rows for {name}"), pool.len()));
        }
        Ok(Some(self.deck(&format!("split/{name}"), pool).take(count)))
    }

    /// Takes rows for a split; so many repeated texts that it can't be filled are an error.
    fn taken(&self, deck: &mut Deck, name: SplitName, count: usize) -> Result<Vec<usize>, Error> {
        let rows = deck.take(count);
        if rows.len() < count {
            let asked = format!("{count} rows for {name} (equal texts stay in one split)");
            return Err(self.too_few(SplitName::Train, asked, rows.len()));
        }
        Ok(rows)
    }

    fn deck(&self, stream: &str, pool: &[u32]) -> Deck {
        let mut stream = Substream::new(self.seed, stream);
        let strata = self.split.stratify.then(|| self.rows.strata());
        Deck::new(pool, &self.rows.groups, strata, &mut stream)
    }

    /// The rows that each split takes from the training file.
    fn sizes(&self, available: usize, test: Option<Amount>, valid: Option<Amount>) -> Result<Sizes, Error> {
        let rows_of = |name, amount: Option<Amount>| {
            amount.map(|amount| self.rows_of(name, SplitName::Train, amount, available)).transpose()
        };
        let sizes = Sizes {
            test: rows_of(SplitName::Test, test)?.unwrap_or(0),
            valid: rows_of(SplitName::Valid, valid)?.unwrap_or(0),
            train: rows_of(SplitName::Train, self.split.train)?,
        };
        let held_out = sizes.test.saturating_add(sizes.valid);
        let asked = held_out.saturating_add(sizes.train.unwrap_or(0));
        // Two fractions that were rounded up may reach one row too far.
        let by_rounding = matches!(self.split.train, Some(Amount::Fraction(_))) && asked - available.min(asked) <= 1;
        if asked > available && !(by_rounding && held_out < available) {
            let each = [("train", sizes.train), ("valid", Some(sizes.valid)), ("test", Some(sizes.test))];
            let each =
                each.iter().filter_map(|(name, rows)| Some(format!("{} for {name}", (*rows).filter(|&r| r > 0)?)));
            let asked = format!("{asked} rows ({})", each.collect::<Vec<_>>().join(", "));
            return Err(self.too_few(SplitName::Train, asked, available));
        }
        Ok(Sizes { train: sizes.train.map(|rows| rows.min(available - held_out)), ..sizes })
    }

    /// An amount of the rows of `file`.
    fn rows_of(&self, name: SplitName, file: SplitName, amount: Amount, available: usize) -> Result<usize, Error> {
        let rows = match amount {
            Amount::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Amount::Fraction(part) => (part * available as f64).round() as usize,
        };
        if rows == 0 {
            let reason = match amount {
                Amount::Count(_) => "0 rows are asked for; leave it out for none".to_owned(),
                Amount::Fraction(part) => format!("{part:?} of {available} rows is less than one; raise split.{name}"),
            };
            return Err(self.empty(name, file, reason));
        }
        Ok(rows)
    }

    fn too_few(&self, file: SplitName, asked: String, available: usize) -> Error {
        let (path, leaks) = self.rows.part(file).map_or_else(Default::default, |part| {
            let pool = self.rows.pools.get(file).map_or(0, Vec::len);
            (part.path.clone(), part.rows.len() - pool)
        });
        Error::TooFewRows { path, asked, available, leaks }
    }

    fn empty(&self, split: SplitName, file: SplitName, reason: String) -> Error {
        let path = self.rows.part(file).map(|part| part.path.clone()).unwrap_or_default();
        Error::EmptySplit { path, split, reason }
    }
}

/// Rows to be taken.
struct Sizes {
    test: usize,
    valid: usize,
    train: Option<usize>,
}
