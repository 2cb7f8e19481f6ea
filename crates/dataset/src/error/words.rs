//! Phrases of error messages about data.

use emberline_base::number::{agreeing, counted};

/// Such as ` (did you mean `text`?)`; empty without a nearest name.
pub(super) fn suggested(nearest: &Option<String>) -> String {
    nearest.as_deref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Such as `none of the 3 rows can be used`.
pub(super) fn none_of(rows: usize) -> String {
    if rows == 1 {
        "the only row can't be used".to_owned()
    } else {
        format!("none of the {} can be used", counted(rows, "row"))
    }
}

/// Such as `all 3 rows are`.
pub(super) fn all_are(rows: usize) -> String {
    if rows == 1 { "the only row is".to_owned() } else { format!("all {} are", counted(rows, "row")) }
}

/// Such as `all 3 training rows have`.
pub(super) fn all_have(rows: usize) -> String {
    if rows == 1 {
        "the only training row has".to_owned()
    } else {
        format!("all {} have", counted(rows, "training row"))
    }
}

/// Why rows are not available, in parentheses; empty if all are.
pub(super) fn left_out(leaks: usize, copies: usize) -> String {
    let leaks = (leaks > 0).then(|| format!("{leaks} more {} also in another split", agreeing(leaks, "is", "are")));
    let copies = (copies > 0).then(|| match copies {
        1 => "1 more is a copy of a text, see data.duplicates".to_owned(),
        copies => format!("{copies} more are copies of a text, see data.duplicates"),
    });
    let reasons: Vec<String> = leaks.into_iter().chain(copies).collect();
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) }
}

/// Lists up to `limit` names in backticks, and the number of others.
pub(super) fn listed(names: &[String], limit: usize) -> String {
    let mut shown: Vec<String> = names.iter().take(limit).map(|name| format!("`{}`", excerpt(name))).collect();
    if names.len() > limit {
        shown.push(format!("{} more", names.len() - limit));
    }
    shown.join(", ")
}

/// Shortens a text to 80 characters on one line, for messages.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
