//! Handles what Python writes into JSON Lines files although JSON doesn't allow it.
//!
//! `json.dumps` writes `NaN`, `Infinity` and `-Infinity`, which JSON doesn't have, and strings with half of a surrogate pair, which
//! is no character. The former are read as missing values; the latter can't be read, and the message says so.

use std::sync::LazyLock;

use memchr::memmem;

/// The tokens for numbers that JSON doesn't have.
const TOKENS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Searches for the parts that all tokens have. They are built once, because most lines hold no token.
static FINDERS: LazyLock<[memmem::Finder<'static>; 2]> =
    LazyLock::new(|| [memmem::Finder::new("NaN"), memmem::Finder::new("Infinity")]);

/// Returns the line with `null` for every such token; `None` if the line has no token.
pub(super) fn without_nan(line: &str) -> Option<String> {
    if FINDERS.iter().all(|finder| finder.find(line.as_bytes()).is_none()) {
        return None;
    }
    let mut parts = String::with_capacity(line.len() + 8);
    let (mut rest, mut found) = (line, false);
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let (string, after) = rest.split_at(string_length(rest));
            parts.push_str(string);
            rest = after;
        } else if let Some(after) = TOKENS.iter().find_map(|token| rest.strip_prefix(token)) {
            parts.push_str("null");
            (rest, found) = (after, true);
        } else {
            parts.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    found.then_some(parts)
}

/// Returns the length in bytes of the string at the beginning of `text`, with its quotes; all of `text` if it isn't closed.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the first escape of a surrogate without its other half, such as `\ud83d`.
fn lone_surrogate(line: &str) -> Option<&str> {
    let code = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut at = 0;
    while let Some(found) = line[at..].find('\\').map(|found| at + found) {
        at = found
            + match (code(found), code(found + 6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
                (Some(0xd800..=0xdfff), _) => return line.get(found..found + 6),
                // The character after a backslash is skipped, because it may be a backslash itself.
                _ => 1 + line[found + 1..].chars().next().map_or(0, char::len_utf8),
            };
    }
    None
}

/// Explains a line that Python wrote and JSON doesn't allow, and says what to do about it.
pub(super) fn fault(line: &str) -> Option<String> {
    if let Some(escape) = lone_surrogate(line) {
        return Some(format!(
            "{escape} is half of a surrogate pair, which is no character: a string was cut within an emoji, and Python's \
             json.dumps wrote it all the same; write the text again with \
             text.encode(\"utf-16\", \"surrogatepass\").decode(\"utf-16\", \"replace\")"
        ));
    }
    let start = line.trim_start();
    if start.starts_with("{'") {
        return Some("not a JSON object but a dict as Python prints it; write it with json.dumps".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_become_null() {
        assert_eq!(
            without_nan(r#"{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN \" NaN"}"#).as_deref(),
            Some(r#"{"a": null, "b": [null, null], "c": "NaN \" NaN"}"#)
        );
        assert_eq!(without_nan(r#"{"a": "NaN"}"#), None);
        assert_eq!(without_nan("\"NaN"), None);
    }

    #[test]
    fn lone_surrogates_are_found() {
        for (line, expected) in [
            (r#"{"a": "x\ud83d"}"#, Some(r"\ud83d")),
            (r#"{"a": "\ud83d\ud83d"}"#, Some(r"\ud83d")),
            (r#"{"a": "\ude00 x"}"#, Some(r"\ude00")),
            (r#"{"a": "\ud83d\ude00"}"#, None),
            (r#"{"a": "\\ud83d"}"#, None),
            (r#"{"a": "\é\"}"#, None),
            ("\\", None),
        ] {
            assert_eq!(lone_surrogate(line), expected, "{line}");
        }
    }
}
