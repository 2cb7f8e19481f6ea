//! Names that a user wrote, and the known ones that may have been meant.

use crate::diagnostic::clipped;

/// The most characters that are shown of a name or a text in a message.
pub(crate) const SHOWN_NAME: usize = 60;

/// Longer names are no slips of known ones; to compare them would take time and memory.
const COMPARED: usize = 64;

/// The most candidates that are compared.
const CANDIDATES: usize = 1000;

/// The most names of a list in a hint.
const LISTED: usize = 20;

/// A name or text as messages quote it: its beginning, where it is long.
pub(crate) fn short(name: &str) -> String {
    clipped(name, SHOWN_NAME)
}

/// The candidate nearest to what was written, where one is near enough to be meant. One that differs by case or by
/// `-`, `_` and blanks alone is nearer than any other.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > COMPARED {
        return None;
    }
    let plain = folded(written);
    let distance = |candidate: &str| match folded(candidate) {
        same if same == plain => 0,
        _ => 1 + strsim::damerau_levenshtein(&written.to_lowercase(), &candidate.to_lowercase()),
    };
    let compared = candidates.into_iter().take(CANDIDATES).filter(|candidate| candidate.len() <= COMPARED);
    let (distance, best) = compared.map(|c| (distance(c), c)).min_by_key(|&(distance, c)| (distance, c))?;
    let contained = written.len() >= 3 && (best.contains(written) || written.contains(best));
    (distance <= 2 + written.chars().count() / 4 || contained).then_some(best)
}

/// Letters and digits alone, in lower case.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
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
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("patiense", ["monitor", "patience"]), Some("patience"));
        assert_eq!(nearest("lr", ["learning_rate", "beta_1"]), None);
        assert_eq!(nearest("learning", ["learning_rate", "beta_1"]), Some("learning_rate"));
        assert_eq!(nearest("zzz", ["monitor", "patience"]), None);
    }

    #[test]
    fn case_and_separators_are_no_difference() {
        let activations = ["linear", "relu", "gelu", "tanh", "sigmoid"];
        for (written, meant) in [("Relu", "relu"), ("RELU", "relu"), ("GELU", "gelu"), ("Tanh", "tanh")] {
            assert_eq!(nearest(written, activations), Some(meant));
        }
        assert_eq!(nearest("BinaryCrossentropy", ["binary_cross_entropy", "x"]), Some("binary_cross_entropy"));
        assert_eq!(nearest("Word-Vectors", ["word_vectors", "model2vec"]), Some("word_vectors"));
        assert_eq!(nearest("AdamW", ["adam", "adamw", "sgd"]), Some("adamw"));
    }

    #[test]
    fn long_names_and_long_lists_are_cut() {
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, ["x"]), None);
        assert_eq!(short(&long).chars().count(), SHOWN_NAME + 1);
        let names: Vec<String> = (0..5000).map(|n| format!("n{n}")).collect();
        let hint = did_you_mean("n17x", names.iter().map(String::as_str));
        assert!(hint.starts_with("did you mean `n17`?") && hint.ends_with("and 4980 more)"), "{hint}");
    }
}
