//! Warnings with codes: what a user should know before trusting a result. Warnings don't stop a run.
//!
//! A code is stable and documented in `docs/warnings.md`, so that a user can search for it and a CI job can match it.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A warning, shown by `check --data`, `run` and the report, and stored in `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// The code of the warning.
    pub code: Code,
    /// What was found, where, and what to do about it, in full sentences.
    pub text: String,
    /// The ids of the cells that the warning concerns; empty if it concerns all cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
}

impl Warning {
    /// Creates a warning that concerns all cells.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), cells: Vec::new() }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// The codes of warnings. A code is never reused for another kind of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Code {
    /// Labels differ only by case, by number form (`1`, `1.0`) or by boolean form (`True`, `TRUE`, `true`).
    #[serde(rename = "EMB001")]
    SimilarLabels,
    /// A row repeats the header, that is, the names of the columns.
    #[serde(rename = "EMB002")]
    HeaderAsRow,
    /// Equal texts have different labels.
    #[serde(rename = "EMB003")]
    ConflictingLabels,
    /// The positive class was chosen by a narrow majority: it has 45 to 55 % of the rows and no setting names it.
    #[serde(rename = "EMB004")]
    BalancedPositive,
    /// Rows were left out, or count as wrong, because no training row has their label.
    #[serde(rename = "EMB005")]
    UnknownLabels,
    /// An embedding has vectors for less than half of the words of the data.
    #[serde(rename = "EMB006")]
    FewKnownWords,
    /// Quotes of a tab-separated file are kept as part of the text.
    #[serde(rename = "EMB007")]
    QuotesKept,
    /// A prompt is a single word, but not the name of one of the model's prompts.
    #[serde(rename = "EMB008")]
    PromptIsNoName,
    /// A text is in the files of two splits.
    #[serde(rename = "EMB009")]
    SharedTexts,
    /// A label is a word that other programs write in place of a missing value: `NA`, `null`, `None`.
    #[serde(rename = "EMB010")]
    MissingAsLabel,
    /// A supervised model of fastText is used with fastText's words, but the vectors of texts are not fastText's.
    #[serde(rename = "EMB011")]
    OtherThanFastText,
    /// A group is in the files of two splits.
    #[serde(rename = "EMB012")]
    SharedGroups,
    /// No epoch of a cell predicts a validation row correctly, so the choice of the best epoch is arbitrary.
    #[serde(rename = "EMB013")]
    NothingLearned,
    /// A split has rows of one class only, or every training row has a class.
    #[serde(rename = "EMB014")]
    OneClassSplit,
    /// Held-out texts nearly repeat a training text.
    #[serde(rename = "EMB015")]
    NearDuplicates,
    /// Texts are longer than the model can read, and are cut.
    #[serde(rename = "EMB016")]
    TextsCut,
    /// A model has prompts, and none is set.
    #[serde(rename = "EMB017")]
    PromptMissing,
    /// The texts have no capitals but the embedding distinguishes them, or the reverse.
    #[serde(rename = "EMB018")]
    OtherCase,
    /// The name of a class is inside the texts of the class.
    #[serde(rename = "EMB019")]
    ClassNameInText,
    /// The length of a text alone tells its label.
    #[serde(rename = "EMB020")]
    LengthPredicts,
    /// Characters of texts were decoded wrongly.
    #[serde(rename = "EMB021")]
    Mojibake,
    /// Rows likely have a wrong label.
    #[serde(rename = "EMB022")]
    LikelyMislabelled,
    /// An embedding knows far fewer words of one class than of the others.
    #[serde(rename = "EMB023")]
    FewKnownWordsOfAClass,
    /// Training ended by `train.epochs` while the loss was still improving.
    #[serde(rename = "EMB030")]
    StillImproving,
    /// One class is predicted for every validation row, and the loss is no better than that of the shares of the classes.
    #[serde(rename = "EMB031")]
    OneClassOnly,
    /// The validation loss is clearly higher than that of the shares of the classes.
    #[serde(rename = "EMB032")]
    WorseThanPrior,
    /// A fit by L-BFGS ended before it converged.
    #[serde(rename = "EMB035")]
    NotConverged,
    /// A setting lacks the scores of splits that others have, so it isn't compared.
    #[serde(rename = "EMB101")]
    SettingLeftOut,
    /// Splits that some setting lacks aren't counted.
    #[serde(rename = "EMB102")]
    SplitsLeftOut,
    /// The scores are of validation rows, which also chose the epoch.
    #[serde(rename = "EMB103")]
    SameRows,
    /// The best setting lies at the edge of an axis.
    #[serde(rename = "EMB104")]
    AtTheEdge,
    /// Cells that are compared were trained on different models of GPUs, or on a GPU and on the CPU.
    #[serde(rename = "EMB105")]
    DifferentDevices,
}

impl Code {
    /// All codes, in order.
    pub const ALL: [Self; 32] = [
        Self::SimilarLabels,
        Self::HeaderAsRow,
        Self::ConflictingLabels,
        Self::BalancedPositive,
        Self::UnknownLabels,
        Self::FewKnownWords,
        Self::QuotesKept,
        Self::PromptIsNoName,
        Self::SharedTexts,
        Self::MissingAsLabel,
        Self::OtherThanFastText,
        Self::SharedGroups,
        Self::NothingLearned,
        Self::OneClassSplit,
        Self::NearDuplicates,
        Self::TextsCut,
        Self::PromptMissing,
        Self::OtherCase,
        Self::ClassNameInText,
        Self::LengthPredicts,
        Self::Mojibake,
        Self::LikelyMislabelled,
        Self::FewKnownWordsOfAClass,
        Self::StillImproving,
        Self::OneClassOnly,
        Self::WorseThanPrior,
        Self::NotConverged,
        Self::SettingLeftOut,
        Self::SplitsLeftOut,
        Self::SameRows,
        Self::AtTheEdge,
        Self::DifferentDevices,
    ];

    /// Returns whether the warning is about an embedding of the data, so that it takes an opened embedding to know.
    pub fn is_of_embeddings(self) -> bool {
        match self {
            Self::FewKnownWords
            | Self::PromptIsNoName
            | Self::OtherThanFastText
            | Self::TextsCut
            | Self::PromptMissing
            | Self::OtherCase
            | Self::FewKnownWordsOfAClass => true,
            Self::SimilarLabels
            | Self::HeaderAsRow
            | Self::ConflictingLabels
            | Self::BalancedPositive
            | Self::UnknownLabels
            | Self::QuotesKept
            | Self::SharedTexts
            | Self::MissingAsLabel
            | Self::SharedGroups
            | Self::NothingLearned
            | Self::OneClassSplit
            | Self::NearDuplicates
            | Self::ClassNameInText
            | Self::LengthPredicts
            | Self::Mojibake
            | Self::LikelyMislabelled
            | Self::StillImproving
            | Self::OneClassOnly
            | Self::WorseThanPrior
            | Self::NotConverged
            | Self::SettingLeftOut
            | Self::SplitsLeftOut
            | Self::SameRows
            | Self::AtTheEdge
            | Self::DifferentDevices => false,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::variant_name(self))
    }
}

/// Merges the warnings of cells: equal warnings become one that lists all of their cells.
pub fn merge<'a>(of_cells: impl IntoIterator<Item = (&'a str, &'a [Warning])>) -> Vec<Warning> {
    let mut merged: Vec<Warning> = Vec::new();
    // Texts name numbers of their cells, so that there may be as many different ones as cells.
    let mut places: HashMap<(Code, &str), usize> = HashMap::new();
    for (cell, warnings) in of_cells {
        for warning in warnings {
            let place = *places.entry((warning.code, &warning.text)).or_insert(merged.len());
            match merged.get_mut(place) {
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
        let all: Vec<String> = Code::ALL.iter().map(Code::to_string).collect();
        assert!(all.is_sorted_by(|a, b| a < b) && all.iter().all(|code| code.len() == 6), "{all:?}");
    }

    #[test]
    fn equal_warnings_of_cells_become_one() {
        let few = [Warning::new(Code::FewKnownWords, "few")];
        let merged = merge([("a", few.as_slice()), ("b", &[]), ("c", &few)]);
        assert_eq!(merged, [Warning { cells: vec!["a".into(), "c".into()], ..few[0].clone() }]);
    }
}
