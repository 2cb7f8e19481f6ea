//! Adds the trained differences of low rank to the weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Described, bytes, matrix_shape};
use crate::Error;
use crate::sentence_transformer::SentenceTransformer;

/// Returns the bytes of every weight `W + scale * B A`, by name. The arrays are A and B of one weight after another.
pub(super) fn merged(
    encoder: &SentenceTransformer,
    described: &[Described],
    arrays: &[&[f32]],
    scale: f32,
) -> Result<BTreeMap<String, Arc<[u8]>>, Error> {
    let mut tensors = BTreeMap::new();
    for (described, arrays) in described.chunks_exact(2).zip(arrays.chunks_exact(2)) {
        let ([rank, inputs], [down, up]) = (matrix_shape(&described[0].shape), [arrays[0], arrays[1]]);
        let name = described[0].name.replace(".lora_A.weight", ".weight");
        let mut weight = encoder.transformer.weights().values(&name)?;
        let mut difference = vec![0.0; inputs];
        for (row, factors) in weight.chunks_exact_mut(inputs).zip(up.chunks_exact(rank)) {
            difference.fill(0.0);
            for (factor, direction) in factors.iter().zip(down.chunks_exact(inputs)) {
                difference.iter_mut().zip(direction).for_each(|(sum, value)| *sum += factor * value);
            }
            row.iter_mut().zip(&difference).for_each(|(weight, difference)| *weight += scale * difference);
        }
        tensors.insert(name, bytes(&weight));
    }
    encoder.transformer.check_unchanged().map(|()| tensors)
}
