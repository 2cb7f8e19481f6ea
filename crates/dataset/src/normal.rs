//! Which texts count as the same: those that are equal when lower-cased, with every run of
//! Unicode white space as one space and none at the ends. Composed and decomposed accents
//! stay different.

use std::collections::HashMap;

/// Appends the normalised text, in UTF-8.
pub(crate) fn normalise(text: &str, into: &mut Vec<u8>) {
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            into.push(b' ');
        }
        let start = into.len();
        if word.is_ascii() {
            into.extend_from_slice(word.as_bytes());
            into[start..].make_ascii_lowercase();
        } else {
            let mut bytes = [0; 4];
            word.chars().flat_map(char::to_lowercase).for_each(|c| into.extend(c.encode_utf8(&mut bytes).as_bytes()));
        }
    }
}

/// Numbers the texts so that those which count as the same share a number: 0, 1, 2, ... in the
/// order of their first rows.
pub(crate) fn groups(texts: &[String]) -> Vec<u32> {
    let mut normal = Vec::with_capacity(texts.iter().map(String::len).sum());
    let mut ends = Vec::with_capacity(texts.len());
    for text in texts {
        normalise(text, &mut normal);
        ends.push(normal.len());
    }
    let mut numbers: HashMap<&[u8], u32> = HashMap::with_capacity(texts.len());
    let mut start = 0;
    let number = |end: &usize| {
        let text = &normal[start..*end];
        start = *end;
        let next = numbers.len() as u32;
        *numbers.entry(text).or_insert(next)
    };
    ends.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_white_space_don_t_count() {
        let texts = ["A  b", "a\u{A0}B\n", " a b", "ab", "É", "é", "", "A b"].map(str::to_owned);
        assert_eq!(groups(&texts), [0, 0, 0, 1, 2, 2, 3, 0]);
    }
}
