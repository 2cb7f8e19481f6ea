//! The forward pass in Burn, for any of its backends.
//!
//! Texts of equal length are computed together, in batches whose size depends only on that length (the last batch is padded
//! with copies of its first text). So a kernel that is selected by shape is the same for a text in any batch.

use std::collections::BTreeMap;

use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu, softmax, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::{Activation, Forward, Layer, Linear, Norm, Table, Transformer, bucket, rotation};

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
    embedding_norm: DeviceNorm<B>,
    layers: Vec<DeviceLayer<B>>,
    final_norm: Option<DeviceNorm<B>>,
}

struct DeviceLayer<B: Backend> {
    attention_norm: Option<DeviceNorm<B>>,
    queries_keys_values: DeviceLinear<B>,
    attention_out: DeviceLinear<B>,
    feed_forward_norm: DeviceNorm<B>,
    up: DeviceLinear<B>,
    down: DeviceLinear<B>,
}

/// A linear map with the weight `[in, out]`.
struct DeviceLinear<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 2>>,
}

struct DeviceNorm<B: Backend> {
    scale: Tensor<B, 2>,
    shift: Tensor<B, 2>,
    epsilon: f32,
}

impl<B: Backend> DeviceModel<B> {
    /// Copies a model to a device.
    pub(crate) fn new(model: &Transformer, device: B::Device) -> Self {
        let at = &device;
        let layer = |layer: &Layer| DeviceLayer {
            attention_norm: layer.attention_norm.as_ref().map(|norm| DeviceNorm::of(norm, at)),
            queries_keys_values: DeviceLinear::of(&layer.queries_keys_values, at),
            attention_out: DeviceLinear::of(&layer.attention_out, at),
            feed_forward_norm: DeviceNorm::of(&layer.feed_forward_norm, at),
            up: DeviceLinear::of(&layer.up, at),
            down: DeviceLinear::of(&layer.down, at),
        };
        Self {
            words: matrix(&model.words, at),
            positions: model.position_table().map(|table| matrix(table, at)),
            token_type: model.token_type.as_ref().map(|row| one_row(row, at)),
            embedding_norm: DeviceNorm::of(&model.embedding_norm, at),
            layers: model.layers.iter().map(layer).collect(),
            final_norm: model.final_norm.as_ref().map(|norm| DeviceNorm::of(norm, at)),
            model: model.clone(),
            device,
        }
    }

    /// Computes the vectors of texts of equal length, `[texts * length, hidden]`.
    fn equal(&self, texts: &[&[u32]], length: usize) -> Vec<f32> {
        let shape = Shape { texts: texts.len(), length };
        let mut state = self.embed(texts);
        let extra = Extra::new(&self.model, length, &self.device);
        for (layer, described) in self.layers.iter().zip(&self.model.layers) {
            state = if self.model.norm_first {
                let normed = layer.attention_norm.iter().fold(state.clone(), |state, norm| norm.apply(state));
                let state = state + self.attend(layer, described, &extra, normed, shape);
                let normed = layer.feed_forward_norm.apply(state.clone());
                state + self.feed_forward(layer, normed)
            } else {
                let state = state.clone() + self.attend(layer, described, &extra, state, shape);
                let state = layer.attention_norm.iter().fold(state, |state, norm| norm.apply(state));
                layer.feed_forward_norm.apply(state.clone() + self.feed_forward(layer, state))
            };
        }
        let state = self.final_norm.iter().fold(state, |state, norm| norm.apply(state));
        state.into_data().convert::<f32>().into_vec().expect("32-bit numbers were asked for")
    }

    fn embed(&self, texts: &[&[u32]]) -> Tensor<B, 2> {
        let ids = texts.iter().flat_map(|text| text.iter().copied()).collect();
        let mut state = self.words.clone().select(0, self.indices(ids)); // [texts * length, hidden]
        if let Some(token_type) = &self.token_type {
            state = state + token_type.clone();
        }
        if let Some(table) = &self.positions {
            let positions = texts.iter().flat_map(|text| self.model.position_ids(text)).collect();
            state = state + table.clone().select(0, self.indices(positions));
        }
        self.embedding_norm.apply(state)
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
        let (heads, width) = (self.model.heads, self.model.head_dim());
        let three = layer.queries_keys_values.apply(state).reshape([texts, length, 3 * heads, width]);
        let part = |n: usize| three.clone().narrow(2, n * heads, heads).swap_dims(1, 2); // [texts, heads, length, width]
        let (mut queries, mut keys) = (part(0), part(1));
        if let Some((_, turn)) = extra.rotations.iter().find(|(base, _)| Some(*base) == described.rotary_base) {
            (queries, keys) = (turn.apply(queries), turn.apply(keys));
        }
        let scale = 1.0 / (width as f32).sqrt();
        let mut scores = queries.matmul(keys.swap_dims(2, 3)).mul_scalar(scale); // [texts, heads, length, length]
        if let Some(bias) = &extra.bias {
            scores = scores + bias.clone();
        }
        if let Some((_, mask)) = extra.masks.iter().find(|(window, _)| Some(*window) == described.window) {
            scores = scores + mask.clone();
        }
        let seen = softmax(scores, 3).matmul(part(2)).swap_dims(1, 2);
        layer.attention_out.apply(seen.reshape([texts * length, heads * width]))
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
    fn hidden(&self, texts: &[&[u32]]) -> Vec<f32> {
        let hidden = self.model.hidden;
        let mut starts = Vec::with_capacity(texts.len());
        let mut by_length = BTreeMap::<usize, Vec<usize>>::new();
        let mut total = 0;
        for (at, text) in texts.iter().enumerate() {
            starts.push(total);
            total += text.len();
            by_length.entry(text.len()).or_default().push(at);
        }
        let mut all = vec![0.0; total * hidden];
        for (length, members) in by_length {
            let size = (BATCH_TOKENS / length).clamp(1, 64);
            for group in members.chunks(size) {
                let filled = group.iter().chain(std::iter::repeat(&group[0])).take(size);
                let ids: Vec<&[u32]> = filled.map(|&at| texts[at]).collect();
                let rows = self.equal(&ids, length);
                for (&at, rows) in group.iter().zip(rows.chunks_exact(length * hidden)) {
                    all[starts[at] * hidden..][..length * hidden].copy_from_slice(rows);
                }
            }
        }
        all
    }

    fn batch_tokens(&self) -> usize {
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
    /// The masks by window, `[1, 1, length, length]`: 0 within the window, -1e30 outside (for minus infinity).
    masks: Vec<(usize, Tensor<B, 4>)>,
    rotations: Vec<(f32, Rotation<B>)>,
}

/// The cosines and sines of rotary positions, `[1, 1, length, width / 2]` each.
struct Rotation<B: Backend>(Tensor<B, 4>, Tensor<B, 4>);

impl<B: Backend> Extra<B> {
    fn new(model: &Transformer, length: usize, device: &B::Device) -> Self {
        let pairs = move || (0..length * length).map(move |at| (at / length, at % length));
        let bias = model.relative_bias.as_ref().map(|table| {
            let of_head =
                |head: usize| pairs().map(move |(q, k)| table.row(bucket(k as i64 - q as i64, table.rows))[head]);
            tensor((0..model.heads).flat_map(of_head).collect(), [1, model.heads, length, length], device)
        });
        let mut extra = Self { bias, masks: Vec::new(), rotations: Vec::new() };
        for layer in &model.layers {
            if let Some(window) = layer.window.filter(|w| extra.masks.iter().all(|(known, _)| known != w)) {
                let score = |(q, k): (usize, usize)| if q.abs_diff(k) <= window { 0.0 } else { -1e30 };
                let mask = tensor(pairs().map(score).collect(), [1, 1, length, length], device);
                extra.masks.push((window, mask));
            }
            if let Some(base) = layer.rotary_base.filter(|b| extra.rotations.iter().all(|(known, _)| known != b)) {
                let (cosines, sines) = rotation(base, length, model.head_dim());
                let shape = [1, 1, length, model.head_dim() / 2];
                let turn = Rotation(tensor(cosines, shape, device), tensor(sines, shape, device));
                extra.rotations.push((base, turn));
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
    fn of(linear: &Linear, device: &B::Device) -> Self {
        let bias = (!linear.bias.is_empty()).then(|| one_row(&linear.bias, device));
        Self { weight: matrix(&linear.weight, device).transpose(), bias }
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
        Self { scale: one_row(&norm.scale, device), shift: one_row(&norm.shift, device), epsilon: norm.epsilon }
    }

    fn apply(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        centred / variance.add_scalar(self.epsilon).sqrt() * self.scale.clone() + self.shift.clone()
    }
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

fn matrix<B: Backend>(table: &Table, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(table.values.clone(), [table.rows, table.cols]), device)
}

fn one_row<B: Backend>(row: &[f32], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), device)
}

fn tensor<B: Backend>(values: Vec<f32>, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
