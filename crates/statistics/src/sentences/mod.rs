//! The sentences of the report, the terminal and `compare`: made of an [`Answer`] alone.
//!
//! An answer enters, claims with their words leave, the most important first. A claim is what a sentence asserts, as data, so that
//! a test can hold it against the answer. There are two levels: "embedding A is better than B for this task" is only said of at
//! least five splits; of fewer, "on new texts like these, head A scores ... more than head B".

mod claims;
mod words;

use serde::Serialize;

use crate::answer::{Answer, Reason};

use claims::claims;
pub(crate) use words::{opening, uncapitalised};

/// What a sentence asserts. Settings are positions in `answer.settings`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Claim {
    /// Nothing can be said.
    NoAnswer {
        /// Why.
        reason: Reason,
    },
    /// One embedding is told apart from all others as better.
    SoleBest {
        /// Which.
        setting: usize,
    },
    /// The best embedding is one of several.
    BestGroup {
        /// Which, the best mean first.
        settings: Vec<usize>,
    },
    /// One embedding is better than another.
    Better {
        /// The better one.
        better: usize,
        /// The other.
        worse: usize,
        /// The position in `answer.pairs`.
        pair: usize,
    },
    /// Two embeddings are not told apart.
    NotToldApart {
        /// The one with the better mean.
        a: usize,
        /// The other.
        b: usize,
        /// The position in `answer.pairs`.
        pair: usize,
    },
    /// On new texts, the one trained head scores better than the other.
    HeadScoresBetter {
        /// The better one.
        better: usize,
        /// The other.
        worse: usize,
        /// The position in `answer.pairs`.
        pair: usize,
    },
    /// Which of two trained heads scores better on new texts is not told.
    HeadsNotToldApart {
        /// The one with the better score on these rows.
        a: usize,
        /// The other.
        b: usize,
        /// The position in `answer.pairs`.
        pair: usize,
    },
    /// The trained heads among which the best one is.
    BestHeads {
        /// Which, the best score first.
        settings: Vec<usize>,
    },
    /// How the leader among heads was chosen.
    ChosenOn {
        /// Which it is.
        setting: usize,
        /// Whether on validation rows, with the difference measured on test rows; else on the same rows.
        validation: bool,
    },
    /// Which embedding is better isn't answered: there are too few splits.
    EmbeddingsNotAnswered,
    /// The smallest setting that is good enough.
    Smallest {
        /// Which.
        setting: usize,
    },
    /// No setting is good enough, or no margin was asked for; the margins that the data support.
    NoSmallest,
    /// What difference would have been found.
    Detectable,
    /// More of something would decide.
    Outlook,
    /// Where the variance comes from.
    Variance,
}

/// A claim in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// The numbers of labels that it is said of, which find the answer ([`Answer::of_each_number`]) that positions in the claim are
    /// of; empty if settings don't differ in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<usize>,
    /// What it asserts.
    pub claim: Claim,
    /// The words: one or two full sentences. Labels of settings are as they were given, not escaped.
    pub text: String,
}

/// Returns the sentences of an answer, the verdict first. With several numbers of labels there is a verdict on each, the most labels
/// first, and the other sentences are about the most labels alone. Warnings are not among them.
pub fn sentences(answer: &Answer) -> Vec<Sentence> {
    verdicts(answer).into_iter().chain(of_one(answer).into_iter().skip(1)).collect()
}

/// Returns the verdict on each number of labels, the most labels first; the first of the [`sentences()`] if there is one number. Numbers
/// of which the same is said share a sentence.
pub fn verdicts(answer: &Answer) -> Vec<Sentence> {
    let mut found: Vec<(Vec<usize>, Claim, String)> = Vec::new();
    for of in answer.of_each_number() {
        let Some(claim) = claims(of).into_iter().next() else { continue };
        let text = words::words(of, &claim);
        match found.iter_mut().find(|(_, known, words)| (known, words) == (&claim, &text)) {
            Some((labels, _, _)) => labels.extend(of.labels),
            None => found.push((of.labels.into_iter().collect(), claim, text)),
        }
    }
    let sentence = |(labels, claim, text): (Vec<usize>, Claim, String)| Sentence {
        text: words::with_labels(&labels, &claim, &text),
        labels,
        claim,
    };
    found.into_iter().map(sentence).collect()
}

/// Returns all sentences about each number of labels, the most labels first.
pub fn all_sentences(answer: &Answer) -> Vec<Sentence> {
    answer.of_each_number().flat_map(of_one).collect()
}

/// Returns the sentences about the settings that an answer itself compares.
fn of_one(answer: &Answer) -> Vec<Sentence> {
    let sentence = |claim| {
        let labels: Vec<usize> = answer.labels.into_iter().collect();
        Sentence { text: words::with_labels(&labels, &claim, &words::words(answer, &claim)), labels, claim }
    };
    claims(answer).into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests;
