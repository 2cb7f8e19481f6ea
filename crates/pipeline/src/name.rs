//! Shows names that a user wrote in messages, and suggests known ones.

use emberline_base::suggest::nearest;

use crate::diagnostic::clipped;

/// Maximum number of characters of a name or text that a message shows.
pub(crate) const MAX_NAME: usize = 60;

/// Maximum number of names in the list of a hint.
const MAX_LISTED: usize = 20;

/// Returns a name or text as messages quote it: shortened if it is long.
pub(crate) fn short(name: &str) -> String {
    clipped(name, MAX_NAME)
}

/// Returns the hint for an unknown name: the nearest known name, and all of them.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(written, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`? (there are {})", list(known)),
        None => format!("there are {}", list(known)),
    }
}

/// Lists names in backquotes, separated by commas; of many, the first ones.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<String> = names.clone().take(MAX_LISTED).map(|name| format!("`{}`", short(name))).collect();
    match names.count().saturating_sub(MAX_LISTED) {
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
        assert_eq!(short(&long).chars().count(), MAX_NAME + 1);
        let names: Vec<String> = (0..5000).map(|n| format!("n{n}")).collect();
        let hint = did_you_mean("n17x", names.iter().map(String::as_str));
        assert!(hint.starts_with("did you mean `n17`?") && hint.ends_with("and 4980 more)"), "{hint}");
    }
}
