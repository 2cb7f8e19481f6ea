//! Splits the rows of a dataset: by amounts, into folds, by a number of rows per class, or by explicit row lists.
//!
//! | split | its own file | no file |
//! |---|---|---|
//! | test | all its rows, or the amount | the amount, or the fold, from the front of the order; none without one |
//! | validation | all its rows, or the amount | the amount, after the test rows; none without one |
//! | training | | the remaining rows, or the amount, or a number per class |
//!
//! Without any amount, and without a file of validation rows, 0.2 of the rows are for validation. A fraction is a fraction of the
//! usable rows of the file, rounded to the nearest number. `order.rs` defines the order of the rows, and `split.rs` cuts it.

use emberline_base::number::counted;
use emberline_base::{Labels, SplitName, Splits, Targets};

use crate::error::Error;
use crate::order::RowHasher;
use crate::rows::Rows;
use crate::settings::{Amount, Split};
use crate::split::StratifiedSampler;

/// Splits rows by one set of settings.
pub(crate) struct Divider<'a> {
    rows: &'a Rows,
    split: &'a Split,
    hasher: RowHasher,
}

/// The rows of each split, as positions in the rows of all files, ascending; and the training rows again, in the order in which
/// training takes them.
pub(crate) struct Division {
    pub(crate) splits: Splits<Vec<usize>>,
    pub(crate) train_order: Vec<u32>,
}

/// The number of rows of each split, in the order of the cuts.
struct Sizes {
    /// Rows before the test split: those of the earlier folds.
    before: usize,
    test: usize,
    valid: usize,
    train: Option<usize>,
}

impl<'a> Divider<'a> {
    /// `seed` is that of the pipeline, used if the settings give none.
    pub(crate) fn new(rows: &'a Rows, split: &'a Split, seed: u64) -> Self {
        Self { rows, split, hasher: RowHasher::new(split.effective_seed(seed)) }
    }

    /// Returns the rows of every split.
    ///
    /// # Errors
    /// When the settings ask for more rows than there are, a split would be empty, or the draw doesn't exist.
    pub(crate) fn divide(&self) -> Result<Division, Error> {
        if self.split.trains_on_all {
            return Ok(self.all_for_training());
        }
        if self.rows.draws.is_some() {
            return self.explicit();
        }
        let Rows { pools, .. } = self.rows;
        let own_test = self.of_own_file(SplitName::Test, pools.test.as_deref(), self.split.test)?;
        let own_valid = self.of_own_file(SplitName::Valid, pools.valid.as_deref(), self.split.valid)?;
        let sizes = self.sizes(own_test.is_some(), own_valid.is_some())?;
        let held_out = sizes.test + sizes.valid;
        let end = sizes.train.map_or(pools.train.len(), |train| held_out + train);
        let mut pieces = self.sampler(&pools.train).cut(sizes.before, &[sizes.test, held_out, end]);
        let mut pieces = pieces.drain(..);
        let mut piece = || pieces.next().expect("three borders make four pieces");
        let (test, valid, mut train) = (piece(), piece(), piece());
        if let Some(count) = self.split.per_class {
            train = self.of_each_class(&train, count)?;
        }
        let own_or_cut = |name, own: Option<Vec<usize>>, rows: &[u32], asked: usize| match (own, asked) {
            (None, 1..) => self.held_out(name, rows).map(Some),
            (own, _) => Ok(own),
        };
        let test = own_or_cut(SplitName::Test, own_test, &test, sizes.test)?;
        let valid = own_or_cut(SplitName::Valid, own_valid, &valid, sizes.valid)?;
        if train.is_empty() {
            let few = self.rows.few_texts().map(|few| format!(" ({few})")).unwrap_or_default();
            let reason = format!("test and valid take all; lower `split`{few}");
            return Err(self.empty(SplitName::Train, SplitName::Train, reason));
        }
        Ok(Division { splits: Splits { train: positions(&train), valid, test }, train_order: self.by_hash(&train) })
    }

    /// Makes all rows training rows, except those of a class that no training row had when the files were read.
    fn all_for_training(&self) -> Division {
        let Rows { pools, labels, .. } = self.rows;
        let is_known = |row: &u32| match &labels.targets {
            Targets::Single(classes) => classes[*row as usize] != Labels::UNKNOWN,
            Targets::Multi { .. } => true,
        };
        let mut all: Vec<u32> = pools.iter().flat_map(|(_, pool)| pool).copied().filter(is_known).collect();
        all.sort_unstable();
        Division { splits: Splits { train: positions(&all), valid: None, test: None }, train_order: self.by_hash(&all) }
    }

    /// Returns the explicit rows of the chosen draw.
    fn explicit(&self) -> Result<Division, Error> {
        let draws = self.rows.draws.iter().flatten();
        let names = || draws.clone().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let chosen = match &self.split.draw {
            Some(draw) => draws.clone().find(|(name, _)| *name == draw).map(|(_, splits)| splits),
            None => draws.clone().next().map(|(_, splits)| splits),
        };
        let Some(Splits { train, valid, test }) = chosen else {
            return Err(Error::NoDraw { draw: self.split.draw.clone().unwrap_or_default(), draws: names() });
        };
        let held_out = |rows: &Option<Vec<u32>>| rows.clone().map(sorted_positions);
        let splits = Splits { train: sorted_positions(train.clone()), valid: held_out(valid), test: held_out(test) };
        Ok(Division { splits, train_order: train.clone() })
    }

    /// Returns rows in the order in which training takes them: by the hash of their texts, which is random, and keeps the order
    /// of the others when a row is added.
    fn by_hash(&self, rows: &[u32]) -> Vec<u32> {
        let mut keyed: Vec<(u128, u32)> =
            rows.iter().map(|&row| (self.hasher.of_text(&self.rows.texts[row as usize]), row)).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, row)| row).collect()
    }

    /// Returns the rows of a split that has a file: all of them, or the amount.
    fn of_own_file(
        &self,
        name: SplitName,
        pool: Option<&[u32]>,
        amount: Option<Amount>,
    ) -> Result<Option<Vec<usize>>, Error> {
        let (Some(pool), Some(amount)) = (pool, amount) else {
            return Ok(pool.map(positions));
        };
        let count = self.rows_of(name, name, amount, pool.len())?;
        if count > pool.len() {
            return Err(self.too_few(name, format!("{} for {name}", counted(count, "row")), pool.len()));
        }
        self.held_out(name, &self.sampler(pool).cut(0, &[count])[0]).map(Some)
    }

    /// Returns the rows of a validation or test split, and refuses an empty one.
    fn held_out(&self, name: SplitName, rows: &[u32]) -> Result<Vec<usize>, Error> {
        if rows.is_empty() {
            let reason = "rows of one text or one group stay together, and none of them fits; ask for more rows";
            return Err(self.empty(name, name, reason.to_owned()));
        }
        Ok(positions(rows))
    }

    /// Returns the first `count` rows of each class in the order of the split: by hash, or the newest.
    fn of_each_class(&self, rows: &[u32], count: u32) -> Result<Vec<u32>, Error> {
        let labels = &self.rows.labels;
        let mut left = vec![count; labels.classes.len()];
        let mut taken = Vec::new();
        for row in self.in_order(rows) {
            let [class] = labels.of_row(row as usize) else { continue };
            let left = &mut left[*class as usize];
            if *left > 0 {
                *left -= 1;
                taken.push(row);
            }
        }
        if let Some(class) = left.iter().position(|&left| left > 0) {
            return Err(Error::TooFewOfClass {
                path: self.rows.parts[0].path.clone(),
                asked: count,
                class: labels.classes[class].clone(),
                left: (count - left[class]) as usize,
            });
        }
        taken.sort_unstable();
        Ok(taken)
    }

    /// Returns rows in the order of the split, without regard to which of them stay together.
    fn in_order(&self, rows: &[u32]) -> Vec<u32> {
        if self.split.order.is_none() {
            return self.by_hash(rows);
        }
        let mut rows = rows.to_vec();
        rows.sort_by_key(|&row| self.rows.time_key(&[row]));
        rows
    }

    fn sampler(&self, pool: &[u32]) -> StratifiedSampler {
        let strata = self.split.stratifies().then(|| self.rows.strata());
        let key = |rows: &[u32]| match self.split.order {
            Some(_) => self.rows.time_key(rows),
            None => self.rows.hash_key(rows, &self.hasher),
        };
        StratifiedSampler::new(pool, &self.rows.units, strata, key)
    }

    /// Returns how many rows each split takes from the training file.
    fn sizes(&self, has_test: bool, has_valid: bool) -> Result<Sizes, Error> {
        let available = self.rows.pools.train.len();
        let rows_of = |name, amount: Option<Amount>| {
            amount.map(|amount| self.rows_of(name, SplitName::Train, amount, available)).transpose()
        };
        let valid = rows_of(SplitName::Valid, self.split.valid.filter(|_| !has_valid))?.unwrap_or(0);
        let train = rows_of(SplitName::Train, self.split.train)?;
        let (before, test) = match self.fold(available)? {
            Some((start, end)) => (start, end - start),
            None => (0, rows_of(SplitName::Test, self.split.test.filter(|_| !has_test))?.unwrap_or(0)),
        };
        let held_out = test.saturating_add(valid);
        let asked = held_out.saturating_add(train.unwrap_or(0));
        // Two fractions that were both rounded up may take one row too many.
        let by_rounding = matches!(self.split.train, Some(Amount::Fraction(_))) && asked - available.min(asked) <= 1;
        if asked > available && !(by_rounding && held_out < available) {
            let each = [("train", train), ("valid", Some(valid)), ("test", Some(test))];
            let each =
                each.iter().filter_map(|(name, rows)| Some(format!("{} for {name}", (*rows).filter(|&r| r > 0)?)));
            let asked = format!("{} ({})", counted(asked, "row"), each.collect::<Vec<_>>().join(", "));
            return Err(self.too_few(SplitName::Train, asked, available));
        }
        Ok(Sizes { before, test, valid, train: train.map(|rows| rows.min(available - held_out)) })
    }

    /// Returns where the chosen fold begins and ends; none without folds. The folds of 10 rows in 3 folds are 0..3, 3..6, 6..10.
    fn fold(&self, available: usize) -> Result<Option<(usize, usize)>, Error> {
        let Some(folds) = self.split.folds else { return Ok(None) };
        if folds as usize > available {
            let asked = format!("{} of at least one row", counted(folds as usize, "fold"));
            return Err(self.too_few(SplitName::Train, asked, available));
        }
        let fold = self.split.fold.unwrap_or(1);
        let border = |fold: u32| (available as u64 * u64::from(fold) / u64::from(folds)) as usize;
        Ok(Some((border(fold - 1), border(fold))))
    }

    /// Converts an amount to a number of rows of `file`.
    fn rows_of(&self, name: SplitName, file: SplitName, amount: Amount, available: usize) -> Result<usize, Error> {
        let rows = match amount {
            Amount::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Amount::Fraction(part) => (part * available as f64).round() as usize,
        };
        if rows == 0 {
            let reason = match amount {
                Amount::Count(_) => "0 rows are asked for; leave it out for none".to_owned(),
                Amount::Fraction(part) => {
                    format!("{part:?} of {} is less than one; raise split.{name}", counted(available, "row"))
                }
            };
            return Err(self.empty(name, file, reason));
        }
        Ok(rows)
    }

    fn too_few(&self, file: SplitName, asked: String, available: usize) -> Error {
        let (path, rows) =
            self.rows.part(file).map_or_else(Default::default, |part| (part.path.clone(), part.rows.len()));
        let leaks = self.rows.leaks.get(file).copied().unwrap_or_default();
        let pool = self.rows.pools.get(file).map_or(0, Vec::len);
        Error::TooFewRows { path, asked, available, leaks, copies: rows - pool - leaks }
    }

    fn empty(&self, split: SplitName, file: SplitName, reason: String) -> Error {
        // A split without a file of its own is cut from that of the training rows.
        let part = self.rows.part(file).or_else(|| self.rows.part(SplitName::Train));
        let path = part.map(|part| part.path.clone()).unwrap_or_default();
        Error::EmptySplit { path, split, reason }
    }
}

fn positions(rows: &[u32]) -> Vec<usize> {
    rows.iter().map(|&row| row as usize).collect()
}

fn sorted_positions(mut rows: Vec<u32>) -> Vec<usize> {
    rows.sort_unstable();
    positions(&rows)
}
