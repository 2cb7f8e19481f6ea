//! Qwen3 (Yang et al., 2025) as an encoder, Qwen3-Embedding (Zhang et al., 2025): a token sees itself and those before it, so that the
//! last one, which the tokenizer appends, stands for the text. Heads of queries share keys and values in groups; queries and
//! keys are normalised per head and then rotated.
//!
//! | tensor (prefix `model.` or none) | shape |
//! |---|---|
//! | `embed_tokens.weight`, `norm.weight` | `[vocabulary, hidden]`, `[hidden]` |
//! | `layers.N.{input_layernorm,post_attention_layernorm}.weight` | `[hidden]` |
//! | `layers.N.self_attn.{q,k,v}_proj.weight` | `[heads * width, hidden]`, of keys and values `[shared heads * width, hidden]` |
//! | `layers.N.self_attn.o_proj.weight`, `layers.N.self_attn.{q,k}_norm.weight` | `[hidden, heads * width]`, `[width]` |
//! | `layers.N.mlp.{gate,up,down}_proj.weight` | `[intermediate, hidden]` and back |

use super::{Config, Layer, Positions, Rotary, Transformer, Weights};
use crate::Error;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect_off(&["attention_bias", "use_sliding_window", "use_bidirectional_attention"])?;
    weights.find_prefix(&["", "model."], "embed_tokens.weight");
    let hidden = config.hidden()?;
    let heads = config.grouped_heads(hidden, true)?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("rms_norm_eps", 1e-6)?;
    let base = config.rotary_base("full_attention", "rope_theta", 10_000.0)?;
    let words = weights.mapped("embed_tokens.weight", config.size(&["vocab_size"])?, hidden)?;
    let (wide, shared) = (heads.count * heads.width, heads.shared * heads.width);
    let full = config.full_layers(config.layers(&["num_hidden_layers"])?, |_| true)?;
    if full.contains(&false) {
        return Err(config.fault("`layer_types` has \"sliding_attention\"; only \"full_attention\" is supported"));
    }
    let layers = (0..full.len()).map(|layer| {
        let at = |name: &str| format!("layers.{layer}.{name}");
        let head_norms = ["q", "k"].map(|part| at(&format!("self_attn.{part}_norm")));
        let three = [("q", wide), ("k", shared), ("v", shared)];
        let three = three.map(|(part, outputs)| (at(&format!("self_attn.{part}_proj")), outputs));
        let gated = ["gate", "up"].map(|part| (at(&format!("mlp.{part}_proj")), intermediate));
        let [of_queries, of_keys] = head_norms.map(|name| weights.rms_norm(&name, heads.width, epsilon));
        Ok(Layer {
            attention_norm: Some(weights.rms_norm(&at("input_layernorm"), hidden, epsilon)?),
            queries_keys_values: weights.stacked(&three, hidden)?,
            head_norms: Some([of_queries?, of_keys?]),
            attention_out: weights.layer_linear(&at("self_attn.o_proj"), hidden, wide)?,
            feed_forward_norm: weights.rms_norm(&at("post_attention_layernorm"), hidden, epsilon)?,
            up: weights.stacked(&gated, hidden)?,
            down: weights.layer_linear(&at("mlp.down_proj"), hidden, intermediate)?,
            result_norms: None,
            window: None,
            rotary: Some(Rotary { base, divisor: 1.0 }),
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: None,
        embedding_out: None,
        token_types: None,
        positions: Positions::Rotary,
        activation: config.activation(&["hidden_act"])?,
        norm_first: true,
        gated: true,
        relative_bias: None,
        disentangled: None,
        final_norm: Some(weights.rms_norm("norm", hidden, epsilon)?),
        order: (0..layers.len()).collect(),
        hidden,
        heads,
        words,
        layers,
    })
}
