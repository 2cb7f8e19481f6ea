//! Recognises slips of TOML that people make who write JSON, YAML or Python every day, and says what to write instead.

use std::ops::Range;

/// A message for a slip, and the cure.
type Answer = (String, String);

/// Maximum length in bytes of a line that is looked at, and of the beginning that tells the language.
const MAX_LINE: usize = 4096;

/// Words of other languages for no value.
const NULLS: [&str; 6] = ["None", "null", "nil", "NULL", "Null", "none"];

/// Returns what to say instead of the parser's error `description` at a place of the text; `None` if the slip isn't known.
pub(super) fn answer(text: &str, range: &Range<usize>, description: &str) -> Option<Answer> {
    let line = line_at(text, range.start.min(text.len()))?;
    let word = text.get(range.clone()).filter(|word| word.len() <= MAX_LINE).unwrap_or_default().trim();
    let say = |message: &str, hint: String| Some((message.to_owned(), hint));
    if let Some(language) = other_language(text) {
        let hint = "write TOML: sections in brackets, such as [data], and `key = value` in the lines below; `emberline init` writes an example";
        return say(&format!("this looks like {language}, not TOML"), hint.to_owned());
    }
    let value = line.split_once('=').map_or(line, |(_, value)| value).trim();
    if let Some(lower) =
        ["true", "false"].into_iter().find(|lower| value.eq_ignore_ascii_case(lower) && value != *lower)
    {
        return say("true and false are written in lower case", format!("write {lower}"));
    }
    if NULLS.contains(&value) || NULLS.contains(&word) {
        return say("there is no such value in TOML", "leave the key out: what isn't given has its default".to_owned());
    }
    if word.contains(' ') && word.contains(['e', 'E']) && word.replace(' ', "").parse::<f64>().is_ok() {
        return say("a number can't hold a space", format!("write {}", word.replace(' ', "")));
    }
    if description.contains("escape") {
        let hint = "in double quotes, a backslash begins an escape: write a path in single quotes, or with `/`";
        return say("this backslash begins an escape that doesn't exist", hint.to_owned());
    }
    let is_pair = line.split_once(':').is_some_and(|(key, _)| is_key(key.trim()));
    if is_pair && !line.contains('=') {
        let (key, value) = line.split_once(':')?;
        let hint = format!("write `{} = {}`", key.trim(), value.trim().trim_end_matches(','));
        return say("a key and its value have `=` between them in TOML", hint);
    }
    if description.starts_with("unclosed") {
        let closing = if description.contains("string") { "a quote" } else { "a bracket" };
        return say(&format!("{closing} that closes this is missing"), format!("add {closing} at the end"));
    }
    if text[..range.start.min(text.len())].ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(',')
        || value_has_thousands(value)
    {
        let hint = format!("write large numbers with `_` or without: {}", value.replace(',', "_"));
        return say("a number can't hold a comma", hint);
    }
    None
}

/// Returns the line at a place of the text; `None` if it is longer than people write, since all faults of a long line are answered.
fn line_at(text: &str, at: usize) -> Option<&str> {
    let first = text.floor_char_boundary(at.saturating_sub(MAX_LINE));
    let start = match text[first..at].rfind('\n') {
        Some(newline) => first + newline + 1,
        None if first == 0 => 0,
        None => return None,
    };
    let rest = &text[start..text.floor_char_boundary(start + MAX_LINE)];
    let whole = rest.contains('\n') || start + rest.len() == text.len();
    rest.lines().next().or(Some("")).filter(|_| whole)
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.trim_matches('"').chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Whether a value is a number with a comma before groups of three digits, such as `1,000`.
fn value_has_thousands(value: &str) -> bool {
    let mut groups = value.split(',');
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    groups.next().is_some_and(is_number)
        && value.contains(',')
        && groups.all(|group| group.len() == 3 && is_number(group))
}

/// Returns the language of a text that isn't TOML, by its first lines.
pub(super) fn other_language(text: &str) -> Option<&'static str> {
    let mut lines = text[..text.floor_char_boundary(MAX_LINE)]
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let pairs = |line: &str| line.split_once(':').is_some_and(|(key, _)| is_key(key.trim())) && !line.contains('=');
    if first.starts_with('{') {
        Some("JSON")
    } else if first.starts_with("import ") || first.starts_with("from ") || first.starts_with("def ") {
        Some("Python")
    } else if first == "---" || (pairs(first) && lines.take(3).all(pairs)) {
        Some("YAML")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, at: &str, description: &str) -> String {
        let start = text.find(at).expect("a place");
        answer(text, &(start..start + at.len()), description)
            .map(|(message, hint)| format!("{message}; {hint}"))
            .unwrap_or_default()
    }

    #[test]
    fn slips_are_answered_in_toml() {
        for (text, at, description, expected) in [
            ("[a]\nb: 3\n", ":", "invalid unquoted key", "write `b = 3`"),
            ("a = True\n", "True", "invalid boolean", "write true"),
            ("a = None\n", "None", "invalid float", "leave the key out"),
            ("a = \"C:\\data\"\n", "d", "missing escaped value", "single quotes"),
            ("a = 1 e-3\n", "1 e-3", "string values must be quoted", "write 1e-3"),
            ("a = 1,000\n", ",000", "unexpected key or value", "1_000"),
            ("[a\nb = 1\n", "[a", "unclosed table", "add a bracket"),
            ("{\n  \"a\": 1\n}\n", "{", "invalid key-value pair", "looks like JSON"),
            ("name: p\ndata:\n  path: d\n", ":", "invalid unquoted key", "looks like YAML"),
            ("import keras\n", "keras", "key with no value", "looks like Python"),
        ] {
            let said = said(text, at, description);
            assert!(said.contains(expected), "{text:?}: {said}");
        }
        assert_eq!(said("a = x\n", "x", "string values must be quoted"), "");
    }
}
