//! Formats numbers for people: at most six significant digits, with an exponent if the number is very large or very small.
//!
//! The terminal, reports and messages use these functions; files for programs hold every digit.

/// Maximum number of significant digits that are shown.
const MAX_DIGITS: usize = 6;

/// Formats a number with `decimals` decimals, or with fewer if there would be more than six significant digits: `0.9381`,
/// `12345.7`. A number that is too small to show a digit, or that has more than six digits before the point, is given with
/// an exponent: `1.2e-5`, `1.0e16`.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let smallest = 0.5 * 0.1_f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX));
    if value != 0.0 && value.abs() < smallest {
        return format!("{value:.1e}");
    }
    let shown = |decimals: usize| format!("{:.decimals$}", if value == 0.0 { 0.0 } else { value });
    let text = shown(decimals);
    match digits(&text).saturating_sub(MAX_DIGITS) {
        0 => text,
        excess if excess <= decimals && digits(&shown(decimals - excess)) <= MAX_DIGITS => shown(decimals - excess),
        _ => format!("{value:.1e}"),
    }
}

/// Formats a number with at most six significant digits, without trailing zeros: `0.5`, `0.123457`, `1.5e16`.
pub fn significant(value: f64) -> String {
    let rounded = rounded(value);
    match rounded.abs() {
        0.0 => "0".to_owned(),
        size if size.is_finite() && !(1e-4..1e6).contains(&size) => format!("{rounded:e}"),
        _ => rounded.to_string(),
    }
}

/// Rounds a number to six significant digits.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Formats a count with thousands separators: `999`, `65,949`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Formats a count with its noun: `1 row`, `65,949 rows`, `2 classes`. `noun` is the singular; only its ending changes.
pub fn counted(count: usize, noun: &str) -> String {
    let ending = match noun {
        _ if count == 1 => "",
        noun if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", grouped(count as u64))
}

/// Returns the form of a word that agrees with a count: `agreeing(1, "is", "are")` is `is`.
pub fn agreeing<'w>(count: usize, one: &'w str, many: &'w str) -> &'w str {
    if count == 1 { one } else { many }
}

/// Shortens a text that is a decimal number of more than six significant digits to six of them; returns any other text
/// unchanged.
pub fn shortened(text: &str) -> String {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && text.contains('.') && digits(mantissa) > MAX_DIGITS => significant(value),
        _ => text.to_owned(),
    }
}

/// Counts the significant digits of a decimal number: all digits but leading zeros.
fn digits(text: &str) -> usize {
    text.trim_start_matches(['-', '+', '0', '.']).bytes().filter(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!([7, 999, 1000, 65_949, 1_000_000].map(grouped), ["7", "999", "1,000", "65,949", "1,000,000"]);
        let counts = [(0, "row"), (1, "row"), (1_234, "training row"), (1, "class"), (3, "class"), (2, "text")];
        let shown = counts.map(|(count, noun)| counted(count, noun));
        assert_eq!(shown, ["0 rows", "1 row", "1,234 training rows", "1 class", "3 classes", "2 texts"]);
        assert_eq!([0, 1, 2].map(|count| agreeing(count, "is", "are")), ["are", "is", "are"]);
    }

    #[test]
    fn decimals_are_kept_while_they_fit() {
        for (value, decimals, expected) in [
            (0.938_123, 4, "0.9381"),
            (-0.5, 4, "-0.5000"),
            (0.0, 4, "0.0000"),
            (-0.0, 1, "0.0"),
            (12_345.678, 1, "12345.7"),
            (123_456.78, 4, "123457"),
            (99_999.96, 1, "100000"),
            (999_999.9, 1, "1.0e6"),
            (1e16, 4, "1.0e16"),
            (-1.234e16, 4, "-1.2e16"),
            (0.000_012, 4, "1.2e-5"),
            (f64::MAX, 4, "1.8e308"),
            (f64::NAN, 4, "NaN"),
            (f64::NEG_INFINITY, 4, "-inf"),
        ] {
            assert_eq!(fixed(value, decimals), expected, "{value} {decimals}");
        }
    }

    #[test]
    fn no_number_shows_more_than_six_digits() {
        for exponent in -320..309 {
            for mantissa in [1.0, 1.234_567_89, 9.999_999_9, -9.5] {
                let value = mantissa * 10f64.powi(exponent);
                for text in [fixed(value, 0), fixed(value, 4), significant(value), shortened(&format!("{value:?}"))] {
                    let mantissa = text.split('e').next().unwrap_or_default();
                    assert!(digits(mantissa) <= MAX_DIGITS && text.len() <= 16, "{value}: {text}");
                }
            }
        }
    }

    #[test]
    fn few_digits_stay_as_they_are() {
        for text in ["0.5", "1.0", "1", "12345678", "0.0001", "1e38", "name", "1.25.7", "12e45678", "0.123456"] {
            assert_eq!(shortened(text), text);
        }
        assert_eq!(shortened("0.12345678"), "0.123457");
        assert_eq!(shortened("12345678.5"), "1.23457e7");
        assert_eq!(
            [significant(0.5), significant(0.0), significant(1e38), significant(3.0)],
            ["0.5", "0", "1e38", "3"]
        );
    }
}
