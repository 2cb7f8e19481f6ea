//! Defines missing values: one rule for texts, labels and flag columns, in every format.
//!
//! | value | in CSV and TSV | in JSON Lines | in Parquet |
//! |---|---|---|---|
//! | none at all | | `null`, a key that the row lacks | null |
//! | nothing to read | an empty field, white space | an empty string, white space | the same |
//! | the number NaN | (see below) | `NaN`, where it is read | NaN in a FLOAT or DOUBLE column |
//! | a label or flag that reads `nan`, in any case | `nan`, `NaN` | `"nan"` | `"nan"` |
//!
//! The last row applies only to labels and flags: text files have no other way to write the number NaN. A *text* that reads
//! `nan` is a text like any other. Invisible characters, such as a byte order mark, count as white space.
//!
//! A row whose text is missing, or whose label (any of its flags) is missing, is left out and counted. In a list of labels,
//! and between separators, a missing element is skipped; if no other element is left, the label is missing. An empty list is not
//! missing: it is a row of no class.
//!
//! Words that other programs write for a missing value (`NA`, `null`, `None`, ...) may be names of classes, so they stay
//! labels; [`looks_missing`] recognises them for a warning (EMB010).

use emberline_base::normalise::is_invisible;

pub(crate) use emberline_base::normalise::is_blank;

use crate::format::Field;

/// Trims white space and invisible characters from both ends of a label.
pub(crate) fn trimmed(label: &str) -> &str {
    label.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Whether a label or a flag, after [`trimmed`], is missing.
pub(crate) fn is_missing(trimmed: &str) -> bool {
    trimmed.is_empty() || trimmed.eq_ignore_ascii_case("nan")
}

/// Words that other programs write in place of a missing value, but that may also name a class.
const LOOK_MISSING: [&str; 13] =
    ["NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "None", "NaT", "\\N", "#N/A N/A", "#NA"];

/// Whether a label is a word that other programs write in place of a missing value.
pub(crate) fn looks_missing(label: &str) -> bool {
    LOOK_MISSING.contains(&label)
}

/// Converts a number to a label: whole numbers are written without a decimal point, and zero without a sign; NaN is missing.
pub(crate) fn of_number(number: f64) -> Field<'static> {
    if number.is_nan() {
        return Field::Missing;
    }
    let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
    // Adding 0.0 turns -0.0 into 0.0.
    Field::Scalar(if is_whole { format!("{:.0}", number + 0.0) } else { format!("{number}") })
}

/// Builds a list from its elements.
///
/// # Errors
/// When an element is a list itself.
pub(crate) fn of_list<'f>(elements: impl IntoIterator<Item = Field<'f>>) -> Result<Field<'f>, &'static str> {
    let (mut values, mut has_missing) = (Vec::new(), false);
    for element in elements {
        match element {
            Field::Missing => has_missing = true,
            Field::Text(text) if is_missing(trimmed(&text)) => has_missing = true,
            Field::Text(text) => values.push(text.into_owned()),
            Field::Scalar(scalar) => values.push(scalar),
            Field::List(_) => return Err("a list within a list"),
        }
    }
    Ok(if values.is_empty() && has_missing { Field::Missing } else { Field::List(values) })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn blank_values_and_nan_are_missing() {
        for missing in ["", " \t", "\u{feff}", "nan", " NaN ", "NAN"] {
            assert!(is_missing(trimmed(missing)), "{missing:?}");
        }
        for label in ["0", "none", "NA", "null", "naan", "-"] {
            assert!(!is_missing(trimmed(label)), "{label:?}");
        }
        assert!(looks_missing("NA") && looks_missing("None") && !looks_missing("none") && !looks_missing("na"));
    }

    #[test]
    fn numbers_are_labels_and_nan_is_missing() {
        let scalar = |text: &str| Field::Scalar(text.to_owned());
        for (number, expected) in [(1.0, "1"), (-0.0, "0"), (0.5, "0.5"), (-3.0, "-3"), (1e15, "1000000000000000")] {
            assert_eq!(of_number(number), scalar(expected));
        }
        assert_eq!((of_number(f64::NAN), of_number(-f64::NAN)), (Field::Missing, Field::Missing));
    }

    #[test]
    fn missing_elements_of_a_list_are_passed_over() {
        let text = |text: &'static str| Field::Text(Cow::Borrowed(text));
        let list = |elements: &[Field<'static>]| of_list(elements.to_vec());
        assert_eq!(list(&[]), Ok(Field::List(Vec::new())));
        assert_eq!(list(&[text("a"), Field::Missing, text("nan")]), Ok(Field::List(vec!["a".to_owned()])));
        assert_eq!(list(&[of_number(f64::NAN), text(" ")]), Ok(Field::Missing));
        assert!(list(&[Field::List(Vec::new())]).is_err());
    }
}
