//! Finds similar labels: those that differ only by case, by how a number is written, or by how yes or no is written.
//!
//! They are never merged, because a data set may mean them to differ; they cause a warning (EMB001).

use emberline_base::normalise::{lowercase, push_key};

/// Words for yes. If exactly one of the two labels of a binary task is such a word, it is the positive class.
const YES: [&str; 7] = ["1", "true", "t", "yes", "y", "positive", "pos"];

/// Words for booleans.
const BOOLEAN: [(&str, bool); 10] = [
    ("1", true),
    ("true", true),
    ("t", true),
    ("yes", true),
    ("y", true),
    ("0", false),
    ("false", false),
    ("f", false),
    ("no", false),
    ("n", false),
];

/// How similar labels differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Case,
    /// White space, accents or invisible characters, and maybe case.
    Letters,
    Number,
    Boolean,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Case => "by case",
            Self::Letters => "by white space, accents or invisible characters",
            Self::Number => "by how a number is written",
            Self::Boolean => "by how yes or no is written",
        })
    }
}

/// Whether a label means yes, in any case and number form.
pub(crate) fn says_yes(label: &str) -> bool {
    YES.contains(&plain(label).as_str())
}

/// Parses a finite number in digits; not `nan`, `inf` or `infinity`.
pub(crate) fn number(label: &str) -> Option<f64> {
    let is_digits = label.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    is_digits.then(|| label.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// Returns the groups of similar labels, as positions in `labels`, and how the labels of each group differ.
pub(crate) fn similar(labels: &[String]) -> Vec<(Vec<usize>, Difference)> {
    let plain: Vec<String> = labels.iter().map(|label| plain(label)).collect();
    let booleans: Option<Vec<bool>> = plain.iter().map(|label| boolean(label)).collect();
    let boolean_of = |at: usize| booleans.as_ref().map(|booleans| booleans[at]);
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&at| (boolean_of(at), if booleans.is_some() { "" } else { plain[at].as_str() }, at));
    let is_same = |a: &usize, b: &usize| match (boolean_of(*a), boolean_of(*b)) {
        (Some(a), Some(b)) => a == b,
        _ => plain[*a] == plain[*b],
    };
    let groups = order.chunk_by(is_same).filter(|group| group.len() > 1);
    let mut groups: Vec<_> = groups.map(|group| (group.to_vec(), difference(group, labels, &plain))).collect();
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    groups
}

/// Returns the first of `others` that is similar to a label.
pub(crate) fn similar_to<'o>(label: &str, others: &'o [String]) -> Option<&'o String> {
    let pair = |other: &&String| !similar(&[label.to_owned(), (*other).clone()]).is_empty();
    others.iter().find(pair)
}

fn difference(group: &[usize], labels: &[String], plain: &[String]) -> Difference {
    if group.iter().any(|&at| plain[at] != plain[group[0]]) {
        Difference::Boolean
    } else if group.iter().all(|&at| number(&labels[at]).is_some()) {
        Difference::Number
    } else if group.iter().all(|&at| lowercase(&labels[at]) == lowercase(&labels[group[0]])) {
        Difference::Case
    } else {
        Difference::Letters
    }
}

/// Returns the key that labels share if they differ only by case or number form: `1.0` and `01` have the key `1`.
fn plain(label: &str) -> String {
    if let Some(number) = number(label) {
        // Adding 0.0 turns -0.0 into 0.0.
        return format!("{}", number + 0.0);
    }
    let mut key = Vec::new();
    push_key(label, &mut key);
    String::from_utf8(key).expect("a key is UTF-8")
}

fn boolean(plain: &str) -> Option<bool> {
    BOOLEAN.iter().find(|(word, _)| *word == plain).map(|(_, yes)| *yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(labels: &[&str]) -> Vec<(Vec<String>, Difference)> {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        let named = |(group, by): (Vec<usize>, _)| (group.into_iter().map(|at| labels[at].clone()).collect(), by);
        similar(&labels).into_iter().map(named).collect()
    }

    fn group(labels: &[&str], by: Difference) -> (Vec<String>, Difference) {
        (labels.iter().map(|&label| label.to_owned()).collect(), by)
    }

    #[test]
    fn forms_of_one_label_are_found() {
        let case = groups(&["True", "TRUE", "False", "true", "maybe"]);
        assert_eq!(case, [group(&["True", "TRUE", "true"], Difference::Case)]);
        let numbers = groups(&["1", "0", "1.0", "2", "01", "0.0", "-0"]);
        assert_eq!(
            numbers,
            [group(&["1", "1.0", "01"], Difference::Number), group(&["0", "0.0", "-0"], Difference::Number)]
        );
        let both = groups(&["yes", "0", "True", "no"]);
        assert_eq!(both, [group(&["yes", "True"], Difference::Boolean), group(&["0", "no"], Difference::Boolean)]);
        assert_eq!(groups(&["Sí", "si\u{301}", "SI"]), [group(&["Sí", "si\u{301}"], Difference::Letters)]);
    }

    #[test]
    fn different_labels_are_left_in_peace() {
        for labels in
            [&["0", "1"][..], &["a", "t", "y", "n"], &["1", "2", "true"], &["nan", "inf", "1e999"], &["1", "-1"]]
        {
            assert_eq!(groups(labels), [], "{labels:?}");
        }
        assert_eq!(similar_to("1.0", &["0".to_owned(), "1".to_owned()]).map(String::as_str), Some("1"));
        assert_eq!(similar_to("2", &["0".to_owned(), "1".to_owned()]), None);
    }

    #[test]
    fn what_says_yes() {
        for label in ["1", "1.0", "TRUE", "t", "Yes", "y", "Positive", "POS"] {
            assert!(says_yes(label), "{label}");
        }
        for label in ["0", "2", "no", "insincere", "on", "neg", "11"] {
            assert!(!says_yes(label), "{label}");
        }
    }
}
