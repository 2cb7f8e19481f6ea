//! A SavedModel as a whole: its graph for inference, its signatures, and the functions that they name.

use std::path::Path;

use prost::Message as _;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::files::{Files, SAVED_MODEL};
use crate::function::{Entry, Function, UnboundFunction};
use crate::graph::{Objects, child};
use crate::proto::{self, MetaGraphDef, ObjectKind, SignatureDef};

/// The maximum size of a graph: the limit of protocol-buffer messages.
const MAX_GRAPH: u64 = 2 << 30;

/// An opened model. Only [`function`](Self::function) loads variables.
#[derive(Debug)]
pub struct SavedModel {
    files: Files,
    graphs: proto::SavedModel,
}

impl SavedModel {
    /// Opens the model in a folder.
    ///
    /// # Errors
    /// When `saved_model.pb` doesn't exist, can't be read, or isn't a SavedModel with a graph.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(Files::Folder(folder.as_ref().to_owned()))
    }

    /// Opens the model in these files.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn read(files: Files) -> Result<Self, Error> {
        let bytes = files.read(SAVED_MODEL, MAX_GRAPH)?;
        let fault = |reason: String| files.fault(SAVED_MODEL, reason);
        let graphs = proto::SavedModel::decode(&*bytes).map_err(|e| fault(format!("a damaged SavedModel: {e}")))?;
        inference_graph(&graphs).map_err(fault)?;
        drop(bytes);
        Ok(Self { files, graphs })
    }

    /// Returns the graph for inference.
    pub fn meta_graph(&self) -> &MetaGraphDef {
        inference_graph(&self.graphs).expect("`read` has found it")
    }

    /// Returns the signatures by name: their inputs and outputs with names, tensors and element types.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &SignatureDef)> {
        self.meta_graph().signature_def.iter().map(|(name, signature)| (name.as_str(), signature))
    }

    /// Opens the checkpoint, to read single tensors.
    ///
    /// # Errors
    /// When the model has no variables, or their index is damaged.
    pub fn checkpoint(&self) -> Result<Bundle<'_>, Error> {
        Bundle::open(&self.files)
    }

    /// Prepares a function to run, and loads the variables that it uses. `name`: the name of a signature, or of a
    /// function of the root object, such as `__call__`.
    ///
    /// # Errors
    /// When there is no such function, it has an unsupported op, or a variable or vocabulary can't be read.
    pub fn function(&self, name: &str) -> Result<Function, Error> {
        let meta = self.meta_graph();
        let fault = |reason: String| self.files.fault(SAVED_MODEL, reason);
        let entry = entry(meta, name).map_err(fault)?;
        UnboundFunction::of(meta, &entry).map_err(fault)?.load(&self.files, meta)
    }
}

/// Returns the graph for inference. TF2 models have one graph. TF1 models have one for inference, without tags or
/// with the tag `serve`, and may have others for training.
///
/// # Errors
/// When there is no such graph.
pub fn inference_graph(model: &proto::SavedModel) -> Result<&MetaGraphDef, String> {
    let tags = |meta: &MetaGraphDef| meta.meta_info_def.as_ref().map_or(Vec::new(), |info| info.tags.clone());
    let graphs = &model.meta_graphs;
    let inference = graphs.iter().find(|g| tags(g).is_empty()).or_else(|| graphs.iter().find(|g| tags(g) == ["serve"]));
    inference.or(graphs.first()).ok_or_else(|| "holds no graph; not a SavedModel".to_owned())
}

/// Finds a function: through the object graph (TF2), or as nodes of a signature (TF1).
fn entry<'g>(meta: &'g MetaGraphDef, name: &str) -> Result<Entry<'g>, String> {
    let objects = Objects::new(meta)?;
    match concrete_function(&objects, name)? {
        Some(function) => Entry::function(&objects, &function),
        None => {
            let signature = meta.signature_def.get(name).ok_or_else(|| format!("has no function {name:?}"))?;
            let node = |tensor: &'g str| tensor.split(':').next().unwrap_or_default();
            Ok(Entry::Nodes {
                inputs: signature.inputs.values().map(|info| node(&info.name)).collect(),
                outputs: signature.outputs.values().map(|info| info.name.as_str()).collect(),
            })
        }
    }
}

/// Returns the first concrete function of a signature or of a function of the root object.
fn concrete_function(objects: &Objects<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(root) = objects.root() else { return Ok(None) };
    let signatures = child(root, "signatures").and_then(|id| objects.object(id).ok());
    let Some(id) = signatures.and_then(|signatures| child(signatures, name)).or_else(|| child(root, name)) else {
        return Ok(None);
    };
    match &objects.object(id)?.kind {
        Some(ObjectKind::Function(function)) => match function.concrete_functions.first() {
            Some(first) => Ok(Some(first.clone())),
            None => Err(format!("the function {name:?} was never called before the model was saved")),
        },
        Some(ObjectKind::BareConcreteFunction(function)) => Ok(Some(function.concrete_function_name.clone())),
        _ => Err(format!("{name:?} isn't a function")),
    }
}
