//! Transformer encoders: compute one vector per token from token ids.
//!
//! The models of all families are read into one type, [`Transformer`], for which there are two forward passes: `cpu` on the
//! CPU, and `device` with Burn on a GPU. A test compares them.
//!
//! | family (`model_type`) | layer norm | positions | file |
//! |---|---|---|---|
//! | BERT (`bert`), RoBERTa (`roberta`, `xlm-roberta`, `camembert`) | post-norm | a table | `bert.rs` |
//! | DistilBERT (`distilbert`) | post-norm | a table | `distilbert.rs` |
//! | MPNet (`mpnet`) | post-norm | a table, and a bias by relative position | `mpnet.rs` |
//! | ModernBERT (`modernbert`) | pre-norm | rotary; most layers have a sliding window | `modernbert.rs` |

mod activation;
mod bert;
mod config;
mod cpu;
#[cfg(any(feature = "gpu", test))]
mod device;
mod distilbert;
mod lazy;
mod modernbert;
mod mpnet;
mod parts;
mod weights;

use std::path::Path;

use emberline_device::Device;

pub(crate) use self::activation::Activation;
pub(crate) use self::config::Config;
pub(crate) use self::cpu::{CpuModel, dense};
#[cfg(test)]
pub(crate) use self::device::DeviceModel;
pub(crate) use self::lazy::LazyTransformer;
pub(crate) use self::weights::{Table, Weights};
use crate::Error;

/// A forward pass, which computes the vectors of tokens.
pub(crate) trait Forward: Send + Sync {
    /// Computes the vectors of the tokens of all texts, one text after another, `[tokens, hidden]`. No text is empty, every id
    /// is a row of the word table, and no text is longer than [`Transformer::max_tokens`]. A text's vectors don't depend on
    /// the other texts of the batch.
    fn hidden(&self, texts: &[&[u32]]) -> Vec<f32>;

    /// Returns the best number of tokens per batch.
    fn batch_tokens(&self) -> usize;

    /// Returns whether batches should be computed in parallel, one per thread.
    fn runs_in_parallel(&self) -> bool;
}

/// Moves a model to a device. This is the only place where the name of a device selects a backend type.
fn build(model: Transformer, device: Device) -> Result<Box<dyn Forward>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(CpuModel::new(model)),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(device::DeviceModel::<burn::backend::Wgpu>::new(&model, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(device::DeviceModel::<burn::backend::Cuda>::new(&model, Default::default())),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.unsupported_by_build().into()),
    })
}

/// A transformer encoder with all weights in host memory.
#[derive(Clone, Debug)]
pub(crate) struct Transformer {
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) words: Table,
    pub(crate) positions: Positions,
    /// The vector of token type 0, added to every token.
    pub(crate) token_type: Option<Vec<f32>>,
    pub(crate) embedding_norm: Norm,
    /// Whether a layer's norms are applied before attention and feed-forward (pre-norm), or after them (post-norm).
    pub(crate) norm_first: bool,
    pub(crate) activation: Activation,
    /// Whether the feed-forward is gated: the up projection computes values and then their factors.
    pub(crate) gated: bool,
    /// The bias that is added to attention scores by relative position, `[buckets, heads]`.
    pub(crate) relative_bias: Option<Table>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: Option<Norm>,
}

/// The encoding of token positions.
#[derive(Clone, Debug)]
pub(crate) enum Positions {
    /// A table of positions, from its first row on.
    Table(Table),
    /// A table of positions, from the row after that of the padding token on; a padding token within a text has the row of
    /// the padding token itself.
    AfterPadding(Table, u32),
    /// Rotary positions: queries and keys are rotated.
    Rotary,
}

/// A layer of a transformer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Option<Norm>,
    /// The projections to queries, keys and values, `[3 * hidden, hidden]`.
    pub(crate) queries_keys_values: Linear,
    pub(crate) attention_out: Linear,
    pub(crate) feed_forward_norm: Norm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    /// The half-width of the sliding window: how far a token attends to either side; `None` for full attention.
    pub(crate) window: Option<usize>,
    /// The base of the rotary frequencies (`rope_theta`).
    pub(crate) rotary_base: Option<f32>,
}

/// A linear map, `x W^T + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Table,
    /// `[out]`, or empty.
    pub(crate) bias: Vec<f32>,
}

/// Layer normalisation.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl Transformer {
    /// Reads a model from its `config.json` and its `model.safetensors`, in one file or in shards.
    ///
    /// # Errors
    /// If a file is missing or corrupt, the family is unsupported, or a tensor doesn't have the shape that the config requires.
    pub(crate) fn read(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        match config.model_type.as_str() {
            "bert" | "roberta" | "xlm-roberta" | "camembert" => bert::read(config, weights),
            "distilbert" => distilbert::read(config, weights),
            "mpnet" => mpnet::read(config, weights),
            "modernbert" => modernbert::read(config, weights),
            other => Err(config.unknown(other)),
        }
    }

    /// Returns the maximum length of a text in tokens, if the model has a table of positions.
    pub(crate) fn max_tokens(&self) -> Option<usize> {
        match &self.positions {
            Positions::Table(table) => Some(table.rows),
            Positions::AfterPadding(table, padding) => Some(table.rows - 1 - *padding as usize),
            Positions::Rotary => None,
        }
    }

    /// Returns the row of the position table for each token of a text; empty for rotary positions.
    pub(crate) fn position_ids(&self, text: &[u32]) -> Vec<u32> {
        match &self.positions {
            Positions::Table(_) => (0..text.len() as u32).collect(),
            Positions::AfterPadding(_, padding) => {
                let mut last = *padding;
                let row = |id: &u32| {
                    if id == padding {
                        return *padding;
                    }
                    last += 1;
                    last
                };
                text.iter().map(row).collect()
            }
            Positions::Rotary => Vec::new(),
        }
    }

    /// Returns the table of positions, if there is one.
    pub(crate) fn position_table(&self) -> Option<&Table> {
        match &self.positions {
            Positions::Table(table) | Positions::AfterPadding(table, _) => Some(table),
            Positions::Rotary => None,
        }
    }

    /// Returns the dimension of an attention head.
    pub(crate) fn head_dim(&self) -> usize {
        self.hidden / self.heads
    }
}

/// Returns the row of the relative bias for a token `distance` to the right (the bidirectional buckets of T5, Raffel et al.,
/// 2020): half of the rows are for each side; the first half of those are for exact distances, the others are logarithmic, up
/// to a distance of 128. With 32 buckets, -7 is row 7, -8 is row 8 and -12 is row 9.
pub(crate) fn bucket(distance: i64, buckets: usize) -> usize {
    const MAX_DISTANCE: f32 = 128.0;
    let half = buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let exact = half / 2;
    let away = distance.unsigned_abs() as usize;
    if away < exact {
        return side + away;
    }
    let ratio = (away as f32 / exact as f32).ln() / (f64::from(MAX_DISTANCE) / exact as f64).ln() as f32;
    let logarithmic = exact + (ratio * (half - exact) as f32) as usize;
    side + logarithmic.min(half - 1)
}

/// Computes the cosines and sines of the rotary positions of one head, `[tokens, head_dim / 2]` each.
pub(crate) fn rotation(base: f32, tokens: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let half = head_dim / 2;
    let frequency = |i: usize| 1.0 / base.powf((2 * i) as f32 / head_dim as f32);
    let angles = (0..tokens * half).map(|at| (at / half) as f32 * frequency(at % half));
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

/// Opens the `model.safetensors` of a folder.
pub(crate) fn open_weights(folder: &Path) -> Result<Weights, Error> {
    Weights::open(folder, "model")
}

#[cfg(test)]
mod tests {
    use super::bucket;

    /// The expected rows are those of `MPNetEncoder.relative_position_bucket`.
    #[test]
    fn buckets_are_those_of_mpnet() {
        let expected = [(0, 0), (-1, 1), (1, 17), (-7, 7), (-8, 8), (8, 24), (-12, 9), (40, 28), (-127, 15)];
        for (distance, row) in expected {
            assert_eq!(bucket(distance, 32), row, "{distance}");
        }
        assert_eq!((bucket(5000, 32), bucket(-5000, 32)), (31, 15));
    }
}
