//! From the features of texts to the vectors that enter the first layer, by the weights of the embedding.

use emberline_base::{Bags, Features, Layered};

use super::ModelError;
use crate::engine::Vectors;
use crate::weights::Weights;

/// The array of a fine-tuned table, `[rows, dim]`.
pub(super) const TABLE: &str = "embedding.table";
/// The array of the weights of an encoder's layers, before the softmax, `[layers]`.
pub(super) const MIX: &str = "embedding.mix";
/// The array of the number that the mix is multiplied by, `[1]`.
pub(super) const GAMMA: &str = "embedding.gamma";

/// What enters the first layer, of `dim` inputs, for the texts of `features`. Bags index the rows of the weights' own table.
///
/// # Errors
/// When the features aren't what the weights were trained on.
pub(crate) fn vectors<'a>(weights: &'a Weights, dim: usize, features: &'a Features) -> Result<Vectors<'a>, ModelError> {
    let mismatch = |found: String| Err(ModelError::Features { expected: expected(weights, dim), found });
    match (features, weights.get(TABLE), weights.get(MIX)) {
        (Features::Frozen(matrix), None, None) if matrix.cols() == dim => Ok(Vectors::Fixed(matrix)),
        (Features::Tuned(bags), Some(table), _) => {
            let table = table.values.as_slice();
            match missing_row(bags, table, dim) {
                None => Ok(Vectors::Pooled { bags, table }),
                Some(id) => mismatch(format!("a text with the row {id}")),
            }
        }
        (Features::Mixed(layered), _, Some(mix)) if [mix.shape[0], mix.shape[0] * dim] == sizes(layered) => {
            Ok(Vectors::Mixed { layered, shares: shares(weights) })
        }
        (Features::Frozen(matrix), ..) => mismatch(vectors_of(matrix.cols())),
        (Features::Tuned(_), ..) => mismatch("bags of rows of a table".to_owned()),
        (Features::Mixed(layered), ..) => {
            let [layers, length] = sizes(layered);
            mismatch(format!("{layers} layers of an encoder, of {length} numbers together"))
        }
    }
}

/// The number of layers, and of their numbers per text.
fn sizes(layered: &Layered) -> [usize; 2] {
    [layered.layers, layered.vectors.cols()]
}

fn vectors_of(dim: usize) -> String {
    format!("vectors of length {dim}")
}

fn expected(weights: &Weights, dim: usize) -> String {
    match (weights.get(TABLE), weights.get(MIX)) {
        (Some(table), _) => format!("bags of rows of its table of {} rows", table.shape[0]),
        (None, Some(mix)) => format!("{} layers of an encoder, of {dim} numbers each", mix.shape[0]),
        (None, None) => vectors_of(dim),
    }
}

/// The same for bags that bring their own table.
///
/// # Errors
/// When the weights have no table, or the bags' rows have another length or are missing.
pub(super) fn pooled<'a>(weights: &Weights, dim: usize, bags: &'a Bags) -> Result<Vectors<'a>, ModelError> {
    let table = bags.table.values();
    let found = match missing_row(bags, table, dim) {
        _ if weights.get(TABLE).is_none() => "bags of rows of a table".to_owned(),
        _ if bags.table.cols() != dim => format!("rows of length {}", bags.table.cols()),
        Some(id) => format!("a text with the row {id}"),
        None => return Ok(Vectors::Pooled { bags, table }),
    };
    Err(ModelError::Features { expected: expected(weights, dim), found })
}

/// An id that the table has no row for.
fn missing_row(bags: &Bags, table: &[f32], dim: usize) -> Option<u32> {
    let rows = table.len() / dim.max(1);
    bags.ids.iter().copied().find(|&id| id as usize >= rows)
}

/// The weight of each layer: gamma * softmax(mix).
pub(super) fn shares(weights: &Weights) -> Vec<f32> {
    let array = |name| weights.get(name).map_or(&[][..], |array| &array.values);
    let (mix, gamma) = (array(MIX), array(GAMMA).first().map_or(1.0, |&gamma| f64::from(gamma)));
    let largest = mix.iter().fold(f64::NEG_INFINITY, |largest, &weight| largest.max(f64::from(weight)));
    let exponentials: Vec<f64> = mix.iter().map(|&weight| (f64::from(weight) - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| (gamma * exponential / sum) as f32).collect()
}
