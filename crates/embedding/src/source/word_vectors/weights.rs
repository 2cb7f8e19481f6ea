//! Weights of words, fitted on the training texts alone.
//!
//! | `weights` | the factor of a word's row |
//! |---|---|
//! | `idf` | `ln((1 + N) / (1 + df)) + 1`: N training texts, df of them with the word (as scikit-learn's `smooth_idf`) |
//! | `sif` | `a / (a + p)`, `a` = 0.001, p the word's share of the training texts' words |
//!
//! SIF is the weight of Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (2017),
//! without their removal of the common component, which a head's first layer can learn. A word that is in no training
//! text has the largest weight: `ln(1 + N) + 1`, or 1. Words are counted as they are looked up; those without a row
//! don't count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::Table;
use super::tokens::Rules;
use crate::learned::WordWeights;

/// How a text's words are weighed against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Inverse document frequency.
    Idf,
    /// Smooth inverse frequency.
    Sif,
}

/// The `a` of smooth inverse frequency, as in the paper's published code.
const SIF_A: f64 = 1e-3;

impl Weights {
    /// Returns the weights of the words that the training texts have in this table.
    pub(super) fn fit(self, table: &Table, rules: Rules, train: &[&str]) -> WordWeights {
        let mut counts = vec![0_u64; table.rows()];
        let mut ids = Vec::new();
        for text in train {
            ids.clear();
            table.token_ids(text.as_bytes(), rules, &mut ids);
            if self == Self::Idf {
                ids.sort_unstable();
                ids.dedup();
            }
            ids.iter().for_each(|&id| counts[id as usize] += 1);
        }
        let total = counts.iter().sum::<u64>().max(1) as f64;
        let weight = |count: u64| match self {
            Self::Idf => libm::log((1.0 + train.len() as f64) / (1.0 + count as f64)) + 1.0,
            Self::Sif => SIF_A / (SIF_A + count as f64 / total),
        };
        let words = table.words().iter().zip(counts).filter(|&(_, count)| count > 0);
        let mut weights: Vec<(String, f32)> = words.map(|(word, count)| (word.clone(), weight(count) as f32)).collect();
        weights.sort_unstable_by(|(word, _), (other, _)| word.cmp(other));
        let (words, weights) = weights.into_iter().unzip();
        WordWeights { words, weights, unseen: weight(0) as f32 }
    }
}
