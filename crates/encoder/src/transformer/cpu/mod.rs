//! The forward pass on the CPU.
//!
//! Batches are computed in parallel, one thread per batch. A batch consists of the tokens of its texts, one text after
//! another, without padding: operations per token (matrix products, norms, activations) are done for all rows at once, and
//! attention is done per text. The numbers of a text never depend on other texts, and are computed by the same steps in any
//! batch: see `emberline_kernels`.
//!
//! Burn's flex backend computes the same (a test compares them) at a third to a half of the speed: it packs the weights again
//! for every product, and allocates a new array for every operation.
//!
//! The weights of a model that is small enough are packed for the products once. Those of a larger one stay in its mapped
//! files, and are widened and packed a panel at a time for every batch; the numbers are the same.

mod attention;
pub(super) mod lanes;
mod weights;

use emberline_kernels::dot::dot_in_pairs;
use emberline_kernels::rows::{Rows, Target};
use pulp::{Arch, Simd, WithSimd};

use self::attention::Attention;
use self::weights::{PackedLayer, PackedLinear, ProductBuffers, packed_bytes, product};
use super::{
    Activation, Disentangled, Forward, Heads, Layer, Linear, MappedLinear, Norm, NormKind, Rotary, Transformer,
    rotation,
};
use crate::Precision;

/// Number of tokens per batch: few enough for a layer's intermediate rows to stay in a core's cache, and enough to reuse each
/// packed weight often.
const BATCH_TOKENS: usize = 256;
/// Number of tokens per batch if weights are packed for every batch: enough for that to take a small part of the time.
const MAPPED_BATCH_TOKENS: usize = 1024;

/// A model with weights that are packed for the CPU, or that stay in its files.
pub(crate) struct CpuModel {
    arch: Arch,
    model: Transformer,
    /// The numbers that the layers' linear maps are computed in.
    precision: Precision,
    /// The packed layers; empty if the weights stay in the files.
    layers: Vec<PackedLayer>,
    embedding_out: Option<PackedLinear>,
    /// The queries, keys and values of relative positions, per layer, `[2 * span, Heads::stride]`; empty if the model has none.
    positions: Vec<Vec<f32>>,
}

impl CpuModel {
    /// The largest size in bytes of the packed weights of a model; those of a larger model stay in its files.
    pub(crate) const MAX_PACKED: u64 = 3 << 29;

    /// Packs the weights of a model, if they take at most `most` bytes.
    pub(crate) fn new(model: Transformer, precision: Precision, most: u64) -> Self {
        let arch = Arch::new();
        let packs = packed_bytes(&model, precision) <= most;
        let layers: Vec<PackedLayer> = if packs {
            model.layers.iter().map(|layer| PackedLayer::of(arch, layer, precision)).collect()
        } else {
            Vec::new()
        };
        let embedding_out = model.embedding_out.as_ref().map(|linear| PackedLinear::of(arch, linear, Precision::F32));
        let positions = arch.dispatch(ProjectedPositions { model: &model, layers: &layers, precision });
        Self { arch, model, precision, layers, embedding_out, positions }
    }
}

impl Forward for CpuModel {
    fn layers(&self, texts: &[&[u32]], last: usize) -> Vec<Vec<f32>> {
        self.arch.dispatch(Pass { processor: self, texts, last })
    }

    fn batch_tokens(&self, tokens: usize) -> usize {
        if !self.layers.is_empty() {
            return BATCH_TOKENS;
        }
        // Of few texts, every thread gets a part.
        tokens.div_ceil(rayon::current_num_threads()).clamp(BATCH_TOKENS, MAPPED_BATCH_TOKENS)
    }

    fn runs_in_parallel(&self) -> bool {
        true
    }
}

/// Applies the projections of every layer to the vectors of relative positions.
struct ProjectedPositions<'a> {
    model: &'a Transformer,
    layers: &'a [PackedLayer],
    precision: Precision,
}

impl WithSimd for ProjectedPositions<'_> {
    type Output = Vec<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Vec<f32>> {
        let Self { model, layers, precision } = self;
        let Some(positions) = &model.disentangled else { return Vec::new() };
        let mut vectors = positions.table.values.clone();
        if let Some(norm) = &positions.norm {
            normalise(&mut vectors, norm);
        }
        let (count, stride) = (positions.table.rows, model.heads.stride());
        let mut buffers = ProductBuffers::new(precision);
        let project = |(at, layer): (usize, &Layer)| {
            let mut projected = vec![0.0; count * stride];
            let rows = Rows { values: &vectors, stride: model.hidden, count };
            let packed = layers.get(at).map(|packed| &packed.queries_keys_values);
            let target = Target { values: &mut projected, stride };
            product(simd, rows, &layer.queries_keys_values, packed, &mut buffers, target);
            projected
        };
        model.layers.iter().enumerate().map(project).collect()
    }
}

/// A forward pass for one batch.
struct Pass<'a> {
    processor: &'a CpuModel,
    texts: &'a [&'a [u32]],
    last: usize,
}

impl WithSimd for Pass<'_> {
    type Output = Vec<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Vec<f32>> {
        let Self { processor: CpuModel { model, layers, .. }, texts, last } = self;
        let mut buffers = ForwardBuffers::new(simd, self.processor, texts);
        let mut kept = Vec::with_capacity(last);
        for (number, &at) in model.order.iter().enumerate() {
            let (layer, packed) = (&model.layers[at], layers.get(at));
            buffers.positions = self.processor.positions.get(at).map_or(&[], Vec::as_slice);
            if model.norm_first {
                buffers.pre_norm_layer(layer, packed);
            } else {
                buffers.post_norm_layer(layer, packed);
            }
            let after = model.order.len() - 1 - number;
            if 0 < after && after < last {
                kept.push(buffers.state.clone());
            }
        }
        if let Some(norm) = &model.final_norm {
            normalise(&mut buffers.state, norm);
        }
        kept.push(buffers.state);
        kept
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
    /// Queries, keys and values, `[tokens, Heads::stride]`, or the feed-forward's inner values, `[tokens, intermediate]`.
    wide: Vec<f32>,
    attention: Attention,
    /// The queries, keys and values of relative positions in the current layer.
    positions: &'a [f32],
    buffers: ProductBuffers,
}

impl<'a, S: Simd> ForwardBuffers<'a, S> {
    #[inline(always)]
    fn new(simd: S, processor: &'a CpuModel, texts: &'a [&'a [u32]]) -> Self {
        let model = &processor.model;
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let widest = model.layers.iter().map(|layer| layer.up.outputs).max().unwrap_or(0).max(model.heads.stride());
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut buffers = Self {
            simd,
            model,
            texts,
            tokens,
            state: vec![0.0; tokens * model.words.cols],
            branch: vec![0.0; tokens * model.hidden],
            wide: vec![0.0; tokens * widest],
            attention: Attention::new(model, longest),
            positions: &[],
            buffers: ProductBuffers::new(processor.precision),
        };
        buffers.embed(processor.embedding_out.as_ref());
        buffers
    }

    #[inline(always)]
    fn embed(&mut self, packed: Option<&PackedLinear>) {
        let model = self.model;
        let width = model.words.cols;
        let mut rows = self.state.chunks_exact_mut(width);
        for text in self.texts {
            let positions = model.position_ids(text);
            for (at, (&id, row)) in text.iter().zip(&mut rows).enumerate() {
                model.words.copy_row(id as usize, row);
                if let Some(scale) = model.embedding_scale {
                    row.iter_mut().for_each(|value| *value *= scale);
                }
                // The order of additions is that of the reference implementations: words and types, then positions.
                if let Some(types) = &model.token_types {
                    lanes::add(row, types.row(0));
                }
                if let (Some(table), Some(&position)) = (model.position_table(), positions.get(at)) {
                    lanes::add(row, table.row(position as usize));
                }
            }
        }
        if let Some(norm) = &model.embedding_norm {
            normalise(&mut self.state, norm);
        }
        if let Some(linear) = &model.embedding_out {
            let rows = Rows { values: &self.state, stride: width, count: self.tokens };
            let target = Target { values: &mut self.branch, stride: model.hidden };
            product(self.simd, rows, linear, packed, &mut self.buffers, target);
            self.state.clone_from(&self.branch);
        }
    }

    /// Computes a post-norm layer: x = norm(x + attention(x)); x = norm(x + feed_forward(x)).
    #[inline(always)]
    fn post_norm_layer(&mut self, layer: &Layer, packed: Option<&PackedLayer>) {
        self.attend(layer, packed, false);
        lanes::add(&mut self.state, &self.branch);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.state, norm);
        }
        self.feed_forward(layer, packed, false);
        lanes::add(&mut self.state, &self.branch);
        normalise(&mut self.state, &layer.feed_forward_norm);
    }

    /// Computes a pre-norm layer: x = x + attention(norm(x)); x = x + feed_forward(norm(x)); where the layer has norms of the
    /// results, they are applied before the additions.
    #[inline(always)]
    fn pre_norm_layer(&mut self, layer: &Layer, packed: Option<&PackedLayer>) {
        self.branch.copy_from_slice(&self.state);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.branch, norm);
        }
        self.attend(layer, packed, true);
        if let Some([norm, _]) = &layer.result_norms {
            normalise(&mut self.branch, norm);
        }
        lanes::add(&mut self.state, &self.branch);
        self.branch.copy_from_slice(&self.state);
        normalise(&mut self.branch, &layer.feed_forward_norm);
        self.feed_forward(layer, packed, true);
        if let Some([_, norm]) = &layer.result_norms {
            normalise(&mut self.branch, norm);
        }
        lanes::add(&mut self.state, &self.branch);
    }

    /// Computes the attention of the hidden state, or of `branch`, and writes the result to `branch`.
    #[inline(always)]
    fn attend(&mut self, layer: &Layer, packed: Option<&PackedLayer>, of_branch: bool) {
        let (hidden, stride) = (self.model.hidden, self.model.heads.stride());
        let from = if of_branch { &self.branch } else { &self.state };
        let wide = &mut self.wide[..self.tokens * stride];
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let weights = packed.map(|packed| &packed.queries_keys_values);
        let target = Target { values: wide, stride };
        product(self.simd, rows, &layer.queries_keys_values, weights, &mut self.buffers, target);
        let mut first = 0;
        for text in self.texts {
            let tokens = first..first + text.len();
            let three = &mut wide[tokens.start * stride..tokens.end * stride];
            self.attention.attend(self.simd, self.model, (layer, self.positions), three);
            first = tokens.end;
        }
        // Attention has written its result over the queries.
        let rows = Rows { values: wide, stride, count: self.tokens };
        let target = Target { values: &mut self.branch, stride: hidden };
        let weights = packed.map(|packed| &packed.attention_out);
        product(self.simd, rows, &layer.attention_out, weights, &mut self.buffers, target);
    }

    /// Computes the feed-forward of the hidden state, or of `branch`, and writes the result to `branch`.
    #[inline(always)]
    fn feed_forward(&mut self, layer: &Layer, packed: Option<&PackedLayer>, of_branch: bool) {
        let Transformer { hidden, activation, gated, .. } = *self.model;
        let width = layer.up.outputs;
        let from = if of_branch { &self.branch } else { &self.state };
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let wide = &mut self.wide[..self.tokens * width];
        let target = Target { values: wide, stride: width };
        product(self.simd, rows, &layer.up, packed.map(|packed| &packed.up), &mut self.buffers, target);
        for row in wide.chunks_exact_mut(width) {
            activate(activation, gated, row);
        }
        let rows = Rows { values: wide, stride: width, count: self.tokens };
        let target = Target { values: &mut self.branch, stride: hidden };
        product(self.simd, rows, &layer.down, packed.map(|packed| &packed.down), &mut self.buffers, target);
    }
}

#[inline(always)]
fn activate(activation: Activation, gated: bool, row: &mut [f32]) {
    if gated { lanes::gate(activation, row) } else { lanes::activate(activation, row) }
}

/// Applies a norm to every row.
#[inline(always)]
fn normalise(rows: &mut [f32], norm: &Norm) {
    for row in rows.chunks_exact_mut(norm.scale.len()) {
        normalise_row(row, norm);
    }
}

#[inline(always)]
fn normalise_row(row: &mut [f32], norm: &Norm) {
    match norm.kind {
        NormKind::Layer => lanes::normalise(row, &norm.scale, &norm.shift, norm.epsilon),
        NormKind::RootMeanSquare => lanes::normalise_by_root_mean_square(row, &norm.scale, norm.epsilon),
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
