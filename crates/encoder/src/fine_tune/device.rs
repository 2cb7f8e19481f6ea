//! The forward pass of an encoder that is trained, in Burn: token vectors, pooling, and the modules after it.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::{HostEncoder, Inner, Scope};
use crate::Error;
use crate::sentence_transformer::pooling::{Mode, Pooling};
use crate::sentence_transformer::stage::{Residual, Stage};
use crate::transformer::{Activation, DeviceArrays, DeviceLinear, DeviceModel, Dropout, activate};

/// Subtracted from what isn't pooled before a maximum is taken.
const LOW: f32 = 1e30;
/// The minimum length that a vector is divided by, squared.
const SMALLEST_SQUARE: f32 = 1e-24;

/// An encoder on a device, without the arrays that are trained, which every forward pass is given.
pub struct DeviceEncoder<B: Backend> {
    model: DeviceModel<B>,
    pooling: Pooling,
    /// The number of tokens at the beginning of a text that aren't pooled.
    skipped: usize,
    stages: Vec<DeviceStage<B>>,
    device: B::Device,
}

enum DeviceStage<B: Backend> {
    Dense { linear: DeviceLinear<B>, activation: Activation, residual: DeviceResidual<B> },
    Normalize,
}

enum DeviceResidual<B: Backend> {
    None,
    Input,
    Mapped(DeviceLinear<B>),
}

impl<B: Backend> DeviceEncoder<B> {
    /// Copies the arrays that aren't trained to a device.
    ///
    /// # Errors
    /// If a value isn't finite, a file was changed after it was opened, the tokenizer is corrupt, or the host has too little
    /// memory for a matrix.
    pub fn new(host: &HostEncoder, device: B::Device) -> Result<Self, Error> {
        let Inner { encoder, scope, indices, .. } = &*host.0;
        let adapter_scale = match scope {
            Scope::Lora { rank, alpha } => alpha / *rank as f32,
            Scope::All | Scope::Last(_) => 0.0,
        };
        let arrays = DeviceArrays { device: &device, trained: indices, adapter_scale };
        let stage = |stage: &Stage| match stage {
            Stage::Dense { linear, activation, residual, .. } => {
                let prefix = stage.prefix(&encoder.folder);
                let residual = match residual {
                    Residual::None => DeviceResidual::None,
                    Residual::Input => DeviceResidual::Input,
                    Residual::Mapped(linear) => DeviceResidual::Mapped(arrays.dense(linear, &prefix)),
                };
                DeviceStage::Dense { linear: arrays.dense(linear, &prefix), activation: *activation, residual }
            }
            Stage::Normalize => DeviceStage::Normalize,
        };
        Ok(Self {
            model: DeviceModel::with_arrays(&encoder.transformer.read()?, &arrays)?,
            skipped: encoder.pooling.skipped(encoder.tokens.prompt_tokens()?),
            pooling: encoder.pooling.clone(),
            stages: encoder.stages.iter().map(stage).collect(),
            device,
        })
    }

    /// Computes the vectors of texts from their token ids, `[texts, dim]`; there is at least one text. `trained`: the trained
    /// arrays in their order, as matrices ([`TrainedArray::matrix_shape`](super::TrainedArray::matrix_shape)). A text without
    /// tokens is pooled from none. All texts are padded to the longest of them, so it's best if they are of similar length.
    pub fn forward(&self, trained: &[Tensor<B, 2>], batch: &[&[u32]], dropout: Option<Dropout<'_>>) -> Tensor<B, 2> {
        let tokens = self.model.tokens(trained, batch, dropout);
        let pooled = self.pool(tokens, batch);
        self.stages.iter().fold(pooled, |vectors, stage| stage.apply(vectors, trained))
    }

    /// Pools the vectors of tokens, `[texts, length, hidden]`.
    fn pool(&self, tokens: Tensor<B, 3>, batch: &[&[u32]]) -> Tensor<B, 2> {
        let [texts, length, hidden] = tokens.dims();
        let first = self.skipped;
        let counts: Vec<usize> = batch.iter().map(|text| text.len().saturating_sub(first)).collect();
        // A value per token, 0 for those that aren't pooled: `[texts, 1, length]`.
        let per_token = |of_text: &dyn Fn(usize) -> Vec<f32>| {
            let mut values = vec![0.0; texts * length];
            for (row, &count) in values.chunks_exact_mut(length).zip(&counts) {
                row[first.min(length)..][..count].copy_from_slice(&of_text(count));
            }
            Tensor::<B, 3>::from_data(TensorData::new(values, [texts, 1, length]), &self.device)
        };
        let pooled = |mode: &Mode| match mode.weights(0, first) {
            Some(_) => {
                let weights = per_token(&|count| mode.weights(count, first).unwrap_or_default());
                weights.matmul(tokens.clone()).reshape([texts, hidden])
            }
            None => {
                let is_pooled = per_token(&|count| vec![1.0; count]).swap_dims(1, 2);
                let low = is_pooled.clone().sub_scalar(1.0).mul_scalar(LOW);
                let largest = (tokens.clone() * is_pooled.clone() + low).max_dim(1).reshape([texts, hidden]);
                largest * is_pooled.max_dim(1).reshape([texts, 1])
            }
        };
        let mut parts: Vec<Tensor<B, 2>> = self.pooling.modes.iter().map(pooled).collect();
        if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 1) }
    }
}

impl<B: Backend> DeviceStage<B> {
    fn apply(&self, vectors: Tensor<B, 2>, trained: &[Tensor<B, 2>]) -> Tensor<B, 2> {
        match self {
            Self::Dense { linear, activation, residual } => {
                let output = activate(*activation, linear.apply(vectors.clone(), trained));
                match residual {
                    DeviceResidual::None => output,
                    DeviceResidual::Input => output + vectors,
                    DeviceResidual::Mapped(linear) => output + linear.apply(vectors, trained),
                }
            }
            Self::Normalize => {
                let square = (vectors.clone() * vectors.clone()).sum_dim(1);
                vectors / square.clamp_min(SMALLEST_SQUARE).sqrt()
            }
        }
    }
}
