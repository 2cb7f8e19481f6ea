//! The forward pass on the processor.
//!
//! Texts are worked on side by side, one thread a batch. A batch is the tokens of its texts, one text after another, without
//! any padding: what belongs to a token (products, norms, activations) is done for all rows at once, attention text by
//! text. No number of a text is computed from another's, and each by the same steps whatever the batch: see `product.rs`.
//!
//! Burn's flex computes the same (a test holds them together), at a third to a half of the speed: weights are packed for
//! every product anew, and each operation makes a new array.

mod attention;
mod lanes;
mod product;

use pulp::{Arch, Simd, WithSimd};

use self::attention::Attention;
use self::product::{Panels, Rows, Target, product};
use super::{Activation, Forward, Layer, Linear, Norm, Positions, Table, Transformer, bucket, rotation};

/// Tokens of a batch. A layer's intermediate rows then stay in a core's cache, and packed weights are read often
/// enough from each.
const BATCH_TOKENS: usize = 256;

/// A model whose weights are packed for this processor.
pub(crate) struct Processor {
    arch: Arch,
    model: Transformer,
    layers: Vec<Packed>,
}

/// The packed products of a layer.
struct Packed {
    queries_keys_values: Panels,
    attention_out: Panels,
    up: Panels,
    down: Panels,
}

impl Processor {
    /// Packs the weights.
    pub(crate) fn new(mut model: Transformer) -> Self {
        let layers = model.layers.iter_mut().map(Packed::of).collect();
        Self { arch: Arch::new(), model, layers }
    }
}

impl Packed {
    /// Packs a layer's weights and drops the layer's own.
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
    panels.pack_transposed(values, *cols, *rows, *cols);
    *values = Vec::new();
    panels
}

impl Forward for Processor {
    fn hidden(&self, texts: &[&[u32]]) -> Vec<f32> {
        self.arch.dispatch(Pass { processor: self, texts })
    }

    fn batch_tokens(&self) -> usize {
        BATCH_TOKENS
    }

    fn side_by_side(&self) -> bool {
        true
    }
}

/// One forward pass of one batch.
struct Pass<'a> {
    processor: &'a Processor,
    texts: &'a [&'a [u32]],
}

impl WithSimd for Pass<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { processor: Processor { model, layers, .. }, texts } = self;
        let mut run = Run::new(simd, model, texts);
        for (layer, packed) in model.layers.iter().zip(layers) {
            if model.norm_first {
                run.layer_norm_first(layer, packed);
            } else {
                run.layer_norm_behind(layer, packed);
            }
        }
        if let Some(norm) = &model.final_norm {
            normalise(&mut run.state, norm);
        }
        run.state
    }
}

/// The arrays of a pass.
struct Run<'a, S> {
    simd: S,
    model: &'a Transformer,
    texts: &'a [&'a [u32]],
    tokens: usize,
    /// `[tokens, hidden]`: what goes from layer to layer.
    state: Vec<f32>,
    /// `[tokens, hidden]`.
    second: Vec<f32>,
    /// `[tokens, 3 * hidden]` or `[tokens, intermediate]`.
    wide: Vec<f32>,
    attention: Attention,
}

impl<'a, S: Simd> Run<'a, S> {
    #[inline(always)]
    fn new(simd: S, model: &'a Transformer, texts: &'a [&'a [u32]]) -> Self {
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let widest = model.layers.iter().map(|layer| layer.up.weight.rows).max().unwrap_or(0).max(3 * model.hidden);
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut run = Self {
            simd,
            model,
            texts,
            tokens,
            state: vec![0.0; tokens * model.hidden],
            second: vec![0.0; tokens * model.hidden],
            wide: vec![0.0; tokens * widest],
            attention: Attention::new(model, longest),
        };
        run.embed();
        run
    }

    #[inline(always)]
    fn embed(&mut self) {
        let model = self.model;
        let mut rows = self.state.chunks_exact_mut(model.hidden);
        for text in self.texts {
            let places = model.position_ids(text);
            for (at, (&id, row)) in text.iter().zip(&mut rows).enumerate() {
                row.copy_from_slice(model.words.row(id as usize));
                // In the order of the reference implementations: words and types, then positions.
                if let Some(token_type) = &model.token_type {
                    lanes::add(row, token_type);
                }
                if let (Some(table), Some(&place)) = (model.position_table(), places.get(at)) {
                    lanes::add(row, table.row(place as usize));
                }
            }
        }
        normalise(&mut self.state, &model.embedding_norm);
    }

    /// x = norm(x + attention(x)); x = norm(x + feed_forward(x))
    #[inline(always)]
    fn layer_norm_behind(&mut self, layer: &Layer, packed: &Packed) {
        self.attend(layer, packed, false);
        lanes::add(&mut self.state, &self.second);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.state, norm);
        }
        self.feed_forward(layer, packed, false);
        lanes::add(&mut self.state, &self.second);
        normalise(&mut self.state, &layer.feed_forward_norm);
    }

    /// x = x + attention(norm(x)); x = x + feed_forward(norm(x))
    #[inline(always)]
    fn layer_norm_first(&mut self, layer: &Layer, packed: &Packed) {
        self.second.copy_from_slice(&self.state);
        if let Some(norm) = &layer.attention_norm {
            normalise(&mut self.second, norm);
        }
        self.attend(layer, packed, true);
        lanes::add(&mut self.state, &self.second);
        self.second.copy_from_slice(&self.state);
        normalise(&mut self.second, &layer.feed_forward_norm);
        self.feed_forward(layer, packed, true);
        lanes::add(&mut self.state, &self.second);
    }

    /// Attention of the state, or of `second`; the result stands in `second`.
    #[inline(always)]
    fn attend(&mut self, layer: &Layer, packed: &Packed, of_second: bool) {
        let hidden = self.model.hidden;
        let from = if of_second { &self.second } else { &self.state };
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let wide = &mut self.wide[..self.tokens * 3 * hidden];
        let target = Target { values: wide, stride: 3 * hidden };
        product(self.simd, rows, &packed.queries_keys_values, &layer.queries_keys_values.bias, target);
        let mut first = 0;
        for text in self.texts {
            let tokens = first..first + text.len();
            let three = &mut wide[tokens.start * 3 * hidden..tokens.end * 3 * hidden];
            self.attention.attend(self.simd, self.model, layer, three);
            first = tokens.end;
        }
        // Attention leaves its result in the queries' place.
        let rows = Rows { values: wide, stride: 3 * hidden, count: self.tokens };
        let target = Target { values: &mut self.second, stride: hidden };
        product(self.simd, rows, &packed.attention_out, &layer.attention_out.bias, target);
    }

    /// The feed-forward part of the state, or of `second`; the result stands in `second`.
    #[inline(always)]
    fn feed_forward(&mut self, layer: &Layer, packed: &Packed, of_second: bool) {
        let Transformer { hidden, activation, gated, .. } = *self.model;
        let width = packed.up.outer();
        let from = if of_second { &self.second } else { &self.state };
        let rows = Rows { values: from, stride: hidden, count: self.tokens };
        let wide = &mut self.wide[..self.tokens * width];
        product(self.simd, rows, &packed.up, &layer.up.bias, Target { values: wide, stride: width });
        for row in wide.chunks_exact_mut(width) {
            activate(activation, gated, row);
        }
        let rows = Rows { values: wide, stride: width, count: self.tokens };
        let target = Target { values: &mut self.second, stride: hidden };
        product(self.simd, rows, &packed.down, &layer.down.bias, target);
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

/// One linear map of one row, then an activation: what stands behind the transformer.
pub(crate) fn dense(linear: &Linear, activation: Activation, input: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(|| {
        let mut output: Vec<f32> =
            (0..linear.weight.rows).map(|row| lanes::dot(linear.weight.row(row), input)).collect();
        lanes::add(&mut output, &linear.bias);
        lanes::activate(activation, &mut output);
        output
    })
}
