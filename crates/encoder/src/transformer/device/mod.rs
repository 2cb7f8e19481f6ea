//! The forward pass in Burn, for any of its backends: of a frozen model on a GPU, and of one that is being trained.
//!
//! A frozen model computes texts of equal length together, in batches whose size depends only on that length (the last batch is
//! padded with copies of its first text). So a kernel that is selected by shape is the same for a text in any batch. In
//! training, texts of several lengths are computed together: their tokens follow each other, and only attention pads them.
//!
//! On the CPU, `fused/` has the operations that training spends its time in.

mod arrays;
mod products;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::activation::{gelu_approximate, relu, sigmoid, silu, softmax, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use emberline_base::Substream;

use self::arrays::{DeviceArray, DeviceLayer, DeviceNorm};
pub(crate) use self::arrays::{DeviceArrays, DeviceLinear, adapter_name};
pub(crate) use self::products::Products;
use super::fused::{self, Attention};
use super::{Activation, Forward, Heads, Layer, Rotary, Transformer, bucket, rotation};
use crate::Error;

/// Number of tokens per batch on a GPU.
const BATCH_TOKENS: usize = 1 << 14;
/// The score of what a token doesn't see, for minus infinity.
const UNSEEN: f32 = -1e30;

/// A model on a device.
pub(crate) struct DeviceModel<B: Backend> {
    device: B::Device,
    /// The model on the host, for its sizes, positions and windows.
    model: Transformer,
    words: DeviceArray<B>,
    positions: Option<DeviceArray<B>>,
    token_types: Option<DeviceArray<B>>,
    embedding_norm: Option<DeviceNorm<B>>,
    embedding_out: Option<DeviceLinear<B>>,
    layers: Vec<DeviceLayer<B>>,
    final_norm: Option<DeviceNorm<B>>,
    /// The bias by relative position, `[buckets, heads]`.
    relative_bias: Option<DeviceArray<B>>,
    /// The vectors of relative positions, `[2 * span, hidden]`, and their norm.
    relative: Option<(DeviceArray<B>, Option<DeviceNorm<B>>)>,
    products: Products,
}

/// Dropout: in training, a random part of the outputs of embeddings, attention and feed-forward is set to zero.
#[derive(Debug)]
pub struct Dropout<'a> {
    /// The part of the outputs that is dropped, 0 to 1 (exclusive). The others are multiplied by `1 / (1 - rate)`.
    pub rate: f32,
    /// Decides what is dropped.
    pub stream: &'a mut Substream,
}

impl<B: Backend> DeviceModel<B> {
    /// Copies a model to a device, one matrix after another.
    ///
    /// # Errors
    /// If the device has no numbers of the precision, or the host too little memory for a matrix.
    #[cfg(any(feature = "gpu", test))]
    pub(crate) fn new(model: &Transformer, precision: crate::Precision, device: B::Device) -> Result<Self, Error> {
        let products = Products::of::<B>(precision, &device)?;
        let trained = BTreeMap::new();
        Self::with_arrays(model, &DeviceArrays { device: &device, trained: &trained, adapter_scale: 0.0, products })
    }

    /// Creates a model of which some arrays are trained, and copies the others to a device.
    ///
    /// # Errors
    /// If the host has too little memory for a matrix.
    pub(crate) fn with_arrays(model: &Transformer, arrays: &DeviceArrays<'_, B>) -> Result<Self, Error> {
        let whole = DeviceArrays { products: Products::Whole, ..*arrays };
        Ok(Self {
            words: arrays.mapped(&model.words)?,
            positions: model.position_table().map(|table| arrays.table(table)),
            token_types: model.token_types.as_ref().map(|table| arrays.table(table)),
            embedding_norm: model.embedding_norm.as_ref().map(|norm| arrays.norm(norm)),
            embedding_out: model.embedding_out.as_ref().map(|linear| whole.linear(linear)).transpose()?,
            layers: model.layers.iter().map(|layer| arrays.layer(layer)).collect::<Result<_, Error>>()?,
            final_norm: model.final_norm.as_ref().map(|norm| arrays.norm(norm)),
            relative_bias: model.relative_bias.as_ref().map(|bias| arrays.table(&bias.table)),
            relative: model
                .disentangled
                .as_ref()
                .map(|relative| (arrays.table(&relative.table), relative.norm.as_ref().map(|norm| arrays.norm(norm)))),
            products: arrays.products,
            model: model.clone(),
            device: arrays.device.clone(),
        })
    }

    /// Computes the vectors of texts of equal length after each of the `last` last layers, `[texts * length, hidden]` each.
    fn equal(&self, texts: &[&[u32]], last: usize) -> Vec<Vec<f32>> {
        Pass::new(self, &[], texts, None).run(texts, last).into_iter().map(values).collect()
    }

    /// Computes the vectors of the tokens of texts with the trained arrays, one text after another, `[tokens, hidden]`. No text
    /// is empty.
    pub(crate) fn tokens(
        &self,
        trained: &[Tensor<B, 2>],
        texts: &[&[u32]],
        dropout: Option<Dropout<'_>>,
    ) -> Tensor<B, 2> {
        Pass::new(self, trained, texts, dropout).run(texts, 1).swap_remove(0)
    }

    /// Returns the rows of a table with these numbers.
    fn rows(&self, table: Tensor<B, 2>, rows: Vec<u32>) -> Tensor<B, 2> {
        fused::select(&table, &rows).unwrap_or_else(|| table.select(0, self.indices(rows)))
    }

    fn indices(&self, ids: Vec<u32>) -> Tensor<B, 1, Int> {
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        Tensor::from_data(TensorData::new(ids.clone(), [ids.len()]), &self.device)
    }
}

/// A forward pass over texts.
struct Pass<'a, B: Backend> {
    on_device: &'a DeviceModel<B>,
    trained: &'a [Tensor<B, 2>],
    dropout: Option<Dropout<'a>>,
    extra: Extra<B>,
    lengths: Vec<usize>,
    /// The number of tokens of the longest text.
    longest: usize,
    padding: Option<Padding<B>>,
}

/// Where the tokens of texts are if all texts are padded to the longest.
struct Padding<B: Backend> {
    /// The row of the token at every place, `[texts * longest]`; that of any token where there is none.
    rows: Tensor<B, 1, Int>,
    /// The place of every token, `[tokens]`.
    places: Tensor<B, 1, Int>,
    /// 0 for a token and [`UNSEEN`] for padding, `[texts, 1, 1, longest]`.
    mask: Tensor<B, 4>,
}

impl<'a, B: Backend> Pass<'a, B> {
    fn new(
        on_device: &'a DeviceModel<B>,
        trained: &'a [Tensor<B, 2>],
        texts: &[&[u32]],
        dropout: Option<Dropout<'a>>,
    ) -> Self {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let padding =
            lengths.iter().any(|length| *length < longest).then(|| Padding::new(&lengths, longest, on_device));
        let extra = Extra::new(on_device, trained, longest);
        Self { on_device, trained, dropout, extra, lengths, longest, padding }
    }

    /// Computes the vectors of the tokens after each of the `last` last layers, `[tokens, hidden]` each.
    fn run(mut self, texts: &[&[u32]], last: usize) -> Vec<Tensor<B, 2>> {
        let DeviceModel { model, layers, final_norm, .. } = self.on_device;
        let embedded = self.embed(texts);
        let mut state = self.drop(embedded);
        let mut kept = Vec::with_capacity(last);
        for (number, &at) in model.order.iter().enumerate() {
            let (layer, described) = (&layers[at], &model.layers[at]);
            state = if model.norm_first {
                self.pre_norm_layer(layer, described, state)
            } else {
                self.post_norm_layer(layer, described, state)
            };
            let after = model.order.len() - 1 - number;
            if 0 < after && after < last {
                kept.push(state.clone());
            }
        }
        kept.push(final_norm.iter().fold(state, |state, norm| norm.apply(state, self.trained)));
        kept
    }

    fn post_norm_layer(&mut self, layer: &DeviceLayer<B>, described: &Layer, state: Tensor<B, 2>) -> Tensor<B, 2> {
        let attended = self.attend(layer, described, state.clone());
        let state = state + self.drop(attended);
        let state = layer.attention_norm.iter().fold(state, |state, norm| norm.apply(state, self.trained));
        let fed = self.feed_forward(layer, state.clone());
        layer.feed_forward_norm.apply(state + self.drop(fed), self.trained)
    }

    fn pre_norm_layer(&mut self, layer: &DeviceLayer<B>, described: &Layer, state: Tensor<B, 2>) -> Tensor<B, 2> {
        let trained = self.trained;
        let result = |at: usize, result: Tensor<B, 2>| match &layer.result_norms {
            Some(norms) => norms[at].apply(result, trained),
            None => result,
        };
        let normed = layer.attention_norm.iter().fold(state.clone(), |state, norm| norm.apply(state, trained));
        let attended = result(0, self.attend(layer, described, normed));
        let state = state + self.drop(attended);
        let normed = layer.feed_forward_norm.apply(state.clone(), trained);
        let fed = result(1, self.feed_forward(layer, normed));
        state + self.drop(fed)
    }

    fn embed(&self, texts: &[&[u32]]) -> Tensor<B, 2> {
        let Self { on_device, trained, .. } = *self;
        let ids = texts.iter().flat_map(|text| text.iter().copied()).collect();
        let mut state = on_device.rows(on_device.words.get(trained), ids); // [tokens, embedded]
        if let Some(scale) = on_device.model.embedding_scale {
            state = state.mul_scalar(scale);
        }
        if let Some(types) = &on_device.token_types {
            state = state + types.get(trained).narrow(0, 0, 1);
        }
        if let Some(table) = &on_device.positions {
            let positions = texts.iter().flat_map(|text| on_device.model.position_ids(text)).collect();
            state = state + on_device.rows(table.get(trained), positions);
        }
        let state = on_device.embedding_norm.iter().fold(state, |state, norm| norm.apply(state, trained));
        on_device.embedding_out.iter().fold(state, |state, linear| linear.apply(state, trained)) // [tokens, hidden]
    }

    fn attend(&self, layer: &DeviceLayer<B>, described: &Layer, state: Tensor<B, 2>) -> Tensor<B, 2> {
        let Self { trained, longest: length, ref extra, ref lengths, .. } = *self;
        let texts = lengths.len();
        let DeviceModel { products, model: Transformer { heads, .. }, .. } = *self.on_device;
        let Heads { count, shared, width, scale, .. } = heads;
        let rotation = extra.rotations.iter().find(|(known, _)| Some(*known) == described.rotary).map(|(_, turn)| turn);
        let mut three = layer.queries_keys_values.apply(state, trained); // [tokens, stride]
        if products == Products::Whole && layer.head_norms.is_none() && extra.relative.is_none() {
            let (window, bias) = (described.window, extra.bias.as_ref());
            let rotation = rotation.map(|turn| Arc::clone(&turn.host));
            if let Some(seen) = fused::attention(&three, &Attention { heads, lengths, window, rotation, bias }) {
                return layer.attention_out.apply(seen, trained);
            }
        }
        if let Some(padding) = &self.padding {
            three = three.select(0, padding.rows.clone());
        }
        let three = three.reshape([texts, length, count + 2 * shared, width]);
        let part = |first: usize, heads: usize| three.clone().narrow(2, first, heads).swap_dims(1, 2);
        let (mut queries, mut keys) = (part(0, count), part(count, shared)); // [texts, heads, length, width]
        if let Some([of_queries, of_keys]) = &layer.head_norms {
            (queries, keys) = (of_queries.apply_to_heads(queries, trained), of_keys.apply_to_heads(keys, trained));
        }
        if let Some(turn) = rotation {
            (queries, keys) = (turn.apply(queries), turn.apply(keys));
        }
        let keys = repeat_heads(keys, count / shared).swap_dims(2, 3);
        let mut scores = products.multiply(queries.clone(), keys.clone()); // [texts, count, length, length]
        if let Some((vectors, rows)) = &extra.relative {
            let [found, ..] = vectors.dims();
            let positions = layer.queries_keys_values.apply(vectors.clone(), trained);
            let positions = positions.reshape([1, found, 3 * count, width]);
            let position = |first: usize| positions.clone().narrow(2, first, count).permute([0, 2, 3, 1]);
            let rows = rows.clone().expand([texts, count, length, length]);
            let of_queries = products.multiply(queries, position(count)).gather(3, rows.clone());
            let of_keys = products.multiply(keys.swap_dims(2, 3), position(0)).gather(3, rows.swap_dims(2, 3));
            scores = scores + of_queries + of_keys.swap_dims(2, 3);
        }
        scores = scores.mul_scalar(scale);
        if let Some(bias) = &extra.bias {
            scores = scores + bias.clone();
        }
        if let Some((_, mask)) = extra.masks.iter().find(|(window, _)| *window == described.window) {
            scores = scores + mask.clone();
        }
        if let Some(padding) = &self.padding {
            scores = scores + padding.mask.clone();
        }
        let values = repeat_heads(part(count + shared, shared), count / shared);
        let seen = products.multiply(softmax(scores, 3), values); // [texts, count, length, width]
        let seen = seen.swap_dims(1, 2).reshape([texts * length, count * width]);
        let seen = match &self.padding {
            Some(padding) => seen.select(0, padding.places.clone()),
            None => seen,
        };
        layer.attention_out.apply(seen, trained)
    }

    fn feed_forward(&self, layer: &DeviceLayer<B>, state: Tensor<B, 2>) -> Tensor<B, 2> {
        let Transformer { activation, gated, .. } = self.on_device.model;
        let wide = layer.up.apply(state, self.trained);
        if !gated {
            return layer.down.apply(activate(activation, wide), self.trained);
        }
        let half = wide.dims()[1] / 2;
        let values = activate(activation, wide.clone().narrow(1, 0, half));
        layer.down.apply(values * wide.narrow(1, half, half), self.trained)
    }

    fn drop(&mut self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(Dropout { rate, stream }) = &mut self.dropout else { return x };
        let gain = 1.0 / (1.0 - *rate);
        let [rows, cols] = x.dims();
        let mask: Vec<f32> = (0..rows * cols).map(|_| if stream.unit() < *rate { 0.0 } else { gain }).collect();
        x * Tensor::from_data(TensorData::new(mask, [rows, cols]), &self.on_device.device)
    }
}

impl<B: Backend> Forward for DeviceModel<B> {
    fn layers(&self, texts: &[&[u32]], last: usize) -> Vec<Vec<f32>> {
        let hidden = self.model.hidden;
        let mut starts = Vec::with_capacity(texts.len());
        let mut by_length = BTreeMap::<usize, Vec<usize>>::new();
        let mut total = 0;
        for (at, text) in texts.iter().enumerate() {
            starts.push(total);
            total += text.len();
            by_length.entry(text.len()).or_default().push(at);
        }
        let mut all = vec![vec![0.0; total * hidden]; last];
        for (length, members) in by_length {
            let size = (BATCH_TOKENS / length).clamp(1, 64);
            for group in members.chunks(size) {
                let filled = group.iter().chain(std::iter::repeat(&group[0])).take(size);
                let ids: Vec<&[u32]> = filled.map(|&at| texts[at]).collect();
                for (all, rows) in all.iter_mut().zip(self.equal(&ids, last)) {
                    for (&at, rows) in group.iter().zip(rows.chunks_exact(length * hidden)) {
                        all[starts[at] * hidden..][..length * hidden].copy_from_slice(rows);
                    }
                }
            }
        }
        all
    }

    fn batch_tokens(&self, _: usize) -> usize {
        BATCH_TOKENS
    }

    fn runs_in_parallel(&self) -> bool {
        false
    }
}

impl<B: Backend> Padding<B> {
    fn new(lengths: &[usize], longest: usize, on_device: &DeviceModel<B>) -> Self {
        let (mut rows, mut places, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for (text, &length) in lengths.iter().enumerate() {
            let first = places.len() as u32;
            places.extend((0..length).map(|at| (text * longest + at) as u32));
            rows.extend((0..longest).map(|at| if at < length { first + at as u32 } else { first }));
            mask.extend((0..longest).map(|at| if at < length { 0.0 } else { UNSEEN }));
        }
        Self {
            rows: on_device.indices(rows),
            places: on_device.indices(places),
            mask: tensor(mask, [lengths.len(), 1, 1, longest], &on_device.device),
        }
    }
}

/// What all layers use, which depends only on the number of tokens of the longest text.
struct Extra<B: Backend> {
    /// The bias by relative position, `[1, heads, length, length]`.
    bias: Option<Tensor<B, 4>>,
    /// The masks by window, `[1, 1, length, length]`: 0 for what a token sees, else [`UNSEEN`]. There is none for a layer whose
    /// tokens see all others.
    masks: Vec<(Option<usize>, Tensor<B, 4>)>,
    rotations: Vec<(Rotary, Rotation<B>)>,
    /// The vectors of relative positions, and the row of the position of token i relative to token j, `[1, 1, length, length]`.
    relative: Option<(Tensor<B, 2>, Tensor<B, 4, Int>)>,
}

/// The cosines and sines of rotary positions.
struct Rotation<B: Backend> {
    /// `[1, 1, length, width / 2]` each.
    on_device: [Tensor<B, 4>; 2],
    /// The same numbers on the host.
    host: Arc<(Vec<f32>, Vec<f32>)>,
}

impl<B: Backend> Extra<B> {
    fn new(on_device: &DeviceModel<B>, trained: &[Tensor<B, 2>], length: usize) -> Self {
        let DeviceModel { model, device, .. } = on_device;
        let heads = model.heads;
        let pairs = move || (0..length * length).map(move |at| (at / length, at % length));
        let bias = model.relative_bias.as_ref().zip(on_device.relative_bias.as_ref()).map(|(bias, table)| {
            let (buckets, most) = (bias.table.rows, bias.max_distance);
            let rows = pairs().map(|(q, k)| bucket(k as i64 - q as i64, buckets, most) as u32).collect();
            let of_pairs = on_device.rows(table.get(trained), rows); // [length * length, heads]
            of_pairs.transpose().reshape([1, heads.count, length, length])
        });
        let relative = model.disentangled.as_ref().zip(on_device.relative.as_ref()).map(|(relative, (table, norm))| {
            let vectors = norm.iter().fold(table.get(trained), |vectors, norm| norm.apply(vectors, trained));
            let rows: Vec<i64> = pairs().map(|(q, k)| relative.row(q as i64 - k as i64) as i64).collect();
            (vectors, Tensor::from_data(TensorData::new(rows, [1, 1, length, length]), device))
        });
        let mut extra = Self { bias, masks: Vec::new(), rotations: Vec::new(), relative };
        for layer in &model.layers {
            let masks = layer.window.is_some() || heads.causal;
            if masks && extra.masks.iter().all(|(known, _)| *known != layer.window) {
                let is_seen = |(q, k): (usize, usize)| {
                    layer.window.is_none_or(|window| q.abs_diff(k) <= window) && !(heads.causal && k > q)
                };
                let score = |pair| if is_seen(pair) { 0.0 } else { UNSEEN };
                let mask = tensor(pairs().map(score).collect(), [1, 1, length, length], device);
                extra.masks.push((layer.window, mask));
            }
            if let Some(rotary) = layer.rotary.filter(|r| extra.rotations.iter().all(|(known, _)| known != r)) {
                let host = Arc::new(rotation(rotary, length, heads.width));
                let shape = [1, 1, length, heads.width / 2];
                let on_device = [&host.0, &host.1].map(|values| tensor(values.clone(), shape, device));
                extra.rotations.push((rotary, Rotation { on_device, host }));
            }
        }
        extra
    }
}

impl<B: Backend> Rotation<B> {
    /// Rotates queries or keys, `[texts, heads, length, width]`.
    fn apply(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = x.dims()[3] / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let [cosines, sines] = self.on_device.clone();
        let turned = first.clone() * cosines.clone() - second.clone() * sines.clone();
        Tensor::cat(vec![turned, second * cosines + first * sines], 3)
    }
}

/// Repeats every head of keys or values for the heads of queries that share it, `[texts, heads, length, width]`.
fn repeat_heads<B: Backend>(x: Tensor<B, 4>, times: usize) -> Tensor<B, 4> {
    if times == 1 {
        return x;
    }
    let [texts, heads, length, width] = x.dims();
    let repeated = x.reshape([texts, heads, 1, length, width]).repeat_dim(2, times);
    repeated.reshape([texts, heads * times, length, width])
}

fn values<B: Backend>(x: Tensor<B, 2>) -> Vec<f32> {
    x.into_data().convert::<f32>().into_vec().expect("32-bit numbers were asked for")
}

/// Computes x / 2 (1 + erf(x / sqrt 2)). Burn's own has the slope of another function, that of the approximation by tanh, which is off
/// by up to 1e-3.
fn gelu<B: Backend>(x: &Tensor<B, 2>) -> Tensor<B, 2> {
    let inner = (x.clone() / std::f32::consts::SQRT_2).erf() + 1.0;
    x.clone() * inner / 2.0
}

/// Applies an activation.
pub(crate) fn activate<B: Backend>(activation: Activation, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match activation {
        Activation::Identity => x,
        Activation::Gelu => fused::gelu(&x).unwrap_or_else(|| gelu(&x)),
        Activation::GeluTanh => gelu_approximate(x),
        Activation::Relu => relu(x),
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => silu(x),
    }
}

fn tensor<B: Backend>(values: Vec<f32>, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
