//! EMB015: held-out texts that nearly repeat a training text.
//!
//! Two texts are near-duplicates if the Jaccard similarity of their shingles (pairs of neighbouring words, with the text's ends
//! as words) is at least [`SIMILARITY`]: the number of shingles in both, divided by the number in either. Case and punctuation
//! don't count. A text of ten words and the same with another word added have 10 of 13 shingles in common (.77); with a word
//! replaced, 9 of 13 (.69).
//!
//! Candidates are found by MinHash (Broder 1997) with banding: two texts share the least value of a random hash of their
//! shingles with a probability that equals their similarity `s`, so they agree in one of `B` bands of `R` values with
//! `1 - (1 - s^R)^B`: .99 at .7. Each candidate's similarity is then computed from the texts.

use std::collections::{BTreeMap, HashMap};

use emberline_base::SplitName;
use emberline_base::number::{agreeing, counted};
use rayon::prelude::*;

use crate::Subject;
use crate::subject::thinned;
use crate::verdict::{Finding, LISTED, Verdict, percent, quoted};
use crate::words::{mix, push_words};

/// Least similarity of near-duplicates.
pub const SIMILARITY: f64 = 0.7;
/// The number of bands (`B`), and of values in a band (`R`).
const BANDS: usize = 20;
const BAND: usize = 4;
/// Texts with fewer words are left out: whether two of them are nearly equal can't be judged by words.
const MIN_WORDS: usize = 4;
/// Maximum number of training texts of one bucket that a text is compared with: a million texts of one pattern would otherwise
/// be compared with each other.
const MAX_CANDIDATES: usize = 30;
/// Maximum number of training rows, and of held-out rows; of more, a sample is compared.
const MAX_TRAIN: usize = 1_000_000;
const MAX_HELD_OUT: usize = 100_000;
/// Least share of a split's rows that causes a warning, and their least number: a few near-duplicates change no score.
const MIN_SHARE: f64 = 0.005;
const MIN_ROWS: usize = 2;

/// A held-out row and a training row that it nearly repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The split of the held-out row.
    pub split: SplitName,
    /// The held-out row.
    pub row: usize,
    /// The training row.
    pub train: usize,
}

/// Finds the held-out rows that nearly repeat a training row, in order; each with the first such row that was found.
pub fn find(subject: &Subject<'_>) -> Vec<Pair> {
    let train = thinned(&subject.splits.train, MAX_TRAIN);
    let keys_of = |row: usize| keys(subject.text(row));
    let keys: Vec<Option<Keys>> = train.par_iter().map(|&row| keys_of(row)).collect();
    let buckets: Vec<Buckets> = (0..BANDS).into_par_iter().map(|band| Buckets::of(&keys, band)).collect();
    drop(keys);
    let partner = |row: usize| {
        let (text, keys) = (subject.text(row), keys_of(row)?);
        let of_row = shingles(text);
        let candidates = buckets.iter().zip(keys).flat_map(|(buckets, key)| buckets.get(key));
        candidates.map(|at| train[at as usize]).find(|&other| is_near(&of_row, &shingles(subject.text(other))))
    };
    let mut pairs = Vec::new();
    for (split, rows) in subject.splits.iter().filter(|(split, _)| *split != SplitName::Train) {
        let found = thinned(rows, MAX_HELD_OUT).into_par_iter().filter_map(|row| Some((row, partner(row)?)));
        let found: Vec<(usize, usize)> = found.collect();
        pairs.extend(found.into_iter().map(|(row, train)| Pair { split, row, train }));
    }
    pairs
}

pub(crate) fn check(subject: &Subject<'_>) -> Verdict {
    if subject.splits.valid.is_none() && subject.splits.test.is_none() {
        return Verdict::NotApplicable("there is no validation or test split".to_owned());
    }
    let pairs = find(subject);
    let mut counts = BTreeMap::new();
    pairs.iter().for_each(|pair| *counts.entry(pair.split).or_insert(0_usize) += 1);
    let size = |split| subject.splits.get(split).map_or(0, Vec::len).min(MAX_HELD_OUT);
    let is_many =
        |(split, &count): (&SplitName, &usize)| count >= MIN_ROWS && count as f64 >= MIN_SHARE * size(*split) as f64;
    if !counts.iter().any(is_many) {
        return Verdict::Clear;
    }
    let of = |(split, &count): (&SplitName, &usize)| {
        format!("{} of {} ({})", count, counted(size(*split), &format!("{split} row")), percent(count, size(*split)))
    };
    let shares: Vec<String> = counts.iter().map(of).collect();
    let same = |pair: &&Pair| subject.labels.of_row(pair.row) == subject.labels.of_row(pair.train);
    let same = pairs.iter().filter(same).count();
    let rows: Vec<String> = pairs.iter().take(LISTED).map(|pair| shown(subject, pair)).collect();
    let text = format!(
        "{} nearly {} a training text, {} with the same label, such as {}. What training has almost seen flatters the score: keep \
         variants of a text in one split, by `data.group` or by removing them.",
        shares.join(" and "),
        agreeing(pairs.len(), "repeats", "repeat"),
        same,
        rows.first().map_or("", String::as_str),
    );
    Verdict::Found(Finding { text, rows })
}

fn shown(subject: &Subject<'_>, pair: &Pair) -> String {
    let of = |row: usize| format!("{} ({})", quoted(subject.text(row)), (subject.place)(row));
    format!("{} and {}", of(pair.row), of(pair.train))
}

/// The keys of a text's bands, `[BANDS]`.
type Keys = [u32; BANDS];

/// The texts of one band, by key.
struct Buckets(HashMap<u32, Vec<u32>>);

impl Buckets {
    /// Puts texts into buckets by their keys of one band; `None` for texts that are left out.
    fn of(keys: &[Option<Keys>], band: usize) -> Self {
        let mut buckets: HashMap<u32, Vec<u32>> = HashMap::with_capacity(keys.len());
        for (at, keys) in keys.iter().enumerate() {
            let Some(keys) = keys else { continue };
            let bucket = buckets.entry(keys[band]).or_default();
            if bucket.len() < MAX_CANDIDATES {
                bucket.push(at as u32);
            }
        }
        Self(buckets)
    }

    fn get(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        self.0.get(&key).into_iter().flatten().copied()
    }
}

/// Returns the different shingles of a text, in ascending order.
fn shingles(text: &str) -> Vec<u64> {
    /// Stands for the beginning and the end of a text.
    const EDGE: u64 = 0;
    let mut words = vec![EDGE];
    push_words(text, &mut words);
    words.push(EDGE);
    let pair = |pair: &[u64]| mix(pair[0].rotate_left(17) ^ pair[1]);
    let mut shingles: Vec<u64> = words.windows(2).map(pair).collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// Returns the keys of a text's bands, or `None` if it has too few words.
fn keys(text: &str) -> Option<Keys> {
    let shingles = shingles(text);
    if shingles.len() <= MIN_WORDS {
        return None;
    }
    let least = |hash: u64| {
        // Multiplication by an odd number and the upper bits: a random hash that costs one multiplication.
        let factor = mix(hash) | 1;
        shingles.iter().map(|shingle| shingle.wrapping_mul(factor) >> 20).min().unwrap_or(0)
    };
    let key = |band: usize| {
        let values = (0..BAND).map(|at| least((band * BAND + at) as u64));
        (values.fold(0, |key, value| mix(key ^ value)) >> 32) as u32
    };
    Some(std::array::from_fn(key))
}

/// Returns whether the sets of two texts are similar enough. Both are ascending.
fn is_near(one: &[u64], other: &[u64]) -> bool {
    let (mut a, mut b, mut both) = (0, 0, 0_usize);
    while a < one.len() && b < other.len() {
        both += usize::from(one[a] == other[b]);
        let (next_a, next_b) = (one[a] <= other[b], other[b] <= one[a]);
        a += usize::from(next_a);
        b += usize::from(next_b);
    }
    both as f64 >= SIMILARITY * (one.len() + other.len() - both) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_that_of_word_pairs() {
        let near = |one, other| is_near(&shingles(one), &shingles(other));
        let ten = "one two three four five six seven eight nine ten";
        assert!(near("Why do they lie?", "why, do they LIE"));
        assert!(near(ten, "one two three four five six extra seven eight nine ten"));
        assert!(near(ten, "one two three four five six seven eight nine"));
        assert!(!near(ten, "one two other four five six seven eight nine ten"), "9 of 13");
        assert!(!near("how do I lock my card", "how do I find my card"));
        assert!(!near(ten, "eleven twelve"));
        assert!(keys("too few words").is_none() && keys("these are four words").is_some());
    }

    /// The sharing of a MinHash value has the probability of the similarity.
    #[test]
    fn bands_agree_as_often_as_they_should() {
        let text = |from: usize, to: usize| (from..to).map(|n| format!("w{n} x{n}")).collect::<Vec<_>>().join(" ");
        let (mut agreeing, mut similar, mut count) = (0, 0.0, 0);
        for start in 0..400 {
            let (one, other) = (text(start * 100, start * 100 + 20), text(start * 100 + 4, start * 100 + 22));
            let (a, b) = (shingles(&one), shingles(&other));
            let both = a.iter().filter(|shingle| b.contains(shingle)).count() as f64;
            similar += (both / (a.len() as f64 + b.len() as f64 - both)).powi(BAND as i32);
            let (one, other) = (keys(&one).expect("words"), keys(&other).expect("words"));
            agreeing += one.iter().zip(&other).filter(|(a, b)| a == b).count();
            count += BANDS;
        }
        let (found, expected) = (agreeing as f64 / f64::from(count as u32), similar / 400.0);
        assert!((found - expected).abs() < 0.03, "{found} {expected}");
    }
}
