//! Fits text to the width of a terminal: wide characters count as two columns, and what doesn't fit is shortened or wrapped.

use console::{Term, measure_text_width, truncate_str};

/// The width that text is fitted to if it isn't printed to a terminal.
const WIDTH_WITHOUT_TERMINAL: usize = 120;
/// The width that lines of prose are wrapped to at most, since longer ones are hard to read.
const MAX_PROSE: usize = 120;
/// What the second and further lines of a message begin with.
const INDENT: &str = "  ";
/// Minimum width of a terminal that is believed: some report 0.
const MIN_WIDTH: usize = 20;

/// Returns the number of columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    measure_text_width(text)
}

/// Shortens a text to a number of columns, with an ellipsis at its end if it is longer.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    match columns {
        0 => String::new(),
        _ => truncate_str(text, columns, "…").into_owned(),
    }
}

/// Shortens a name to a number of columns, with an ellipsis in its middle: names of settings differ at their ends, too.
pub(crate) fn shortened_name(text: &str, columns: usize) -> String {
    if width(text) <= columns || columns < 8 {
        return shortened(text, columns);
    }
    let head = truncate_str(text, columns / 2, "");
    let room = columns - 1 - width(&head);
    let mut tail = text;
    while width(tail) > room {
        let mut letters = tail.chars();
        letters.next();
        tail = letters.as_str();
    }
    format!("{head}…{tail}")
}

/// Pads a text with blanks to a number of columns, on the left if it is a number.
pub(crate) fn padded(text: &str, columns: usize, to_the_right: bool) -> String {
    let pad = " ".repeat(columns.saturating_sub(width(text)));
    if to_the_right { pad + text } else { text.to_owned() + &pad }
}

/// Returns the width of the terminal that standard output goes to, or else the width of a page.
pub(crate) fn output_width() -> usize {
    Term::stdout().size_checked().map_or(WIDTH_WITHOUT_TERMINAL, |(_, columns)| usize::from(columns).max(MIN_WIDTH))
}

/// Returns the rows and columns of the terminal that messages go to; none if there is no terminal.
pub(crate) fn message_size() -> Option<(usize, usize)> {
    let (rows, columns) = Term::stderr().size_checked()?;
    Some((usize::from(rows), usize::from(columns).max(MIN_WIDTH)))
}

/// Wraps a paragraph between words for the terminal that standard output goes to; without one, it stays a single line, for programs
/// that search it.
pub(crate) fn wrapped_for_output(text: &str) -> String {
    match Term::stdout().size_checked() {
        Some(_) => wrapped(text, output_width().min(MAX_PROSE)),
        None => text.to_owned(),
    }
}

/// Wraps the lines of a message for the terminal that messages go to; without one, they stay as they are, for programs that search
/// them.
pub(crate) fn wrapped_for_messages(text: &str) -> String {
    match message_size() {
        Some((_, columns)) => wrapped_message(text, columns.min(MAX_PROSE)),
        None => text.to_owned(),
    }
}

/// Wraps the lines of a message that are too long, and indents what follows. Lines that are indented, as those of a file that is
/// quoted, stay as they are.
fn wrapped_message(text: &str, columns: usize) -> String {
    let line = |line: &str| match width(line) > columns && !line.starts_with([' ', '\t']) && !is_quoted(line) {
        true => wrapped_with(line, columns, INDENT),
        false => line.to_owned(),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Whether a line is one of a file that a message quotes, such as `12 | path = "a.csv"`.
fn is_quoted(line: &str) -> bool {
    line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(" |")
}

/// Wraps a paragraph between words; a word that is longer than a line stays whole.
fn wrapped(text: &str, columns: usize) -> String {
    wrapped_with(text, columns, "")
}

/// Wraps a paragraph between words, with this indent in all lines but the first.
fn wrapped_with(text: &str, columns: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((width("日本"), width("é"), width("abc")), (4, 1, 3));
        assert_eq!(
            (shortened("日本語", 5), shortened("日本語", 6), shortened("abc", 0)),
            ("日本…".into(), "日本語".into(), "".into())
        );
        assert_eq!(shortened("日本語", 4), "日…");
        assert_eq!((padded("日", 4, false), padded("1", 3, true)), ("日  ".to_owned(), "  1".to_owned()));
    }

    #[test]
    fn both_ends_of_a_name_stay() {
        assert_eq!(shortened_name("pretrained · frozen · train 50", 20), "pretrained… train 50");
        assert_eq!(shortened_name("short", 20), "short");
        for columns in 0..40 {
            let name = shortened_name("日本語の設定・凍結・訓練五十・シード一", columns);
            assert!(width(&name) <= columns, "{columns}: {name}");
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("unbreakable", 4), "unbreakable");
        assert_eq!(wrapped("", 4), "");
    }

    #[test]
    fn messages_are_wrapped_and_quoted_lines_are_not() {
        let message = "warning: one two three\n --> a very long place.toml:3:1\n12 | path = \"a long value\"\nshort";
        let expected =
            "warning: one\n  two three\n --> a very long place.toml:3:1\n12 | path = \"a long value\"\nshort";
        assert_eq!(wrapped_message(message, 12), expected);
        assert_eq!(wrapped_message(message, 200), message);
    }
}
