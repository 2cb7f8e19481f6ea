//! Gemma 3 (Gemma Team, 2025) as an encoder, EmbeddingGemma (Vera et al., 2025): the results of attention and feed-forward are
//! normalised too, norms have the scale `1 + weight`, tokens' vectors the factor `sqrt(hidden)`, and most layers a sliding window
//! and another base of rotary positions. A token sees all others (`use_bidirectional_attention`), or those before it.
//!
//! | tensor (prefix `model.` or none) | shape |
//! |---|---|
//! | `embed_tokens.weight`, `norm.weight` | `[vocabulary, hidden]`, `[hidden]` |
//! | `layers.N.{input,post_attention,pre_feedforward,post_feedforward}_layernorm.weight` | `[hidden]` |
//! | `layers.N.self_attn.{q,k,v}_proj.weight` | `[heads * width, hidden]`, of keys and values `[shared heads * width, hidden]` |
//! | `layers.N.self_attn.o_proj.weight`, `layers.N.self_attn.{q,k}_norm.weight` | `[hidden, heads * width]`, `[width]` |
//! | `layers.N.mlp.{gate,up,down}_proj.weight` | `[intermediate, hidden]` and back |

use super::config::{FULL, SLIDING};
use super::{Config, Heads, Layer, Norm, Positions, Rotary, Transformer, Weights};
use crate::Error;

/// Default interval of layers with full attention, of which the last of each interval is one.
const FULL_ATTENTION_INTERVAL: usize = 6;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect_off(&["attention_bias", "attn_logit_softcapping"])?;
    weights.find_prefix(&["", "model."], "embed_tokens.weight");
    let hidden = config.hidden()?;
    let bidirectional = config.is_on("use_bidirectional_attention");
    let heads = config.grouped_heads(hidden, !bidirectional)?;
    let scalar = config.positive_or("query_pre_attn_scalar", 256.0)?;
    let heads = Heads { scale: 1.0 / scalar.sqrt(), ..heads };
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("rms_norm_eps", 1e-6)?;
    let words = weights.mapped("embed_tokens.weight", config.size(&["vocab_size"])?, hidden)?;
    let full_base = config.rotary_base(FULL, "rope_theta", 1_000_000.0)?;
    let sliding_base = config.rotary_base(SLIDING, "rope_local_base_freq", 10_000.0)?;
    let window = config.size_or("sliding_window", 4096)?;
    // To either side half of the window; to the left alone the whole one, of which the token itself is a part.
    let window = if bidirectional { window / 2 } else { window - 1 };
    let interval = config.size_or("sliding_window_pattern", FULL_ATTENTION_INTERVAL)?;
    let interval = config.size_or("_sliding_window_pattern", interval)?;
    let usual = |layer: usize| (layer + 1).is_multiple_of(interval);
    let full = config.full_layers(config.layers(&["num_hidden_layers"])?, usual)?;
    let (wide, shared) = (heads.count * heads.width, heads.shared * heads.width);
    let layers = full.into_iter().enumerate().map(|(layer, full)| {
        let at = |name: &str| format!("layers.{layer}.{name}");
        let three = [("q", wide), ("k", shared), ("v", shared)];
        let three = three.map(|(part, outputs)| (at(&format!("self_attn.{part}_proj")), outputs));
        let gated = ["gate", "up"].map(|part| (at(&format!("mlp.{part}_proj")), intermediate));
        let mut norm = |name: &str, width| norm(weights, &at(name), width, epsilon);
        let head_norms = [norm("self_attn.q_norm", heads.width)?, norm("self_attn.k_norm", heads.width)?];
        let attention_norm = norm("input_layernorm", hidden)?;
        let feed_forward_norm = norm("pre_feedforward_layernorm", hidden)?;
        let result_norms = [norm("post_attention_layernorm", hidden)?, norm("post_feedforward_layernorm", hidden)?];
        Ok(Layer {
            attention_norm: Some(attention_norm),
            queries_keys_values: weights.stacked(&three, hidden)?,
            head_norms: Some(head_norms),
            attention_out: weights.layer_linear(&at("self_attn.o_proj"), hidden, wide)?,
            feed_forward_norm,
            up: weights.stacked(&gated, hidden)?,
            down: weights.layer_linear(&at("mlp.down_proj"), hidden, intermediate)?,
            result_norms: Some(result_norms),
            window: if full { None } else { Some(window) },
            rotary: Some(Rotary { base: if full { full_base } else { sliding_base }, divisor: 1.0 }),
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: Some((hidden as f32).sqrt()),
        embedding_norm: None,
        embedding_out: None,
        token_types: None,
        positions: Positions::Rotary,
        activation: config.activation_or(&["hidden_activation"], "gelu_pytorch_tanh")?,
        norm_first: true,
        gated: true,
        relative_bias: None,
        disentangled: None,
        final_norm: Some(norm(weights, "norm", hidden, epsilon)?),
        order: (0..layers.len()).collect(),
        hidden,
        heads,
        words,
        layers,
    })
}

/// Reads a norm, whose file holds the difference of its scale from 1.
fn norm(weights: &mut Weights, name: &str, width: usize, epsilon: f32) -> Result<Norm, Error> {
    let mut norm = weights.rms_norm(name, width, epsilon)?;
    norm.scale.iter_mut().for_each(|scale| *scale += 1.0);
    norm.names.less_one = true;
    Ok(norm)
}
