//! The forward pass on the CPU.
//!
//! Batches are computed in parallel, one thread per batch. A batch consists of the tokens of its texts, one text after
//! another, without padding: operations per token (matrix products, norms, activations) are done for all rows at once, and
//! attention is done per text. The numbers of a text never depend on other texts, and are computed by the same steps in any
//! batch: see `emberline_kernels`.
//!
//! Burn's flex backend computes the same (a test compares them) at a third to a half of the speed: it packs the weights again
//! for every product, and allocates a new array for every operation.

mod attention;
mod lanes;

use emberline_kernels::Panels;
use emberline_kernels::dot::dot_in_pairs;
use emberline_kernels::rows::{Rows, Target, multiply_rows};
use pulp::{Arch, Simd, WithSimd};

use self::attention::Attention;
use super::{Activation, Forward, Layer, Linear, Norm, Positions, Table, Transformer, bucket, rotation};

/// Number of tokens per batch: few enough for a layer's intermediate rows to stay in a core's cache, and enough to reuse each
/// packed weight often.
const BATCH_TOKENS: usize = 256;

/// A model with weights that are packed for the CPU.
pub(crate) struct CpuModel {
    arch: Arch,
    model: Transformer,
    layers: Vec<PackedLayer>,
}

/// The packed weights of a layer.
struct PackedLayer {
    queries_keys_values: Panels,
    attention_out: Panels,
    up: Panels,
    down: Panels,
}

impl CpuModel {
    /// Packs the weights of a model.
    pub(crate) fn new(mut model: Transformer) -> Self {
        let layers = model.layers.iter_mut().map(PackedLayer::of).collect();
        Self { arch: Arch::new(), model, layers }
    }
}

impl PackedLayer {
    /// Packs the weights of a layer and frees the unpacked ones.
    fn of(layer: &mut Layer) -> Self {
        Self {
            queries_keys_values: packed(&mut layer.queries_keys_values),
            attention_out: packed(&mut layer.attention_out),
            up: packed(&mut layer.up),
            down: packed(&mut layer.down),
        }
    }
}

fn packed(linear: &mut Linear) -> Panels {
    let Table { rows, cols, values } = &mut linear.weight;
    let mut panels = Panels::default();
    panels.pack_transposed(values, *cols, *cols, *rows);
    *values = Vec::new();
    panels
}

impl Forward for CpuModel {
    fn hidden(&self, texts: &[&[u32]]) -> Vec<f32> {
        self.arch.dispatch(Pass { processor: self, texts })
    }

    fn batch_tokens(&self) -> usize {
        BATCH_TOKENS
    }

    fn runs_in_parallel(&self) -> bool {
        true
    }
}

/// A forward pass for one batch.
struct Pass<'a> {
    processor: &'a CpuModel,
    texts: &'a [&'a [u32]],
}

impl WithSimd for Pass<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { processor: CpuModel { model, layers, .. }, texts } = self;
        let mut buffers = ForwardBuffers::new(simd, model, texts);
        for (layer, packed) in model.layers.iter().zip(layers) {
            if model.norm_first {
                buffers.pre_norm_layer(layer, packed);
            } else {
                buffers.post_norm_layer(layer, packed);
            }
        }
        if let Some(norm) = &model.final_norm {
            normalise(&mut buffers.state, norm);
        }
        buffers.state
    }
}

/// The buffers of a forward pass.
struct ForwardBuffers<'a, S> {
    simd: S,
    model: &'a Transformer,
    texts: &'a [&'a [u32]],
    tokens: usize,
    /// The hidden state, `[tokens, hidden]`.
    state: Vec<f32>,
    /// The input and output of attention and feed-forward, which are added to the hidden state, `[tokens, hidden]`.
    branch: Vec<f32>,
    /// Queries, keys and values, `[tokens, 3 * hidden]`, or the feed-forward's inner values, `[tokens, intermediate]`.
    wide: Vec<f32>,
    attention: Attention,
}

impl<'a, S: Simd> ForwardBuffers<'a, S> {
    #[inline(always)]
    fn new(simd: S, model: &'a Transformer, texts: &'a [&'a [u32]]) -> Self {
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let widest = model.layers.iter().map(|layer| layer.up.weight.rows).max().unwrap_or(0).max(3 * model.hidden);
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut buffers = Self {
            simd,
            model,
            texts,
            tokens,
            state: vec![0.0; tokens * model.hidden],
            branch: vec![0.0; tokens * model.hidden],
            wide: vec![0.0; tokens * widest],
            attention: Attention::new(model, longest),
        };
        buffers.embed();
        buffers
    }

    #[inline(always)]
    fn embed(&mut self) {
        let model = self.model;
        let mut rows = self.state.chunks_exact_mut(model.hidden);
        for text in self.texts {
            let positions = model.position_ids(text);
            for (at, (&id, row)) in text.iter().zip(&mut rows).enumerate() {
                row.copy_from_slice(model.words.row(id as usize));
                // The order of additions is that of the reference implementations: words and types, then positions.
                if let Some(token_type) = &model.token_type {
                    lanes::add(row, token_type);
                }
                if let (Some(table), Some(&position)) = (model.position_table(), positions.get(at)) {
                    lanes::add(row, table.row(position as usize));
                }
            }
        }
        normalise(&mut self.state, &model.embedding_norm);
    }

    /// Computes a post-norm layer: x = norm(x + attention(x)); x = norm(x + feed_forward(x)).
    #[inline(always)]
    fn post_norm_layer(&mut self, layer: &Layer, packed: &PackedLayer) {
        self.attend(layer, packed, false);
        lanes::add(&mut self.state, &self.branch);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.state, norm);
        }
        self.feed_forward(layer, packed, false);
        lanes::add(&mut self.state, &self.branch);
        normalise(&mut self.state, &layer.feed_forward_norm);
    }

    /// Computes a pre-norm layer: x = x + attention(norm(x)); x = x + feed_forward(norm(x)).
    #[inline(always)]
    fn pre_norm_layer(&mut self, layer: &Layer, packed: &PackedLayer) {
        self.branch.copy_from_slice(&self.state);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.branch, norm);
        }
        self.attend(layer, packed, true);
        lanes::add(&mut self.state, &self.branch);
        self.branch.copy_from_slice(&self.state);
        normalise(&mut self.branch, &layer.feed_forward_norm);
        self.feed_forward(layer, packed, true);
        lanes::add(&mut self.state, &self.branch);
    }

    /// Computes the attention of the hidden state, or of `branch`, and writes the result to `branch`.
    #[inline(always)]
    fn attend(&mut self, layer: &Layer, packed: &PackedLayer, of_branch: bool) {
        let hidden = self.model.hidden;
        let from = if of_branch { &self.branch } else { &self.state };
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let wide = &mut self.wide[..self.tokens * 3 * hidden];
        let target = Target { values: wide, stride: 3 * hidden };
        multiply_rows(self.simd, rows, &packed.queries_keys_values, &layer.queries_keys_values.bias, target);
        let mut first = 0;
        for text in self.texts {
            let tokens = first..first + text.len();
            let three = &mut wide[tokens.start * 3 * hidden..tokens.end * 3 * hidden];
            self.attention.attend(self.simd, self.model, layer, three);
            first = tokens.end;
        }
        // Attention has written its result over the queries.
        let rows = Rows { values: wide, stride: 3 * hidden, count: self.tokens };
        let target = Target { values: &mut self.branch, stride: hidden };
        multiply_rows(self.simd, rows, &packed.attention_out, &layer.attention_out.bias, target);
    }

    /// Computes the feed-forward of the hidden state, or of `branch`, and writes the result to `branch`.
    #[inline(always)]
    fn feed_forward(&mut self, layer: &Layer, packed: &PackedLayer, of_branch: bool) {
        let Transformer { hidden, activation, gated, .. } = *self.model;
        let width = packed.up.cols();
        let from = if of_branch { &self.branch } else { &self.state };
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let wide = &mut self.wide[..self.tokens * width];
        multiply_rows(self.simd, rows, &packed.up, &layer.up.bias, Target { values: wide, stride: width });
        for row in wide.chunks_exact_mut(width) {
            activate(activation, gated, row);
        }
        let rows = Rows { values: wide, stride: width, count: self.tokens };
        let target = Target { values: &mut self.branch, stride: hidden };
        multiply_rows(self.simd, rows, &packed.down, &layer.down.bias, target);
    }
}

#[inline(always)]
fn activate(activation: Activation, gated: bool, row: &mut [f32]) {
    if gated { lanes::gate(activation, row) } else { lanes::activate(activation, row) }
}

#[inline(always)]
fn normalise(rows: &mut [f32], norm: &Norm) {
    for row in rows.chunks_exact_mut(norm.scale.len()) {
        lanes::normalise(row, &norm.scale, &norm.shift, norm.epsilon);
    }
}

/// Computes a Dense module for one vector: a linear map and an activation.
pub(crate) fn dense(linear: &Linear, activation: Activation, input: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(|| {
        let mut output: Vec<f32> =
            (0..linear.weight.rows).map(|row| dot_in_pairs(linear.weight.row(row), input)).collect();
        lanes::add(&mut output, &linear.bias);
        lanes::activate(activation, &mut output);
        output
    })
}
