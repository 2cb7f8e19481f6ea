//! `modules.json`: the steps of a model.
//!
//! `[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, ...]`. The last part of a
//! type's dotted name is what counts: the library moved its classes more than once.

use std::path::{Path, PathBuf};

use emberline_base::file;
use serde_json::Value;

use super::pooling::Pooling;
use crate::Error;
use crate::json;

/// More steps than any model has.
const MAX_MODULES: usize = 64;
const KNOWN: &str = "Transformer, Pooling, Dense, Normalize and Dropout are known";

/// The steps of a model, each with its folder.
pub(crate) struct Modules {
    pub(crate) transformer: PathBuf,
    /// None where the model is one of `transformers` alone: the mean of its tokens then.
    pooling: Option<PathBuf>,
    /// The steps behind pooling.
    pub(crate) behind: Vec<Module>,
}

/// A step with its folder.
pub(crate) enum Module {
    Transformer(PathBuf),
    Pooling(PathBuf),
    Dense(PathBuf),
    Normalize(PathBuf),
    /// Does nothing outside training.
    Dropout,
}

impl Modules {
    /// Reads the steps of a folder.
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
            return Err(fault("a model begins with a Transformer and a Pooling; others aren't known here".into()));
        };
        let behind: Vec<Module> = modules.collect();
        if behind.iter().any(|module| matches!(module, Module::Transformer(_) | Module::Pooling(_))) {
            return Err(fault("a Transformer or Pooling behind the first; one of each is known".into()));
        }
        Ok(Self { transformer, pooling: Some(pooling), behind })
    }

    /// How tokens' vectors become one.
    pub(crate) fn pooling(&self, hidden: usize) -> Result<Pooling, Error> {
        self.pooling.as_ref().map_or_else(|| Ok(Pooling::mean()), |folder| Pooling::read(folder, hidden))
    }
}

/// A folder of `transformers`: no steps of its own.
fn plain(folder: &Path) -> Result<Modules, Error> {
    if !folder.join("config.json").exists() {
        let hint = "; a model's folder holds modules.json, or at least config.json and model.safetensors".to_owned();
        return Err(Error::Missing { path: folder.join("modules.json"), hint });
    }
    Ok(Modules { transformer: folder.to_owned(), pooling: None, behind: Vec::new() })
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
        other => return Err(format!("a module of the type {other:?}; {KNOWN}")),
    })
}
