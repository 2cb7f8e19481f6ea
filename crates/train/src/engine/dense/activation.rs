//! Activation functions and their derivatives, on groups of a panel.

use emberline_kernels::function::{gelu_with_slope, sigmoid, silu_with_slope, tanh};
use emberline_kernels::{Group, flat, flat_mut};
use pulp::Simd;

use crate::settings::Activation;

impl Activation {
    /// Returns whether the derivative can't be computed from the output alone.
    pub(super) fn needs_slopes(self) -> bool {
        match self {
            Self::Gelu | Self::Silu => true,
            Self::Linear | Self::Relu | Self::Tanh | Self::Sigmoid => false,
        }
    }

    /// Applies the activation to every number. `slopes` receives the derivatives if
    /// [`needs_slopes`](Self::needs_slopes) is true, and is empty otherwise.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, numbers: &mut [Group], slopes: &mut [Group]) {
        match self {
            Self::Linear => {}
            Self::Relu => relu(simd, numbers),
            Self::Tanh => map(numbers, tanh),
            Self::Sigmoid => map(numbers, sigmoid),
            Self::Gelu => map_with_slopes(numbers, slopes, gelu_with_slope),
            Self::Silu => map_with_slopes(numbers, slopes, silu_with_slope),
        }
    }

    /// Multiplies gradients by the derivatives (chain rule): converts the gradient of the outputs to that of the inputs
    /// of the activation.
    #[inline(always)]
    pub(super) fn chain<S: Simd>(self, simd: S, gradients: &mut [Group], outputs: &[Group], slopes: &[Group]) {
        match self {
            Self::Linear => {}
            Self::Relu => keep_where_positive(simd, gradients, outputs),
            Self::Tanh => change(gradients, outputs, |gradient, y| gradient * (1.0 - y * y)),
            Self::Sigmoid => change(gradients, outputs, |gradient, y| gradient * (y * (1.0 - y))),
            Self::Gelu | Self::Silu => change(gradients, slopes, |gradient, slope| gradient * slope),
        }
    }
}

/// Not `max`, which would turn NaN into 0 and hide a failed training. Computed on registers, since compilers turn the
/// comparison into a masked store, which is slow on some CPUs.
#[inline(always)]
fn relu<S: Simd>(simd: S, numbers: &mut [Group]) {
    let zero = simd.splat_f32s(0.0);
    for x in S::as_mut_simd_f32s(flat_mut(numbers)).0 {
        *x = simd.select_f32s(simd.less_than_f32s(*x, zero), zero, *x);
    }
}

#[inline(always)]
fn keep_where_positive<S: Simd>(simd: S, gradients: &mut [Group], outputs: &[Group]) {
    let zero = simd.splat_f32s(0.0);
    let outputs = S::as_simd_f32s(flat(outputs)).0;
    for (gradient, y) in S::as_mut_simd_f32s(flat_mut(gradients)).0.iter_mut().zip(outputs) {
        *gradient = simd.select_f32s(simd.less_than_f32s(zero, *y), *gradient, zero);
    }
}

#[inline(always)]
fn map(numbers: &mut [Group], function: impl Fn(f32) -> f32) {
    for x in flat_mut(numbers) {
        *x = function(*x);
    }
}

#[inline(always)]
fn map_with_slopes(numbers: &mut [Group], slopes: &mut [Group], function: impl Fn(f32) -> (f32, f32)) {
    for (x, slope) in flat_mut(numbers).iter_mut().zip(flat_mut(slopes)) {
        (*x, *slope) = function(*x);
    }
}

#[inline(always)]
fn change(numbers: &mut [Group], by: &[Group], function: impl Fn(f32, f32) -> f32) {
    for (x, &by) in flat_mut(numbers).iter_mut().zip(flat(by)) {
        *x = function(*x, by);
    }
}
