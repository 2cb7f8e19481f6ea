//! Source `tfhub`: text modules of TensorFlow Hub, read from their SavedModels without TensorFlow.
//!
//! In: a folder (or `.tar.gz`) with `saved_model.pb`, `variables/` and `assets/`. Out: a [`TextModule`], whose token
//! ids are TensorFlow's own, as are its vectors once [combined](crate::combine); or, if the graph is more than a
//! table of words, a [`GraphModule`], which runs it.
//!
//! The crate [`savedmodel`] reads graphs and checkpoints and runs functions. Here, [`files`] opens the folder
//! ([`missing`] explains what is there instead); [`graph`] finds out what is done to a text; [`table`] brings a
//! table's rows into order; [`tokenizer`] splits texts into tokens, and [`module`] finds the rows of tokens;
//! [`encoder`] runs every module that isn't a table.

mod encoder;
mod files;
mod graph;
mod missing;
mod module;
mod spaced;
mod table;
mod tokenizer;

#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::Path;

use emberline_base::{Digest, Fault, sniff};
use emberline_device::Device;
use prost::Message;
use savedmodel::graph::Vocabulary;
use savedmodel::proto::{MetaGraphDef, ModuleDef, SavedModel};
use savedmodel::text::Tokens;
use savedmodel::{Bundle, Files, Keys, SAVED_MODEL, UnboundFunction, inference_graph};

use self::graph::{Lines, Plan};
use super::file_settings::{file_settings, file_settings_methods};
use super::location::bytes_at;
use super::{SourceSettings, Texts};
use crate::{Error, Opened};

pub use self::encoder::GraphModule;
pub use self::module::TextModule;

/// The file in which TF1 modules state what they need.
const MODULE_DEF: &str = "tfhub_module.pb";
/// `ModuleDef.format` of a module that is a SavedModel.
const FORMAT_V3: i32 = 3;
/// The maximum size of a graph.
const MAX_GRAPH: u64 = 16 << 20;

/// Why a module that isn't a table can't be fine-tuned.
const NO_TABLE: &str =
    "the module computes its vectors by a network, not by a table of words; only tables can be trained";

file_settings! {
    /// `[embedding.NAME.tfhub]`
    settings,
    /// The module: a folder with `saved_model.pb`, or a `.tar.gz` of one.
    path {}
    /// Where the module can be downloaded.
    url,
    /// The SHA-256 of what lies at the path: of a file, or of a folder as `emberline fetch` prints it.
    sha256 {}
    /// The length to reduce vectors to; their own when left out.
    dim,
    /// How they are reduced; needed with `dim`, as the numbers of a vector have no order.
    reduce,
    /// Whether training moves the table.
    trainable,
}

impl SourceSettings for Settings {
    file_settings_methods!("tfhub", "a module's folder or its .tar.gz");

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.dim.is_some() && self.reduce.is_none() {
            let message =
                "can't be truncated to `dim`, because the numbers of a module's vectors have no meaningful order";
            let hint = r#"add reduce = "pca", "random" or "truncate""#;
            faults.push(Fault::new("dim", message, hint).related_to("reduce"));
        }
        faults
    }

    fn find_files(&self, base: &Path) -> Result<(), Error> {
        self.location().map_or(Ok(()), |location| location.find(base))?;
        let path = base.join(&self.path);
        if !path.is_dir() {
            return Ok(());
        }
        let files = files::open(self, &path)?;
        files.len(SAVED_MODEL).map(drop).map_err(files::explained(&files))
    }

    fn accepted_formats(&self) -> &'static [sniff::Kind] {
        &[sniff::Kind::Gzip]
    }

    fn encodes(&self, base: &Path) -> bool {
        let Some(model) = peek(&base.join(&self.path)) else { return false };
        let runs = |meta| graph::find(meta).is_ok_and(|entry| UnboundFunction::of(meta, &entry).is_ok());
        inference_graph(&model).is_ok_and(|meta| graph::read(meta).is_err() && runs(meta))
    }

    fn length(&self, base: &Path) -> Option<usize> {
        let path = base.join(&self.path);
        let model = peek(&path).filter(|_| path.is_dir())?;
        let meta = inference_graph(&model).ok()?;
        let plan = graph::read(meta).ok()?;
        let files = files::open(self, &path).ok()?;
        let bundle = Bundle::open(&files).ok()?;
        let keys = Keys::read(meta, &bundle, plan.variables()).ok()?;
        let (key, region) = keys.of(plan.variables().next()?).ok()?;
        bundle.describe(&key, region.as_ref()).ok()?.1.last().copied()
    }

    /// The numbers as they are read, and as they are joined; for an archive also its unpacked content.
    fn memory(&self, base: &Path, _: Texts<'_>) -> u64 {
        let path = base.join(&self.path);
        let variables = bytes_at(&path.join("variables"), "variables.data");
        variables.saturating_mul(2).saturating_add(bytes_at(&path, SAVED_MODEL).saturating_mul(3))
    }

    fn open(&self, base: &Path, _: Texts<'_>, _: Device) -> Result<Opened, Error> {
        match open(self, base)? {
            Module::Table(module) => Ok(Opened::Table(Box::new(module))),
            Module::Graph(_) if self.trainable => Err(Error::Unsupported(NO_TABLE.to_owned())),
            Module::Graph(module) => Ok(Opened::Encoder(Box::new(module))),
        }
    }
}

/// Returns the graphs of the module at a path, if it has any.
fn peek(path: &Path) -> Option<SavedModel> {
    SavedModel::decode(files::graph(path, MAX_GRAPH)?.as_slice()).ok()
}

/// An opened module.
pub enum Module {
    /// A table of words.
    Table(TextModule),
    /// A graph that is run.
    Graph(GraphModule),
}

/// Opens a module; `settings.path` is relative to `base`. `settings.sha256` is checked where the path is a file.
///
/// # Errors
/// [`Error::Missing`] when nothing is at the path, [`Error::Hash`] when an archive isn't the one the settings name,
/// [`Error::Format`] when a file of the module is missing, damaged, or not that of a supported text module.
pub fn open(settings: &Settings, base: &Path) -> Result<Module, Error> {
    read(&files::open(settings, &base.join(&settings.path))?)
}

fn read(files: &Files) -> Result<Module, Error> {
    check_module_def(files)?;
    let model = files.read(SAVED_MODEL, MAX_GRAPH).map_err(files::explained(files))?;
    let fault = |reason: String| files::fault(files, SAVED_MODEL, reason);
    let graphs = SavedModel::decode(&*model).map_err(|e| fault(format!("a damaged SavedModel: {e}")))?;
    let meta = inference_graph(&graphs).map_err(fault)?;
    match graph::read(meta) {
        Ok(plan) => Ok(Module::Table(read_table(files, meta, &model, &plan)?)),
        Err(_) => Ok(Module::Graph(encoder::open(files, meta, &model)?)),
    }
}

fn read_table(files: &Files, meta: &MetaGraphDef, model: &[u8], plan: &Plan) -> Result<TextModule, Error> {
    let tokens = plan.vocabulary().map_or_else(|| Ok(Tokens::default()), |named| vocabulary(named, files))?;
    let table = table::load(plan, meta, files, Lines(tokens.len()))?;
    let parts = [b"tfhub/2".as_slice(), model, tokens.content(), table.digest.as_str().as_bytes()];
    let digest = Digest::of_parts(parts);
    TextModule::new(plan, tokens, table.rows, digest).map_err(|reason| files::fault(files, SAVED_MODEL, reason))
}

/// Checks that a TF1 module is a SavedModel and needs nothing else.
fn check_module_def(files: &Files) -> Result<(), Error> {
    if !files.has(MODULE_DEF) {
        return Ok(());
    }
    let fault = |reason: String| files::fault(files, MODULE_DEF, reason);
    let bytes = files.read(MODULE_DEF, MAX_GRAPH).map_err(files::explained(files))?;
    let def = ModuleDef::decode(&*bytes).map_err(|e| fault(e.to_string()))?;
    match def.required_features.first() {
        _ if def.format != FORMAT_V3 => {
            Err(fault(format!("a module of format {}; format {FORMAT_V3} is read", def.format)))
        }
        Some(feature) => Err(fault(format!("needs the feature {feature:?}, which isn't known here"))),
        None => Ok(()),
    }
}

/// Reads the tokens of a vocabulary, after checking that it isn't another kind of file.
fn vocabulary(vocabulary: &Vocabulary, files: &Files) -> Result<Tokens, Error> {
    check_vocabulary(vocabulary, files)?;
    vocabulary.read(files).map_err(files::explained(files))
}

/// Any text file would be a valid vocabulary, so a file in its place, such as a Git LFS pointer, is recognised by its
/// first bytes.
fn check_vocabulary(vocabulary: &Vocabulary, files: &Files) -> Result<(), Error> {
    let path = vocabulary.path().map_err(|reason| files::fault(files, SAVED_MODEL, reason))?;
    let mut head = Vec::new();
    if let Ok(reader) = files.reader(&path, 0) {
        // A file that can't be read is reported when it is read as a whole.
        let _ = reader.take(sniff::HEAD as u64).read_to_end(&mut head);
    }
    match sniff::placeholder_kind(&head) {
        Some(found) => Err(files::fault(files, &path, found.mismatch_message("a vocabulary", sniff::FileUse::Model))),
        None => Ok(()),
    }
}
