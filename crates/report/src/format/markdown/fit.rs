//! Fits a report into a number of bytes: the parts that matter least have fewer and fewer rows until the whole is short enough.
//!
//! Input: parts, each a function of the number of rows that it may have. Output: their texts, in order.

/// The numbers of rows that are tried, one after another.
const ROWS: [usize; 8] = [200, 100, 50, 24, 12, 6, 3, 0];

/// What ends a text that even without rows is too long.
const CUT: &str = "\n\n(The rest is left out: see report.html.)\n";

/// A part of a report.
pub(super) struct Part<'a> {
    /// How long the part keeps its rows: those of lower numbers are shortened first.
    importance: u8,
    /// Returns the text with at most so many rows.
    text: Box<dyn Fn(usize) -> String + 'a>,
}

impl<'a> Part<'a> {
    pub(super) fn new(importance: u8, text: impl Fn(usize) -> String + 'a) -> Self {
        Self { importance, text: Box::new(text) }
    }
}

/// Joins the parts to a text of at most `bytes` bytes.
pub(super) fn fitted(parts: &[Part<'_>], bytes: usize) -> String {
    let mut texts: Vec<String> = parts.iter().map(|part| (part.text)(ROWS[0])).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&at| parts[at].importance);
    for at in order {
        for rows in &ROWS[1..] {
            if texts.iter().map(String::len).sum::<usize>() <= bytes {
                return texts.concat();
            }
            texts[at] = (parts[at].text)(*rows);
        }
    }
    cut(texts.concat(), bytes)
}

/// Cuts a text at the end of a line, so that the rest of it fits.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let most = text.floor_char_boundary(bytes.saturating_sub(CUT.len()));
        let end = text[..most].rfind('\n').unwrap_or(most);
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_is_shortened_first() {
        let lines = |letter: &'static str| move |rows: usize| format!("{letter}\n").repeat(rows.min(150));
        let parts = [Part::new(2, lines("a")), Part::new(1, lines("b"))];
        let counts = |bytes| {
            let text = fitted(&parts, bytes);
            (text.matches('a').count(), text.matches('b').count())
        };
        assert_eq!(counts(600), (150, 150));
        assert_eq!(counts(599), (150, 100));
        assert_eq!(counts(420), (150, 50));
        assert_eq!(counts(299), (100, 0));
        assert_eq!(counts(0), (0, 0));
    }

    #[test]
    fn what_has_no_rows_is_cut_between_letters() {
        let text = fitted(&[Part::new(1, |_| "ä".repeat(200))], 101);
        assert!(text.len() <= 101 && text.starts_with("ää") && text.ends_with(CUT), "{text}");
    }
}
