//! Escapes user text (names, settings, messages) for each format, so that it is shown and never interpreted.
//!
//! All text is treated as untrusted. In every format, control characters (ANSI sequences, line breaks) and the Unicode
//! controls that reorder text become visible escapes, so that a name takes one line and is shown as it is.

use std::fmt::Write as _;

use emberline_base::is_control_or_bidi;

/// Escapes control characters and characters that reorder text: `\n`, `\u{1b}`, `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_control_or_bidi(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Truncates a text to its first `limit` characters, followed by an ellipsis if it is longer.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

/// Escapes text for HTML, between tags or inside a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in visible(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

/// Escapes text for GitHub-flavoured Markdown, inside a line or a field of a table.
///
/// An underscore between letters isn't escaped (it has no meaning there), so that `val_pr_auc` stays readable.
pub(crate) fn markdown(text: &str) -> String {
    let text = visible(text);
    let letters: Vec<char> = text.chars().collect();
    let near = |index: Option<usize>| index.and_then(|index| letters.get(index)).copied().unwrap_or(' ');
    let mut out = String::with_capacity(text.len());
    for (index, &letter) in letters.iter().enumerate() {
        let (before, after) = (near(index.checked_sub(1)), near(Some(index + 1)));
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '_' if before.is_alphanumeric() && after.is_alphanumeric() => out.push('_'),
            '#' | '+' | '-' | '=' if index > 0 => out.push(letter),
            ':' if after != '/' => out.push(':'),
            '.' if before != 'w' && !(before.is_ascii_digit() && index < 10) => out.push('.'),
            '.' if before.is_ascii_digit() && after.is_ascii_digit() => out.push('.'),
            '@' => out.push_str("@<!-- -->"),
            _ if MARKDOWN.contains(letter) => {
                let _ = write!(out, "\\{letter}");
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Characters with a meaning in Markdown, and those that begin an automatic link (`https:`, `www.`), a list or a heading.
const MARKDOWN: &str = "\\`*_{}[]|~$#+-=:.!";

/// Escapes a text field of CSV, so that it is on one line and no spreadsheet interprets it as a formula. The writer quotes it.
pub(crate) fn csv_text(text: &str) -> String {
    let shown = visible(text);
    let starts = |text: &str| text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let formula = starts(text) || text.starts_with(['\t', '\r', '\n']);
    if formula { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_holds_no_tag_and_no_attribute() {
        assert_eq!(
            html("<script>alert('x')</script>&\""),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"
        );
        assert_eq!(html("\u{1b}[31mred\n\0"), "\\u{1b}[31mred\\n\\u{0}");
    }

    #[test]
    fn text_that_reorders_a_line_is_written_out() {
        assert_eq!(visible("safe\u{202e}txt.exe\u{2028}"), "safe\\u{202e}txt.exe\\u{2028}");
        assert_eq!(visible("Ünï 中文 👩\u{200d}🔬"), "Ünï 中文 👩\u{200d}🔬");
    }

    #[test]
    fn markdown_stays_in_its_field() {
        assert_eq!(markdown("a|b`c`\n# *x* <b>"), "a\\|b\\`c\\`\\\\n# \\*x\\* &lt;b&gt;");
        assert_eq!(markdown("# head"), "\\# head");
        assert_eq!(markdown("val_pr_auc 0.5, _em_"), "val_pr_auc 0.5, \\_em\\_");
        assert_eq!(
            markdown("[x](javascript:1) https://e www.e.org $a$"),
            "\\[x\\](javascript:1) https\\://e www\\.e.org \\$a\\$"
        );
        assert_eq!(markdown("1. item"), "1\\. item");
        assert_eq!(markdown("@all"), "@<!-- -->all");
    }

    #[test]
    fn csv_formulas_are_defused() {
        for hostile in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n=1", "＝1"] {
            let safe = csv_text(hostile);
            assert!(safe.starts_with('\'') && !safe.contains(['\n', '\t']), "{safe:?}");
        }
        assert_eq!(csv_text("swivel-20"), "swivel-20");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü", 2), "äö…");
    }
}
