//! Transformer encoders: token ids enter, a vector a token leaves.
//!
//! Five families are read into one description, [`Transformer`], which two forward passes compute: `cpu` on the
//! processor, `device` with Burn on a card. A test holds them against each other.
//!
//! | family (`model_type`) | layer norm | positions | file |
//! |---|---|---|---|
//! | BERT (`bert`), RoBERTa (`roberta`, `xlm-roberta`, `camembert`) | behind | a table | `bert.rs` |
//! | DistilBERT (`distilbert`) | behind | a table | `distilbert.rs` |
//! | MPNet (`mpnet`) | behind | a table, and a bias by relative position | `mpnet.rs` |
//! | ModernBERT (`modernbert`) | before | rotary; most layers see a window only | `modernbert.rs` |

mod activation;
mod bert;
mod config;
mod cpu;
mod deferred;
#[cfg(any(feature = "gpu", test))]
mod device;
mod distilbert;
mod modernbert;
mod mpnet;
mod parts;
mod weights;

use std::path::Path;

use emberline_device::Device;

pub(crate) use self::activation::Activation;
pub(crate) use self::config::Config;
pub(crate) use self::cpu::{Processor, dense};
pub(crate) use self::deferred::Deferred;
#[cfg(test)]
pub(crate) use self::device::OnDevice;
pub(crate) use self::weights::{Table, Weights};
use crate::Error;

/// What computes the tokens' vectors.
pub(crate) trait Forward: Send + Sync {
    /// The vectors of the tokens of every text, one text after another, `[tokens, hidden]`. No text is empty, every
    /// id is a row of the word table, and no text is longer than [`Transformer::max_tokens`]. A text's vectors are the
    /// same whatever texts stand beside it.
    fn hidden(&self, texts: &[&[u32]]) -> Vec<f32>;

    /// How many tokens are best computed at once.
    fn batch_tokens(&self) -> usize;

    /// Whether batches are best computed side by side, each by a thread.
    fn side_by_side(&self) -> bool;
}

/// Brings a model onto a device: the one place where a device's name becomes a type.
fn build(model: Transformer, device: Device) -> Result<Box<dyn Forward>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(Processor::new(model)),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(device::OnDevice::<burn::backend::Wgpu>::new(&model, Default::default())),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(device::OnDevice::<burn::backend::Cuda>::new(&model, Default::default())),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.not_built().into()),
    })
}

/// A transformer encoder, all numbers on the host.
#[derive(Clone, Debug)]
pub(crate) struct Transformer {
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) words: Table,
    pub(crate) positions: Positions,
    /// The vector of token type 0, added to every token.
    pub(crate) token_type: Option<Vec<f32>>,
    pub(crate) embedding_norm: Norm,
    /// Whether a layer's norms stand before its two parts, or behind them.
    pub(crate) norm_first: bool,
    pub(crate) activation: Activation,
    /// Whether the up projection gives values and their factors.
    pub(crate) gated: bool,
    /// `[buckets, heads]`, added to attention scores by relative position.
    pub(crate) relative_bias: Option<Table>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: Option<Norm>,
}

/// How a model knows the order of tokens.
#[derive(Clone, Debug)]
pub(crate) enum Positions {
    /// The table's rows, from the first one on.
    Table(Table),
    /// The table's rows behind that of the padding token; a padding token within a text has the padding's own row.
    Behind(Table, u32),
    /// By rotation of queries and keys.
    Rotary,
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Option<Norm>,
    /// Queries, keys, values: `[3 * hidden, hidden]`.
    pub(crate) queries_keys_values: Linear,
    pub(crate) attention_out: Linear,
    pub(crate) feed_forward_norm: Norm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    /// How far a token sees to either side; all where there is none.
    pub(crate) window: Option<usize>,
    /// The base of the rotation's wavelengths.
    pub(crate) rotary_base: Option<f32>,
}

/// `x W^T + b`.
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
    /// Reads the model of a folder: `config.json` and `model.safetensors`, whole or in shards.
    ///
    /// # Errors
    /// When a file is missing or damaged, the family isn't known, or a tensor hasn't the shape that the config says.
    pub(crate) fn read(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        match config.model_type.as_str() {
            "bert" | "roberta" | "xlm-roberta" | "camembert" => bert::read(config, weights),
            "distilbert" => distilbert::read(config, weights),
            "mpnet" => mpnet::read(config, weights),
            "modernbert" => modernbert::read(config, weights),
            other => Err(config.unknown(other)),
        }
    }

    /// The longest text in tokens, where the model has a table of positions.
    pub(crate) fn max_tokens(&self) -> Option<usize> {
        match &self.positions {
            Positions::Table(table) => Some(table.rows),
            Positions::Behind(table, padding) => Some(table.rows - 1 - *padding as usize),
            Positions::Rotary => None,
        }
    }

    /// The rows of the position table that the tokens of a text take; empty where there is none.
    pub(crate) fn position_ids(&self, text: &[u32]) -> Vec<u32> {
        match &self.positions {
            Positions::Table(_) => (0..text.len() as u32).collect(),
            Positions::Behind(_, padding) => {
                let mut last = *padding;
                let place = |id: &u32| {
                    if id == padding {
                        return *padding;
                    }
                    last += 1;
                    last
                };
                text.iter().map(place).collect()
            }
            Positions::Rotary => Vec::new(),
        }
    }

    /// The position table, where there is one.
    pub(crate) fn position_table(&self) -> Option<&Table> {
        match &self.positions {
            Positions::Table(table) | Positions::Behind(table, _) => Some(table),
            Positions::Rotary => None,
        }
    }

    /// The numbers that a head has.
    pub(crate) fn head_dim(&self) -> usize {
        self.hidden / self.heads
    }
}

/// The row of the relative bias for what stands `distance` to the right (T5, with both directions): half the rows for
/// either side, the first half of those exact, then logarithmic up to a distance of 128.
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

/// Cosines and sines of the rotation of one head, `[tokens, head_dim / 2]` each.
pub(crate) fn rotation(base: f32, tokens: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let half = head_dim / 2;
    let frequency = |i: usize| 1.0 / base.powf((2 * i) as f32 / head_dim as f32);
    let angles = (0..tokens * half).map(|at| (at / half) as f32 * frequency(at % half));
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

/// `model.safetensors` of a folder.
pub(crate) fn open_weights(folder: &Path) -> Result<Weights, Error> {
    Weights::open(folder, "model")
}

#[cfg(test)]
mod tests {
    use super::bucket;

    /// Of `MPNetEncoder.relative_position_bucket`.
    #[test]
    fn buckets_are_those_of_mpnet() {
        let expected = [(0, 0), (-1, 1), (1, 17), (-7, 7), (-8, 8), (8, 24), (-12, 9), (40, 28), (-127, 15)];
        for (distance, row) in expected {
            assert_eq!(bucket(distance, 32), row, "{distance}");
        }
        assert_eq!((bucket(5000, 32), bucket(-5000, 32)), (31, 15));
    }
}
