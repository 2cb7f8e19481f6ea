//! Self-attention of one text on the CPU (Vaswani et al., 2017), one head at a time.

use emberline_kernels::Panels;
use emberline_kernels::rows::{Rows, Target, multiply_rows};
use pulp::Simd;

use super::lanes;
use super::{Layer, Positions, Transformer, bucket, rotation};

/// The buffers of attention, which are reused for all texts of a batch.
pub(super) struct Attention {
    keys: Panels,
    values: Panels,
    /// The attention scores of one head, `[tokens, tokens]`.
    scores: Vec<f32>,
    /// The bias by relative position, from `-(longest - 1)` on, `[heads, 2 * longest - 1]`; empty if the model has none.
    bias: Vec<f32>,
    /// The length of the longest text in tokens.
    longest: usize,
    /// The cosines and sines of rotary positions, by their base.
    rotations: Vec<(f32, Vec<f32>, Vec<f32>)>,
}

impl Attention {
    #[inline(always)]
    pub(super) fn new(model: &Transformer, longest: usize) -> Self {
        let mut rotations: Vec<(f32, Vec<f32>, Vec<f32>)> = Vec::new();
        for base in model.layers.iter().filter_map(|layer| layer.rotary_base) {
            if matches!(model.positions, Positions::Rotary) && rotations.iter().all(|(known, ..)| *known != base) {
                let (cosines, sines) = rotation(base, longest, model.head_dim());
                rotations.push((base, cosines, sines));
            }
        }
        let scores = vec![0.0; longest * longest];
        Self {
            keys: Panels::default(),
            values: Panels::default(),
            scores,
            bias: bias(model, longest),
            longest,
            rotations,
        }
    }

    /// Computes the attention of a text. `three`: the queries, keys and values of its tokens, `[tokens, 3 * hidden]`; the
    /// result replaces the queries.
    #[inline(always)]
    pub(super) fn attend<S: Simd>(&mut self, simd: S, model: &Transformer, layer: &Layer, three: &mut [f32]) {
        let Transformer { hidden, heads, .. } = *model;
        let (width, stride) = (model.head_dim(), 3 * hidden);
        let tokens = three.len() / stride;
        self.rotate(model, layer, three);
        let scale = 1.0 / (width as f32).sqrt();
        for head in 0..heads {
            let at = head * width;
            self.keys.pack_transposed(&three[hidden + at..], stride, width, tokens);
            self.values.pack(&three[2 * hidden + at..], stride, tokens, width);
            let scores = &mut self.scores[..tokens * tokens];
            let queries = Rows { values: &three[at..], stride, count: tokens };
            multiply_rows(simd, queries, &self.keys, &[], Target { values: scores, stride: tokens });
            for (token, row) in scores.chunks_exact_mut(tokens).enumerate() {
                row.iter_mut().for_each(|score| *score *= scale);
                if !self.bias.is_empty() {
                    // The bias of the first token is `-token` from this one: token 2 of 5 begins at 5 - 1 - 2 = 2.
                    let bias = &self.bias[head * (2 * self.longest - 1)..][self.longest - 1 - token..];
                    lanes::add(row, &bias[..tokens]);
                }
                if let Some(window) = layer.window {
                    mask(row, token, window);
                }
                lanes::softmax(row);
            }
            let weights = Rows { values: scores, stride: tokens, count: tokens };
            multiply_rows(simd, weights, &self.values, &[], Target { values: &mut three[at..], stride });
        }
    }

    /// Rotates queries and keys by their position. The coordinates of a pair are in the two halves of a head: with 8 numbers
    /// per head, numbers 0 and 4 form the first pair.
    #[inline(always)]
    fn rotate(&self, model: &Transformer, layer: &Layer, three: &mut [f32]) {
        let Some((_, cosines, sines)) = self.rotations.iter().find(|(base, ..)| Some(*base) == layer.rotary_base)
        else {
            return;
        };
        let (hidden, width) = (model.hidden, model.head_dim());
        let half = width / 2;
        for (token, row) in three.chunks_exact_mut(3 * hidden).enumerate() {
            let (cosines, sines) = (&cosines[token * half..][..half], &sines[token * half..][..half]);
            for head in row[..2 * hidden].chunks_exact_mut(width) {
                let (first, second) = head.split_at_mut(half);
                for i in 0..half {
                    let (x, y) = (first[i], second[i]);
                    first[i] = x * cosines[i] - y * sines[i];
                    second[i] = y * cosines[i] + x * sines[i];
                }
            }
        }
    }
}

/// Masks the scores of tokens outside of a token's window.
#[inline(always)]
fn mask(row: &mut [f32], token: usize, window: usize) {
    let near = token.saturating_sub(window)..(token + window + 1).min(row.len());
    row[..near.start].fill(f32::NEG_INFINITY);
    row[near.end..].fill(f32::NEG_INFINITY);
}

fn bias(model: &Transformer, longest: usize) -> Vec<f32> {
    let Some(table) = &model.relative_bias else { return Vec::new() };
    let distances = || 1 - longest as i64..longest as i64;
    let of_head = |head| distances().map(move |distance| table.row(bucket(distance, table.rows))[head]);
    (0..model.heads).flat_map(of_head).collect()
}
