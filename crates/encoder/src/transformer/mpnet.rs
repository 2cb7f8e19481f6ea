//! MPNet (Song et al., 2020): positions as in RoBERTa, and a bias by relative position that all layers share.
//!
//! | tensor (prefix `mpnet.` or none) | shape |
//! |---|---|
//! | `embeddings.{word,position}_embeddings.weight`, `embeddings.LayerNorm.*` | `[vocabulary, hidden]`, ... |
//! | `encoder.relative_attention_bias.weight` | `[buckets, heads]` |
//! | `encoder.layer.N.attention.attn.{q,k,v,o}.*`, `attention.LayerNorm.*` | `[hidden, hidden]`, `[hidden]` |
//! | `encoder.layer.N.intermediate.dense.*`, `output.dense.*`, `output.LayerNorm.*` | `[intermediate, hidden]` and back |

use super::{Config, Layer, Transformer, Weights};
use crate::Error;

/// The row of the padding token: MPNet counts positions from the row after it, whatever the config says about padding.
const PADDING: u32 = 1;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    weights.find_prefix(&["", "mpnet.", "model."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-12)?;
    let words = weights.table("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let position_count = config.size_or("max_position_embeddings", 512)?;
    let table = weights.table("embeddings.position_embeddings.weight", position_count, hidden)?;
    let positions = weights.positions_after_padding(config, table, PADDING)?;
    let buckets = config.size_or("relative_attention_num_buckets", 32)?;
    if buckets < 4 {
        return Err(config.fault(format!("{buckets} buckets of relative positions; there must be at least 4")));
    }
    let relative_bias = Some(weights.table("encoder.relative_attention_bias.weight", buckets, heads)?);
    let layers = (0..config.layers(&["num_hidden_layers"])?).map(|layer| {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let three = ["q", "k", "v"].map(|name| at(&format!("attention.attn.{name}")));
        Ok(Layer {
            attention_norm: Some(weights.norm(&at("attention.LayerNorm"), hidden, epsilon)?),
            queries_keys_values: weights.stacked(&three, hidden, hidden)?,
            attention_out: weights.linear(&at("attention.attn.o"), hidden, hidden)?,
            feed_forward_norm: weights.norm(&at("output.LayerNorm"), hidden, epsilon)?,
            up: weights.linear(&at("intermediate.dense"), intermediate, hidden)?,
            down: weights.linear(&at("output.dense"), hidden, intermediate)?,
            window: None,
            rotary_base: None,
        })
    });
    let layers = layers.collect::<Result<_, Error>>()?;
    Ok(Transformer {
        embedding_norm: weights.norm("embeddings.LayerNorm", hidden, epsilon)?,
        token_type: None,
        activation: config.activation(&["hidden_act"])?,
        norm_first: false,
        gated: false,
        final_norm: None,
        hidden,
        heads,
        words,
        positions,
        relative_bias,
        layers,
    })
}
