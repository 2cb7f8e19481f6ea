//! Steps of Adam that a row of a table has missed, in closed form.
//!
//! For a row with mean m and mean square v after step s, the steps s+1 .. s+n take away `m sum_k a_k / (c_k q + eps)`, with
//! q = sqrt(v), a_k = rate(s+k) beta_1^k, c_k = beta_2^(k/2). What makes that cheap is that a_k vanishes long before c_k
//! has gone far from 1. So 1 / (c q + eps) is expanded about a centre C: with D = C q + eps and u = q / D,
//!
//! ```text
//! sum_k a_k / (c_k q + eps) = 1/D (M_0 - u M_1 + u^2 M_2 - ...),   M_j = sum_k a_k (c_k - C)^j
//! ```
//!
//! where only M_j depends on the steps, and not on the row's numbers: one set for every s, to which each step adds a term.
//! Since u <= 1/C, the error is bounded before training begins ([`Series::new`]), and is kept below that of a 32-bit
//! rounding. Betas for which that takes too many terms are computed step by step.

use pulp::Simd;

use super::idle::{power, registers};
use super::panels::Group;

/// The error of the series, relative to what it gives: less than that of rounding it to 32 bits.
const TOLERANCE: f64 = 1.0 / (1_u64 << 26) as f64;

/// The most terms of the series.
const MOST_TERMS: usize = 16;

/// The most steps behind which the rest is worth nothing. More, and the sums would cost more than the rows.
const FARTHEST: usize = 4096;

/// The sums M_j for every step of the epoch as s.
pub(super) struct Series {
    beta_1: f64,
    beta_2: f64,
    epsilon: f32,
    centre: f64,
    terms: usize,
    /// beta_1^k (c_k - C)^j, `[steps, terms]`, from the farthest step that counts to the latest, k = 1.
    weights: Vec<f64>,
    /// M_j, `[steps, terms]`: what a row has missed since each step.
    sums: Vec<f64>,
}

impl Series {
    /// None where too many terms would be needed, or too many steps.
    pub(super) fn new(beta_1: f64, beta_2: f64, epsilon: f64) -> Option<Self> {
        // The optimiser computes with betas of 32 bits.
        let (beta_1, beta_2) = (f64::from(beta_1 as f32), f64::from(beta_2 as f32));
        let farthest = farthest(beta_1, beta_2)?;
        let ks = || 1..=farthest;
        let share = |k: usize| power(beta_1, k);
        let root = |k: usize| power(beta_2, k).sqrt();
        let total: f64 = ks().map(share).sum();
        let centre = if total > 0.0 { ks().map(|k| share(k) * root(k)).sum::<f64>() / total } else { 1.0 };
        let off = |k: usize| (root(k) - centre).abs() / centre;
        let terms = (1..=MOST_TERMS).find(|&terms| worst_error(terms, farthest, share, off) < TOLERANCE)?;
        let weight = |k: usize| (0..terms).map(move |j| share(k) * power(root(k) - centre, j));
        let weights = ks().rev().flat_map(weight).collect();
        Some(Self { beta_1, beta_2, epsilon: epsilon as f32, centre, terms, weights, sums: Vec::new() })
    }

    pub(super) fn begin(&mut self, steps: usize) {
        self.sums.clear();
        self.sums.reserve((steps + 1) * self.terms);
        self.sums.resize(self.terms, 0.0);
    }

    /// Step number `step` adds its term to the sums since every step before it that is near enough.
    #[inline(always)]
    pub(super) fn advance(&mut self, step: usize, rate: f64) {
        let count = self.weights.len().min(step * self.terms);
        let near = self.sums.len() - count;
        let weights = &self.weights[self.weights.len() - count..];
        for (sum, weight) in self.sums[near..].iter_mut().zip(weights) {
            *sum = weight.mul_add(rate, *sum);
        }
        self.sums.resize(self.sums.len() + self.terms, 0.0);
    }

    #[inline(always)]
    pub(super) fn missed(&self, since: usize, missed: usize) -> Missed {
        let mut sums = [0.0; MOST_TERMS];
        for (sum, value) in sums.iter_mut().zip(&self.sums[since * self.terms..][..self.terms]) {
            *sum = *value as f32;
        }
        Missed {
            sums,
            terms: self.terms,
            centre: self.centre as f32,
            epsilon: self.epsilon,
            decay_1: power(self.beta_1, missed) as f32,
            decay_2: power(self.beta_2, missed) as f32,
        }
    }
}

/// The number of steps behind which the rest is less than the tolerance. The k-th term is at most
/// rate (beta_1 / sqrt(beta_2))^k / (q + eps), since c_k q + eps >= c_k (q + eps). None where that doesn't fall, or not soon.
fn farthest(beta_1: f64, beta_2: f64) -> Option<usize> {
    let ratio = beta_1 / beta_2.sqrt();
    if ratio.is_nan() || ratio >= 1.0 {
        return None;
    }
    (1..=FARTHEST).find(|&k| power(ratio, k) / (1.0 - ratio) < TOLERANCE / 4.0)
}

/// The greatest relative error of a series of so many terms, over all numbers of missed steps: what is left out of step k's
/// is at most off(k)^terms / (1 - off(k)) of a_k / D. Infinite where the series doesn't converge.
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

/// Steps of Adam that a row has missed.
pub(super) struct Missed {
    sums: [f32; MOST_TERMS],
    terms: usize,
    centre: f32,
    epsilon: f32,
    decay_1: f32,
    decay_2: f32,
}

impl Missed {
    #[inline(always)]
    pub(super) fn apply_all<S: Simd>(&self, simd: S, cells: &mut [Group]) {
        let splat = |value| simd.splat_f32s(value);
        let (last, sums) = self.sums[..self.terms].split_last().expect("a term at least");
        for [value, mean, square] in registers::<S>(cells) {
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
