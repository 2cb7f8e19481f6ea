//! A sketch of a file's rows: 576 bytes from which the rows that were added and removed since are told, as long as they are few.
//!
//! It is an invertible Bloom lookup table (Goodrich and Mitzenmacher, 2011). Every row has a key and adds it to three
//! buckets, one in each third of the table. The difference of two sketches holds only the rows that one side has and the
//! other has not: a bucket with a single such row names it, and once it is taken out of its other buckets, these may name
//! theirs. About eighteen rows are found this way; of more, only the counts of classes are known.
//!
//! A key is 56 bits: 48 of the hash of the text and its classes, and 8 that name the class of a row that has exactly one.

use emberline_base::digest::hex;
use emberline_base::sha256_prefix;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Number of buckets in each third.
const THIRD: usize = 12;
const THIRDS: usize = 3;
const BUCKETS: usize = THIRD * THIRDS;

/// Bytes of a bucket as written: the count (4), the sum of keys (8) and the sum of checks (4), all little-endian.
const BUCKET_BYTES: usize = 16;

/// The most copies of one row that a bucket is searched for.
const MOST_COPIES: u32 = 32;

/// A sketch of rows. Serialises as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSketch(Vec<Bucket>);

/// Sums over the rows of a bucket; all wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    count: u32,
    keys: u64,
    checks: u32,
}

/// A row as the sketch knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey(u64);

/// The rows in which two sketches differ; a row with several copies is listed once per copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowDifference {
    pub(crate) added: Vec<RowKey>,
    pub(crate) removed: Vec<RowKey>,
}

impl RowKey {
    /// Returns the key of a row with this text and these names of classes.
    pub(crate) fn of(text: &[u8], classes: &[&str]) -> Self {
        let mut row = Vec::with_capacity(text.len() + 32);
        row.extend((text.len() as u64).to_le_bytes());
        row.extend(text);
        for class in classes {
            row.extend((class.len() as u64).to_le_bytes());
            row.extend(class.as_bytes());
        }
        let hash = sha256_prefix(&row);
        let mut key = [0; 8];
        key[..6].copy_from_slice(&hash[..6]);
        key[6] = if let [class] = classes { class_byte(class) } else { 0 };
        Self(u64::from_le_bytes(key))
    }

    /// Returns which of `classes` the row has, if it has exactly one and only one of them comes into question.
    pub(crate) fn class<'a>(self, classes: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let mut found = classes.into_iter().filter(|class| class_byte(class) == self.0.to_le_bytes()[6]);
        found.next().filter(|_| found.next().is_none())
    }

    /// Returns the row's bucket in each third.
    fn buckets(self) -> [usize; THIRDS] {
        [0, 1, 2].map(|third| third * THIRD + (mixed(self.0, third as u64) % THIRD as u64) as usize)
    }

    fn check(self) -> u32 {
        mixed(self.0, 3) as u32
    }
}

/// Returns the byte that stands for a class in keys, from 1; 0 stands for no class and for several.
fn class_byte(class: &str) -> u8 {
    sha256_prefix(class.as_bytes())[0] % 255 + 1
}

/// Mixes the bits of a key (SplitMix64); `stream` selects one of several independent results.
fn mixed(key: u64, stream: u64) -> u64 {
    let mut z = key.wrapping_add((stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Default for RowSketch {
    fn default() -> Self {
        Self(vec![Bucket::default(); BUCKETS])
    }
}

impl RowSketch {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: RowKey) {
        self.add_copies(row, 1);
    }

    /// Adds the rows of another sketch.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, other) in self.0.iter_mut().zip(&other.0) {
            bucket.count = bucket.count.wrapping_add(other.count);
            bucket.keys = bucket.keys.wrapping_add(other.keys);
            bucket.checks = bucket.checks.wrapping_add(other.checks);
        }
    }

    /// Returns the rows in which `new` differs from this sketch; `None` if there are too many to be told apart.
    pub(crate) fn difference(&self, new: &Self) -> Option<RowDifference> {
        let mut rest = Self(new.0.iter().zip(&self.0).map(|(new, old)| new.minus(old)).collect());
        let mut found = RowDifference::default();
        while let Some((row, copies)) = rest.0.iter().find_map(Bucket::single) {
            rest.add_copies(row, copies.wrapping_neg());
            let rows = if copies > 0 { &mut found.added } else { &mut found.removed };
            rows.extend(std::iter::repeat_n(row, copies.unsigned_abs() as usize));
            // Of a sketch that isn't what was written, nothing is believed.
            if found.added.len() + found.removed.len() > BUCKETS * MOST_COPIES as usize {
                return None;
            }
        }
        found.added.sort_unstable();
        found.removed.sort_unstable();
        rest.0.iter().all(|bucket| *bucket == Bucket::default()).then_some(found)
    }

    fn add_copies(&mut self, row: RowKey, copies: i32) {
        for at in row.buckets() {
            let bucket = &mut self.0[at];
            bucket.count = bucket.count.wrapping_add_signed(copies);
            bucket.keys = bucket.keys.wrapping_add(row.0.wrapping_mul(i64::from(copies) as u64));
            bucket.checks = bucket.checks.wrapping_add(row.check().wrapping_mul(copies as u32));
        }
    }
}

impl Bucket {
    fn minus(&self, old: &Self) -> Self {
        Self {
            count: self.count.wrapping_sub(old.count),
            keys: self.keys.wrapping_sub(old.keys),
            checks: self.checks.wrapping_sub(old.checks),
        }
    }

    /// Returns the only row of a bucket of a difference, with the number of its copies, negative if they were removed;
    /// `None` if there is no row, or more than one.
    fn single(&self) -> Option<(RowKey, i32)> {
        let count = self.count as i32;
        let copies = count.unsigned_abs();
        if copies == 0 || copies > MOST_COPIES {
            return None;
        }
        let (keys, checks) = match count > 0 {
            true => (self.keys, self.checks),
            false => (self.keys.wrapping_neg(), self.checks.wrapping_neg()),
        };
        let row = RowKey(keys / u64::from(copies));
        let is_single = keys % u64::from(copies) == 0 && row.check().wrapping_mul(copies) == checks;
        is_single.then_some((row, count))
    }
}

impl Serialize for RowSketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.iter().flat_map(|Bucket { count, keys, checks }| {
            count.to_le_bytes().into_iter().chain(keys.to_le_bytes()).chain(checks.to_le_bytes())
        });
        serializer.serialize_str(&hex(&bytes.collect::<Vec<_>>()))
    }
}

impl<'de> Deserialize<'de> for RowSketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let bytes = bytes.filter(|bytes| bytes.len() == BUCKETS * BUCKET_BYTES && digits.len() == 2 * bytes.len());
        let bytes = bytes.ok_or_else(|| serde::de::Error::custom("this is no sketch of rows"))?;
        let bucket = |bytes: &[u8]| {
            let part = |from: usize| bytes[from..from + 4].try_into().expect("four bytes");
            Bucket {
                count: u32::from_le_bytes(part(0)),
                keys: u64::from_le_bytes(bytes[4..12].try_into().expect("eight bytes")),
                checks: u32::from_le_bytes(part(12)),
            }
        };
        Ok(Self(bytes.chunks_exact(BUCKET_BYTES).map(bucket).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(row: usize) -> RowKey {
        RowKey::of(format!("text {row}").as_bytes(), &[["no", "yes"][row % 2]])
    }

    fn sketch(rows: impl IntoIterator<Item = usize>) -> RowSketch {
        let mut sketch = RowSketch::default();
        rows.into_iter().for_each(|row| sketch.add(key(row)));
        sketch
    }

    fn sorted(rows: impl IntoIterator<Item = usize>) -> Vec<RowKey> {
        let mut keys: Vec<RowKey> = rows.into_iter().map(key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn few_rows_that_differ_are_found_among_many() {
        let old = sketch(0..100_000);
        let difference = old.difference(&sketch((3..100_000).chain(200_000..200_005))).expect("few");
        assert_eq!(difference.removed, sorted(0..3));
        assert_eq!(difference.added, sorted(200_000..200_005));
        assert_eq!(old.difference(&old), Some(RowDifference::default()));
        let classes = difference.removed.iter().map(|key| key.class(["no", "yes"]));
        assert_eq!(classes.filter(|class| *class == Some("no")).count(), 2, "rows 0 and 2");
    }

    #[test]
    fn copies_of_a_row_are_counted() {
        let difference = sketch([1, 2, 2]).difference(&sketch([1, 1, 1, 2])).expect("few");
        assert_eq!((difference.added, difference.removed), (sorted([1, 1]), sorted([2])));
    }

    /// What is returned is right, and up to a dozen rows nearly always something is.
    #[test]
    fn rows_are_found_or_there_are_too_many() {
        let mut found = 0;
        for trial in 0..300 {
            let rows = |count: usize| (0..count).map(move |row| 1_000 * trial + row);
            if let Some(difference) = sketch([]).difference(&sketch(rows(12))) {
                assert_eq!(difference.added, sorted(rows(12)));
                found += 1;
            }
            assert_eq!(sketch([]).difference(&sketch(rows(300))), None);
        }
        assert!(found > 290, "{found} of 300");
    }

    #[test]
    fn a_sketch_survives_its_text_and_damage_is_refused() {
        let old = sketch(0..1000);
        let text = serde_json::to_string(&old).expect("a text");
        assert_eq!((text.len(), serde_json::from_str(&text).ok()), (2 + 2 * 576, Some(old)));
        for damaged in ["\"\"", "\"ab\"", &text.replace(&text[9..10], "x"), &text.replacen(&text[1..2], "", 1), "3"] {
            assert!(serde_json::from_str::<RowSketch>(damaged).is_err(), "{damaged}");
        }
        // A sketch whose sums belong to no rows ends the search, too.
        let mut absurd = sketch([]);
        absurd.0.iter_mut().for_each(|bucket| bucket.count = 1);
        assert_eq!(sketch([]).difference(&absurd), None);
    }

    #[test]
    fn parts_of_rows_can_be_added_up() {
        let mut merged = sketch(0..10);
        merged.merge(&sketch(10..30));
        assert_eq!(merged, sketch(0..30));
    }
}
