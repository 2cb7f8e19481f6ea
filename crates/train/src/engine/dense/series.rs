//! The steps of Adam that a row of a table has missed, in closed form.
//!
//! For a row with first moment m and second moment v after step s, the steps s+1 .. s+n subtract
//! `m sum_k a_k / (c_k q + eps)`, with q = sqrt(v), a_k = rate(s+k) beta_1^k, c_k = beta_2^(k/2). This is cheap to compute because a_k
//! vanishes long before c_k is far from 1. So 1 / (c q + eps) is expanded about a centre C: with D = C q + eps and u =
//! q / D,
//!
//! ```text
//! sum_k a_k / (c_k q + eps) = 1/D (M_0 - u M_1 + u^2 M_2 - ...),   M_j = sum_k a_k (c_k - C)^j
//! ```
//!
//! where M_j depends only on the steps, not on the row's numbers: one set of sums per s, to which each step adds a
//! term. Since u <= 1/C, the error is bounded before training starts ([`AdamSeries::new`]), and is kept below that of a
//! 32-bit rounding. Betas that would need too many terms are computed step by step.

use emberline_kernels::Group;
use pulp::Simd;

use super::lazy::{power, row_registers};

/// The maximum relative error of the series: less than that of rounding to 32 bits.
const TOLERANCE: f64 = 1.0 / (1_u64 << 26) as f64;

/// The maximum number of terms of the series.
const MAX_TERMS: usize = 16;

/// The maximum number of steps after which the remaining terms are negligible. With more, the sums would cost more than
/// the rows.
const MAX_STEPS: usize = 4096;

/// The sums M_j for every step s of the epoch.
pub(super) struct AdamSeries {
    beta_1: f64,
    beta_2: f64,
    epsilon: f32,
    centre: f64,
    terms: usize,
    /// `[steps, terms]`: beta_1^k (c_k - C)^j, from the farthest step that counts to the latest, k = 1.
    weights: Vec<f64>,
    /// `[steps, terms]`: M_j, for a row that has been current since each step.
    sums: Vec<f64>,
}

impl AdamSeries {
    /// Creates the series; none if it would need too many terms or steps.
    pub(super) fn new(beta_1: f64, beta_2: f64, epsilon: f64) -> Option<Self> {
        // The optimiser computes with 32-bit betas.
        let (beta_1, beta_2) = (f64::from(beta_1 as f32), f64::from(beta_2 as f32));
        let farthest = farthest(beta_1, beta_2)?;
        let ks = || 1..=farthest;
        let share = |k: usize| power(beta_1, k);
        let root = |k: usize| power(beta_2, k).sqrt();
        let total: f64 = ks().map(share).sum();
        let centre = if total > 0.0 { ks().map(|k| share(k) * root(k)).sum::<f64>() / total } else { 1.0 };
        let off = |k: usize| (root(k) - centre).abs() / centre;
        let terms = (1..=MAX_TERMS).find(|&terms| worst_error(terms, farthest, share, off) < TOLERANCE)?;
        let weight = |k: usize| (0..terms).map(move |j| share(k) * power(root(k) - centre, j));
        let weights = ks().rev().flat_map(weight).collect();
        Some(Self { beta_1, beta_2, epsilon: epsilon as f32, centre, terms, weights, sums: Vec::new() })
    }

    pub(super) fn begin_epoch(&mut self, steps: usize) {
        self.sums.clear();
        self.sums.reserve((steps + 1) * self.terms);
        self.sums.resize(self.terms, 0.0);
    }

    /// Adds the term of step number `step` to the sums of every earlier step that is near enough.
    #[inline(always)]
    pub(super) fn record_step(&mut self, step: usize, rate: f64) {
        let count = self.weights.len().min(step * self.terms);
        let near = self.sums.len() - count;
        let weights = &self.weights[self.weights.len() - count..];
        for (sum, weight) in self.sums[near..].iter_mut().zip(weights) {
            *sum = weight.mul_add(rate, *sum);
        }
        self.sums.resize(self.sums.len() + self.terms, 0.0);
    }

    #[inline(always)]
    pub(super) fn skipped_steps(&self, since: usize, count: usize) -> SkippedAdamSteps {
        let mut sums = [0.0; MAX_TERMS];
        for (sum, value) in sums.iter_mut().zip(&self.sums[since * self.terms..][..self.terms]) {
            *sum = *value as f32;
        }
        SkippedAdamSteps {
            sums,
            terms: self.terms,
            centre: self.centre as f32,
            epsilon: self.epsilon,
            decay_1: power(self.beta_1, count) as f32,
            decay_2: power(self.beta_2, count) as f32,
        }
    }
}

/// Returns the number of steps after which the remaining terms are below the tolerance. The k-th term is at most rate
/// (beta_1 / sqrt(beta_2))^k / (q + eps), since c_k q + eps >= c_k (q + eps). None if that doesn't decrease, or not
/// soon enough.
fn farthest(beta_1: f64, beta_2: f64) -> Option<usize> {
    let ratio = beta_1 / beta_2.sqrt();
    if ratio.is_nan() || ratio >= 1.0 {
        return None;
    }
    (1..=MAX_STEPS).find(|&k| power(ratio, k) / (1.0 - ratio) < TOLERANCE / 4.0)
}

/// Returns the maximum relative error of a series with this number of terms, over all numbers of missed steps: the
/// omitted part of step k is at most off(k)^terms / (1 - off(k)) of a_k / D. Infinite if the series doesn't converge.
fn worst_error(terms: usize, farthest: usize, share: impl Fn(usize) -> f64, off: impl Fn(usize) -> f64) -> f64 {
    let (mut left_out, mut total, mut worst) = (0.0, 0.0, 0.0_f64);
    for k in 1..=farthest {
        let off = off(k);
        if off >= 1.0 {
            return f64::INFINITY;
        }
        left_out += share(k) * power(off, terms) / (1.0 - off);
        total += share(k);
        worst = worst.max(if total > 0.0 { left_out / total } else { 0.0 });
    }
    worst
}

/// The steps of Adam that a row has missed, as factors that apply to all of its numbers.
pub(super) struct SkippedAdamSteps {
    sums: [f32; MAX_TERMS],
    terms: usize,
    centre: f32,
    epsilon: f32,
    decay_1: f32,
    decay_2: f32,
}

impl SkippedAdamSteps {
    #[inline(always)]
    pub(super) fn apply_all<S: Simd>(&self, simd: S, row: &mut [Group]) {
        let splat = |value| simd.splat_f32s(value);
        let (last, sums) = self.sums[..self.terms].split_last().expect("a term at least");
        for [value, mean, square] in row_registers::<S>(row) {
            let root = simd.sqrt_f32s(*square);
            let inverse = simd.div_f32s(splat(1.0), simd.mul_add_f32s(root, splat(self.centre), splat(self.epsilon)));
            let minus_u = simd.neg_f32s(simd.mul_f32s(root, inverse));
            let mut sum = splat(*last);
            for next in sums.iter().rev() {
                sum = simd.mul_add_f32s(minus_u, sum, splat(*next));
            }
            *value = simd.sub_f32s(*value, simd.mul_f32s(simd.mul_f32s(*mean, inverse), sum));
            *mean = simd.mul_f32s(*mean, splat(self.decay_1));
            *square = simd.mul_f32s(*square, splat(self.decay_2));
        }
    }
}
