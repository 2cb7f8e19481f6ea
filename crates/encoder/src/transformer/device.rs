//! The forward pass in Burn, for any of its backends.
//!
//! Texts of equal length are computed together, in batches whose size depends only on that length (the last batch is padded
//! with copies of its first text). So a kernel that is selected by shape is the same for a text in any batch.

use std::collections::BTreeMap;

use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu, softmax, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::{
    Activation, Forward, Heads, Layer, MappedLinear, MappedTable, Norm, NormKind, Rotary, Table, Transformer, rotation,
};
use crate::Error;

/// Number of tokens per batch on a GPU.
const BATCH_TOKENS: usize = 1 << 14;

/// A model on a device.
pub(crate) struct DeviceModel<B: Backend> {
    device: B::Device,
    /// The model on the host, for its sizes, positions and windows.
    model: Transformer,
    words: Tensor<B, 2>,
    positions: Option<Tensor<B, 2>>,
    token_type: Option<Tensor<B, 2>>,
    embedding_norm: Option<DeviceNorm<B>>,
    embedding_out: Option<DeviceLinear<B>>,
    layers: Vec<DeviceLayer<B>>,
    final_norm: Option<DeviceNorm<B>>,
    /// The vectors of relative positions, `[2 * span, hidden]`.
    relative: Option<Tensor<B, 2>>,
}

struct DeviceLayer<B: Backend> {
    attention_norm: Option<DeviceNorm<B>>,
    queries_keys_values: DeviceLinear<B>,
    head_norms: Option<[DeviceNorm<B>; 2]>,
    attention_out: DeviceLinear<B>,
    feed_forward_norm: DeviceNorm<B>,
    up: DeviceLinear<B>,
    down: DeviceLinear<B>,
    result_norms: Option<[DeviceNorm<B>; 2]>,
}

/// A linear map with the weight `[in, out]`.
struct DeviceLinear<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 2>>,
}

struct DeviceNorm<B: Backend> {
    scale: Tensor<B, 2>,
    /// `None` for the norm by the root mean square.
    shift: Option<Tensor<B, 2>>,
    epsilon: f32,
}

impl<B: Backend> DeviceModel<B> {
    /// Copies a model to a device, one matrix after another.
    ///
    /// # Errors
    /// If the host has too little memory for a matrix.
    pub(crate) fn new(model: &Transformer, device: B::Device) -> Result<Self, Error> {
        let at = &device;
        let norms = |norms: &Option<[Norm; 2]>| {
            norms.as_ref().map(|[first, second]| [DeviceNorm::of(first, at), DeviceNorm::of(second, at)])
        };
        let layer = |layer: &Layer| {
            Ok(DeviceLayer {
                attention_norm: layer.attention_norm.as_ref().map(|norm| DeviceNorm::of(norm, at)),
                queries_keys_values: DeviceLinear::of(&layer.queries_keys_values, at)?,
                head_norms: norms(&layer.head_norms),
                attention_out: DeviceLinear::of(&layer.attention_out, at)?,
                feed_forward_norm: DeviceNorm::of(&layer.feed_forward_norm, at),
                up: DeviceLinear::of(&layer.up, at)?,
                down: DeviceLinear::of(&layer.down, at)?,
                result_norms: norms(&layer.result_norms),
            })
        };
        Ok(Self {
            words: mapped(&model.words, at)?,
            positions: model.position_table().map(|table| matrix(table.clone(), at)),
            token_type: model.token_type.as_ref().map(|row| one_row(row, at)),
            embedding_norm: model.embedding_norm.as_ref().map(|norm| DeviceNorm::of(norm, at)),
            embedding_out: model.embedding_out.as_ref().map(|linear| DeviceLinear::of(linear, at)).transpose()?,
            layers: model.layers.iter().map(layer).collect::<Result<_, Error>>()?,
            final_norm: model.final_norm.as_ref().map(|norm| DeviceNorm::of(norm, at)),
            relative: model.disentangled.as_ref().map(|relative| {
                let vectors = matrix(relative.table.clone(), at);
                relative.norm.iter().fold(vectors, |vectors, norm| DeviceNorm::of(norm, at).apply(vectors))
            }),
            model: model.clone(),
            device,
        })
    }

    /// Computes the vectors of texts of equal length after each of the `last` last layers, `[texts * length, hidden]` each.
    fn equal(&self, texts: &[&[u32]], length: usize, last: usize) -> Vec<Vec<f32>> {
        let shape = Shape { texts: texts.len(), length };
        let mut state = self.embed(texts);
        let extra = Extra::new(&self.model, length, &self.device);
        let mut kept = Vec::with_capacity(last);
        for (number, &at) in self.model.order.iter().enumerate() {
            let (layer, described) = (&self.layers[at], &self.model.layers[at]);
            state = if self.model.norm_first {
                self.pre_norm_layer(layer, described, &extra, state, shape)
            } else {
                let state = state.clone() + self.attend(layer, described, &extra, state, shape);
                let state = layer.attention_norm.iter().fold(state, |state, norm| norm.apply(state));
                layer.feed_forward_norm.apply(state.clone() + self.feed_forward(layer, state))
            };
            let after = self.model.order.len() - 1 - number;
            if 0 < after && after < last {
                kept.push(values(state.clone()));
            }
        }
        kept.push(values(self.final_norm.iter().fold(state, |state, norm| norm.apply(state))));
        kept
    }

    fn pre_norm_layer(
        &self,
        layer: &DeviceLayer<B>,
        described: &Layer,
        extra: &Extra<B>,
        state: Tensor<B, 2>,
        shape: Shape,
    ) -> Tensor<B, 2> {
        let result = |at: usize, result: Tensor<B, 2>| match &layer.result_norms {
            Some(norms) => norms[at].apply(result),
            None => result,
        };
        let normed = layer.attention_norm.iter().fold(state.clone(), |state, norm| norm.apply(state));
        let state = state + result(0, self.attend(layer, described, extra, normed, shape));
        let normed = layer.feed_forward_norm.apply(state.clone());
        state + result(1, self.feed_forward(layer, normed))
    }

    fn embed(&self, texts: &[&[u32]]) -> Tensor<B, 2> {
        let ids = texts.iter().flat_map(|text| text.iter().copied()).collect();
        let mut state = self.words.clone().select(0, self.indices(ids)); // [texts * length, embedded]
        if let Some(scale) = self.model.embedding_scale {
            state = state.mul_scalar(scale);
        }
        if let Some(token_type) = &self.token_type {
            state = state + token_type.clone();
        }
        if let Some(table) = &self.positions {
            let positions = texts.iter().flat_map(|text| self.model.position_ids(text)).collect();
            state = state + table.clone().select(0, self.indices(positions));
        }
        let state = self.embedding_norm.iter().fold(state, |state, norm| norm.apply(state));
        self.embedding_out.iter().fold(state, |state, linear| linear.apply(state)) // [texts * length, hidden]
    }

    fn indices(&self, ids: Vec<u32>) -> Tensor<B, 1, Int> {
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        Tensor::from_data(TensorData::new(ids.clone(), [ids.len()]), &self.device)
    }

    fn attend(
        &self,
        layer: &DeviceLayer<B>,
        described: &Layer,
        extra: &Extra<B>,
        state: Tensor<B, 2>,
        shape: Shape,
    ) -> Tensor<B, 2> {
        let Shape { texts, length } = shape;
        let Heads { count, shared, width, scale, .. } = self.model.heads;
        let three = layer.queries_keys_values.apply(state).reshape([texts, length, count + 2 * shared, width]);
        let part = |first: usize, heads: usize| three.clone().narrow(2, first, heads).swap_dims(1, 2);
        let (mut queries, mut keys) = (part(0, count), part(count, shared)); // [texts, heads, length, width]
        if let Some([of_queries, of_keys]) = &layer.head_norms {
            (queries, keys) = (of_queries.apply_to_heads(queries), of_keys.apply_to_heads(keys));
        }
        if let Some((_, turn)) = extra.rotations.iter().find(|(known, _)| Some(*known) == described.rotary) {
            (queries, keys) = (turn.apply(queries), turn.apply(keys));
        }
        let keys = repeat_heads(keys, count / shared).swap_dims(2, 3);
        let mut scores = queries.clone().matmul(keys.clone()); // [texts, count, length, length]
        if let (Some(vectors), Some(rows)) = (&self.relative, &extra.relative_rows) {
            let [found, ..] = vectors.dims();
            let positions = layer.queries_keys_values.apply(vectors.clone()).reshape([1, found, 3 * count, width]);
            let position = |first: usize| positions.clone().narrow(2, first, count).permute([0, 2, 3, 1]);
            let rows = rows.clone().expand([texts, count, length, length]);
            let of_queries = queries.matmul(position(count)).gather(3, rows.clone());
            let of_keys = keys.swap_dims(2, 3).matmul(position(0)).gather(3, rows.swap_dims(2, 3));
            scores = scores + of_queries + of_keys.swap_dims(2, 3);
        }
        scores = scores.mul_scalar(scale);
        if let Some(bias) = &extra.bias {
            scores = scores + bias.clone();
        }
        if let Some((_, mask)) = extra.masks.iter().find(|(window, _)| *window == described.window) {
            scores = scores + mask.clone();
        }
        let values = repeat_heads(part(count + shared, shared), count / shared);
        let seen = softmax(scores, 3).matmul(values).swap_dims(1, 2);
        layer.attention_out.apply(seen.reshape([texts * length, count * width]))
    }

    fn feed_forward(&self, layer: &DeviceLayer<B>, state: Tensor<B, 2>) -> Tensor<B, 2> {
        let wide = layer.up.apply(state);
        if !self.model.gated {
            return layer.down.apply(activate(self.model.activation, wide));
        }
        let half = wide.dims()[1] / 2;
        let values = activate(self.model.activation, wide.clone().narrow(1, 0, half));
        layer.down.apply(values * wide.narrow(1, half, half))
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
                for (all, rows) in all.iter_mut().zip(self.equal(&ids, length, last)) {
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

#[derive(Clone, Copy)]
struct Shape {
    texts: usize,
    length: usize,
}

/// Tensors that depend only on the length of the texts.
struct Extra<B: Backend> {
    /// The bias by relative position, `[1, heads, length, length]`.
    bias: Option<Tensor<B, 4>>,
    /// The masks by window, `[1, 1, length, length]`: 0 for what a token sees, else -1e30 (for minus infinity). There is none
    /// for a layer whose tokens see all others.
    masks: Vec<(Option<usize>, Tensor<B, 4>)>,
    rotations: Vec<(Rotary, Rotation<B>)>,
    /// The row of the position of token i relative to token j, `[1, 1, length, length]`.
    relative_rows: Option<Tensor<B, 4, Int>>,
}

/// The cosines and sines of rotary positions, `[1, 1, length, width / 2]` each.
struct Rotation<B: Backend>(Tensor<B, 4>, Tensor<B, 4>);

impl<B: Backend> Extra<B> {
    fn new(model: &Transformer, length: usize, device: &B::Device) -> Self {
        let heads = model.heads;
        let pairs = move || (0..length * length).map(move |at| (at / length, at % length));
        let bias = model.relative_bias.as_ref().map(|bias| {
            let of_head = |head: usize| pairs().map(move |(q, k)| bias.of(k as i64 - q as i64, head));
            tensor((0..heads.count).flat_map(of_head).collect(), [1, heads.count, length, length], device)
        });
        let relative_rows = model.disentangled.as_ref().map(|relative| {
            let rows: Vec<i64> = pairs().map(|(q, k)| relative.row(q as i64 - k as i64) as i64).collect();
            Tensor::from_data(TensorData::new(rows, [1, 1, length, length]), device)
        });
        let mut extra = Self { bias, masks: Vec::new(), rotations: Vec::new(), relative_rows };
        for layer in &model.layers {
            let masks = layer.window.is_some() || heads.causal;
            if masks && extra.masks.iter().all(|(known, _)| *known != layer.window) {
                let is_seen = |(q, k): (usize, usize)| {
                    layer.window.is_none_or(|window| q.abs_diff(k) <= window) && !(heads.causal && k > q)
                };
                let score = |pair| if is_seen(pair) { 0.0 } else { -1e30 };
                let mask = tensor(pairs().map(score).collect(), [1, 1, length, length], device);
                extra.masks.push((layer.window, mask));
            }
            if let Some(rotary) = layer.rotary.filter(|r| extra.rotations.iter().all(|(known, _)| known != r)) {
                let (cosines, sines) = rotation(rotary, length, heads.width);
                let shape = [1, 1, length, heads.width / 2];
                let turn = Rotation(tensor(cosines, shape, device), tensor(sines, shape, device));
                extra.rotations.push((rotary, turn));
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
        let (cosines, sines) = (self.0.clone(), self.1.clone());
        let turned = first.clone() * cosines.clone() - second.clone() * sines.clone();
        Tensor::cat(vec![turned, second * cosines + first * sines], 3)
    }
}

impl<B: Backend> DeviceLinear<B> {
    fn of(linear: &MappedLinear, device: &B::Device) -> Result<Self, Error> {
        let bias = (!linear.bias.is_empty()).then(|| one_row(&linear.bias, device));
        Ok(Self { weight: matrix(linear.to_table()?, device).transpose(), bias })
    }

    fn apply(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let product = x.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => product + bias.clone(),
            None => product,
        }
    }
}

impl<B: Backend> DeviceNorm<B> {
    fn of(norm: &Norm, device: &B::Device) -> Self {
        let shift = match norm.kind {
            NormKind::Layer => Some(one_row(&norm.shift, device)),
            NormKind::RootMeanSquare => None,
        };
        Self { scale: one_row(&norm.scale, device), shift, epsilon: norm.epsilon }
    }

    fn apply(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let centred = if self.shift.is_some() { x.clone() - x.mean_dim(1) } else { x };
        let square = (centred.clone() * centred.clone()).mean_dim(1);
        let scaled = centred / square.add_scalar(self.epsilon).sqrt() * self.scale.clone();
        self.shift.iter().fold(scaled, |scaled, shift| scaled + shift.clone())
    }

    /// Normalises every head, `[texts, heads, length, width]`.
    fn apply_to_heads(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [texts, heads, length, width] = x.dims();
        self.apply(x.reshape([texts * heads * length, width])).reshape([texts, heads, length, width])
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

fn activate<B: Backend>(activation: Activation, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match activation {
        Activation::Identity => x,
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => gelu_approximate(x),
        Activation::Relu => relu(x),
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => silu(x),
    }
}

fn mapped<B: Backend>(table: &MappedTable, device: &B::Device) -> Result<Tensor<B, 2>, Error> {
    Ok(matrix(table.to_table()?, device))
}

fn matrix<B: Backend>(table: Table, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(table.values, [table.rows, table.cols]), device)
}

fn one_row<B: Backend>(row: &[f32], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), device)
}

fn tensor<B: Backend>(values: Vec<f32>, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
