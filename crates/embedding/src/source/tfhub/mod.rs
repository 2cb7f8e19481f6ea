//! Source `tfhub`: text modules of TensorFlow Hub, read from their SavedModels without TensorFlow.
//!
//! In: a folder (or `.tar.gz`) with `saved_model.pb`, `variables/` and `assets/`. Out: a [`TextModule`], whose token
//! ids are TensorFlow's own, and whose vectors are too once [combined](crate::combine).
//!
//! [`files`] opens the folder, [`proto`] its messages; [`graph`] finds out what is done to a text; [`bundle`] (with
//! [`leveldb`] and [`slices`]) reads variables, [`table`] orders their rows; [`mod@vocabulary`], [`tokenizer`], [`pattern`],
//! [`punctuation`] and [`fingerprint`] make tokens of texts, and rows of tokens.

mod bundle;
mod files;
mod fingerprint;
mod graph;
mod leveldb;
mod module;
mod pattern;
mod proto;
mod punctuation;
mod slices;
mod table;
mod tokenizer;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use emberline_base::{Digest, Fault};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::bundle::Bundle;
use self::files::{Files, SAVED_MODEL};
use self::graph::{Lines, Plan};
use self::proto::{MetaGraphDef, ModuleDef, SavedModel};
use self::vocabulary::Tokens;
use crate::Error;

pub use self::module::TextModule;

/// TF1 modules say here what they need.
const MODULE_DEF: &str = "tfhub_module.pb";
/// `ModuleDef.format` of a module that is a SavedModel.
const FORMAT_V3: i32 = 3;
/// The largest graph and vocabulary that are read.
const MAX_GRAPH: u64 = 16 << 20;
const MAX_VOCABULARY: u64 = 1 << 30;

/// `[embedding.NAME.tfhub]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The module: a folder with `saved_model.pb`, or a `.tar.gz` of one.
    pub path: PathBuf,
    /// Where the module can be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the downloaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether training moves the table.
    #[serde(default)]
    pub trainable: bool,
}

impl Settings {
    /// Every setting that can't be meant.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::new("path", "an empty path", "name a module's folder or its .tar.gz"));
        }
        if self.sha256.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            faults.push(Fault::new("sha256", "not a SHA-256", "64 hex digits, as `sha256sum` prints them"));
        }
        faults
    }
}

/// Opens a module; `settings.path` is relative to `base`. `settings.sha256` is checked where the path is a file.
///
/// # Errors
/// [`Error::Missing`] when nothing is at the path, [`Error::Hash`] when an archive isn't the one the settings name,
/// [`Error::Format`] when a file of the module is missing, damaged, or not that of a text module that is read here.
pub fn open(settings: &Settings, base: &Path) -> Result<TextModule, Error> {
    read(&Files::open(settings, &base.join(&settings.path))?)
}

fn read(files: &Files) -> Result<TextModule, Error> {
    check_module_def(files)?;
    let model = files.read(SAVED_MODEL, MAX_GRAPH)?;
    let fault = |reason: String| files.fault(SAVED_MODEL, reason);
    let graphs = SavedModel::decode(&*model).map_err(|e| fault(format!("a damaged SavedModel: {e}")))?;
    let meta = meta_graph(&graphs).map_err(fault)?;
    let plan = graph::read(meta).map_err(fault)?;
    let tokens = vocabulary(&plan, files)?;
    let bundle = Bundle::open(files)?;
    let table = table::load(&plan, meta, &bundle, Lines(tokens.len()), fault)?;
    let parts = [b"tfhub".as_slice(), &model, tokens.content(), table.digest.as_str().as_bytes()];
    let digest = Digest::of_parts(parts);
    TextModule::new(&plan, tokens, table.rows, digest).map_err(fault)
}

/// A TF1 module must be a SavedModel and ask for nothing else.
fn check_module_def(files: &Files) -> Result<(), Error> {
    if !files.has(MODULE_DEF) {
        return Ok(());
    }
    let fault = |reason: String| files.fault(MODULE_DEF, reason);
    let def = ModuleDef::decode(&*files.read(MODULE_DEF, MAX_GRAPH)?).map_err(|e| fault(e.to_string()))?;
    match def.required_features.first() {
        _ if def.format != FORMAT_V3 => {
            Err(fault(format!("a module of format {}; format {FORMAT_V3} is read", def.format)))
        }
        Some(feature) => Err(fault(format!("needs the feature {feature:?}, which isn't known here"))),
        None => Ok(()),
    }
}

/// TF2 modules have one graph. TF1 modules have one for inference, without tags, and may have others for training.
fn meta_graph(model: &SavedModel) -> Result<&MetaGraphDef, String> {
    let tags = |meta: &MetaGraphDef| meta.meta_info_def.as_ref().map_or(Vec::new(), |info| info.tags.clone());
    let graphs = &model.meta_graphs;
    let inference = graphs.iter().find(|g| tags(g).is_empty()).or_else(|| graphs.iter().find(|g| tags(g) == ["serve"]));
    inference.or(graphs.first()).ok_or_else(|| "holds no graph; not a SavedModel".to_owned())
}

fn vocabulary(plan: &Plan, files: &Files) -> Result<Tokens, Error> {
    let Some(vocabulary) = plan.vocabulary() else { return Ok(Tokens::default()) };
    let name = &vocabulary.file;
    if name.is_empty() || name.contains(['/', '\\', ':', '\0']) || name.starts_with('.') {
        return Err(files.fault(SAVED_MODEL, format!("its vocabulary {name:?} isn't a file in the folder assets")));
    }
    let path = format!("assets/{name}");
    let bytes = files.read(&path, MAX_VOCABULARY)?.into_owned();
    Tokens::new(bytes, vocabulary.lines).map_err(|reason| files.fault(&path, reason))
}
