//! Reads the line with which spreadsheets name the delimiter of a CSV file: `sep=;`, in quotes or not. It isn't part of the table.

/// Returns the delimiter that the first line names, and the length of that line with its line end; none if it is any other line.
pub(crate) fn delimiter_line(bytes: &[u8]) -> Option<(u8, usize)> {
    let line_end = bytes.iter().take(16).position(|&byte| byte == b'\n' || byte == b'\r')?;
    let line = &bytes[..line_end];
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (&delimiter, key) = line.split_last()?;
    let is_delimiter = delimiter.is_ascii() && !delimiter.is_ascii_alphanumeric() && delimiter != b'"';
    let is_long = bytes[line_end..].starts_with(b"\r\n");
    (key.eq_ignore_ascii_case(b"sep=") && is_delimiter).then_some((delimiter, line_end + 1 + usize::from(is_long)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_names_a_delimiter() {
        for (text, expected) in [
            ("sep=;\nid;text\n", Some((b';', 6))),
            ("sep=;\r\nid;text\r\n", Some((b';', 7))),
            ("\"sep=|\"\rid|text\r", Some((b'|', 8))),
            ("SEP=\t\nid\ttext\n", Some((b'\t', 6))),
            ("sep=;", None),
            ("sep=\n", None),
            ("sep=;;\n", None),
            ("sep=a\n", None),
            ("sep,text\n", None),
            ("separator=;\n", None),
            ("", None),
        ] {
            assert_eq!(delimiter_line(text.as_bytes()), expected, "{text:?}");
        }
    }
}
