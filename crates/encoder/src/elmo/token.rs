//! The token encoder (character CNN): computes a context-free vector per token from its characters.
//!
//! Character embeddings -> filters over all positions -> maximum over positions -> activation -> highway layers ->
//! projection (Kim et al., 2016, as used by Jozefowicz et al., 2016, and Peters et al., 2018).
//!
//! Tokens are computed in batches of a fixed size, the last one padded with empty tokens: so every matrix product has the
//! same shape, and the numbers of a token never depend on the other tokens.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::characters;
use super::lstm::{host, row, tensor};
use super::options::{Activation, Options};
use super::weights::{self, Array};

/// Number of tokens per batch.
const BATCH: usize = 32;

/// A linear map, `x weight + bias`.
pub(super) struct Affine<B: Backend> {
    /// `[inputs, outputs]`
    weight: Tensor<B, 2>,
    /// `[1, outputs]`
    bias: Tensor<B, 2>,
}

impl<B: Backend> Affine<B> {
    fn new(affine: weights::Affine, device: &B::Device) -> Self {
        Self { weight: tensor(affine.weight, device), bias: row(affine.bias, device) }
    }

    /// Maps `[rows, inputs]` to `[rows, outputs]`.
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

/// The filters of one width, with the maximum over positions.
struct Filters<B: Backend> {
    width: usize,
    /// `[width * d, n]`
    affine: Affine<B>,
}

impl<B: Backend> Filters<B> {
    /// Maps `[tokens, positions, d]` to `[tokens, n]`, the maximum over positions.
    fn forward(&self, x: &Tensor<B, 3>) -> Tensor<B, 2> {
        let [tokens, positions, d] = x.dims();
        let windows = positions - self.width + 1;
        let shifted = |offset| x.clone().slice([0..tokens, offset..offset + windows, 0..d]);
        // [tokens, windows, width * d]
        let x = Tensor::cat((0..self.width).map(shifted).collect(), 2);
        let y = self.affine.forward(x.reshape([tokens * windows, self.width * d]));
        let n = y.dims()[1];
        y.reshape([tokens, windows, n]).max_dim(1).reshape([tokens, n])
    }
}

/// A highway layer, `carry * relu(transform) + (1 - carry) * x`.
struct Highway<B: Backend> {
    transform: Affine<B>,
    carry: Affine<B>,
}

impl<B: Backend> Highway<B> {
    /// Maps `[tokens, F]` to `[tokens, F]`.
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let carry = sigmoid(self.carry.forward(x.clone()));
        let transformed = relu(self.transform.forward(x.clone()));
        carry.clone() * transformed + (carry.neg() + 1.0) * x
    }
}

/// The token encoder on a device.
pub(super) struct TokenEncoder<B: Backend> {
    device: B::Device,
    /// The character embedding table on the host, `[261, d]`.
    characters: Array,
    positions: usize,
    filters: Vec<Filters<B>>,
    activation: Activation,
    highways: Vec<Highway<B>>,
    projection: Affine<B>,
}

impl<B: Backend> TokenEncoder<B> {
    pub(super) fn new(
        options: &Options,
        characters: Array,
        filters: Vec<weights::Affine>,
        highways: Vec<weights::Highway>,
        projection: weights::Affine,
        device: &B::Device,
    ) -> Self {
        let cnn = &options.char_cnn;
        let filters = cnn.filters.iter().zip(filters).map(|(&(width, n), filter)| {
            let shape = vec![width * cnn.embedding.dim, n];
            let weight = Array { shape, values: filter.weight.values };
            Filters { width, affine: Affine::new(weights::Affine { weight, bias: filter.bias }, device) }
        });
        let highway = |highway: weights::Highway| Highway {
            transform: Affine::new(highway.transform, device),
            carry: Affine::new(highway.carry, device),
        };
        Self {
            device: device.clone(),
            characters,
            positions: cnn.max_characters_per_token,
            filters: filters.collect(),
            activation: cnn.activation,
            highways: highways.into_iter().map(highway).collect(),
            projection: Affine::new(projection, device),
        }
    }

    /// Computes one vector per token, `[tokens, P]`, row-major.
    pub(super) fn encode(&self, tokens: &[&str], parallel: bool) -> Vec<f32> {
        let batch = |tokens: &[&str]| {
            let mut values = host(self.batch(tokens));
            values.truncate(values.len() / BATCH * tokens.len());
            values
        };
        if parallel {
            return tokens.par_chunks(BATCH).flat_map_iter(batch).collect();
        }
        tokens.chunks(BATCH).flat_map(batch).collect()
    }

    /// Computes a batch of at most `BATCH` tokens, `[BATCH, P]`.
    fn batch(&self, tokens: &[&str]) -> Tensor<B, 2> {
        let x = self.embedded(tokens);
        let features = self.filters.iter().map(|filters| filters.forward(&x)).collect();
        // [BATCH, F]
        let features = Tensor::cat(features, 1);
        let features = match self.activation {
            Activation::Relu => relu(features),
            Activation::Tanh => features.tanh(),
        };
        self.projection.forward(self.highways.iter().fold(features, |x, highway| highway.forward(x)))
    }

    /// Looks up the vectors of the tokens' characters, `[BATCH, positions, d]`.
    fn embedded(&self, tokens: &[&str]) -> Tensor<B, 3> {
        let d = self.characters.shape[1];
        let mut values = Vec::with_capacity(BATCH * self.positions * d);
        for token in tokens.iter().copied().chain(std::iter::repeat("")).take(BATCH) {
            for id in characters::ids(token, self.positions) {
                let start = usize::from(id) * d;
                values.extend_from_slice(&self.characters.values[start..start + d]);
            }
        }
        Tensor::from_data(TensorData::new(values, [BATCH, self.positions, d]), &self.device)
    }
}
