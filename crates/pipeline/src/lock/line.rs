//! One line of a lock: a key, its value as inline TOML, and a checksum in a comment.
//!
//! ```toml
//! embedding."table-3f9a1c2b4d5e6f70" = { name = "table", kind = "word_vectors", digest = "...", content = "..." } # 90ab...
//! ```
//! The checksum is the first 16 hexadecimal digits of the SHA-256 of everything before ` # `. So a line proves itself,
//! wherever a merge puts it, and `version = 4` is checked like any other line.

use emberline_base::file::sha256;
use emberline_base::is_control_or_bidi;

/// What separates a line's content from its checksum.
const SEPARATOR: &str = " # ";

/// Number of digits of a checksum.
const SUM_DIGITS: usize = 16;

/// What is wrong with a line's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumFault {
    /// There is none.
    Missing,
    /// It is that of another line.
    Other,
}

/// Returns a line without its end: the key, the value and their checksum.
pub(super) fn sealed(key: &str, value: &toml::Value) -> String {
    let mut line = format!("{key} = ");
    push_value(&mut line, value);
    let sum = sum(&line);
    line + SEPARATOR + &sum
}

/// Returns the content of a line, of which the checksum holds.
pub(super) fn content(line: &str) -> Result<&str, SumFault> {
    let (content, written) = line.rsplit_once(SEPARATOR).ok_or(SumFault::Missing)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if written.len() != SUM_DIGITS || !written.bytes().all(is_digit) {
        return Err(SumFault::Missing);
    }
    // A fuzzer can't guess checksums.
    if !cfg!(fuzzing) && written != sum(content) {
        return Err(SumFault::Other);
    }
    Ok(content)
}

fn sum(content: &str) -> String {
    sha256(content.as_bytes())[..SUM_DIGITS].to_owned()
}

/// Returns the key of a section with a name, such as `cells."table-frozen-s1"`. The name is always quoted.
pub(super) fn named(section: &str, name: &str) -> String {
    let mut key = format!("{section}.");
    push_string(&mut key, name);
    key
}

/// Appends a value as inline TOML. Tables keep the order of their keys.
fn push_value(text: &mut String, value: &toml::Value) {
    match value {
        toml::Value::String(string) => push_string(text, string),
        toml::Value::Integer(number) => text.push_str(&number.to_string()),
        toml::Value::Float(number) if number.is_nan() => text.push_str("nan"),
        toml::Value::Float(number) => text.push_str(&format!("{number:?}")),
        toml::Value::Boolean(truth) => text.push_str(&truth.to_string()),
        toml::Value::Datetime(date) => text.push_str(&date.to_string()),
        toml::Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                push_value(text, item);
            }
            text.push(']');
        }
        toml::Value::Table(entries) if entries.is_empty() => text.push_str("{}"),
        toml::Value::Table(entries) => {
            for (at, (key, value)) in entries.iter().enumerate() {
                text.push_str(if at == 0 { "{ " } else { ", " });
                push_key(text, key);
                text.push_str(" = ");
                push_value(text, value);
            }
            text.push_str(" }");
        }
    }
}

/// Appends a key, in quotes unless it has only letters, digits, `_` and `-`.
pub(super) fn push_key(text: &mut String, key: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !key.is_empty() && key.bytes().all(is_plain) {
        true => text.push_str(key),
        false => push_string(text, key),
    }
}

/// Appends a string in quotes. Whatever could end a line, or hide what it says, is escaped.
fn push_string(text: &mut String, string: &str) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if is_control_or_bidi(letter) => text.push_str(&format!("\\U{:08X}", u32::from(letter))),
            letter => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_toml_whatever_is_in_it() {
        let hostile = "a \"quoted\" \\ # name\r\n\t\u{7f}\u{0}\u{202e}é = {}";
        let table: toml::Table = [
            (hostile.to_owned(), toml::Value::from(hostile)),
            ("numbers".to_owned(), vec![1e-7, 1e16, 0.5, -0.0, 3.0, f64::INFINITY].into()),
            ("nested".to_owned(), toml::Table::new().into()),
            ("truth".to_owned(), true.into()),
        ]
        .into_iter()
        .collect();
        let line = sealed(&named("cells", hostile), &table.clone().into());
        assert_eq!(line.lines().count(), 1);
        let read: toml::Table = line.parse().expect("TOML");
        assert_eq!(read["cells"][hostile], toml::Value::from(table));
        assert_eq!(content(&line), Ok(line.rsplit_once(" # ").expect("a checksum").0));
    }

    #[test]
    fn every_byte_of_a_line_counts() {
        let line = sealed("settings.seed", &1.into());
        for at in 0..line.len() {
            let other = if &line[at..=at] == "1" { "2" } else { "1" };
            let edited = format!("{}{other}{}", &line[..at], &line[at + 1..]);
            assert!(content(&edited).is_err(), "{edited}");
            assert!(content(&line[..at]).is_err(), "{}", &line[..at]);
        }
        assert_eq!(content("settings.seed = 1"), Err(SumFault::Missing));
        assert_eq!(content("settings.seed = 1 # why"), Err(SumFault::Missing));
        assert_eq!(content(&line.replace("= 1", "= 2")), Err(SumFault::Other));
    }
}
