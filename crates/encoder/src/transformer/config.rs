//! The `config.json` of a transformer, with the sizes that tensors must have.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Activation, Heads, Rotary};
use crate::Error;
use crate::json;

/// The supported model types.
const KNOWN: &str = "bert, roberta, xlm-roberta, camembert, distilbert, albert, deberta-v2, mpnet, modernbert, nomic_bert, gte, new, t5, mt5, qwen3 and gemma3_text";
/// The names of the hidden size in the families' configs.
const HIDDEN: [&str; 4] = ["hidden_size", "dim", "d_model", "n_embd"];
/// The kinds of layers in `layer_types`.
pub(super) const FULL: &str = "full_attention";
pub(super) const SLIDING: &str = "sliding_attention";
/// Maximum number of layers, more than any published encoder has.
const MAX_LAYERS: usize = 1 << 10;
/// Maximum size of a dimension, more than any published encoder has.
const MAX_SIZE: usize = 1 << 20;

/// A parsed config.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    path: PathBuf,
    pub(crate) model_type: String,
    values: Map<String, Value>,
}

impl Config {
    /// Reads the `config.json` of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let values = json::object(&path)?;
        let model_type = values.get("model_type").and_then(Value::as_str).map(str::to_owned);
        let missing = || Error::format(&path, format!("no `model_type`; the supported types are {KNOWN}"));
        let model_type = model_type.ok_or_else(missing)?;
        Ok(Self { model_type, path, values })
    }

    /// Reads the bytes of the file.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        json::bytes(&self.path)
    }

    /// Creates the error for an unsupported model type.
    pub(super) fn unknown(&self, name: &str) -> Error {
        self.fault(format!("unsupported model type {name:?}; the supported types are {KNOWN}"))
    }

    /// Creates an error about this file.
    pub(super) fn fault(&self, reason: impl Into<String>) -> Error {
        Error::format(&self.path, reason)
    }

    /// Returns a size, which may have one of several names; it must be at least 1 and plausible.
    pub(crate) fn size(&self, names: &[&str]) -> Result<usize, Error> {
        let shown = names[0];
        let value = names.iter().find_map(|name| self.values.get(*name));
        let value = value.ok_or_else(|| self.fault(format!("no `{shown}`; the model is incomplete, get it again")))?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        let fits = size.filter(|size| (1..=MAX_SIZE).contains(size));
        fits.ok_or_else(|| self.fault(format!("`{shown}` is {value}, not a size")))
    }

    /// Returns a size, or `default` if the file doesn't set it.
    pub(super) fn size_or(&self, name: &str, default: usize) -> Result<usize, Error> {
        if self.values.get(name).is_none_or(Value::is_null) { Ok(default) } else { self.size(&[name]) }
    }

    /// Returns a size that may be 0, or `default` if the file doesn't set it.
    pub(super) fn count_or(&self, name: &str, default: usize) -> Result<usize, Error> {
        if self.values.get(name).and_then(Value::as_u64) == Some(0) { Ok(0) } else { self.size_or(name, default) }
    }

    /// Returns the number of layers.
    pub(super) fn layers(&self, names: &[&str]) -> Result<usize, Error> {
        let layers = self.size(names)?;
        if layers > MAX_LAYERS { Err(self.fault(format!("{layers} layers; at most {MAX_LAYERS}"))) } else { Ok(layers) }
    }

    /// Returns the number of layers, by whatever name the family has for it.
    pub(crate) fn layer_count(&self) -> Result<usize, Error> {
        self.layers(&["num_hidden_layers", "n_layers", "num_layers", "n_layer"])
    }

    /// Returns the hidden size and the number of attention heads, by which it must be divisible.
    pub(super) fn hidden_and_heads(&self, hidden: &[&str], heads: &[&str]) -> Result<(usize, usize), Error> {
        let (hidden, heads) = (self.size(hidden)?, self.size(heads)?);
        if !hidden.is_multiple_of(heads) {
            return Err(self.fault(format!("a hidden size of {hidden} isn't divisible by {heads} heads")));
        }
        Ok((hidden, heads))
    }

    /// Returns a positive number, or `default` if the file doesn't set it.
    pub(super) fn positive_or(&self, name: &str, default: f64) -> Result<f32, Error> {
        positive(self.values.get(name), default).ok_or_else(|| self.fault(format!("`{name}` isn't a positive number")))
    }

    /// Returns a positive number, which may have one of several names, or `default` if the file doesn't set it.
    pub(super) fn number(&self, names: &[&str], default: f64) -> Result<f32, Error> {
        let set = names.iter().find(|name| self.values.get(**name).is_some_and(|value| !value.is_null()));
        self.positive_or(set.unwrap_or(&names[0]), default)
    }

    /// Returns the hidden size.
    pub(crate) fn hidden(&self) -> Result<usize, Error> {
        self.size(&HIDDEN)
    }

    /// Returns heads of a dimension of their own (`head_dim`; the hidden size divided by their number if the file doesn't set
    /// it), which share keys and values in groups (`num_key_value_heads`). The dimension is even, as rotary positions need it.
    pub(super) fn grouped_heads(&self, hidden: usize, causal: bool) -> Result<Heads, Error> {
        let count = self.size(&["num_attention_heads"])?;
        let shared = self.size_or("num_key_value_heads", count)?;
        if !count.is_multiple_of(shared) {
            let reason = format!("`num_attention_heads` is {count}, not a multiple of `num_key_value_heads`, {shared}");
            return Err(self.fault(reason));
        }
        let width = self.size_or("head_dim", hidden / count)?;
        if width == 0 || !width.is_multiple_of(2) {
            return Err(self.odd_heads(width));
        }
        Ok(Heads { count, shared, width, scale: 1.0 / (width as f32).sqrt(), causal })
    }

    /// Creates the error for heads of an odd dimension with rotary positions.
    pub(super) fn odd_heads(&self, width: usize) -> Error {
        self.fault(format!("the dimension of a head is {width}, which must be even for rotary positions"))
    }

    /// Returns the base of the rotary frequencies from `rope_parameters`, from its part for the layers of a kind if there is
    /// one, or from the older key `old`. Positions that are scaled are refused.
    pub(super) fn rotary_base(&self, kind: &str, old: &str, default: f64) -> Result<f32, Error> {
        let all = self.values.get("rope_parameters");
        let rope = all.and_then(|all| all.get(kind)).or(all.filter(|all| all.get("rope_theta").is_some()));
        for (name, rope) in [("rope_parameters", rope), ("rope_scaling", self.values.get("rope_scaling"))] {
            let scaling = rope.and_then(|rope| rope.get("rope_type").or_else(|| rope.get("type")));
            if scaling.is_some_and(|scaling| scaling != "default") {
                let value = rope.map(Value::to_string).unwrap_or_default();
                return Err(self.fault(format!(
                    "`{name}` is {value}: unsupported rotary positions; only `rope_type` \"default\" is supported"
                )));
            }
        }
        match rope {
            Some(rope) => positive(rope.get("rope_theta"), default)
                .ok_or_else(|| self.fault("`rope_theta` isn't a positive number")),
            None => self.positive_or(old, default),
        }
    }

    /// Returns the rotary frequencies of GTE, whose positions may be scaled by `rope_scaling = {"type": "ntk", "factor": f}`:
    /// the base has the factor f, and the frequencies the divisor f^(2 / width).
    pub(super) fn rotary_ntk(&self, key: &str, default: f64, width: usize) -> Result<Rotary, Error> {
        let scaling = self.values.get("rope_scaling").and_then(Value::as_object);
        let Some(scaling) = scaling.filter(|scaling| scaling.get("type").is_some_and(|kind| kind == "ntk")) else {
            return Ok(Rotary { base: self.rotary_base(FULL, key, default)?, divisor: 1.0 });
        };
        let factor = positive(scaling.get("factor"), 1.0).filter(|factor| *factor >= 1.0);
        let (Some(factor), None | Some(Value::Null)) = (factor, scaling.get("mixed_b")) else {
            let value = Value::from(scaling.clone());
            return Err(
                self.fault(format!("`rope_scaling` is {value}; its `factor` must be at least 1, and the only setting"))
            );
        };
        Ok(Rotary { base: self.positive_or(key, default)? * factor, divisor: factor.powf(2.0 / width as f32) })
    }

    /// Returns for each layer whether it has full attention: from `layer_types`, or else every layer for which `usual`
    /// says so.
    pub(super) fn full_layers(&self, count: usize, usual: impl Fn(usize) -> bool) -> Result<Vec<bool>, Error> {
        let Some(kinds) = self.words("layer_types") else {
            return Ok((0..count).map(usual).collect());
        };
        if kinds.len() != count || kinds.iter().any(|kind| ![FULL, SLIDING].contains(kind)) {
            return Err(
                self.fault(format!("`layer_types` must be a list of {count} values, each {FULL:?} or {SLIDING:?}"))
            );
        }
        Ok(kinds.into_iter().map(|kind| kind == FULL).collect())
    }

    /// Returns a token id, or `default` if the file doesn't set it.
    pub(super) fn token_or(&self, name: &str, default: u32) -> Result<u32, Error> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
                id.ok_or_else(|| self.fault(format!("`{name}` is {value}, not a token id")))
            }
        }
    }

    /// Returns the activation, which may have one of several names; GELU if the file doesn't set it.
    pub(super) fn activation(&self, names: &[&str]) -> Result<Activation, Error> {
        self.activation_or(names, "gelu")
    }

    /// Returns the activation, which may have one of several names, or `default` if the file doesn't set it.
    pub(super) fn activation_or(&self, names: &[&str], default: &str) -> Result<Activation, Error> {
        let key = names.iter().find(|name| self.values.get(**name).is_some()).unwrap_or(&names[0]);
        let name = self.word(key).unwrap_or(default);
        let unsupported =
            || self.fault(format!("`{key}` is {name:?}; the supported activations are {}", Activation::NAMES));
        Activation::of_config(name).ok_or_else(unsupported)
    }

    /// Returns a list of strings.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&str>> {
        self.values.get(name)?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// Checks that a setting is absent, or has the only value that is supported.
    pub(super) fn expect(&self, name: &str, supported: &str) -> Result<(), Error> {
        match self.values.get(name).and_then(Value::as_str) {
            Some(other) if other != supported => {
                Err(self.fault(format!("`{name}` is {other:?}; only {supported:?} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that a setting is absent, or one of the supported values; `null` is absent.
    pub(super) fn expect_one_of(&self, name: &str, supported: &[Value]) -> Result<(), Error> {
        match self.values.get(name) {
            Some(value) if !value.is_null() && !supported.contains(value) => {
                let shown: Vec<String> = supported.iter().map(Value::to_string).collect();
                let only = if shown.is_empty() { "null".to_owned() } else { shown.join(" or ") };
                Err(self.fault(format!("`{name}` is {value}; only {only} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that settings are off: absent, `null`, `false` or 0.
    pub(super) fn expect_off(&self, names: &[&str]) -> Result<(), Error> {
        names.iter().try_for_each(|name| match self.values.get(*name) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(()),
            Some(value) if value.as_f64() == Some(0.0) => Ok(()),
            Some(value) => {
                Err(self.fault(format!("`{name}` is {value}, which is unsupported; only false is supported")))
            }
        })
    }

    /// Returns whether a setting is `true`.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.values.get(name) == Some(&Value::Bool(true))
    }

    /// Returns a positive whole number; `None` if the file doesn't set one (-1 means so, too).
    pub(super) fn natural(&self, name: &str) -> Option<usize> {
        let value = self.values.get(name)?.as_u64().filter(|value| (1..=MAX_SIZE as u64).contains(value))?;
        usize::try_from(value).ok()
    }

    /// Returns a string, if the file sets it.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// Returns `max_position_embeddings`, if the file sets it.
    pub(crate) fn max_positions(&self) -> Option<usize> {
        self.values.get("max_position_embeddings")?.as_u64().and_then(|size| usize::try_from(size).ok())
    }
}

fn positive(value: Option<&Value>, default: f64) -> Option<f32> {
    let number = value.filter(|value| !value.is_null()).map_or(Some(default), Value::as_f64)?;
    let narrow = number as f32;
    (narrow > 0.0 && narrow.is_finite()).then_some(narrow)
}
