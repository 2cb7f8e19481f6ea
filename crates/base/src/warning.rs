//! Coded warnings: what a person should know before trusting a result. They do not stop a run.
//!
//! A code is stable and documented in `docs/warnings.md`, so that a reader can search for it and a CI job can match it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One warning, shown by `check --data`, `run` and the report, and stored in `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// What kind of thing it is.
    pub code: Code,
    /// What was found, where, and what to do about it: full sentences.
    pub text: String,
    /// The ids of the cells that it concerns; empty if it concerns all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
}

impl Warning {
    /// A warning that concerns every cell.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), cells: Vec::new() }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// The kinds of warnings. A code is never given to another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Code {
    /// Labels differ only by case, by number form (`1`, `1.0`) or by boolean form (`True`, `TRUE`, `true`).
    #[serde(rename = "EMB001")]
    SimilarLabels,
    /// A row repeats the names of the columns.
    #[serde(rename = "EMB002")]
    HeaderAsRow,
    /// Equal texts carry different labels.
    #[serde(rename = "EMB003")]
    ConflictingLabels,
    /// The positive class was chosen by a narrow majority: it has 45 to 55 % of the rows and no setting names it.
    #[serde(rename = "EMB004")]
    BalancedPositive,
    /// Rows were left out, or count as wrong, because training has no row with their label.
    #[serde(rename = "EMB005")]
    UnknownLabels,
    /// An embedding knows less than half of the words of the data.
    #[serde(rename = "EMB006")]
    FewKnownWords,
    /// Quotes of a tab-separated file are kept as part of the text.
    #[serde(rename = "EMB007")]
    QuotesKept,
    /// A prompt is a single word and no name of one of the model's prompts.
    #[serde(rename = "EMB008")]
    PromptIsNoName,
    /// A text stands in the files of two splits.
    #[serde(rename = "EMB009")]
    SharedTexts,
    /// A label is a word that other programs write in place of a missing value: `NA`, `null`, `None`.
    #[serde(rename = "EMB010")]
    MissingAsLabel,
    /// A supervised model of fastText is used with fastText's words, but the vectors of texts are not fastText's.
    #[serde(rename = "EMB011")]
    OtherThanFastText,
    /// A group stands in the files of two splits.
    #[serde(rename = "EMB012")]
    SharedGroups,
    /// No epoch of a cell answers a validation row rightly: the best epoch was chosen by its place alone.
    #[serde(rename = "EMB013")]
    NothingLearned,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::name_of(self))
    }
}

/// Merges the warnings of cells: equal ones become one that names all of their cells.
pub fn merge<'a>(of_cells: impl IntoIterator<Item = (&'a str, &'a [Warning])>) -> Vec<Warning> {
    let mut merged: Vec<Warning> = Vec::new();
    for (cell, warnings) in of_cells {
        for warning in warnings {
            match merged.iter_mut().find(|known| known.code == warning.code && known.text == warning.text) {
                Some(known) => known.cells.push(cell.to_owned()),
                None => merged.push(Warning { cells: vec![cell.to_owned()], ..warning.clone() }),
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_as_it_is_stored() {
        for (code, shown) in [(Code::SimilarLabels, "EMB001"), (Code::OtherThanFastText, "EMB011")] {
            assert_eq!(code.to_string(), shown);
            assert_eq!(serde_json::to_value(code).expect("plain"), shown);
        }
    }

    #[test]
    fn equal_warnings_of_cells_become_one() {
        let few = [Warning::new(Code::FewKnownWords, "few")];
        let merged = merge([("a", few.as_slice()), ("b", &[]), ("c", &few)]);
        assert_eq!(merged, [Warning { cells: vec!["a".into(), "c".into()], ..few[0].clone() }]);
    }
}
