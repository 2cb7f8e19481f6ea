//! Numbers for people: as many digits as mean something, equal decimals down a column.
//!
//! Numbers enter, text leaves. Minus is U+2212, so that signs align with figures.

use emberline_base::number;
pub(crate) use emberline_base::number::{counted, grouped as count};

/// How many decimals show three to four digits of the largest of `values`.
pub(crate) fn decimals(values: impl IntoIterator<Item = f64>) -> usize {
    let largest = values.into_iter().filter(|v| v.is_finite()).fold(0.0, |largest: f64, v| largest.max(v.abs()));
    match largest {
        v if v < 10.0 => 4,
        v if v < 100.0 => 2,
        v if v < 1000.0 => 1,
        _ => 0,
    }
}

/// A number with a fixed count of decimals, as [`number::fixed`] shows it: at most six digits, else a power of ten.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let size = if value.is_infinite() { "∞".to_owned() } else { number::fixed(value.abs(), decimals) };
    if value < 0.0 { format!("−{size}") } else { size }
}

/// A single number outside a column, to three or four digits.
pub(crate) fn single(value: f64) -> String {
    fixed(value, decimals([value]))
}

/// A number with an explicit sign, for differences.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// A share as percents: `6.2 %`.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

/// A stretch of time: `0.8 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || !(0.0..1e15).contains(&seconds) {
        return "–".to_owned();
    }
    if seconds < 59.95 {
        // A sum of nothing is -0.
        return format!("{:.1} s", seconds.abs());
    }
    let whole = seconds.round() as u64;
    match whole {
        0..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", count(whole / 3600), whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_mean_something() {
        assert_eq!(fixed(0.51234, decimals([0.5, 0.91])), "0.5123");
        assert_eq!(fixed(-0.0149, 4), "−0.0149");
        assert_eq!(fixed(123.456, decimals([123.456])), "123.5");
        assert_eq!(fixed(0.000_012, 4), "1.2e-5");
        assert_eq!(fixed(0.0, 4), "0.0000");
        assert_eq!(
            (single(12_345.6), single(1e16), fixed(123_456.7, 1)),
            ("12346".into(), "1.0e16".into(), "123457".into())
        );
        assert_eq!(single(1e300), "1.0e300");
        assert_eq!((fixed(f64::NAN, 4), fixed(f64::NEG_INFINITY, 4)), ("NaN".to_owned(), "−∞".to_owned()));
        assert_eq!(
            (signed(0.01, 3), signed(-0.01, 3), signed(0.0, 1)),
            ("+0.010".into(), "−0.010".into(), "0.0".into())
        );
    }

    #[test]
    fn shares_and_times() {
        assert_eq!(
            [-0.0, 0.84, 59.99, 200.4, 7500.0, f64::NAN].map(duration),
            ["0.0 s", "0.8 s", "1 min 0 s", "3 min 20 s", "2 h 5 min", "–"]
        );
        assert_eq!((percent(1, 16), percent(0, 0)), ("6.2 %".to_owned(), "–".to_owned()));
    }
}
