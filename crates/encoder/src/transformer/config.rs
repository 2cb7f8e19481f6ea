//! The `config.json` of a transformer, with the sizes that tensors must have.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Activation;
use crate::Error;
use crate::json;

/// The supported model types.
const KNOWN: &str = "bert, roberta, xlm-roberta, camembert, distilbert, mpnet and modernbert";
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

    /// Returns the number of layers.
    pub(super) fn layers(&self, names: &[&str]) -> Result<usize, Error> {
        let layers = self.size(names)?;
        if layers > MAX_LAYERS { Err(self.fault(format!("{layers} layers; at most {MAX_LAYERS}"))) } else { Ok(layers) }
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

    /// Returns the base of the rotary frequencies for the layers of a kind, from `rope_parameters` or from the older key `old`.
    pub(super) fn rotary_base(&self, kind: &str, old: &str, default: f64) -> Result<f32, Error> {
        let Some(rope) = self.values.get("rope_parameters").and_then(|all| all.get(kind)) else {
            return self.positive_or(old, default);
        };
        if rope.get("rope_type").and_then(Value::as_str).is_some_and(|kind| kind != "default") {
            return Err(self.fault("unsupported rotary positions; only `rope_type` \"default\" is supported"));
        }
        positive(rope.get("rope_theta"), default).ok_or_else(|| self.fault("`rope_theta` isn't a positive number"))
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
        let name = names.iter().find_map(|name| self.values.get(*name)).and_then(Value::as_str).unwrap_or("gelu");
        Activation::of_config(name).ok_or_else(|| self.fault(format!("unsupported activation {name:?}")))
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
