//! BERT (Devlin et al., 2018) and RoBERTa (Liu et al., 2019). RoBERTa has the same tensors, and counts positions from the row
//! after that of the padding token; XLM-RoBERTa and CamemBERT have the same architecture as RoBERTa.
//!
//! | tensor (prefix `bert.`, `roberta.` or none) | shape |
//! |---|---|
//! | `embeddings.{word,position,token_type}_embeddings.weight` | `[vocabulary, hidden]`, ... |
//! | `embeddings.LayerNorm.{weight,bias}` | `[hidden]` |
//! | `encoder.layer.N.attention.self.{query,key,value}.*`, `attention.output.dense.*` | `[hidden, hidden]`, `[hidden]` |
//! | `encoder.layer.N.attention.output.LayerNorm.*`, `output.LayerNorm.*` | `[hidden]` |
//! | `encoder.layer.N.intermediate.dense.*`, `output.dense.*` | `[intermediate, hidden]` and back |

use super::parts::named;
use super::{Config, Heads, Layer, Positions, Transformer, Weights};
use crate::Error;

pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect("position_embedding_type", "absolute")?;
    weights.find_prefix(&["", "bert.", "roberta.", "model."], "embeddings.word_embeddings.weight");
    let (hidden, heads) = config.hidden_and_heads(&["hidden_size"], &["num_attention_heads"])?;
    let intermediate = config.size(&["intermediate_size"])?;
    let epsilon = config.positive_or("layer_norm_eps", 1e-12)?;
    let words = weights.mapped("embeddings.word_embeddings.weight", config.size(&["vocab_size"])?, hidden)?;
    let position_count = config.size_or("max_position_embeddings", 512)?;
    let table = weights.table("embeddings.position_embeddings.weight", position_count, hidden)?;
    let positions = if config.model_type == "bert" {
        Positions::Table(table)
    } else {
        weights.positions_after_padding(config, table, config.token_or("pad_token_id", 1)?)?
    };
    let types = config.size_or("type_vocab_size", 2)?;
    let types = weights.table("embeddings.token_type_embeddings.weight", types, hidden)?;
    let layers = (0..config.layers(&["num_hidden_layers"])?).map(|layer| {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let three = ["query", "key", "value"].map(|name| at(&format!("attention.self.{name}")));
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
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm("embeddings.LayerNorm", hidden, epsilon)?),
        embedding_out: None,
        token_types: Some(types),
        activation: config.activation(&["hidden_act"])?,
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
