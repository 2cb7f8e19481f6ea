//! Combines an encoder's layers into one vector.
//!
//! An encoder such as ELMo computes several layers per text. They are encoded and cached once, whatever is derived
//! from them:
//!
//! | layers | a text's vector |
//! |---|---|
//! | `All` | the layers, concatenated |
//! | `One(j)` | layer j |
//! | `Mix` | `gamma * sum_j softmax(weights)_j * layer_j` (Peters et al., 2018, equation 1); trained with the head if set to be |

use emberline_base::{Matrix, OutOfMemory, canonical};
use rayon::prelude::*;

use crate::Error;

/// How the layers of an encoder become one vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Layers {
    /// All layers, concatenated; for a source with a single layer, that layer.
    #[default]
    All,
    /// One of the layers, 0 for the first.
    One(usize),
    /// Their weighted sum.
    Mix {
        /// The weight of each layer before the softmax; equal weights if left out.
        weights: Option<Vec<f32>>,
        /// The factor that multiplies the sum.
        gamma: f32,
    },
}

impl Layers {
    /// Returns the settings in words that stay the same when this type is renamed: they are part of stored digests.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::One(layer) => format!("one={layer}"),
            Self::Mix { weights, gamma } => format!("mix weights={} gamma={}", canonical(weights), canonical(gamma)),
        }
    }

    /// Returns the share of each of `layers` layers in the sum. `None`: the layers stay concatenated.
    ///
    /// # Errors
    /// When there are fewer layers than the settings name, or when the number of weights isn't that of the layers.
    pub(crate) fn shares(&self, layers: usize) -> Result<Option<Vec<f32>>, Error> {
        match self {
            Self::All => Ok(None),
            Self::One(one) if *one >= layers => {
                Err(Error::Unsupported(format!("layer {one} is asked for; the model has {layers}, the first is 0")))
            }
            Self::One(one) => Ok(Some((0..layers).map(|layer| f32::from(u8::from(layer == *one))).collect())),
            Self::Mix { weights: Some(weights), .. } if weights.len() != layers => {
                Err(Error::Unsupported(format!("`mix` has {} numbers; the model has {layers} layers", weights.len())))
            }
            Self::Mix { weights, gamma } => Ok(Some(softmax(weights.as_deref().unwrap_or(&vec![0.0; layers]), *gamma))),
        }
    }
}

/// Returns `gamma * softmax(weights)`, computed in 64 bits.
fn softmax(weights: &[f32], gamma: f32) -> Vec<f32> {
    let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = weights.iter().map(|weight| libm::exp(f64::from(weight - largest))).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (f64::from(gamma) * power / sum) as f32).collect()
}

/// Returns the weighted sum of the layers of every vector: `[texts, layers * dim]` -> `[texts, dim]`.
pub(crate) fn mix(vectors: &Matrix, shares: &[f32]) -> Result<Matrix, OutOfMemory> {
    let dim = vectors.cols() / shares.len();
    let mut mixed = Matrix::try_zeros(vectors.rows(), dim)?;
    mixed.values_mut().par_chunks_exact_mut(dim).enumerate().for_each(|(row, out)| {
        for (layer, share) in vectors.row(row).chunks_exact(dim).zip(shares).filter(|(_, share)| **share != 0.0) {
            out.iter_mut().zip(layer).for_each(|(out, number)| *out += share * number);
        }
    });
    Ok(mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_softmax() {
        let mix = |weights: Option<Vec<f32>>, gamma| Layers::Mix { weights, gamma }.shares(3).expect("3 layers");
        assert_eq!(mix(None, 3.0), Some(vec![1.0; 3]));
        let shares = mix(Some(vec![0.0, 2f32.ln(), 1000.0]), 1.0).expect("a sum");
        assert_eq!(shares, [0.0, 0.0, 1.0]);
        let shares = mix(Some(vec![0.0, 2f32.ln(), 0.0]), 2.0).expect("a sum");
        assert!(shares.iter().zip([0.5, 1.0, 0.5]).all(|(found, expected)| (found - expected).abs() < 1e-6));
    }

    #[test]
    fn one_layer_is_itself_and_all_stay() {
        assert_eq!(Layers::One(1).shares(3).expect("there"), Some(vec![0.0, 1.0, 0.0]));
        assert_eq!(Layers::All.shares(3).expect("there"), None);
        assert!(Layers::One(3).shares(3).is_err());
        assert!(Layers::Mix { weights: Some(vec![1.0]), gamma: 1.0 }.shares(3).is_err());
    }

    #[test]
    fn a_mix_weighs_and_adds() {
        let vectors = Matrix::new(2, 4, vec![1., 2., 10., 20., 3., 4., 30., 40.]);
        assert_eq!(mix(&vectors, &[0.5, 2.0]), Ok(Matrix::new(2, 2, vec![20.5, 41., 61.5, 82.])));
        assert_eq!(mix(&vectors, &[0.0, 1.0]), Ok(Matrix::new(2, 2, vec![10., 20., 30., 40.])));
    }
}
