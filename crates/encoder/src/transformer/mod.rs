//! Transformer encoders: compute one vector per token from token ids.
//!
//! The models of all families are read into one type, [`Transformer`], for which there are two forward passes: `cpu` on the
//! CPU, and `device` with Burn, on a GPU and for training. A test compares them.
//!
//! | family (`model_type`) | norms | positions | file |
//! |---|---|---|---|
//! | BERT (`bert`), RoBERTa (`roberta`, `xlm-roberta`, `camembert`) | after a layer's parts | a table | `bert.rs` |
//! | DistilBERT (`distilbert`) | after | a table | `distilbert.rs` |
//! | ALBERT (`albert`) | after | a table; the layers share their weights | `albert.rs` |
//! | DeBERTa (`deberta-v2`) | after | relative ones, which attention compares with tokens | `deberta.rs` |
//! | MPNet (`mpnet`) | after | a table, and a bias by relative position | `mpnet.rs` |
//! | NomicBERT (`nomic_bert`), GTE (`gte`, `new`) | after | rotary; a gated feed-forward | `nomic.rs` |
//! | ModernBERT (`modernbert`) | before | rotary; most layers have a sliding window | `modernbert.rs` |
//! | T5 and mT5 (`t5`, `mt5`) | before, by the root mean square | a bias by relative position | `t5.rs` |
//! | Qwen3 (`qwen3`) | before, and of each head, by the root mean square | rotary; a token sees those before it | `qwen3.rs` |
//! | Gemma 3 (`gemma3_text`) | before and after, and of each head | rotary; most layers have a sliding window | `gemma3.rs` |

mod activation;
mod albert;
mod bert;
mod config;
mod cpu;
mod deberta;
mod device;
mod distilbert;
mod fused;
mod gemma3;
mod lazy;
mod mapped;
mod modernbert;
mod mpnet;
mod names;
mod nomic;
mod parts;
mod qwen3;
mod t5;
mod weights;

use std::path::Path;

use emberline_device::Device;

pub(crate) use self::activation::Activation;
pub(crate) use self::config::Config;
pub(crate) use self::cpu::{CpuModel, dense};
pub use self::device::Dropout;
pub(crate) use self::device::{DeviceArrays, DeviceLinear, DeviceModel, Products, activate, adapter_name};
pub(crate) use self::lazy::LazyTransformer;
use self::mapped::{MappedLinear, MappedTable};
pub(crate) use self::weights::{Name, Stored, Table, Weights};
use crate::{Error, Precision};

/// A forward pass, which computes the vectors of tokens.
pub(crate) trait Forward: Send + Sync {
    /// Computes the vectors of the tokens of all texts, one text after another, `[tokens, hidden]`, after each of the `last`
    /// last layers, of which there are as many; those of the last layer come last. No text is empty, every id is a row of the
    /// word table, and no text is longer than [`Transformer::max_tokens`]. A text's vectors don't depend on the other texts
    /// of the batch.
    fn layers(&self, texts: &[&[u32]], last: usize) -> Vec<Vec<f32>>;

    /// Returns the best number of tokens per batch, of `tokens` in all.
    fn batch_tokens(&self, tokens: usize) -> usize;

    /// Returns whether batches should be computed in parallel, one per thread.
    fn runs_in_parallel(&self) -> bool;
}

/// Moves a model to a device. This is the only place where the name of a device selects a backend type. Integers are computed on the
/// CPU, and so are brain floats where a GPU has none.
fn build(model: Transformer, device: Device, precision: Precision) -> Result<Box<dyn Forward>, Error> {
    let device = match (precision, device) {
        (Precision::I8, _) | (Precision::Bf16, Device::Wgpu) => Device::Cpu,
        (Precision::F32 | Precision::Bf16, device) => device,
    };
    Ok(match device {
        Device::Cpu => Box::new(CpuModel::new(model, precision, CpuModel::MAX_PACKED)),
        #[cfg(feature = "gpu")]
        Device::Wgpu => {
            Box::new(device::DeviceModel::<burn::backend::Wgpu>::new(&model, precision, Default::default())?)
        }
        #[cfg(feature = "gpu")]
        Device::Cuda => {
            Box::new(device::DeviceModel::<burn::backend::Cuda>::new(&model, precision, Default::default())?)
        }
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.unsupported_by_build().into()),
    })
}

/// A transformer encoder. Its small arrays are in memory, and its large matrices in the mapped files.
#[derive(Clone, Debug)]
pub(crate) struct Transformer {
    pub(crate) hidden: usize,
    pub(crate) heads: Heads,
    /// The vectors of tokens, `[vocabulary, embedded]`.
    pub(crate) words: MappedTable,
    /// The factor of the vectors of tokens.
    pub(crate) embedding_scale: Option<f32>,
    pub(crate) positions: Positions,
    /// The vectors of token types, `[types, embedded]`, the first of which is added to every token.
    pub(crate) token_types: Option<Table>,
    pub(crate) embedding_norm: Option<Norm>,
    /// The map from the length of a token's vector to the hidden size, if they differ.
    pub(crate) embedding_out: Option<MappedLinear>,
    /// Whether a layer's norms are applied before attention and feed-forward (pre-norm), or after them (post-norm).
    pub(crate) norm_first: bool,
    pub(crate) activation: Activation,
    /// Whether the feed-forward is gated: the up projection computes values and then their factors.
    pub(crate) gated: bool,
    pub(crate) relative_bias: Option<RelativeBias>,
    pub(crate) disentangled: Option<Disentangled>,
    pub(crate) layers: Vec<Layer>,
    /// The index of each layer in `layers`, in the order of the computation; layers may share their weights.
    pub(crate) order: Vec<usize>,
    pub(crate) final_norm: Option<Norm>,
}

/// The heads of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// The number of heads of queries.
    pub(crate) count: usize,
    /// The number of heads of keys and values, which divides `count`: as many heads of queries share each (grouped queries).
    pub(crate) shared: usize,
    /// The dimension of a head.
    pub(crate) width: usize,
    /// The factor of attention scores.
    pub(crate) scale: f32,
    /// Whether a token attends only to itself and those before it.
    pub(crate) causal: bool,
}

impl Heads {
    /// Creates heads that divide the hidden size, and see all tokens.
    fn of_hidden(hidden: usize, count: usize) -> Self {
        let width = hidden / count;
        Self { count, shared: count, width, scale: 1.0 / (width as f32).sqrt(), causal: false }
    }

    /// Returns the length of the queries, keys and values of a token.
    pub(crate) fn stride(&self) -> usize {
        (self.count + 2 * self.shared) * self.width
    }
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
    /// None but the relative ones of [`Transformer::relative_bias`].
    Relative,
}

/// The bias that is added to attention scores by relative position, which all layers share.
#[derive(Clone, Debug)]
pub(crate) struct RelativeBias {
    /// `[buckets, heads]`.
    pub(crate) table: Table,
    /// The distance from which on all are in the last bucket.
    pub(crate) max_distance: usize,
}

impl RelativeBias {
    /// Returns the bias of a head for a token `distance` to the right.
    pub(crate) fn of(&self, distance: i64, head: usize) -> f32 {
        self.table.row(bucket(distance, self.table.rows, self.max_distance))[head]
    }
}

/// Attention that also compares each token with the relative position of the other one: the score of tokens i and j is
/// `q_i k_j + q_i K_p + k_j Q_p`, where K and Q are what the layer's projections of keys and queries make of the vectors of
/// relative positions, and p is the position of i relative to j.
#[derive(Clone, Debug)]
pub(crate) struct Disentangled {
    /// The vectors of relative positions, `[2 * span, hidden]`: row `span` is of the token itself.
    pub(crate) table: Table,
    /// The norm of these vectors.
    pub(crate) norm: Option<Norm>,
    pub(crate) span: usize,
    /// The number of buckets of distances to one side, the second half of which are logarithmic; `None`: each has its own row.
    pub(crate) buckets: Option<usize>,
    /// The distance that the last bucket begins at.
    pub(crate) max_distance: usize,
}

impl Disentangled {
    /// Returns the row of the position of token i relative to token j, by `i - j`. With 256 buckets and 512 positions, a span of
    /// 256: 0 is row 256, 3 is row 259, -3 is row 253; from a distance of 128 on, the buckets are logarithmic.
    pub(crate) fn row(&self, distance: i64) -> usize {
        let bucket = self.buckets.map_or(distance, |buckets| log_bucket(distance, buckets, self.max_distance));
        (bucket + self.span as i64).clamp(0, 2 * self.span as i64 - 1) as usize
    }
}

/// Returns the bucket of a signed distance: itself up to half of the buckets, and then in logarithmic steps.
fn log_bucket(distance: i64, buckets: usize, max_distance: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    let away = distance.abs();
    if away <= middle {
        return distance;
    }
    let half = middle as f32;
    let ratio = (away as f32 / half).ln() / ((max_distance as f64 - 1.0) / middle as f64).ln() as f32;
    let steps = (ratio * (half - 1.0)).ceil() as i64;
    distance.signum() * (steps + middle)
}

/// A layer of a transformer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Option<Norm>,
    /// The projections to queries, keys and values, `[Heads::stride, hidden]`.
    pub(crate) queries_keys_values: MappedLinear,
    /// The norms of each head of queries and of keys, `[width]`.
    pub(crate) head_norms: Option<[Norm; 2]>,
    pub(crate) attention_out: MappedLinear,
    pub(crate) feed_forward_norm: Norm,
    pub(crate) up: MappedLinear,
    pub(crate) down: MappedLinear,
    /// The norms of the results of attention and feed-forward, before they are added to the hidden state.
    pub(crate) result_norms: Option<[Norm; 2]>,
    /// The half-width of the sliding window: how far a token attends to either side; `None` for full attention.
    pub(crate) window: Option<usize>,
    pub(crate) rotary: Option<Rotary>,
}

/// The frequencies of rotary positions: pair i of a head of `width` numbers turns by `base^(-2 i / width) / divisor` per token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rotary {
    /// `rope_theta`.
    pub(crate) base: f32,
    /// 1, or more if positions are scaled.
    pub(crate) divisor: f32,
}

/// A linear map in memory, `x W^T + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Table,
    /// `[out]`, or empty.
    pub(crate) bias: Vec<f32>,
    /// The tensor of the bias.
    pub(crate) bias_name: Option<Name>,
}

/// A norm of vectors.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) kind: NormKind,
    pub(crate) scale: Vec<f32>,
    /// Empty for [`NormKind::RootMeanSquare`].
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
    pub(crate) names: NormNames,
}

/// The tensors of a norm.
#[derive(Clone, Debug)]
pub(crate) struct NormNames {
    pub(crate) scale: Name,
    /// `None` if the files have none.
    pub(crate) shift: Option<Name>,
    /// Whether the files hold the difference of the scale from 1.
    pub(crate) less_one: bool,
}

/// What a norm makes of a vector before it is scaled and shifted by column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// A mean of 0 and a variance of 1 (layer normalisation).
    Layer,
    /// A root mean square of 1 (RMSNorm; Zhang and Sennrich, 2019).
    RootMeanSquare,
}

impl Transformer {
    /// Reads a model from its `config.json` and its `model.safetensors`, in one file or in shards.
    ///
    /// # Errors
    /// If a file is missing or corrupt, the family is unsupported, or a tensor doesn't have the shape that the config requires.
    pub(crate) fn read(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        match config.model_type.as_str() {
            "bert" | "roberta" | "xlm-roberta" | "camembert" => bert::read(config, weights),
            "albert" => albert::read(config, weights),
            "deberta-v2" => deberta::read(config, weights),
            "distilbert" => distilbert::read(config, weights),
            "gemma3_text" => gemma3::read(config, weights),
            "gte" | "new" => nomic::read_gte(config, weights),
            "modernbert" => modernbert::read(config, weights),
            "mpnet" => mpnet::read(config, weights),
            "nomic_bert" => nomic::read(config, weights),
            "qwen3" => qwen3::read(config, weights),
            "t5" | "mt5" => t5::read(config, weights),
            other => Err(config.unknown(other)),
        }
    }

    /// Returns the maximum length of a text in tokens, if the model has a table of positions.
    pub(crate) fn max_tokens(&self) -> Option<usize> {
        match &self.positions {
            Positions::Table(table) => Some(table.rows),
            Positions::AfterPadding(table, padding) => Some(table.rows - 1 - *padding as usize),
            Positions::Rotary | Positions::Relative => None,
        }
    }

    /// Returns the row of the position table for each token of a text; empty if there is no table.
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
            Positions::Rotary | Positions::Relative => Vec::new(),
        }
    }

    /// Returns the table of positions, if there is one.
    pub(crate) fn position_table(&self) -> Option<&Table> {
        match &self.positions {
            Positions::Table(table) | Positions::AfterPadding(table, _) => Some(table),
            Positions::Rotary | Positions::Relative => None,
        }
    }
}

/// Returns the row of the relative bias for a token `distance` to the right (the bidirectional buckets of T5, Raffel et al.,
/// 2020): half of the rows are for each side; the first half of those are for exact distances, the others are logarithmic, up
/// to `max_distance`. With 32 buckets and 128, -7 is row 7, -8 is row 8 and -12 is row 9.
pub(crate) fn bucket(distance: i64, buckets: usize, max_distance: usize) -> usize {
    let half = buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let exact = half / 2;
    let away = distance.unsigned_abs() as usize;
    if away < exact {
        return side + away;
    }
    let ratio = (away as f32 / exact as f32).ln() / (max_distance as f64 / exact as f64).ln() as f32;
    let logarithmic = exact + (ratio * (half - exact) as f32) as usize;
    side + logarithmic.min(half - 1)
}

/// Computes the cosines and sines of the rotary positions of one head, `[tokens, width / 2]` each.
pub(crate) fn rotation(rotary: Rotary, tokens: usize, width: usize) -> (Vec<f32>, Vec<f32>) {
    let half = width / 2;
    let frequency = |i: usize| 1.0 / rotary.base.powf((2 * i) as f32 / width as f32) / rotary.divisor;
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let angles = (0..tokens * half).map(|at| (at / half) as f32 * frequencies[at % half]);
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

/// Opens the `model.safetensors` of a folder.
pub(crate) fn open_weights(folder: &Path) -> Result<Weights, Error> {
    Weights::open(folder, "model")
}

#[cfg(test)]
mod tests {
    use super::{bucket, log_bucket};

    /// The expected rows are those of `MPNetEncoder.relative_position_bucket`.
    #[test]
    fn buckets_are_those_of_mpnet() {
        let expected = [(0, 0), (-1, 1), (1, 17), (-7, 7), (-8, 8), (8, 24), (-12, 9), (40, 28), (-127, 15)];
        for (distance, row) in expected {
            assert_eq!(bucket(distance, 32, 128), row, "{distance}");
        }
        assert_eq!((bucket(5000, 32, 128), bucket(-5000, 32, 128)), (31, 15));
    }

    /// The expected buckets are those of `make_log_bucket_position` of transformers.
    #[test]
    fn logarithmic_buckets_are_those_of_deberta() {
        let expected = [(0, 0), (-5, -5), (128, 128), (129, 129), (-200, -169), (300, 207), (511, 255), (-511, -255)];
        for (distance, bucket) in expected {
            assert_eq!(log_bucket(distance, 256, 512), bucket, "{distance}");
        }
    }
}
