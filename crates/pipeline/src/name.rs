//! Names that a user wrote, and the known ones that may have been meant.

use emberline_base::suggest::nearest;

use crate::diagnostic::clipped;

/// The most characters that are shown of a name or a text in a message.
pub(crate) const SHOWN_NAME: usize = 60;

/// The most names of a list in a hint.
const LISTED: usize = 20;

/// A name or text as messages quote it: its beginning, where it is long.
pub(crate) fn short(name: &str) -> String {
    clipped(name, SHOWN_NAME)
}

/// The hint for a name that isn't known: the nearest one that is, and all there are.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(written, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`? (there are {})", list(known)),
        None => format!("there are {}", list(known)),
    }
}

/// Names in backquotes, separated by commas; of many the first ones.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<String> = names.clone().take(LISTED).map(|name| format!("`{}`", short(name))).collect();
    match names.count().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_long_lists_are_cut() {
        let long = "x".repeat(1_000_000);
        assert_eq!(short(&long).chars().count(), SHOWN_NAME + 1);
        let names: Vec<String> = (0..5000).map(|n| format!("n{n}")).collect();
        let hint = did_you_mean("n17x", names.iter().map(String::as_str));
        assert!(hint.starts_with("did you mean `n17`?") && hint.ends_with("and 4980 more)"), "{hint}");
    }
}
