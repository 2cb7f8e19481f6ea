//! The encoder of T5 (Raffel et al., 2020) and mT5, as in sentence-t5 and GTR (Ni et al., 2022): no biases, no positions but a bias of
//! attention by relative position, attention scores that aren't scaled, and norms by the root mean square.
//!
//! | tensor | shape |
//! |---|---|
//! | `shared.weight` (or `encoder.embed_tokens.weight`) | `[vocabulary, hidden]` |
//! | `encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight` | `[buckets, heads]` |
//! | `encoder.block.N.layer.0.SelfAttention.{q,k,v,o}.weight` | `[heads * width, hidden]` and back |
//! | `encoder.block.N.layer.1.DenseReluDense.{wi,wo}.weight` | `[intermediate, hidden]` and back |
//! | `encoder.block.N.layer.1.DenseReluDense.{wi_0,wi_1}.weight`, instead of `wi` if gated | `[intermediate, hidden]` |
//! | `encoder.block.N.layer.{0,1}.layer_norm.weight`, `encoder.final_layer_norm.weight` | `[hidden]` |

use super::parts::named;
use super::{Activation, Config, Heads, Layer, Positions, RelativeBias, Transformer, Weights};
use crate::Error;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    let hidden = config.hidden()?;
    let (count, width) = (config.size(&["num_heads"])?, config.size(&["d_kv"])?);
    let heads = Heads { count, shared: count, width, scale: 1.0, causal: false };
    let intermediate = config.size(&["d_ff"])?;
    let epsilon = config.positive_or("layer_norm_epsilon", 1e-6)?;
    let (activation, gated) = feed_forward(config)?;
    let words = ["shared.weight", "encoder.embed_tokens.weight"];
    let words = words.into_iter().find(|name| weights.has(name)).unwrap_or(words[0]);
    let words = weights.mapped(words, config.size(&["vocab_size"])?, hidden)?;
    let relative_bias = relative_bias(config, weights, count)?;
    let layers = (0..config.layers(&["num_layers"])?).map(|layer| {
        let at = |name: &str| format!("encoder.block.{layer}.layer.{name}");
        let three = ["q", "k", "v"].map(|part| at(&format!("0.SelfAttention.{part}")));
        let up: &[&str] = if gated { &["wi_0", "wi_1"] } else { &["wi"] };
        let up: Vec<_> = up.iter().map(|part| (at(&format!("1.DenseReluDense.{part}")), intermediate)).collect();
        Ok(Layer {
            attention_norm: Some(weights.rms_norm(&at("0.layer_norm"), hidden, epsilon)?),
            queries_keys_values: weights.stacked(&named(three, count * width), hidden)?,
            head_norms: None,
            attention_out: weights.layer_linear(&at("0.SelfAttention.o"), hidden, count * width)?,
            feed_forward_norm: weights.rms_norm(&at("1.layer_norm"), hidden, epsilon)?,
            up: weights.stacked(&up, hidden)?,
            down: weights.layer_linear(&at("1.DenseReluDense.wo"), hidden, intermediate)?,
            result_norms: None,
            window: None,
            rotary: None,
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: None,
        embedding_out: None,
        token_types: None,
        positions: Positions::Relative,
        norm_first: true,
        relative_bias: Some(relative_bias),
        disentangled: None,
        final_norm: Some(weights.rms_norm("encoder.final_layer_norm", hidden, epsilon)?),
        order: (0..layers.len()).collect(),
        activation,
        gated,
        hidden,
        heads,
        words,
        layers,
    })
}

/// Reads the bias by relative position, which the first layer has for all.
fn relative_bias(config: &Config, weights: &mut Weights, heads: usize) -> Result<RelativeBias, Error> {
    let buckets = config.size_or("relative_attention_num_buckets", 32)?;
    let max_distance = config.size_or("relative_attention_max_distance", 128)?;
    if buckets < 4 || max_distance <= buckets / 4 {
        return Err(config.fault(format!(
            "`relative_attention_num_buckets` is {buckets} and `relative_attention_max_distance` {max_distance}; there must be \
             at least 4 buckets, and a distance of more than a quarter of their number"
        )));
    }
    let name = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    Ok(RelativeBias { table: weights.table(name, buckets, heads)?, max_distance })
}

/// Returns the activation of `feed_forward_proj`, and whether it is gated: `relu` or `gated-gelu`, whose GELU is the
/// approximation with tanh.
fn feed_forward(config: &Config) -> Result<(Activation, bool), Error> {
    let name = config.word("feed_forward_proj").unwrap_or("relu");
    let (gated, activation) = name.strip_prefix("gated-").map_or((false, name), |activation| (true, activation));
    let activation = if gated && activation == "gelu" { "gelu_new" } else { activation };
    let unsupported = || config.fault(format!("`feed_forward_proj` is {name:?}, whose activation is unsupported"));
    Ok((Activation::of_config(activation).ok_or_else(unsupported)?, gated))
}
