//! Tokens of a text as scikit-learn's vectorizers find them: lower-case, and by the pattern `(?u)\b\w\w+\b` of Python's `re`, that
//! is, runs of at least two word characters.

use unicode_normalization::char::is_combining_mark;

/// Returns whether Python's `\w` matches a character: a letter (category L), a number (category N) or an underscore. Rust's
/// `is_alphanumeric` also takes vowel signs and circled or squared letters, which are no letters by their category.
fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    let is_symbol = matches!(character, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F149}' | '\u{1F150}'..='\u{1F169}'
        | '\u{1F170}'..='\u{1F189}');
    character.is_alphanumeric() && !is_combining_mark(character) && !is_symbol
}

/// Iterates over the tokens of a lower-case text, in order.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let runs = text.split(|character| !is_word(character));
    runs.filter(|run| run.chars().nth(1).is_some())
}

/// Calls `f` with every term of a text: its tokens and, for lengths of `min` to `max`, the runs of so many tokens joined by
/// spaces. `buffer` is overwritten.
pub(crate) fn for_each_term(text: &str, (min, max): (usize, usize), buffer: &mut String, mut f: impl FnMut(&str)) {
    let lower = text.to_lowercase();
    let tokens: Vec<&str> = tokens(&lower).collect();
    for length in min..=max {
        for run in tokens.windows(length) {
            match run {
                [one] => f(one),
                several => {
                    buffer.clear();
                    for (at, token) in several.iter().enumerate() {
                        buffer.push_str(if at == 0 { "" } else { " " });
                        buffer.push_str(token);
                    }
                    f(buffer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str, lengths: (usize, usize)) -> Vec<String> {
        let (mut buffer, mut found) = (String::new(), Vec::new());
        for_each_term(text, lengths, &mut buffer, |term| found.push(term.to_owned()));
        found
    }

    #[test]
    fn tokens_are_runs_of_two_or_more_word_characters() {
        assert_eq!(terms("It's a U-turn, I_can 4x4 é ÉÉ", (1, 1)), ["it", "turn", "i_can", "4x4", "éé"]);
        assert!(terms("a b c ! 1 ?", (1, 2)).is_empty());
    }

    #[test]
    fn runs_of_tokens_follow_the_tokens() {
        let found = terms("One two THREE", (1, 3));
        assert_eq!(found, ["one", "two", "three", "one two", "two three", "one two three"]);
        assert_eq!(terms("One two", (2, 2)), ["one two"]);
    }

    /// Vowel signs divide words, as they do in Python.
    #[test]
    fn marks_and_symbols_are_no_word_characters() {
        assert_eq!(terms("हिन्दी ⒶⒷ ½½ ⅫⅫ 漢字", (1, 1)), ["½½", "ⅻⅻ", "漢字"]);
    }

    /// All code points that the Unicode of the reference assigns, from `tests/fixtures/text.json`.
    #[test]
    fn word_characters_are_those_of_python() {
        let stored: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/text.json")).expect("JSON");
        for (key, expected) in [("word", true), ("other", false)] {
            let ranges = stored["word_characters"][key].as_array().expect("ranges");
            assert!(ranges.len() > 500);
            for range in ranges {
                let bound = |at: usize| range[at].as_u64().expect("a code point") as u32;
                for character in (bound(0)..=bound(1)).filter_map(char::from_u32) {
                    assert_eq!(is_word(character), expected, "U+{:04X}", character as u32);
                }
            }
        }
    }
}
