//! Reads `modules.json`: the modules of a model, in the order in which they are applied.
//!
//! `[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, ...]`. Only the last part of a
//! type's dotted name is significant, since the library moved its classes more than once.

use std::path::{Path, PathBuf};

use emberline_base::file;
use serde_json::Value;

use super::pooling::Pooling;
use crate::Error;
use crate::json;

/// Maximum number of modules, more than any model has.
const MAX_MODULES: usize = 64;
const KNOWN: &str = "the supported types are Transformer, Pooling, Dense, Normalize and Dropout";

/// The modules of a model, with their folders.
pub(crate) struct Modules {
    pub(crate) transformer: PathBuf,
    /// `None` for a plain model of `transformers`, which gets mean pooling.
    pooling: Option<PathBuf>,
    /// The modules after pooling.
    pub(crate) after_pooling: Vec<Module>,
}

/// A module with its folder.
pub(crate) enum Module {
    Transformer(PathBuf),
    Pooling(PathBuf),
    Dense(PathBuf),
    Normalize(PathBuf),
    /// Dropout, which has no effect outside of training.
    Dropout,
}

impl Modules {
    /// Reads the modules of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        if !folder.exists() {
            let hint = "; correct `path`, or download the model's folder".to_owned();
            return Err(Error::Missing { path: folder.to_owned(), hint });
        }
        if !folder.is_dir() {
            return Err(Error::format(folder, "a file; name the folder that holds config.json and model.safetensors"));
        }
        let path = folder.join("modules.json");
        if !path.exists() {
            return plain(folder);
        }
        let fault = |reason: String| Error::format(&path, reason);
        let value = json::read(&path)?;
        let list = value.as_array().ok_or_else(|| fault("not a list of modules; get the model again".into()))?;
        if list.len() > MAX_MODULES {
            return Err(fault(format!("{} modules; at most {MAX_MODULES}", list.len())));
        }
        let modules = list.iter().map(|entry| module(entry, folder)).collect::<Result<Vec<_>, _>>().map_err(fault)?;
        let mut modules = modules.into_iter().filter(|module| !matches!(module, Module::Dropout));
        let (Some(Module::Transformer(transformer)), Some(Module::Pooling(pooling))) = (modules.next(), modules.next())
        else {
            return Err(fault(
                "the first two modules must be a Transformer and a Pooling; other models are unsupported".into(),
            ));
        };
        let after_pooling: Vec<Module> = modules.collect();
        if after_pooling.iter().any(|module| matches!(module, Module::Transformer(_) | Module::Pooling(_))) {
            return Err(fault("a second Transformer or Pooling; only one of each is supported".into()));
        }
        Ok(Self { transformer, pooling: Some(pooling), after_pooling })
    }

    /// Returns the folder of the pooling, if the model has one.
    pub(crate) fn pooling_folder(&self) -> Option<&Path> {
        self.pooling.as_deref()
    }

    /// Reads the pooling, for token vectors of `hidden` numbers.
    pub(crate) fn pooling(&self, hidden: usize) -> Result<Pooling, Error> {
        self.pooling.as_ref().map_or_else(|| Ok(Pooling::mean()), |folder| Pooling::read(folder, hidden))
    }
}

impl Module {
    /// Returns the folder of the module, if it has one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Transformer(folder) | Self::Pooling(folder) | Self::Dense(folder) | Self::Normalize(folder) => {
                Some(folder)
            }
            Self::Dropout => None,
        }
    }
}

/// Returns the modules of a plain model of `transformers`, which has no `modules.json`.
fn plain(folder: &Path) -> Result<Modules, Error> {
    if !folder.join("config.json").exists() {
        let hint = "; a model's folder holds modules.json, or at least config.json and model.safetensors".to_owned();
        return Err(Error::Missing { path: folder.join("modules.json"), hint });
    }
    Ok(Modules { transformer: folder.to_owned(), pooling: None, after_pooling: Vec::new() })
}

fn module(entry: &Value, folder: &Path) -> Result<Module, String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).ok_or_else(|| format!("a module without `{key}`"));
    let (kind, path) = (text("type")?, text("path")?);
    if !file::stays_within(Path::new(path)) || path.contains(['\\', '\0', ':']) {
        return Err(format!("the path {path:?} leads out of the model's folder"));
    }
    let folder = if path.is_empty() { folder.to_owned() } else { folder.join(path) };
    Ok(match kind.rsplit('.').next().unwrap_or(kind) {
        "Transformer" => Module::Transformer(folder),
        "Pooling" => Module::Pooling(folder),
        "Dense" => Module::Dense(folder),
        "Normalize" => Module::Normalize(folder),
        "Dropout" => Module::Dropout,
        "StaticEmbedding" => return Err("a table of static vectors; open it as the source `model2vec`".into()),
        other => return Err(format!("unsupported module type {other:?}; {KNOWN}")),
    })
}
