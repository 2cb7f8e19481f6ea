//! `config.json` of a transformer: the sizes that tensors must have.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Activation;
use crate::Error;
use crate::json;

/// The families that are read.
const KNOWN: &str = "bert, roberta, xlm-roberta, camembert, distilbert, mpnet and modernbert";
/// More layers than any published encoder has.
const MAX_LAYERS: usize = 1 << 10;
/// A size that no published encoder reaches.
const MAX_SIZE: usize = 1 << 20;

/// What a config says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    path: PathBuf,
    pub(crate) model_type: String,
    values: Map<String, Value>,
}

impl Config {
    /// Reads `config.json` of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let values = json::object(&path)?;
        let model_type = values.get("model_type").and_then(Value::as_str).map(str::to_owned);
        let missing = || Error::format(&path, format!("no `model_type`; {KNOWN} are known"));
        let model_type = model_type.ok_or_else(missing)?;
        Ok(Self { model_type, path, values })
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        json::bytes(&self.path)
    }

    /// A family that isn't read.
    pub(super) fn unknown(&self, name: &str) -> Error {
        self.fault(format!("a model of the type {name:?}; {KNOWN} are known"))
    }

    /// A fault of this file.
    pub(super) fn fault(&self, reason: impl Into<String>) -> Error {
        Error::format(&self.path, reason)
    }

    /// A size under one of several names: at least 1, and not absurd.
    pub(crate) fn size(&self, names: &[&str]) -> Result<usize, Error> {
        let shown = names[0];
        let value = names.iter().find_map(|name| self.values.get(*name));
        let value = value.ok_or_else(|| self.fault(format!("no `{shown}`; the model is incomplete, get it again")))?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        let fits = size.filter(|size| (1..=MAX_SIZE).contains(size));
        fits.ok_or_else(|| self.fault(format!("`{shown}` is {value}, not a size")))
    }

    /// A size, or `default` where the file is silent.
    pub(super) fn size_or(&self, name: &str, default: usize) -> Result<usize, Error> {
        if self.values.get(name).is_none_or(Value::is_null) { Ok(default) } else { self.size(&[name]) }
    }

    /// The number of layers.
    pub(super) fn layers(&self, names: &[&str]) -> Result<usize, Error> {
        let layers = self.size(names)?;
        if layers > MAX_LAYERS { Err(self.fault(format!("{layers} layers; at most {MAX_LAYERS}"))) } else { Ok(layers) }
    }

    /// The hidden size and the heads that share it.
    pub(super) fn hidden_and_heads(&self, hidden: &[&str], heads: &[&str]) -> Result<(usize, usize), Error> {
        let (hidden, heads) = (self.size(hidden)?, self.size(heads)?);
        if !hidden.is_multiple_of(heads) {
            return Err(self.fault(format!("a hidden size of {hidden} can't be shared by {heads} heads")));
        }
        Ok((hidden, heads))
    }

    /// A number that is positive, or `default` where the file is silent.
    pub(super) fn positive_or(&self, name: &str, default: f64) -> Result<f32, Error> {
        positive(self.values.get(name), default).ok_or_else(|| self.fault(format!("`{name}` isn't a positive number")))
    }

    /// The base of the rotation's wavelengths for layers of a kind, in the new place or the old.
    pub(super) fn rotary_base(&self, kind: &str, old: &str, default: f64) -> Result<f32, Error> {
        let Some(rope) = self.values.get("rope_parameters").and_then(|all| all.get(kind)) else {
            return self.positive_or(old, default);
        };
        if rope.get("rope_type").and_then(Value::as_str).is_some_and(|kind| kind != "default") {
            return Err(self.fault("rotary positions of another type than `default` aren't known"));
        }
        positive(rope.get("rope_theta"), default).ok_or_else(|| self.fault("`rope_theta` isn't a positive number"))
    }

    /// A token id, or `default` where the file is silent.
    pub(super) fn token_or(&self, name: &str, default: u32) -> Result<u32, Error> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
                id.ok_or_else(|| self.fault(format!("`{name}` is {value}, not a token")))
            }
        }
    }

    /// The activation under this name.
    pub(super) fn activation(&self, names: &[&str]) -> Result<Activation, Error> {
        let name = names.iter().find_map(|name| self.values.get(*name)).and_then(Value::as_str).unwrap_or("gelu");
        Activation::of_config(name).ok_or_else(|| self.fault(format!("the activation {name:?} isn't known")))
    }

    /// A list of words.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&str>> {
        self.values.get(name)?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// A word that must be the only one that is known.
    pub(super) fn expect(&self, name: &str, known: &str) -> Result<(), Error> {
        match self.values.get(name).and_then(Value::as_str) {
            Some(other) if other != known => Err(self.fault(format!("`{name}` is {other:?}; only {known:?} is known"))),
            _ => Ok(()),
        }
    }

    /// `max_position_embeddings`, where the file has it.
    pub(crate) fn max_positions(&self) -> Option<usize> {
        self.values.get("max_position_embeddings")?.as_u64().and_then(|size| usize::try_from(size).ok())
    }
}

fn positive(value: Option<&Value>, default: f64) -> Option<f32> {
    let number = value.filter(|value| !value.is_null()).map_or(Some(default), Value::as_f64)?;
    let narrow = number as f32;
    (narrow > 0.0 && narrow.is_finite()).then_some(narrow)
}
