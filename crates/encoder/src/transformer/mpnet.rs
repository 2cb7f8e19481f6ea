//! MPNet (Song et al., 2020): positions as in RoBERTa, and a bias by relative position that all layers share.
//!
//! | tensor (prefix `mpnet.` or none) | shape |
//! |---|---|
//! | `embeddings.{word,position}_embeddings.weight`, `embeddings.LayerNorm.*` | `[vocabulary, hidden]`, ... |
//! | `encoder.relative_attention_bias.weight` | `[buckets, heads]` |
//! | `encoder.layer.N.attention.attn.{q,k,v,o}.*`, `attention.LayerNorm.*` | `[hidden, hidden]`, `[hidden]` |
//! | `encoder.layer.N.intermediate.dense.*`, `output.dense.*`, `output.LayerNorm.*` | `[intermediate, hidden]` and back |

use super::parts::named;
use super::{Config, Heads, Layer, RelativeBias, Transformer, Weights};
use crate::Error;

/// The row of the padding token: MPNet counts positions from the row after it, whatever the config says about padding.
const PADDING: u32 = 1;
/// The largest distance of relative positions.
const MAX_DISTANCE: usize = 128;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    weights.find_prefix(&["", "mpnet.", "model."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-12)?;
    let words = weights.mapped("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let position_count = config.size_or("max_position_embeddings", 512)?;
    let table = weights.table("embeddings.position_embeddings.weight", position_count, hidden)?;
    let positions = weights.positions_after_padding(config, table, PADDING)?;
    let buckets = config.size_or("relative_attention_num_buckets", 32)?;
    if buckets < 4 {
        return Err(config.fault(format!("{buckets} buckets of relative positions; there must be at least 4")));
    }
    let table = weights.table("encoder.relative_attention_bias.weight", buckets, heads)?;
    let layers = (0..config.layers(&["num_hidden_layers"])?).map(|layer| {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let three = ["q", "k", "v"].map(|name| at(&format!("attention.attn.{name}")));
        Ok(Layer {
            attention_norm: Some(weights.norm(&at("attention.LayerNorm"), hidden, epsilon)?),
            queries_keys_values: weights.stacked(&named(three, hidden), hidden)?,
            head_norms: None,
            attention_out: weights.layer_linear(&at("attention.attn.o"), hidden, hidden)?,
            feed_forward_norm: weights.norm(&at("output.LayerNorm"), hidden, epsilon)?,
            up: weights.layer_linear(&at("intermediate.dense"), intermediate, hidden)?,
            down: weights.layer_linear(&at("output.dense"), hidden, intermediate)?,
            result_norms: None,
            window: None,
            rotary: None,
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.LayerNorm", hidden, epsilon)?),
        embedding_out: None,
        token_types: None,
        activation: config.activation(&["hidden_act"])?,
        norm_first: false,
        gated: false,
        final_norm: None,
        order: (0..layers.len()).collect(),
        heads: Heads::of_hidden(hidden, heads),
        hidden,
        words,
        positions,
        relative_bias: Some(RelativeBias { table, max_distance: MAX_DISTANCE }),
        disentangled: None,
        layers,
    })
}
