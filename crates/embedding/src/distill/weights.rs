//! Weighs the rows of a distilled table by how frequent their tokens are, which is estimated from the order of the rows:
//! a vocabulary has its most frequent tokens first.
//!
//! | `weights` | the factor of row r = 0, 1, ... of n | |
//! |---|---|---|
//! | `none` | 1 | |
//! | `zipf` | ln(1 + r) | model2vec up to 0.3 (`apply_zipf`) |
//! | `sif` | a / (a + p), p = 1 / (r + 2) divided by the sum of all of these | smooth inverse frequency (Arora, Liang and Ma, 2017) under Zipf's law, as in model2vec 0.10 (`sif_coefficient`) |

use rayon::prelude::*;

/// How the rows are weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenWeights {
    /// All alike.
    None,
    /// By the logarithm of the rank.
    Zipf,
    /// By smooth inverse frequency.
    Sif {
        /// The coefficient a, between 0 and 1: the smaller it is, the less a frequent token weighs.
        coefficient: f64,
    },
}

impl Default for TokenWeights {
    /// That of model2vec.
    fn default() -> Self {
        Self::Sif { coefficient: 1e-4 }
    }
}

impl TokenWeights {
    /// Multiplies every row of `[rows, dim]` by its weight.
    pub(super) fn apply(self, rows: &mut [f64], dim: usize) {
        let weights = self.of_rows(rows.len() / dim);
        rows.par_chunks_exact_mut(dim).zip(weights).for_each(|(row, weight)| row.iter_mut().for_each(|x| *x *= weight));
    }

    /// Returns the weights of `n` rows.
    fn of_rows(self, n: usize) -> Vec<f64> {
        match self {
            Self::None => vec![1.0; n],
            Self::Zipf => (0..n).map(|rank| libm::log(1.0 + rank as f64)).collect(),
            Self::Sif { coefficient } => {
                let inverse = |rank: usize| 1.0 / (rank + 2) as f64;
                let sum: f64 = (0..n).map(inverse).sum();
                (0..n).map(|rank| coefficient / (coefficient + inverse(rank) / sum)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `model2vec.distill.inference.compute_weights(3, sif_coefficient=0.1)` of model2vec 0.10.0.
    #[test]
    fn sif_is_model2vecs() {
        let expected = [0.178_082_191_780_821_9, 0.245_283_018_867_924_5, 0.302_325_581_395_348_8];
        let weights = TokenWeights::Sif { coefficient: 0.1 }.of_rows(3);
        assert!(weights.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15), "{weights:?}");
    }

    #[test]
    fn rows_are_multiplied() {
        let weighed = |weights: TokenWeights| {
            let mut rows = vec![1.0, 2.0, 1.0, 2.0];
            weights.apply(&mut rows, 2);
            rows
        };
        assert_eq!(weighed(TokenWeights::None), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(weighed(TokenWeights::Zipf), [0.0, 0.0, 2_f64.ln(), 2.0 * 2_f64.ln()]);
    }
}
