//! DistilBERT (Sanh et al., 2019): BERT without token types, with other names of tensors.
//!
//! | tensor (prefix `distilbert.` or none) | shape |
//! |---|---|
//! | `embeddings.{word,position}_embeddings.weight`, `embeddings.LayerNorm.*` | `[vocabulary, dim]`, ... |
//! | `transformer.layer.N.attention.{q,k,v,out}_lin.*` | `[dim, dim]`, `[dim]` |
//! | `transformer.layer.N.{sa_layer_norm,output_layer_norm}.*` | `[dim]` |
//! | `transformer.layer.N.ffn.{lin1,lin2}.*` | `[hidden_dim, dim]` and back |

use super::parts::named;
use super::{Config, Heads, Layer, Positions, Transformer, Weights};
use crate::Error;

/// The epsilon of layer norms, which isn't in DistilBERT's config.
const EPSILON: f32 = 1e-12;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    weights.find_prefix(&["", "distilbert.", "model."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["dim", "hidden_size"], &["n_heads", "num_attention_heads"])?;
    let intermediate = config.size(&["hidden_dim"])?;
    let words = weights.mapped("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let position_count = config.size_or("max_position_embeddings", 512)?;
    let positions = Positions::Table(weights.table("embeddings.position_embeddings.weight", position_count, hidden)?);
    let layers = (0..config.layers(&["n_layers", "num_hidden_layers"])?).map(|layer| {
        let at = |name: &str| format!("transformer.layer.{layer}.{name}");
        let three = ["q", "k", "v"].map(|name| at(&format!("attention.{name}_lin")));
        Ok(Layer {
            attention_norm: Some(weights.norm(&at("sa_layer_norm"), hidden, EPSILON)?),
            queries_keys_values: weights.stacked(&named(three, hidden), hidden)?,
            head_norms: None,
            attention_out: weights.layer_linear(&at("attention.out_lin"), hidden, hidden)?,
            feed_forward_norm: weights.norm(&at("output_layer_norm"), hidden, EPSILON)?,
            up: weights.layer_linear(&at("ffn.lin1"), intermediate, hidden)?,
            down: weights.layer_linear(&at("ffn.lin2"), hidden, intermediate)?,
            result_norms: None,
            window: None,
            rotary: None,
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.LayerNorm", hidden, EPSILON)?),
        embedding_out: None,
        token_types: None,
        activation: config.activation(&["activation"])?,
        norm_first: false,
        gated: false,
        relative_bias: None,
        disentangled: None,
        final_norm: None,
        order: (0..layers.len()).collect(),
        heads: Heads::of_hidden(hidden, heads),
        hidden,
        words,
        positions,
        layers,
    })
}
