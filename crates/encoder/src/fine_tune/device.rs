//! The forward pass of an encoder that is trained, in Burn: token vectors, pooling, and the modules after it.

use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::{HostEncoder, Inner, Scope};
use crate::Error;
use crate::sentence_transformer::pooling::{Mode, Pooling};
use crate::sentence_transformer::stage::{Residual, Stage};
use crate::transformer::{Activation, DeviceArrays, DeviceLinear, DeviceModel, Dropout, Products, activate};

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
    /// If a value isn't finite, a file was changed after it was opened, the tokenizer is corrupt, the device has no numbers of the
    /// encoder's precision, or the host too little memory for a matrix.
    pub fn new(host: &HostEncoder, device: B::Device) -> Result<Self, Error> {
        let Inner { encoder, scope, indices, .. } = &*host.0;
        let adapter_scale = match scope {
            Scope::Lora { rank, alpha } => alpha / *rank as f32,
            Scope::All | Scope::Last(_) => 0.0,
        };
        let products = Products::of::<B>(encoder.transformer.precision(), &device)?;
        let arrays = DeviceArrays { device: &device, trained: indices, adapter_scale, products };
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
    /// tokens is pooled from none. Attention may pad all texts to the longest, so it's best if they are of similar length.
    pub fn forward(&self, trained: &[Tensor<B, 2>], batch: &[&[u32]], dropout: Option<Dropout<'_>>) -> Tensor<B, 2> {
        // A text without tokens has one that isn't pooled.
        let texts: Vec<&[u32]> = batch.iter().map(|text| if text.is_empty() { &[0][..] } else { *text }).collect();
        let tokens = self.model.tokens(trained, &texts, dropout);
        let pooled = self.pool(tokens, batch);
        self.stages.iter().fold(pooled, |vectors, stage| stage.apply(vectors, trained))
    }

    /// Pools the vectors of the tokens of texts, `[tokens, hidden]`, one text after another.
    fn pool(&self, tokens: Tensor<B, 2>, batch: &[&[u32]]) -> Tensor<B, 2> {
        let [count, hidden] = tokens.dims();
        let mut first = 0;
        // The pooled tokens of every text.
        let pooled = |text: &&[u32]| {
            let all = first..first + text.len();
            first += text.len().max(1);
            (all.start + self.skipped).min(all.end)..all.end
        };
        let pooled: Vec<Range<usize>> = batch.iter().map(pooled).collect();
        let of_mode = |mode: &Mode| match mode.weights(0, self.skipped) {
            Some(_) => {
                let mut weights = vec![0.0; batch.len() * count];
                for (row, tokens) in weights.chunks_exact_mut(count).zip(&pooled) {
                    let of_text = mode.weights(tokens.len(), self.skipped).unwrap_or_default();
                    row[tokens.clone()].copy_from_slice(&of_text);
                }
                Tensor::from_data(TensorData::new(weights, [batch.len(), count]), &self.device).matmul(tokens.clone())
            }
            None => {
                let largest = |of_text: &Range<usize>| match of_text.len() {
                    0 => Tensor::zeros([1, hidden], &self.device),
                    length => tokens.clone().narrow(0, of_text.start, length).max_dim(0),
                };
                Tensor::cat(pooled.iter().map(largest).collect(), 0)
            }
        };
        let mut parts: Vec<Tensor<B, 2>> = self.pooling.modes.iter().map(of_mode).collect();
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
