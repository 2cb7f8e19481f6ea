//! Counts words: the vocabulary of the training texts, and how often two of its words occur near each other.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::source::words;

/// The weight of a pair at distance `d` is `UNIT / d`. `UNIT` is the least common multiple of 1 to 16, so that
/// weights are whole numbers and their sums don't depend on an order; at larger distances the rounding error is below
/// 2e-5.
const UNIT: u64 = 720_720;
/// The minimum number of pairs collected before equal ones are merged.
const BATCH: usize = 1 << 20;

/// The words that have a vector, the most frequent first; equally frequent words are in the order of their bytes.
pub(super) struct Vocabulary {
    ids: HashMap<String, u32>,
    counts: Vec<u64>,
}

impl Vocabulary {
    /// Builds the vocabulary of the words that occur at least `min_count` times, at most `max_words` of them.
    pub(super) fn of(texts: &[&str], min_count: usize, max_words: usize) -> Self {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            words::for_each_lower(text.as_bytes(), &mut |word| match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(counts.insert(word.to_owned(), 1)),
            });
        }
        let mut words: Vec<(String, u64)> = counts.into_iter().filter(|&(_, n)| n >= min_count as u64).collect();
        words.sort_unstable_by(|(word, count), (other, more)| (Reverse(count), word).cmp(&(Reverse(more), other)));
        words.truncate(max_words);
        let counts = words.iter().map(|&(_, count)| count).collect();
        let ids = words.into_iter().enumerate().map(|(id, (word, _))| (word, id as u32)).collect();
        Self { ids, counts }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns how often each word occurs.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Returns the words in the order of their ids.
    pub(super) fn into_words(self) -> Vec<String> {
        let mut words: Vec<(u32, String)> = self.ids.into_iter().map(|(word, id)| (id, word)).collect();
        words.sort_unstable_by_key(|&(id, _)| id);
        words.into_iter().map(|(_, word)| word).collect()
    }
}

/// Two words with their weighted number of co-occurrences; each pair is counted once, with `first <= second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) weight: u64,
}

/// Returns all pairs within `window` words of each other, in order. Words without a vector keep their position
/// between the others, and pairs don't cross texts.
pub(super) fn co_occurrences(texts: &[&str], vocabulary: &Vocabulary, window: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut merged = 0;
    for text in texts {
        let mut ids: Vec<Option<u32>> = Vec::new();
        words::for_each_lower(text.as_bytes(), &mut |word| ids.push(vocabulary.ids.get(word).copied()));
        pairs_of_text(&ids, window, &mut pairs);
        // Merging at twice the size of the merged pairs keeps the total cost of sorting within a factor of two of
        // sorting once.
        if pairs.len() >= BATCH + 2 * merged {
            merge(&mut pairs);
            merged = pairs.len();
        }
    }
    merge(&mut pairs);
    pairs
}

fn pairs_of_text(ids: &[Option<u32>], window: usize, pairs: &mut Vec<Pair>) {
    for (at, &left) in ids.iter().enumerate() {
        let Some(left) = left else { continue };
        for (before, &right) in ids[at + 1..].iter().take(window).enumerate() {
            let Some(right) = right else { continue };
            let weight = UNIT / (before as u64 + 1);
            pairs.push(Pair { first: left.min(right), second: left.max(right), weight });
        }
    }
}

/// Sorts pairs, and adds up equal ones.
fn merge(pairs: &mut Vec<Pair>) {
    pairs.sort_unstable_by_key(|pair| (u64::from(pair.first) << 32) | u64::from(pair.second));
    pairs.dedup_by(|next, kept| {
        let same = (next.first, next.second) == (kept.first, kept.second);
        if same {
            kept.weight += next.weight;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_by_count_then_bytes() {
        let texts = ["b a b c", "C a d"];
        let vocabulary = Vocabulary::of(&texts, 2, 10);
        let id = |word: &str| vocabulary.ids.get(word).copied();
        assert_eq!([id("a"), id("b"), id("c"), id("d")], [Some(0), Some(1), Some(2), None]);
        assert_eq!(vocabulary.counts(), [2, 2, 2]);
        assert_eq!(Vocabulary::of(&texts, 2, 2).into_words(), ["a", "b"]);
    }

    #[test]
    fn pairs_weigh_by_distance_and_gaps_keep_their_place() {
        let texts = ["a x b", "b a", "a"];
        let vocabulary = Vocabulary::of(&texts, 2, 10);
        let pairs = co_occurrences(&texts, &vocabulary, 2);
        assert_eq!(pairs, [Pair { first: 0, second: 1, weight: UNIT + UNIT / 2 }]);
        assert_eq!(co_occurrences(&texts[..1], &vocabulary, 1), []);
    }

    #[test]
    fn merging_adds_equal_pairs() {
        let pair = |first, second, weight| Pair { first, second, weight };
        let mut pairs = vec![pair(1, 2, 3), pair(0, 2, 1), pair(1, 2, 4), pair(0, 2, 1)];
        merge(&mut pairs);
        assert_eq!(pairs, [pair(0, 2, 2), pair(1, 2, 7)]);
    }
}
