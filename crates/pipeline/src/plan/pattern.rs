//! Selects cells by patterns of their ids, such as `corpus-*`.
//!
//! Ids and patterns enter, the ids that match leave. `*` stands for any number of characters and `?` for one; no id contains either,
//! so an id is the pattern of itself alone.

use std::collections::HashSet;

use emberline_base::suggest::nearest;

use crate::Error;

/// Maximum number of ids that a refusal suggests.
const MAX_SUGGESTED: usize = 3;

/// Returns the ids that any of the patterns matches, in their order.
///
/// # Errors
/// [`Error::NoSuchCell`] for the first pattern that matches none, with ids that may have been meant.
pub(super) fn select<'i>(
    ids: impl Iterator<Item = &'i str> + Clone,
    patterns: &[String],
) -> Result<Vec<String>, Error> {
    // Most patterns are ids, of which there may be as many as cells.
    let all: HashSet<&str> = if patterns.is_empty() { HashSet::new() } else { ids.clone().collect() };
    let mut chosen: HashSet<&str> = HashSet::new();
    for pattern in patterns {
        if let Some(id) = all.get(pattern.as_str()) {
            chosen.insert(id);
            continue;
        }
        let mut matching = ids.clone().filter(|id| matches(pattern, id)).peekable();
        if matching.peek().is_none() {
            return Err(Error::NoSuchCell { asked: pattern.clone(), hint: suggested(pattern, ids) });
        }
        chosen.extend(matching);
    }
    Ok(ids.filter(|id| chosen.contains(id)).map(str::to_owned).collect())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Returns whether a pattern matches a whole text. Only the last `*` is ever tried again, so that time grows with the product of the
/// lengths at most.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the pattern goes on after the last `*`, and up to where that `*` reaches.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                at += 1;
                star = Some((at, read));
            }
            (Some(&letter), _) if letter == '?' || letter == text[read] => {
                at += 1;
                read += 1;
            }
            (_, Some((after, reached))) => {
                star = Some((after, reached + 1));
                (at, read) = (after, reached + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|&letter| letter == '*')
}

/// Returns the ids that may have been meant, as the end of a sentence; none if none is near.
fn suggested<'i>(pattern: &str, ids: impl Iterator<Item = &'i str> + Clone) -> Option<String> {
    if !is_pattern(pattern) {
        return nearest(pattern, ids).map(|id| format!("`{id}`"));
    }
    // The part before the first `*` is compared with as much of each id.
    let begin: String = pattern.chars().take_while(|letter| !"*?".contains(*letter)).collect();
    let head = |id: &'i str| id.char_indices().nth(begin.chars().count()).map_or(id, |(end, _)| &id[..end]);
    let near = nearest(&begin, ids.clone().map(head));
    let like: Vec<&str> = ids.filter(|&id| near.is_some_and(|near| head(id) == near)).collect();
    let shown: Vec<String> = like.iter().take(MAX_SUGGESTED).map(|id| format!("`{id}`")).collect();
    let more = if like.len() > MAX_SUGGESTED { ", ..." } else { "" };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 4] =
        ["corpus-d8-frozen-s1-aa", "corpus-d32-frozen-s1-bb", "corpus-d32-tuned-s1-cc", "minilm-frozen-s1-dd"];

    fn selected(patterns: &[&str]) -> Result<Vec<String>, String> {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        select(IDS.into_iter(), &patterns).map_err(|error| error.to_string())
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "any-thing", true),
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("a*c*", "abcb", true),
            ("a*c", "abcd", false),
            ("*b*d", "abcbd", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ä?", "äö", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("**a**", "xax", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(30), &"a".repeat(29)), "in no time");
    }

    #[test]
    fn ids_come_in_their_order_and_once() {
        assert_eq!(selected(&[]), Ok(vec![]));
        assert_eq!(
            selected(&["minilm-*", "corpus-d32-*", "*-tuned-*"]),
            Ok(IDS[1..].iter().map(|&id| id.to_owned()).collect())
        );
        assert_eq!(selected(&[IDS[0]]), Ok(vec![IDS[0].to_owned()]));
    }

    #[test]
    fn a_pattern_without_a_cell_is_refused_with_ids_that_are_near() {
        let refused = selected(&["corpsu-*"]).expect_err("no cell");
        assert!(
            refused.contains("no cell matches `corpsu-*`") && refused.contains("did you mean `corpus-d8-frozen-s1-aa`"),
            "{refused}"
        );
        let refused = selected(&["minilm-frozen-s1-de"]).expect_err("no cell");
        assert!(refused.contains("there is no cell") && refused.contains("`minilm-frozen-s1-dd`?"), "{refused}");
        let refused = selected(&["*-s9-*"]).expect_err("no cell");
        assert!(refused.contains("no cell matches `*-s9-*`; did you mean `corpus-d8-frozen-s1-aa`"), "{refused}");
    }
}
