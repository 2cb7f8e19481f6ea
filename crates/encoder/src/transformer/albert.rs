//! ALBERT (Lan et al., 2020): BERT whose layers share their weights in groups, with shorter vectors of tokens.
//!
//! | tensor (prefix `albert.` or none) | shape |
//! |---|---|
//! | `embeddings.{word,position,token_type}_embeddings.weight`, `embeddings.LayerNorm.*` | `[vocabulary, embedded]`, ... |
//! | `encoder.embedding_hidden_mapping_in.*` | `[hidden, embedded]`, `[hidden]` |
//! | GROUP = `encoder.albert_layer_groups.G.albert_layers.L` | |
//! | GROUP `.attention.{query,key,value,dense}.*`, `.attention.LayerNorm.*` | `[hidden, hidden]`, `[hidden]` |
//! | GROUP `.{ffn,ffn_output}.*`, `.full_layer_layer_norm.*` | `[intermediate, hidden]` and back, `[hidden]` |

use super::parts::named;
use super::{Config, Heads, Layer, Positions, Transformer, Weights};
use crate::Error;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect("position_embedding_type", "absolute")?;
    weights.find_prefix(&["", "albert."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    let embedded = config.size_or("embedding_size", 128)?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-12)?;
    let words = weights.mapped("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, embedded)?;
    let positions = config.size_or("max_position_embeddings", 512)?;
    let positions = Positions::Table(weights.table("embeddings.position_embeddings.weight", positions, embedded)?);
    let types = config.size_or("type_vocab_size", 2)?;
    let types = weights.table("embeddings.token_type_embeddings.weight", types, embedded)?;
    let count = config.layers(&["num_hidden_layers"])?;
    let (groups, inner) = (config.size_or("num_hidden_groups", 1)?, config.size_or("inner_group_num", 1)?);
    if groups > count || count.saturating_mul(inner) > 1 << 10 {
        return Err(config.fault(format!(
            "`num_hidden_groups` is {groups} and `inner_group_num` {inner}, which don't fit {count} layers"
        )));
    }
    let layers = (0..groups * inner).map(|layer| read_layer(config, weights, (layer / inner, layer % inner)));
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.LayerNorm", embedded, epsilon)?),
        embedding_out: Some(weights.layer_linear("encoder.embedding_hidden_mapping_in", hidden, embedded)?),
        token_types: Some(types),
        activation: config.activation_or(&["hidden_act"], "gelu_new")?,
        norm_first: false,
        gated: false,
        relative_bias: None,
        disentangled: None,
        final_norm: None,
        // Layer 5 of 12 in 2 groups belongs to group 5 / (12 / 2) = 0.
        order: (0..count * inner).map(|at| at / inner * groups / count * inner + at % inner).collect(),
        heads: Heads::of_hidden(hidden, heads),
        hidden,
        words,
        positions,
        layers,
    })
}

fn read_layer(config: &Config, weights: &mut Weights, (group, inner): (usize, usize)) -> Result<Layer, Error> {
    let hidden = config.hidden()?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-12)?;
    let at = |name: &str| format!("encoder.albert_layer_groups.{group}.albert_layers.{inner}.{name}");
    let three = ["query", "key", "value"].map(|part| at(&format!("attention.{part}")));
    Ok(Layer {
        attention_norm: Some(weights.norm(&at("attention.LayerNorm"), hidden, epsilon)?),
        queries_keys_values: weights.stacked(&named(three, hidden), hidden)?,
        head_norms: None,
        attention_out: weights.layer_linear(&at("attention.dense"), hidden, hidden)?,
        feed_forward_norm: weights.norm(&at("full_layer_layer_norm"), hidden, epsilon)?,
        up: weights.layer_linear(&at("ffn"), intermediate, hidden)?,
        down: weights.layer_linear(&at("ffn_output"), hidden, intermediate)?,
        result_norms: None,
        window: None,
        rotary: None,
    })
}
