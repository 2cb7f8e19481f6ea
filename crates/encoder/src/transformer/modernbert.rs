//! ModernBERT (Warner et al., 2024): pre-norm, rotary positions, gated feed-forward, and a sliding window in most layers.
//!
//! | tensor (prefix `model.` or none) | shape |
//! |---|---|
//! | `embeddings.tok_embeddings.weight`, `embeddings.norm.weight` | `[vocabulary, hidden]`, `[hidden]` |
//! | `layers.N.attn_norm.weight` (not in layer 0), `layers.N.mlp_norm.weight` | `[hidden]` |
//! | `layers.N.attn.{Wqkv,Wo}.weight` | `[3 * hidden, hidden]`, `[hidden, hidden]` |
//! | `layers.N.mlp.{Wi,Wo}.weight` | `[2 * intermediate, hidden]` (values, then their factors), `[hidden, intermediate]` |
//! | `final_norm.weight` | `[hidden]` |
//!
//! Biases are present if the config says so; they are read if they are present.

use super::config::{FULL, SLIDING};
use super::{Config, Heads, Layer, Positions, Rotary, Transformer, Weights};
use crate::Error;

/// Default interval of layers with full attention, beginning with the first layer.
const FULL_ATTENTION_INTERVAL: usize = 3;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    weights.find_prefix(&["", "model."], "embeddings.tok_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    if !(hidden / heads).is_multiple_of(2) {
        return Err(config.odd_heads(hidden / heads));
    }
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("norm_eps", 1e-5)?;
    let words = weights.mapped("embeddings.tok_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let full_base = config.rotary_base(FULL, "global_rope_theta", 160_000.0)?;
    let sliding_base = config.rotary_base(SLIDING, "local_rope_theta", 10_000.0)?;
    let window = config.size_or("local_attention", 128)? / 2;
    let interval = config.size_or("global_attn_every_n_layers", FULL_ATTENTION_INTERVAL)?;
    let full = config.full_layers(config.layers(&["num_hidden_layers"])?, |layer| layer.is_multiple_of(interval))?;
    let layers = full.into_iter().enumerate().map(|(layer, full)| {
        let at = |name: &str| format!("layers.{layer}.{name}");
        let norm = if layer == 0 { None } else { Some(weights.norm(&at("attn_norm"), hidden, epsilon)?) };
        Ok(Layer {
            attention_norm: norm,
            queries_keys_values: weights.layer_linear(&at("attn.Wqkv"), 3 * hidden, hidden)?,
            head_norms: None,
            attention_out: weights.layer_linear(&at("attn.Wo"), hidden, hidden)?,
            feed_forward_norm: weights.norm(&at("mlp_norm"), hidden, epsilon)?,
            up: weights.layer_linear(&at("mlp.Wi"), 2 * intermediate, hidden)?,
            down: weights.layer_linear(&at("mlp.Wo"), hidden, intermediate)?,
            result_norms: None,
            window: if full { None } else { Some(window) },
            rotary: Some(Rotary { base: if full { full_base } else { sliding_base }, divisor: 1.0 }),
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.norm", hidden, epsilon)?),
        embedding_out: None,
        token_types: None,
        positions: Positions::Rotary,
        activation: config.activation(&["hidden_activation"])?,
        norm_first: true,
        gated: true,
        relative_bias: None,
        disentangled: None,
        final_norm: Some(weights.norm("final_norm", hidden, epsilon)?),
        order: (0..layers.len()).collect(),
        heads: Heads::of_hidden(hidden, heads),
        hidden,
        words,
        layers,
    })
}
