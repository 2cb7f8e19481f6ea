//! How the case of letters matters to a table's look-up, found by looking words up.

use crate::WordCounts;

/// How the case of letters matters to a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A word has the same vector in any case.
    Ignored,
    /// A word has one vector in lower case, and another one with a capital.
    Distinguished,
    /// Only words in lower case are known; the same with a capital is unknown.
    LowerOnly,
    /// There are too few known words to tell, or vectors are random.
    Unknown,
}

/// Least number of known words from which a table is judged.
const MIN_WORDS: usize = 20;
/// Share of the known words that decides.
const MOST: f64 = 0.8;
/// Share of words with two vectors from which case is distinguished: of many names and few other words, even a cased table
/// lacks the other form.
const SOME: f64 = 0.3;

/// Looks up words as they are, in lower case, and with a capital at the beginning. `token_ids` is that of
/// [`Lookup`](crate::Lookup).
pub(crate) fn probe(token_ids: &dyn Fn(&[u8], &mut Vec<u32>) -> WordCounts, words: &[String]) -> Case {
    let look_up = |word: &str| {
        let mut ids = Vec::new();
        let counts = token_ids(word.as_bytes(), &mut ids);
        (ids, counts.all > 0 && counts.known == counts.all)
    };
    let (mut same, mut both, mut lower_only, mut any) = (0, 0, 0, 0);
    for word in words {
        let Some(capital) = capitalised(word) else { continue };
        let ((lower, is_known), (upper, is_capital_known)) = (look_up(word), look_up(&capital));
        any += usize::from(is_known || is_capital_known);
        match (is_known, is_capital_known) {
            (true, true) if lower == upper => same += 1,
            (true, true) => both += 1,
            (true, false) => lower_only += 1,
            (false, _) => {}
        }
    }
    let share = |count: usize| count as f64 / any.max(1) as f64;
    match () {
        () if any < MIN_WORDS => Case::Unknown,
        () if share(same) >= MOST => Case::Ignored,
        () if share(lower_only) >= MOST => Case::LowerOnly,
        () if share(both) >= SOME => Case::Distinguished,
        () => Case::Unknown,
    }
}

/// Returns a word with a capital at the beginning; `None` if it has no other case.
fn capitalised(word: &str) -> Option<String> {
    let mut chars = word.chars();
    let first = chars.next()?;
    let capital: String = first.to_uppercase().chain(chars).collect();
    (capital != word).then_some(capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_found_by_looking_words_up() {
        let words: Vec<String> = (0..40).map(|n| format!("{}ord", char::from(b'a' + n % 26))).collect();
        let of = |row: &dyn Fn(&str) -> Option<u32>| {
            let token_ids = |text: &[u8], ids: &mut Vec<u32>| {
                let mut counts = WordCounts::default();
                let row = row(str::from_utf8(text).expect("a word"));
                counts.count_token(text, row.is_some());
                ids.extend(row);
                counts
            };
            probe(&token_ids, &words)
        };
        let is_capital = |word: &str| word.starts_with(char::is_uppercase);
        assert_eq!(of(&|_| Some(7)), Case::Ignored);
        assert_eq!(of(&|word| Some(u32::from(is_capital(word)))), Case::Distinguished);
        assert_eq!(of(&|word| (!is_capital(word)).then_some(1)), Case::LowerOnly);
        assert_eq!(of(&|_| None), Case::Unknown);
        // Of names alone, half are known with a capital only.
        assert_eq!(
            of(&|word| (is_capital(word) || word < "m").then(|| u32::from(is_capital(word)))),
            Case::Distinguished
        );
    }
}
