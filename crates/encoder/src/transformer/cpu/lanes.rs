//! Vectorised arithmetic on rows of `f32` on the CPU: activations, softmax, layer normalisation.
//!
//! Rows are changed in place. Sums are accumulated in [`LANES`] partial sums that are added in a fixed order, so that the
//! result doesn't depend on the width of the CPU's SIMD registers. All functions are inlined into code that [`pulp::Arch`]
//! compiles for the widest registers available.

use emberline_kernels::LANES;
use emberline_kernels::dot::sum_in_pairs;
use emberline_kernels::function::{exp, gelu, sigmoid, tanh};

use crate::transformer::Activation;

/// Splits a row into groups of lanes and the remainder.
#[inline(always)]
fn groups(row: &mut [f32]) -> (&mut [[f32; LANES]], &mut [f32]) {
    row.as_chunks_mut::<LANES>()
}

/// Applies a function to every number of a row.
#[inline(always)]
fn map(row: &mut [f32], change: impl Fn(f32) -> f32) {
    let (whole, rest) = groups(row);
    for group in whole {
        for value in group {
            *value = change(*value);
        }
    }
    for value in rest {
        *value = change(*value);
    }
}

/// Sums `term` over the numbers of a row.
#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for group in whole {
        for (sum, &value) in sums.iter_mut().zip(group) {
            *sum += term(value);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += term(value);
    }
    sum_in_pairs(sums)
}

/// Returns the largest number of a row.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut best = [f32::NEG_INFINITY; LANES];
    for group in whole {
        for (best, &value) in best.iter_mut().zip(group) {
            *best = if value > *best { value } else { *best };
        }
    }
    best.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Applies an activation to every number of a row.
#[inline(always)]
pub(super) fn activate(activation: Activation, row: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Gelu => map(row, gelu),
        Activation::GeluTanh => map(row, |x| {
            let inner = 0.797_884_6 * (0.044_715 * x * x).mul_add(x, x);
            0.5 * x * (1.0 + tanh(inner))
        }),
        Activation::Relu => map(row, |x| x.max(0.0)),
        Activation::Tanh => map(row, tanh),
        Activation::Sigmoid => map(row, sigmoid),
        Activation::Silu => map(row, |x| x * sigmoid(x)),
    }
}

/// Applies a gated activation: `row[i] = activation(row[i]) * row[i + half]` for the first half of the row (GeGLU in
/// ModernBERT).
#[inline(always)]
pub(super) fn gate(activation: Activation, row: &mut [f32]) {
    let (input, factors) = row.split_at_mut(row.len() / 2);
    activate(activation, input);
    for (value, factor) in input.iter_mut().zip(factors) {
        *value *= *factor;
    }
}

/// Applies softmax: converts scores to weights that sum to 1.
#[inline(always)]
pub(in crate::transformer) fn softmax(row: &mut [f32]) {
    let top = largest(row);
    map(row, |score| exp(score - top));
    let scale = 1.0 / sum(row, |weight| weight);
    map(row, |weight| weight * scale);
}

/// Applies layer normalisation: shifts and scales a row to mean 0 and variance 1, then scales and shifts each column.
#[inline(always)]
pub(super) fn normalise(row: &mut [f32], scale: &[f32], shift: &[f32], epsilon: f32) {
    let count = row.len() as f32;
    let mean = sum(row, |value| value) / count;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
    let factor = 1.0 / (variance + epsilon).sqrt();
    for ((value, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
        *value = ((*value - mean) * factor).mul_add(*scale, *shift);
    }
}

/// Scales a row to a root mean square of 1, and then each column.
#[inline(always)]
pub(super) fn normalise_by_root_mean_square(row: &mut [f32], scale: &[f32], epsilon: f32) {
    let square = sum(row, |value| value * value) / row.len() as f32;
    let factor = 1.0 / (square + epsilon).sqrt();
    for (value, scale) in row.iter_mut().zip(scale) {
        *value = *value * factor * *scale;
    }
}

/// Adds `other` to a row.
#[inline(always)]
pub(super) fn add(row: &mut [f32], other: &[f32]) {
    for (value, other) in row.iter_mut().zip(other) {
        *value += *other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_adds_up_to_one_and_leaves_out_what_is_masked() {
        let mut row: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin()).collect();
        row[5] = f32::NEG_INFINITY;
        let total: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
        let expected: Vec<f64> = row.iter().map(|v| f64::from(*v).exp() / total).collect();
        softmax(&mut row);
        assert_eq!(row[5], 0.0);
        assert!(row.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-7));
    }

    #[test]
    fn a_normalised_row_has_mean_0_and_variance_1() {
        let mut row: Vec<f32> = (0..50).map(|i| 3.0 + (i as f32).cos()).collect();
        normalise(&mut row, &[2.0; 50], &[1.0; 50], 1e-12);
        let mean = row.iter().sum::<f32>() / 50.0;
        let variance = row.iter().map(|v| (v - 1.0).powi(2)).sum::<f32>() / 50.0;
        assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4, "{mean} {variance}");
    }

    #[test]
    fn a_row_may_be_scaled_by_its_root_mean_square_alone() {
        let mut row = [3.0, 4.0, 0.0, 5.0, 0.0];
        normalise_by_root_mean_square(&mut row, &[1.0, 2.0, 1.0, 1.0, 1.0], 1e-12);
        let expected = [3.0, 8.0, 0.0, 5.0, 0.0].map(|value: f32| value / 10.0_f32.sqrt());
        assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
    }
}
