//! Self-attention of one text on the CPU (Vaswani et al., 2017), one head at a time.

use emberline_kernels::Panels;
use emberline_kernels::rows::{Rows, Target, multiply_rows};
use pulp::Simd;

use super::{Disentangled, Heads, Layer, Rotary, Transformer, lanes, normalise_row, rotation};

/// The queries whose scores are computed at a time, so that the scores of a long text take little memory.
const QUERIES: usize = 256;

/// The buffers of attention, which are reused for all texts of a batch.
pub(super) struct Attention {
    keys: Panels,
    values: Panels,
    /// The left side of a product.
    left: Panels,
    /// The attention scores of [`QUERIES`] queries of one head, `[queries, tokens]`.
    scores: Vec<f32>,
    /// The bias by relative position, from `-(longest - 1)` on, `[heads, 2 * longest - 1]`; empty if the model has none.
    bias: Vec<f32>,
    relative: RelativeScores,
    /// The length of the longest text in tokens.
    longest: usize,
    /// The cosines and sines of rotary positions.
    rotations: Vec<(Rotary, Vec<f32>, Vec<f32>)>,
}

impl Attention {
    #[inline(always)]
    pub(super) fn new(model: &Transformer, longest: usize) -> Self {
        let mut rotations: Vec<(Rotary, Vec<f32>, Vec<f32>)> = Vec::new();
        for rotary in model.layers.iter().filter_map(|layer| layer.rotary) {
            if rotations.iter().all(|(known, ..)| *known != rotary) {
                let (cosines, sines) = rotation(rotary, longest, model.heads.width);
                rotations.push((rotary, cosines, sines));
            }
        }
        let scores = vec![0.0; longest.min(QUERIES) * longest];
        Self {
            keys: Panels::default(),
            values: Panels::default(),
            left: Panels::default(),
            scores,
            bias: bias(model, longest),
            relative: RelativeScores::default(),
            longest,
            rotations,
        }
    }

    /// Computes the attention of a text. `three`: the queries, keys and values of its tokens, `[tokens, Heads::stride]`; the
    /// result replaces the queries. `positions`: what the layer makes of relative positions, or nothing.
    #[inline(always)]
    pub(super) fn attend<S: Simd>(
        &mut self,
        simd: S,
        model: &Transformer,
        (layer, positions): (&Layer, &[f32]),
        three: &mut [f32],
    ) {
        let Heads { count, shared, width, .. } = model.heads;
        let stride = model.heads.stride();
        let tokens = three.len() / stride;
        normalise_heads(model, layer, three);
        self.rotate(model, layer, three);
        for keys in 0..shared {
            self.keys.pack_transposed(&three[(count + keys) * width..], stride, width, tokens);
            self.values.pack(&three[(count + shared + keys) * width..], stride, tokens, width);
            if let Some(positions) = model.disentangled.as_ref().map(|relative| (relative, positions)) {
                self.relative.begin(simd, model, positions, keys, three);
            }
            for head in keys * (count / shared)..(keys + 1) * (count / shared) {
                for first in (0..tokens).step_by(QUERIES) {
                    let queries = first..tokens.min(first + QUERIES);
                    let part = &mut three[first * stride + head * width..];
                    let rows = Rows { values: part, stride, count: queries.len() };
                    let scores = &mut self.scores[..queries.len() * tokens];
                    let target = Target { values: scores, stride: tokens };
                    multiply_rows(simd, rows, &self.keys, &[], target, &mut self.left);
                    self.relative.add(simd, (rows, first), scores);
                    for (token, row) in queries.clone().zip(scores.chunks_exact_mut(tokens)) {
                        weigh(model, layer, &self.bias, (head, token, self.longest), row);
                    }
                    let weights = Rows { values: scores, stride: tokens, count: queries.len() };
                    let target = Target { values: part, stride };
                    multiply_rows(simd, weights, &self.values, &[], target, &mut self.left);
                }
            }
        }
    }

    /// Rotates queries and keys by their position. The coordinates of a pair are in the two halves of a head: with 8 numbers
    /// per head, numbers 0 and 4 form the first pair.
    #[inline(always)]
    fn rotate(&self, model: &Transformer, layer: &Layer, three: &mut [f32]) {
        let Some((_, cosines, sines)) = self.rotations.iter().find(|(known, ..)| Some(*known) == layer.rotary) else {
            return;
        };
        let Heads { count, shared, width, .. } = model.heads;
        let half = width / 2;
        for (token, row) in three.chunks_exact_mut(model.heads.stride()).enumerate() {
            let (cosines, sines) = (&cosines[token * half..][..half], &sines[token * half..][..half]);
            for head in row[..(count + shared) * width].chunks_exact_mut(width) {
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

/// The scores of tokens and relative positions of one head, of models that have them.
#[derive(Default)]
struct RelativeScores {
    keys: Panels,
    queries: Panels,
    /// The left side of a product.
    left: Panels,
    /// The scores of a text's keys and the queries of positions, `[tokens, rows]`.
    of_keys: Vec<f32>,
    /// The scores of some queries and the keys of positions, `[queries, rows]`.
    of_queries: Vec<f32>,
    /// The row of the position of token i relative to token j at `i - j + tokens - 1`, among those that occur.
    row: Vec<usize>,
    /// The number of rows that occur.
    rows: usize,
}

impl RelativeScores {
    /// Begins with a head of a text.
    #[inline(always)]
    fn begin<S: Simd>(
        &mut self,
        simd: S,
        model: &Transformer,
        (relative, positions): (&Disentangled, &[f32]),
        head: usize,
        three: &[f32],
    ) {
        let Heads { count, width, .. } = model.heads;
        let stride = model.heads.stride();
        let tokens = three.len() / stride;
        let farthest = tokens as i64 - 1;
        let first = relative.row(-farthest);
        self.row.clear();
        self.row.extend((-farthest..=farthest).map(|distance| relative.row(distance) - first));
        self.rows = relative.row(farthest) + 1 - first;
        let (queries, keys) = (head * width, (count + head) * width);
        self.queries.pack_transposed(&positions[first * stride + queries..], stride, width, self.rows);
        self.keys.pack_transposed(&positions[first * stride + keys..], stride, width, self.rows);
        self.of_keys.resize(tokens * self.rows, 0.0);
        let rows = Rows { values: &three[keys..], stride, count: tokens };
        let target = Target { values: &mut self.of_keys, stride: self.rows };
        multiply_rows(simd, rows, &self.queries, &[], target, &mut self.left);
    }

    /// Adds the scores of positions to those of queries from the token `first` on, `[queries, tokens]`.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, (queries, first): (Rows<'_>, usize), scores: &mut [f32]) {
        if self.row.is_empty() {
            return;
        }
        let tokens = scores.len() / queries.count;
        self.of_queries.resize(queries.count * self.rows, 0.0);
        let target = Target { values: &mut self.of_queries, stride: self.rows };
        multiply_rows(simd, queries, &self.keys, &[], target, &mut self.left);
        let of_queries = self.of_queries.chunks_exact(self.rows);
        for ((at, scores), of_query) in scores.chunks_exact_mut(tokens).enumerate().zip(of_queries) {
            for (other, score) in scores.iter_mut().enumerate() {
                // Token 2 and token 0 of 3: 2 - 0 + 3 - 1 = 4, the last of five distances.
                let row = self.row[first + at + tokens - 1 - other];
                *score += of_query[row] + self.of_keys[other * self.rows + row];
            }
        }
    }
}

/// Normalises every head of queries and keys, if the layer has norms for them.
#[inline(always)]
fn normalise_heads(model: &Transformer, layer: &Layer, three: &mut [f32]) {
    let Some([of_queries, of_keys]) = &layer.head_norms else { return };
    let Heads { count, shared, width, .. } = model.heads;
    for row in three.chunks_exact_mut(model.heads.stride()) {
        let (queries, rest) = row.split_at_mut(count * width);
        queries.chunks_exact_mut(width).for_each(|head| normalise_row(head, of_queries));
        rest[..shared * width].chunks_exact_mut(width).for_each(|head| normalise_row(head, of_keys));
    }
}

/// Turns the scores of a token into weights: scale, bias by relative position, mask, softmax.
#[inline(always)]
fn weigh(
    model: &Transformer,
    layer: &Layer,
    bias: &[f32],
    (head, token, longest): (usize, usize, usize),
    row: &mut [f32],
) {
    row.iter_mut().for_each(|score| *score *= model.heads.scale);
    if !bias.is_empty() {
        // The bias of the first token is `-token` from this one: token 2 of 5 begins at 5 - 1 - 2 = 2.
        let bias = &bias[head * (2 * longest - 1)..][longest - 1 - token..];
        lanes::add(row, &bias[..row.len()]);
    }
    if let Some(window) = layer.window {
        row[..token.saturating_sub(window)].fill(f32::NEG_INFINITY);
        let end = (token + window + 1).min(row.len());
        row[end..].fill(f32::NEG_INFINITY);
    }
    if model.heads.causal {
        row[token + 1..].fill(f32::NEG_INFINITY);
    }
    lanes::softmax(row);
}

fn bias(model: &Transformer, longest: usize) -> Vec<f32> {
    let Some(bias) = &model.relative_bias else { return Vec::new() };
    let distances = || 1 - longest as i64..longest as i64;
    let of_head = |head| distances().map(move |distance| bias.of(distance, head));
    (0..model.heads.count).flat_map(of_head).collect()
}
