//! Recognises rows in another dialect of CSV, and says how to correct them.
//!
//! | what is found | what writes it |
//! |---|---|
//! | a space before the opening quote | people, `", ".join` |
//! | a delimiter at the end of every row | exports of databases, sheets with an empty last column |
//! | `sep=;` in line 1 | Excel |
//! | quotes in TSV | pandas, Excel |
//! | `\"` within quotes | MySQL, Spark, pandas with `escapechar` |

use super::Dialect;

/// Returns the cure for a row with another number of fields than the first row. `fields` are the fields as they were
/// separated, without the quotes that the dialect removes.
pub(super) fn cure_of_width(fields: &[&[u8]], expected: usize, Dialect { delimiter, quotes }: Dialect) -> String {
    let shown = char::from(delimiter);
    let opens = |field: &&[u8]| field.starts_with(b"\"");
    match (fields.len() < expected, quotes) {
        (false, true) if fields.iter().any(|field| is_opened_behind_blanks(field)) => format!(
            "there is a space before an opening quote, so the quotes are ordinary characters; remove it, for example: sed -E 's/{shown} +\"/{shown}\"/g' OLD > NEW"
        ),
        (false, _) if fields.len() == expected + 1 && fields.last().is_some_and(|last| last.is_empty()) => {
            let pattern = if delimiter == b'\t' { "\\t".to_owned() } else { shown.to_string() };
            format!(
                "the row ends with a {shown:?}; remove it from every row, for example: sed 's/{pattern}\\r\\?$//' OLD > NEW"
            )
        }
        (_, false) if fields.iter().any(opens) => format!(
            "a field begins with a quote, but quotes are ordinary characters in .tsv files; let the file's name end in .csv and set delimiter = {:?}",
            shown.to_string()
        ),
        (true, _) => "the row is cut off, or a delimiter is missing".to_owned(),
        (false, true) => format!("put double quotes around texts that hold a {shown:?}"),
        (false, false) => format!("replace each {shown:?} in a text by a space"),
    }
}

/// Returns the cure for text after a closing quote. `before` is the row up to and including the quote, `after` what follows.
pub(super) fn cure_after_quote(before: &[u8], after: &[u8]) -> &'static str {
    if before.ends_with(b"\\\"") {
        "quotes are escaped with backslashes here; write the file again with doubled quotes (\"\"), in pandas without `escapechar`"
    } else if after.starts_with(b" ") || after.starts_with(b"\t") {
        "remove the space after the quote, or double the quote (\"\") if it belongs to the text"
    } else {
        "a quote inside a quoted field must be doubled (\"\")"
    }
}

/// Whether a field is quoted after leading spaces, such as ` "a" `.
pub(super) fn is_quoted_behind_blanks(field: &[u8]) -> bool {
    let inner = field.trim_ascii();
    is_opened_behind_blanks(field) && inner.len() > 1 && inner.ends_with(b"\"")
}

/// Whether a field opens with a quote after leading spaces, such as ` "a`.
fn is_opened_behind_blanks(field: &[u8]) -> bool {
    field.starts_with(b" ") && field.trim_ascii_start().starts_with(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Dialect = Dialect { delimiter: b',', quotes: true };
    const TSV: Dialect = Dialect { delimiter: b'\t', quotes: false };

    #[test]
    fn the_cause_of_another_width_is_named() {
        let cure = |fields: &[&str], expected, dialect| {
            let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            cure_of_width(&fields, expected, dialect)
        };
        assert!(cure(&["1", " \"a", " b\""], 2, CSV).starts_with("there is a space before an opening quote"));
        let trailing = cure(&["a", "1", ""], 2, CSV);
        assert!(trailing.starts_with("the row ends with a ','") && trailing.contains("s/,"), "{trailing}");
        assert!(cure(&["a", "1", ""], 2, TSV).contains("'s/\\t"));
        assert!(cure(&["\"a", "b\"", "1"], 2, TSV).contains("set delimiter = \"\\t\""));
        assert!(cure(&["\"a"], 2, TSV).contains("end in .csv"));
        assert_eq!(cure(&["a"], 2, CSV), "the row is cut off, or a delimiter is missing");
        assert_eq!(cure(&["a", " b", "1"], 2, CSV), "put double quotes around texts that hold a ','");
    }

    #[test]
    fn backslashes_and_blanks_behind_a_quote_are_named() {
        assert!(cure_after_quote(b"\"he said \\\"", b"hi").contains("backslashes"));
        assert!(cure_after_quote(b"\"a\"", b" ,1").contains("space after"));
        assert!(cure_after_quote(b"\"a\"", b"b").contains("doubled"));
    }
}
