//! What a check says.

/// What a check says of the data.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// There is nothing to say.
    Clear,
    /// The check can't be made of these data; the reason.
    NotApplicable(String),
    /// A warning.
    Found(Finding),
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was found, why it matters and what to do about it, in full sentences.
    pub text: String,
    /// The rows that it is about, the most suspicious first, one line each; there may be fewer than the text counts.
    pub rows: Vec<String>,
}

impl Verdict {
    /// Returns the warning's text, if something was found.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Found(finding) => Some(&finding.text),
            Self::Clear | Self::NotApplicable(_) => None,
        }
    }
}

/// Maximum number of characters of a text that is quoted.
const EXCERPT: usize = 80;
/// Maximum number of rows that a finding lists.
pub(crate) const LISTED: usize = 10;
/// Maximum number of names in a sentence.
const NAMED: usize = 5;

/// Returns the beginning of a text, in quotes, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(EXCERPT).collect();
    let more = if chars.next().is_some() { "..." } else { "" };
    format!("{:?}", start + more)
}

/// Returns a class's name between back-ticks, shortened and without control characters.
pub(crate) fn named(class: &str) -> String {
    let quoted = quoted(class);
    format!("`{}`", &quoted[1..quoted.len() - 1])
}

/// Lists the first names, and the number of others.
pub(crate) fn listed(names: &[String]) -> String {
    let mut shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        shown += &format!(" and {} more", names.len() - NAMED);
    }
    shown
}

/// Returns a share as a percentage with one decimal.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
