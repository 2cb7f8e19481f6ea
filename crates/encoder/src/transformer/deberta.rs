//! DeBERTa-v2 and -v3 (He et al., 2021 and 2023): BERT whose attention also compares each token with the relative position of the
//! other one, in both directions.
//!
//! | tensor (prefix `deberta.` or none) | shape |
//! |---|---|
//! | `embeddings.word_embeddings.weight`, `embeddings.LayerNorm.*` | `[vocabulary, hidden]`, `[hidden]` |
//! | `embeddings.{position,token_type}_embeddings.weight`, if the config has them | `[positions, hidden]`, `[types, hidden]` |
//! | `encoder.rel_embeddings.weight`, `encoder.LayerNorm.*` | `[2 * span, hidden]`, `[hidden]` |
//! | `encoder.layer.N.attention.self.{query,key,value}_proj.*`, `attention.output.dense.*` | `[hidden, hidden]`, `[hidden]` |
//! | `encoder.layer.N.attention.output.LayerNorm.*`, `output.LayerNorm.*` | `[hidden]` |
//! | `encoder.layer.N.intermediate.dense.*`, `output.dense.*` | `[intermediate, hidden]` and back |

use serde_json::Value;

use super::parts::named;
use super::{Config, Disentangled, Heads, Layer, Positions, Transformer, Weights};
use crate::Error;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    weights.find_prefix(&["", "deberta."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    check(config, hidden)?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-7)?;
    let words = weights.mapped("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let count = config.size_or("max_position_embeddings", 512)?;
    let positions = if config.is_on("position_biased_input") {
        Positions::Table(weights.table("embeddings.position_embeddings.weight", count, hidden)?)
    } else {
        Positions::Relative
    };
    let token_types = match config.count_or("type_vocab_size", 0)? {
        0 => None,
        rows => Some(weights.table("embeddings.token_type_embeddings.weight", rows, hidden)?),
    };
    let layers = (0..config.layers(&["num_hidden_layers"])?).map(|layer| {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let three = ["query", "key", "value"].map(|name| at(&format!("attention.self.{name}_proj")));
        Ok(Layer {
            attention_norm: Some(weights.norm(&at("attention.output.LayerNorm"), hidden, epsilon)?),
            queries_keys_values: weights.stacked(&named(three, hidden), hidden)?,
            head_norms: None,
            attention_out: weights.layer_linear(&at("attention.output.dense"), hidden, hidden)?,
            feed_forward_norm: weights.norm(&at("output.LayerNorm"), hidden, epsilon)?,
            up: weights.layer_linear(&at("intermediate.dense"), intermediate, hidden)?,
            down: weights.layer_linear(&at("output.dense"), hidden, intermediate)?,
            result_norms: None,
            window: None,
            rotary: None,
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    // Scores are sums of three products: of the tokens, and of each with the other's position.
    let heads = Heads::of_hidden(hidden, heads);
    let heads = Heads { scale: 1.0 / (3.0 * heads.width as f32).sqrt(), ..heads };
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.LayerNorm", hidden, epsilon)?),
        embedding_out: None,
        activation: config.activation(&["hidden_act"])?,
        norm_first: false,
        gated: false,
        relative_bias: None,
        disentangled: Some(disentangled(config, weights, epsilon)?),
        final_norm: None,
        order: (0..layers.len()).collect(),
        hidden,
        heads,
        words,
        positions,
        token_types,
        layers,
    })
}

/// Refuses what no published encoder of the family has, or what isn't computed here: convolutions, attention to positions in
/// one direction alone, positions with projections of their own.
fn check(config: &Config, hidden: usize) -> Result<(), Error> {
    config.expect_off(&["conv_kernel_size"])?;
    for name in ["relative_attention", "share_att_key"] {
        if !config.is_on(name) {
            return Err(config.fault(format!("`{name}` isn't true; only true is supported")));
        }
    }
    let both = ["p2c|c2p", "c2p|p2c"].map(Value::from).into_iter();
    let both: Vec<Value> = both.chain([["p2c", "c2p"], ["c2p", "p2c"]].map(|list| list.to_vec().into())).collect();
    config.expect_one_of("pos_att_type", &both)?;
    config.expect_one_of("embedding_size", &[hidden.into()])?;
    config.expect_one_of("attention_head_size", &[])?;
    config.expect_one_of("norm_rel_ebd", &["layer_norm".into(), "none".into()])
}

fn disentangled(config: &Config, weights: &mut Weights, epsilon: f32) -> Result<Disentangled, Error> {
    let hidden = config.hidden()?;
    let positions = config.size_or("max_position_embeddings", 512)?;
    let max_distance = config.natural("max_relative_positions").unwrap_or(positions);
    let buckets = config.natural("position_buckets");
    if buckets.is_some_and(|buckets| buckets < 4 || max_distance <= buckets / 2 + 1) {
        return Err(config.fault(format!(
            "`position_buckets` is {}; there must be at least 4, and fewer than twice the largest distance, {max_distance}",
            buckets.unwrap_or_default()
        )));
    }
    let span = buckets.unwrap_or(max_distance);
    if span > 1 << 15 {
        return Err(config.fault(format!("relative positions up to {span}; at most 32768 are supported")));
    }
    let norm = match config.word("norm_rel_ebd") {
        Some("layer_norm") => Some(weights.norm("encoder.LayerNorm", hidden, epsilon)?),
        _ => None,
    };
    let table = weights.table("encoder.rel_embeddings.weight", 2 * span, hidden)?;
    Ok(Disentangled { table, norm, span, buckets, max_distance })
}
