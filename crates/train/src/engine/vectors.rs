//! Derives the vectors that enter the first layer from the features of texts and the embedding's weights.

use emberline_base::{Bags, Features, LayerStack};

use super::dense::Vectors;
use crate::weights::Weights;

/// Features that aren't of the kind or length that the weights were trained on.
#[derive(Debug)]
pub(crate) struct FeatureMismatch {
    /// A description of the features that the weights were trained on.
    pub(crate) expected: String,
    /// A description of the given features.
    pub(crate) found: String,
}

/// The name of the array of a fine-tuned table, `[rows, dim]`.
pub(crate) const TABLE: &str = "embedding.table";
/// The name of the array of the weights of an encoder's layers, before the softmax, `[layers]`.
pub(crate) const MIX: &str = "embedding.mix";
/// The name of the array of the factor of the mix, `[1]`.
pub(crate) const GAMMA: &str = "embedding.gamma";

/// Returns what enters the first layer of `dim` inputs, for the texts of `features`. Bags index the rows of the
/// weights' own table.
///
/// # Errors
/// When the features aren't what the weights were trained on.
pub(crate) fn vectors<'a>(
    weights: &'a Weights,
    dim: usize,
    features: &'a Features,
) -> Result<Vectors<'a>, FeatureMismatch> {
    let mismatch = |found: String| Err(FeatureMismatch { expected: describe_expected(weights, dim), found });
    match (features, weights.get(TABLE), weights.get(MIX)) {
        (Features::Frozen(matrix), None, None) if matrix.cols() == dim => Ok(Vectors::Fixed(matrix)),
        (Features::Trainable(bags), Some(table), _) => {
            let table = table.values.as_slice();
            match missing_row(bags, table, dim) {
                None => Ok(Vectors::Pooled { bags, table }),
                Some(id) => mismatch(format!("a text with the row {id}")),
            }
        }
        (Features::Mixed(layered), _, Some(mix)) if [mix.shape[0], mix.shape[0] * dim] == layer_sizes(layered) => {
            Ok(Vectors::Mixed { layered, shares: shares(weights) })
        }
        (Features::Frozen(matrix), ..) => mismatch(describe_vectors(matrix.cols())),
        (Features::Trainable(_), ..) => mismatch("bags of rows of a table".to_owned()),
        (Features::Mixed(layered), ..) => {
            let [layers, length] = layer_sizes(layered);
            mismatch(format!("{layers} layers of an encoder, of {length} numbers together"))
        }
        (Features::Tokens { .. }, ..) => mismatch("token ids".to_owned()),
    }
}

/// Returns the number of layers, and the length of all layers of a text together.
fn layer_sizes(layered: &LayerStack) -> [usize; 2] {
    [layered.layers, layered.vectors.cols()]
}

fn describe_vectors(dim: usize) -> String {
    format!("vectors of length {dim}")
}

fn describe_expected(weights: &Weights, dim: usize) -> String {
    match (weights.get(TABLE), weights.get(MIX)) {
        (Some(table), _) => format!("bags of rows of its table of {} rows", table.shape[0]),
        (None, Some(mix)) => format!("{} layers of an encoder, of {dim} numbers each", mix.shape[0]),
        (None, None) => describe_vectors(dim),
    }
}

/// Returns what enters the first layer for bags with a table of their own.
///
/// # Errors
/// When the weights have no table, or the bags' rows have another length or are missing.
pub(crate) fn pooled<'a>(weights: &Weights, dim: usize, bags: &'a Bags) -> Result<Vectors<'a>, FeatureMismatch> {
    let table = bags.table.values();
    let found = match missing_row(bags, table, dim) {
        _ if weights.get(TABLE).is_none() => "bags of rows of a table".to_owned(),
        _ if bags.table.cols() != dim => format!("rows of length {}", bags.table.cols()),
        Some(id) => format!("a text with the row {id}"),
        None => return Ok(Vectors::Pooled { bags, table }),
    };
    Err(FeatureMismatch { expected: describe_expected(weights, dim), found })
}

/// Returns the first id without a row in the table.
fn missing_row(bags: &Bags, table: &[f32], dim: usize) -> Option<u32> {
    let rows = table.len() / dim.max(1);
    bags.ids.iter().copied().find(|&id| id as usize >= rows)
}

/// Returns the weight of each layer: gamma * softmax(mix).
pub(crate) fn shares(weights: &Weights) -> Vec<f32> {
    let array = |name| weights.get(name).map_or(&[][..], |array| &array.values);
    let (mix, gamma) = (array(MIX), array(GAMMA).first().map_or(1.0, |&gamma| f64::from(gamma)));
    let largest = mix.iter().fold(f64::NEG_INFINITY, |largest, &weight| largest.max(f64::from(weight)));
    let exponentials: Vec<f64> = mix.iter().map(|&weight| (f64::from(weight) - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| (gamma * exponential / sum) as f32).collect()
}
