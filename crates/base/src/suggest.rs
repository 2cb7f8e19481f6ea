//! "Did you mean": finds the known name that a user most likely meant by an unknown one.
//!
//! One rule for keys, values, columns, classes and cells. Names that differ only by case are nearest, then names that
//! differ only by separators, then those with the fewest edits (Damerau-Levenshtein distance); among equals, the most
//! similar one by Jaro-Winkler, which favours a common beginning.

use std::cmp::Ordering;

/// Maximum length in bytes of the names that are compared; a longer one is no misspelling, and the distance takes
/// quadratic time.
const MAX_LENGTH: usize = 128;

/// Maximum number of candidates that are compared.
const MAX_CANDIDATES: usize = 1000;

/// Minimum Jaro-Winkler similarity (1 means equal) at which a name with many edits is still suggested.
const MIN_SIMILARITY: f64 = 0.8;

/// Minimum length in bytes of a name for which a candidate that contains it, or that it contains, is suggested.
const MIN_CONTAINED: usize = 3;

/// How near a candidate is to a name: fewer edits first, then the higher similarity.
#[derive(Clone, Copy, Debug)]
struct Nearness {
    /// 0: equal but for case; 1: equal but for case and separators; else 2 plus the number of edits.
    distance: usize,
    /// The Jaro-Winkler similarity, from 0 to 1.
    similarity: f64,
}

/// Returns the candidate nearest to `written`, if one is near enough to have been meant; the first among equals.
///
/// A candidate is near enough if it differs only by case or by characters that are neither letters nor digits, if one of
/// the two names contains the other, if they are similar by Jaro-Winkler, or if few edits lead from one to the other: at
/// most 1 plus a quarter of the characters, and fewer than half of them (so `0` is never suggested for `1`).
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let compared = candidates.into_iter().take(MAX_CANDIDATES).filter(|candidate| candidate.len() <= MAX_LENGTH);
    let near = compared.filter_map(|candidate| Some((Nearness::of(written, candidate)?, candidate)));
    near.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, candidate)| candidate)
}

/// Whether two names differ at most by case and by characters that are neither letters nor digits.
pub fn is_same_word(a: &str, b: &str) -> bool {
    let letters = |name: &str| letters_and_digits(&name.to_lowercase());
    a == b || (!letters(a).is_empty() && letters(a) == letters(b))
}

impl Nearness {
    /// The nearness of a candidate; `None` if it can't have been meant.
    fn of(written: &str, candidate: &str) -> Option<Self> {
        let (a, b) = (written.to_lowercase(), candidate.to_lowercase());
        let similarity = strsim::jaro_winkler(&a, &b);
        if a == b {
            return Some(Self { distance: 0, similarity });
        }
        let letters = letters_and_digits(&a);
        if !letters.is_empty() && letters == letters_and_digits(&b) {
            return Some(Self { distance: 1, similarity });
        }
        let edits = strsim::damerau_levenshtein(&a, &b);
        let (length, other_length) = (a.chars().count(), b.chars().count());
        let is_slip = edits <= 1 + length / 4 && 2 * edits < length.max(other_length);
        let contains = |long: &str, short: &str| short.len() >= MIN_CONTAINED && long.contains(short);
        let is_near = is_slip || similarity >= MIN_SIMILARITY || contains(&a, &b) || contains(&b, &a);
        is_near.then_some(Self { distance: 2 + edits, similarity })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.cmp(&other.distance).then(other.similarity.total_cmp(&self.similarity))
    }
}

fn letters_and_digits(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        for (written, candidates, meant) in [
            ("patiense", &["monitor", "patience"][..], Some("patience")),
            ("learning", &["learning_rate", "beta_1"], Some("learning_rate")),
            ("lr", &["learning_rate", "beta_1"], None),
            ("zzz", &["monitor", "patience"], None),
            ("text", &["id", "txt"], Some("txt")),
            ("label", &["labels", "table"], Some("labels")),
            ("sentences", &["id", "sentence_text"], Some("sentence_text")),
            ("", &["a"], None),
        ] {
            assert_eq!(nearest(written, candidates.iter().copied()), meant, "{written}");
        }
    }

    #[test]
    fn a_short_name_is_not_taken_for_another_short_one() {
        for (written, candidates) in [("1", ["0", "2"]), ("spam", ["ham", "eggs"]), ("no", ["yes", "na"])] {
            assert_eq!(nearest(written, candidates), None, "{written}");
        }
    }

    #[test]
    fn names_that_differ_by_case_or_separators_come_first() {
        let activations = ["linear", "gelu", "relu", "tanh", "sigmoid"];
        for (written, meant) in [("Relu", "relu"), ("RELU", "relu"), ("GELU", "gelu"), ("Tanh", "tanh")] {
            assert_eq!(nearest(written, activations), Some(meant));
        }
        assert_eq!(nearest("BinaryCrossentropy", ["binary_cross_entropy", "x"]), Some("binary_cross_entropy"));
        assert_eq!(nearest("Word-Vectors", ["word_vectors", "model2vec"]), Some("word_vectors"));
        assert_eq!(nearest("AdamW", ["adam", "adamw", "sgd"]), Some("adamw"));
        assert_eq!(nearest("Spam", ["spa_m", "spam"]), Some("spam"));
    }

    #[test]
    fn the_first_among_equals_is_suggested() {
        assert_eq!(nearest("label", ["label_b", "label_a"]), Some("label_b"));
        assert_eq!(nearest("relx", ["telx", "relu"]), Some("relu"));
    }

    #[test]
    fn long_names_are_not_compared() {
        assert_eq!(nearest(&"x".repeat(1_000_000), ["x"]), None);
        assert_eq!(nearest("x", [&*"x".repeat(1_000_000)]), None);
    }
}
