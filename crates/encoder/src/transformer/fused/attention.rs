//! Attention, text by text and head by head: the weights of token i are `P_i = softmax(scale q_i K^T + bias)`, its result `P_i V`.
//!
//! With dO, the gradient of the result: `dV = P^T dO`, `dP = dO V^T`, `dS = P (dP - sum_j P dP)` by row, `dQ = scale dS K`,
//! `dK = scale dS^T Q`, and that of the bias is dS, summed over texts. Rotary positions are turned back at the end.

use std::sync::Arc as Shared;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use emberline_kernels::dot::dot_in_pairs;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Tracked, contiguous, finish, given_back, numbers, register, tensor, tracked};
use crate::transformer::Heads;
use crate::transformer::cpu::lanes::softmax;

/// How the tokens of texts attend to each other.
pub(in crate::transformer) struct Attention<'a, B: Backend> {
    pub(in crate::transformer) heads: Heads,
    /// The numbers of tokens of the texts, at least 1 each.
    pub(in crate::transformer) lengths: &'a [usize],
    /// The distance up to which tokens see each other.
    pub(in crate::transformer) window: Option<usize>,
    /// The cosines and sines of rotary positions, `[longest, width / 2]` each.
    pub(in crate::transformer) rotation: Option<Shared<(Vec<f32>, Vec<f32>)>>,
    /// The bias of scores, `[1, heads, longest, longest]`.
    pub(in crate::transformer) bias: Option<&'a Tensor<B, 4>>,
}

/// Computes attention from the queries, keys and values of tokens, `[tokens, 3 * heads * width]`, text after text. Returns
/// `[tokens, heads * width]`.
pub(in crate::transformer) fn attention<B: Backend>(
    three: &Tensor<B, 2>,
    how: &Attention<'_, B>,
) -> Option<Tensor<B, 2>> {
    let three = tracked(three).filter(|_| how.heads.count == how.heads.shared)?;
    let bias = match how.bias {
        Some(bias) => tracked(bias)?,
        None => Tracked::new(tensor(vec![0.0], [1, 1, 1, 1])),
    };
    let mut state = State {
        three: contiguous(&three.primitive),
        weights: Shared::default(),
        lengths: how.lengths.into(),
        heads: how.heads,
        window: how.window,
        rotation: how.rotation.clone(),
    };
    let start = contiguous(&bias.primitive);
    let (output, weights) = state.forward(how.bias.map(|_| numbers(&start)));
    state.weights = weights.into();
    given_back(finish(Attend, [&three, &bias], output, || state))
}

#[derive(Debug)]
struct Attend;

#[derive(Clone, Debug)]
struct State {
    three: FlexTensor,
    /// The weights P, `[heads, length, length]` of one text after another.
    weights: Shared<[f32]>,
    lengths: Shared<[usize]>,
    heads: Heads,
    window: Option<usize>,
    rotation: Option<Shared<(Vec<f32>, Vec<f32>)>>,
}

impl Backward<Flex, 2> for Attend {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&gradients.consume::<Flex>(&ops.node));
        let (state, [three, bias]) = (ops.state, ops.parents.map(|parent| parent.map(|node| node.id)));
        let (of_three, of_scores) = state.backward(numbers(&dy));
        let shape = [of_three.len() / state.heads.stride(), state.heads.stride()];
        register(gradients, three, || tensor(of_three, shape));
        register(gradients, bias, || state.summed(&of_scores));
    }
}

/// One head of one text: `[length, width]` each.
struct Head {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl State {
    fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    fn sees(&self, query: usize, key: usize) -> bool {
        self.window.is_none_or(|window| query.abs_diff(key) <= window) && !(self.heads.causal && key > query)
    }

    /// The numbers of weights of the texts.
    fn squares(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|length| self.heads.count * length * length)
    }

    fn widths(&self, width: usize) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(move |length| length * width)
    }

    /// Returns the result and the weights.
    fn forward(&self, bias: Option<&[f32]>) -> (FlexTensor, Vec<f32>) {
        let (stride, width) = (self.heads.stride(), self.heads.count * self.heads.width);
        let three = numbers(&self.three);
        let tokens = three.len() / stride;
        let mut output = vec![0.0; tokens * width];
        let mut weights = vec![0.0; self.squares().sum()];
        let longest = self.longest();
        let texts = split_mut(&mut output, self.widths(width)).into_par_iter();
        let texts = texts.zip(split_mut(&mut weights, self.squares())).zip(split(three, self.widths(stride)));
        texts.for_each(|((output, weights), three)| {
            let bias = bias.map(|bias| (bias, longest));
            Arch::new().dispatch(Forward { state: self, three, bias, weights, output });
        });
        (tensor(output, [tokens, width]), weights)
    }

    /// Computes one text.
    #[inline(always)]
    fn attend(&self, three: &[f32], bias: Option<(&[f32], usize)>, weights: &mut [f32], output: &mut [f32]) {
        let Heads { count, width, scale, .. } = self.heads;
        let length = three.len() / self.heads.stride();
        for (at, weights) in weights.chunks_exact_mut(length * length).enumerate() {
            let head = self.head(three, at);
            for (i, row) in weights.chunks_exact_mut(length).enumerate() {
                let query = &head.queries[i * width..][..width];
                for (j, (score, key)) in row.iter_mut().zip(head.keys.chunks_exact(width)).enumerate() {
                    *score = if self.sees(i, j) {
                        let bias = bias.map_or(0.0, |(bias, longest)| bias[(at * longest + i) * longest + j]);
                        dot_in_pairs(query, key) * scale + bias
                    } else {
                        f32::NEG_INFINITY
                    };
                }
                softmax(row);
                let result = &mut output[(i * count + at) * width..][..width];
                for (weight, value) in row.iter().zip(head.values.chunks_exact(width)) {
                    add_scaled(result, *weight, value);
                }
            }
        }
    }

    /// Returns the gradients of queries, keys and values, and of scores before they are scaled.
    fn backward(&self, dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (stride, width) = (self.heads.stride(), self.heads.count * self.heads.width);
        let three = numbers(&self.three);
        let mut result = vec![0.0; three.len()];
        let mut scores = vec![0.0; self.weights.len()];
        let texts = split_mut(&mut result, self.widths(stride)).into_par_iter();
        let texts = texts.zip(split_mut(&mut scores, self.squares())).zip(split(&self.weights, self.squares()));
        let texts = texts.zip(split(three, self.widths(stride))).zip(split(dy, self.widths(width)));
        texts.for_each(|((((result, scores), weights), three), dy)| {
            Arch::new().dispatch(Descent { state: self, three, weights, dy, scores, result });
        });
        (result, scores)
    }

    #[inline(always)]
    fn attend_back(&self, (three, weights, dy): (&[f32], &[f32], &[f32]), scores: &mut [f32], result: &mut [f32]) {
        let Heads { count, width, scale, .. } = self.heads;
        let length = three.len() / self.heads.stride();
        let square = length * length;
        for (at, (scores, weights)) in scores.chunks_exact_mut(square).zip(weights.chunks_exact(square)).enumerate() {
            let head = self.head(three, at);
            let mut change = Head {
                queries: vec![0.0; length * width],
                keys: vec![0.0; length * width],
                values: vec![0.0; length * width],
            };
            for (i, (slopes, weights)) in scores.chunks_exact_mut(length).zip(weights.chunks_exact(length)).enumerate()
            {
                let dy = &dy[(i * count + at) * width..][..width];
                for (slope, value) in slopes.iter_mut().zip(head.values.chunks_exact(width)) {
                    *slope = dot_in_pairs(dy, value);
                }
                let mean: f32 = slopes.iter().zip(weights).map(|(slope, weight)| slope * weight).sum();
                slopes.iter_mut().zip(weights).for_each(|(slope, weight)| *slope = weight * (*slope - mean));
                let query = &head.queries[i * width..][..width];
                let of_query = &mut change.queries[i * width..][..width];
                for j in 0..length {
                    let rows = j * width..(j + 1) * width;
                    add_scaled(&mut change.values[rows.clone()], weights[j], dy);
                    add_scaled(of_query, scale * slopes[j], &head.keys[rows.clone()]);
                    add_scaled(&mut change.keys[rows], scale * slopes[j], query);
                }
            }
            self.turn(&mut change.queries, -1.0);
            self.turn(&mut change.keys, -1.0);
            for (part, rows) in [change.queries, change.keys, change.values].iter().enumerate() {
                for (row, values) in rows.chunks_exact(width).enumerate() {
                    result[(row * 3 * count + part * count + at) * width..][..width].copy_from_slice(values);
                }
            }
        }
    }

    /// Copies one head, with its positions.
    #[inline(always)]
    fn head(&self, three: &[f32], at: usize) -> Head {
        let Heads { count, width, .. } = self.heads;
        let part = |part: usize| {
            let mut values = Vec::with_capacity(three.len() / (3 * count));
            for row in three.chunks_exact(3 * count * width) {
                values.extend_from_slice(&row[(part * count + at) * width..][..width]);
            }
            values
        };
        let mut head = Head { queries: part(0), keys: part(1), values: part(2) };
        self.turn(&mut head.queries, 1.0);
        self.turn(&mut head.keys, 1.0);
        head
    }

    /// Rotates queries or keys by their positions, or back, with the direction -1.
    #[inline(always)]
    fn turn(&self, rows: &mut [f32], direction: f32) {
        let Some(rotation) = &self.rotation else { return };
        let half = self.heads.width / 2;
        let turns = rotation.0.chunks_exact(half).zip(rotation.1.chunks_exact(half));
        for (row, (cosines, sines)) in rows.chunks_exact_mut(2 * half).zip(turns) {
            let (first, second) = row.split_at_mut(half);
            for at in 0..half {
                let (a, b, sine) = (first[at], second[at], direction * sines[at]);
                first[at] = a * cosines[at] - b * sine;
                second[at] = b * cosines[at] + a * sine;
            }
        }
    }

    /// Sums the gradients of scores over texts: the gradient of the bias.
    fn summed(&self, scores: &[f32]) -> FlexTensor {
        let (count, longest) = (self.heads.count, self.longest());
        let mut sums = vec![0.0; count * longest * longest];
        for (scores, &length) in split(scores, self.squares()).into_iter().zip(self.lengths.iter()) {
            for (at, row) in scores.chunks_exact(length).enumerate() {
                let to = &mut sums[(at / length * longest + at % length) * longest..][..length];
                to.iter_mut().zip(row).for_each(|(sum, score)| *sum += score);
            }
        }
        tensor(sums, [1, count, longest, longest])
    }
}

/// Computes the attention of one text.
struct Forward<'a> {
    state: &'a State,
    three: &'a [f32],
    bias: Option<(&'a [f32], usize)>,
    weights: &'a mut [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.state.attend(self.three, self.bias, self.weights, self.output);
    }
}

/// Computes the gradients of one text.
struct Descent<'a> {
    state: &'a State,
    three: &'a [f32],
    weights: &'a [f32],
    dy: &'a [f32],
    scores: &'a mut [f32],
    result: &'a mut [f32],
}

impl WithSimd for Descent<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.state.attend_back((self.three, self.weights, self.dy), self.scores, self.result);
    }
}

#[inline(always)]
fn add_scaled(target: &mut [f32], factor: f32, row: &[f32]) {
    target.iter_mut().zip(row).for_each(|(target, value)| *target = factor.mul_add(*value, *target));
}

/// Splits numbers into parts of these lengths.
fn split(mut values: &[f32], lengths: impl Iterator<Item = usize>) -> Vec<&[f32]> {
    let part = |length| {
        let (part, rest) = values.split_at(length);
        values = rest;
        part
    };
    lengths.map(part).collect()
}

fn split_mut(mut values: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    let part = |length| {
        let (part, rest) = std::mem::take(&mut values).split_at_mut(length);
        values = rest;
        part
    };
    lengths.map(part).collect()
}
