//! NomicBERT (Nussbaum et al., 2024) and GTE (Zhang et al., 2024): BERT with rotary positions and a gated feed-forward.
//!
//! | | published names (`nomic_bert`) | published names (`new`) | names of `transformers` 5 |
//! |---|---|---|---|
//! | prefix | `bert.` or none | `new.` or none | none |
//! | embeddings | `embeddings.*_embeddings`, `emb_ln` | `embeddings.*_embeddings`, `embeddings.LayerNorm` | as `new` |
//! | layer | `encoder.layers.N` | `encoder.layer.N` | `layers.N` |
//! | queries, keys, values | `attn.Wqkv` | `attention.qkv_proj` | `self_attn.{q,k,v}_proj` |
//! | result | `attn.out_proj` | `attention.o_proj` | `self_attn.o_proj` |
//! | values of the gate, and their factors | `mlp.fc12`, `mlp.fc11` | the second and first half of `mlp.up_gate_proj` | `mlp.{gate,up}_proj` |
//! | down | `mlp.fc2` | `mlp.down_proj` | `mlp.down_proj` |
//! | norms | `norm1`, `norm2` | `attn_ln`, `mlp_ln` | `post_{attention,mlp}_layernorm` |
//!
//! NomicBERT has no biases but those of norms; GTE has them in attention and in the projection down.

use serde_json::Value;

use super::parts::named;
use super::{Config, Heads, Layer, MappedLinear, Positions, Rotary, Transformer, Weights};
use crate::Error;

const WORDS: &str = "embeddings.word_embeddings.weight";

/// Reads NomicBERT, whose config has the keys of GPT-2 or those of BERT.
pub(super) fn read(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect_off(&[
        "prenorm",
        "parallel_block",
        "use_rms_norm",
        "rotary_emb_interleaved",
        "rotary_scaling_factor",
    ])?;
    config.expect_off(&["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "rotary_emb_scale_base", "num_experts"])?;
    config.expect_one_of("rotary_emb_fraction", &[Value::from(1.0), Value::from(1)])?;
    config.expect_one_of("activation_function", &["swiglu".into()])?;
    weights.find_prefix(&["", "bert.", "nomic_bert."], WORDS);
    let base = config.rotary_base("full_attention", "rotary_emb_base", 1000.0)?;
    read_model(config, weights, Rotary { base, divisor: 1.0 })
}

/// Reads GTE (`gte`, or `new` as it was published).
pub(super) fn read_gte(config: &Config, weights: &mut Weights) -> Result<Transformer, Error> {
    config.expect("position_embedding_type", "rope")?;
    config.expect("layer_norm_type", "layer_norm")?;
    config.expect_off(&["logn_attention_scale"])?;
    weights.find_prefix(&["", "new.", "gte."], WORDS);
    let hidden = config.hidden()?;
    let width = hidden / config.size(&["num_attention_heads"])?;
    let rotary = config.rotary_ntk("rope_theta", 160_000.0, width)?;
    read_model(config, weights, rotary)
}

fn read_model(config: &Config, weights: &mut Weights, rotary: Rotary) -> Result<Transformer, Error> {
    let hidden = config.hidden()?;
    let heads = config.size(&["num_attention_heads", "n_head"])?;
    if !hidden.is_multiple_of(2 * heads) {
        let reason = format!("a hidden size of {hidden} isn't divisible by {heads} heads of an even dimension");
        return Err(config.fault(reason));
    }
    let epsilon = config.number(&["layer_norm_eps", "layer_norm_epsilon"], 1e-12)?;
    let words = weights.mapped(WORDS, config.size(&["vocab_size"])?, hidden)?;
    let norm = if weights.has("emb_ln.weight") { "emb_ln" } else { "embeddings.LayerNorm" };
    let types = config.count_or("type_vocab_size", 2)?;
    let token_types = match types {
        0 => None,
        rows => Some(weights.table("embeddings.token_type_embeddings.weight", rows, hidden)?),
    };
    let layers = (0..config.layers(&["num_hidden_layers", "n_layer"])?).map(|layer| {
        let Parts { attention_norm, queries_keys_values, attention_out, feed_forward_norm, up, down } =
            Parts::of(config, weights, layer)?;
        Ok(Layer {
            attention_norm: Some(weights.norm(&attention_norm, hidden, epsilon)?),
            queries_keys_values,
            head_norms: None,
            attention_out: weights.layer_linear(&attention_out, hidden, hidden)?,
            feed_forward_norm: weights.norm(&feed_forward_norm, hidden, epsilon)?,
            down: weights.layer_linear(&down, hidden, up.outputs / 2)?,
            up,
            result_norms: None,
            window: None,
            rotary: Some(rotary),
        })
    });
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    let default = if config.model_type == "nomic_bert" { "silu" } else { "gelu" };
    Ok(Transformer {
        embedding_scale: None,
        embedding_norm: Some(weights.norm(norm, hidden, epsilon)?),
        embedding_out: None,
        positions: Positions::Rotary,
        activation: config.activation_or(&["hidden_act"], default)?,
        norm_first: false,
        gated: true,
        relative_bias: None,
        disentangled: None,
        final_norm: None,
        order: (0..layers.len()).collect(),
        heads: Heads::of_hidden(hidden, heads),
        hidden,
        words,
        token_types,
        layers,
    })
}

/// The parts of a layer, or their names, whose form depends on who wrote the file.
struct Parts {
    attention_norm: String,
    queries_keys_values: MappedLinear,
    attention_out: String,
    feed_forward_norm: String,
    up: MappedLinear,
    down: String,
}

impl Parts {
    fn of(config: &Config, weights: &mut Weights, layer: usize) -> Result<Self, Error> {
        let hidden = config.hidden()?;
        let intermediate = config.size(&["intermediate_size", "n_inner"])?;
        let nomic = |name: &str| format!("encoder.layers.{layer}.{name}");
        let gte = |name: &str| format!("encoder.layer.{layer}.{name}");
        let new = |name: &str| format!("layers.{layer}.{name}");
        Ok(if weights.has(&nomic("attn.Wqkv.weight")) {
            let gate = [nomic("mlp.fc12"), nomic("mlp.fc11")];
            Self {
                attention_norm: nomic("norm1"),
                queries_keys_values: weights.layer_linear(&nomic("attn.Wqkv"), 3 * hidden, hidden)?,
                attention_out: nomic("attn.out_proj"),
                feed_forward_norm: nomic("norm2"),
                up: weights.stacked(&named(gate, intermediate), hidden)?,
                down: nomic("mlp.fc2"),
            }
        } else if weights.has(&gte("attention.qkv_proj.weight")) {
            let up = weights.layer_linear(&gte("mlp.up_gate_proj"), 2 * intermediate, hidden)?;
            Self {
                attention_norm: gte("attn_ln"),
                queries_keys_values: weights.layer_linear(&gte("attention.qkv_proj"), 3 * hidden, hidden)?,
                attention_out: gte("attention.o_proj"),
                feed_forward_norm: gte("mlp_ln"),
                up: up.with_halves_swapped(),
                down: gte("mlp.down_proj"),
            }
        } else {
            let three = ["q", "k", "v"].map(|part| new(&format!("self_attn.{part}_proj")));
            let gate = [new("mlp.gate_proj"), new("mlp.up_proj")];
            Self {
                attention_norm: new("post_attention_layernorm"),
                queries_keys_values: weights.stacked(&named(three, hidden), hidden)?,
                attention_out: new("self_attn.o_proj"),
                feed_forward_norm: new("post_mlp_layernorm"),
                up: weights.stacked(&named(gate, intermediate), hidden)?,
                down: new("mlp.down_proj"),
            }
        })
    }
}
