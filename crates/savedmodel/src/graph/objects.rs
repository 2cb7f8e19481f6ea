//! The objects that a graph uses besides its input: variables, vocabularies, files and constants.
//!
//! TF2 functions capture objects of the SavedObjectGraph; TF1 graphs have nodes for them. A vocabulary is a hash
//! table from the whole lines of a text file to their numbers, according to the op that fills it.

use std::collections::BTreeMap;

use prost::Message;

use super::frame::{self, Frame, Reference};
use super::walk::{Library, Walk};
use crate::proto::{
    AssetFileDef, FunctionDef, GraphDef, MetaGraphDef, NodeDef, ObjectKind, SavedConcreteFunction, SavedObject,
    SavedObjectGraph,
};

/// The attribute value for vocabularies whose key is the whole line, with the line's number as the value
/// (`key_index`, `value_index` of the op).
const WHOLE_LINE: i64 = -2;
const LINE_NUMBER: i64 = -1;

/// A variable of the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// TF2: the object with this number in the SavedObjectGraph.
    Object(usize),
    /// TF1: the node of this name.
    Node(String),
}

impl Variable {
    /// Returns the variable that a TF1 node represents.
    pub fn of_node(node: &NodeDef) -> Self {
        let shared = String::from_utf8_lossy(frame::bytes(node, "shared_name")).into_owned();
        Self::Node(if node.op == "VarHandleOp" && !shared.is_empty() { shared } else { node.name.clone() })
    }
}

/// A text file whose lines are tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Its name in the folder `assets`.
    pub file: String,
    /// How many of its lines are read. `None`: all.
    pub lines: Option<u64>,
    /// The object or node it comes from: two uses of the same table are one vocabulary.
    origin: Variable,
}

/// An object that a function captures.
pub enum Captured<'g> {
    /// A variable.
    Variable(Variable),
    /// A vocabulary, by its number in [`Objects::vocabularies`].
    Vocabulary(usize),
    /// A file in the folder `assets`, by name.
    File(String),
    /// A constant, with its node.
    Constant(&'g NodeDef),
}

/// A graph, its functions, and the objects that they use.
pub struct Objects<'g> {
    meta: &'g MetaGraphDef,
    graph: &'g GraphDef,
    library: Library<'g>,
    vocabularies: Vec<Vocabulary>,
}

/// The meaning of a tensor between an op and a file's name.
#[derive(Clone)]
enum Named {
    File(String),
    Other(&'static str),
}

impl<'g> Objects<'g> {
    /// Returns the objects of a model.
    ///
    /// # Errors
    /// When it has no graph.
    pub fn new(meta: &'g MetaGraphDef) -> Result<Self, String> {
        let graph = meta.graph_def.as_ref().ok_or("holds no graph")?;
        Ok(Self { meta, graph, library: Library::new(graph), vocabularies: Vec::new() })
    }

    /// Returns the model.
    pub fn meta(&self) -> &'g MetaGraphDef {
        self.meta
    }

    /// Returns the graph.
    pub fn graph(&self) -> &'g GraphDef {
        self.graph
    }

    /// Returns the vocabularies found so far, in the order of their first use.
    pub fn vocabularies(&self) -> &[Vocabulary] {
        &self.vocabularies
    }

    /// Returns the root of the object graph; `None` in TF1 models.
    pub fn root(&self) -> Option<&'g SavedObject> {
        self.meta.object_graph_def.as_ref()?.nodes.first()
    }

    /// Returns an object by its number.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn object(&self, id: i32) -> Result<&'g SavedObject, String> {
        let found = usize::try_from(id).ok().and_then(|id| self.objects().ok()?.nodes.get(id));
        found.ok_or_else(|| format!("the object graph has no node {id}"))
    }

    /// Returns what a concrete function captures; `None` if it isn't in the object graph.
    pub fn concrete(&self, function: &str) -> Option<&'g SavedConcreteFunction> {
        self.meta.object_graph_def.as_ref()?.concrete_functions.get(function)
    }

    /// Returns a function's definition.
    ///
    /// # Errors
    /// When there is no function of this name.
    pub fn function(&self, name: &str) -> Result<&'g FunctionDef, String> {
        self.library.function(name)
    }

    /// Returns the role of an object in a graph.
    ///
    /// # Errors
    /// When the object is of another kind, or is a table that isn't filled from the lines of a text file.
    pub fn captured(&mut self, id: i32) -> Result<Captured<'g>, String> {
        match &self.object(id)?.kind {
            Some(ObjectKind::Variable(_)) => Ok(Captured::Variable(Variable::Object(id as usize))),
            Some(ObjectKind::Resource(_)) => Ok(Captured::Vocabulary(self.vocabulary_object(id)?)),
            Some(ObjectKind::Asset(asset)) => Ok(Captured::File(self.asset(asset.asset_file_def_index)?)),
            Some(ObjectKind::Constant(constant)) => {
                let graph = self.graph;
                let node = graph.node.iter().find(|n| n.name == constant.operation && n.op == "Const");
                let node = node.ok_or_else(|| format!("the graph has no constant {:?}", constant.operation))?;
                Ok(Captured::Constant(node))
            }
            _ => Err(format!("captures the object {id}, which isn't a variable, a table, a file or a constant")),
        }
    }

    fn objects(&self) -> Result<&'g SavedObjectGraph, String> {
        self.meta.object_graph_def.as_ref().ok_or_else(|| "holds no object graph".to_owned())
    }

    fn asset(&self, index: i32) -> Result<String, String> {
        let asset = usize::try_from(index).ok().and_then(|index| self.meta.asset_file_def.get(index));
        asset.map(|a| a.filename.clone()).ok_or_else(|| format!("there is no asset {index}"))
    }

    fn vocabulary(&mut self, origin: Variable, found: Result<(String, Option<u64>), String>) -> Result<usize, String> {
        let (file, lines) = found?;
        self.vocabularies.push(Vocabulary { file, lines, origin });
        Ok(self.vocabularies.len() - 1)
    }

    fn vocabulary_object(&mut self, id: i32) -> Result<usize, String> {
        let origin = Variable::Object(id as usize);
        if let Some(known) = self.vocabularies.iter().position(|v| v.origin == origin) {
            return Ok(known);
        }
        let found = match child(self.object(id)?, "_initialize") {
            Some(initialize) => self.initialized_by(initialize),
            None => self.initializer_file(id).map(|file| (file, None)),
        };
        self.vocabulary(origin, found)
    }

    /// Returns the file with which a table's `_initialize` function fills it, and the number of lines.
    fn initialized_by(&mut self, initialize: i32) -> Result<(String, Option<u64>), String> {
        let Some(ObjectKind::Function(saved)) = &self.object(initialize)?.kind else {
            return Err("a table's _initialize isn't a function".to_owned());
        };
        let name = saved.concrete_functions.first().ok_or("a table's _initialize has no function")?;
        let captured =
            self.objects()?.concrete_functions.get(name).map(|f| f.bound_inputs.as_slice()).unwrap_or_default();
        // The table itself is captured too, but only files and constants matter here.
        let values = captured.iter().map(|&id| match self.object(id)?.kind {
            Some(ObjectKind::Asset(ref asset)) => Ok(Named::File(self.asset(asset.asset_file_def_index)?)),
            _ => Ok(Named::Other("a table")),
        });
        let values = values.collect::<Result<Vec<_>, String>>()?;
        let function = self.library.function(name)?;
        let frame = Frame::function(function, values)?;
        let fill = function.node_def.iter().find(|n| fills_table(n));
        self.filled_by(&frame, fill.ok_or("a table is filled by no op that is known here")?)
    }

    /// Without a function, the file is found by table -> `_initializer` -> `_filename` -> asset.
    fn initializer_file(&self, table: i32) -> Result<String, String> {
        let file = child(self.object(table)?, "_initializer").and_then(|id| child(self.object(id).ok()?, "_filename"));
        let file = file.ok_or("a table has no text file")?;
        match &self.object(file)?.kind {
            Some(ObjectKind::Asset(asset)) => self.asset(asset.asset_file_def_index),
            _ => Err("a table is filled from something that isn't a file".to_owned()),
        }
    }

    /// Returns the file and the number of lines of the op that fills a table.
    fn filled_by(&mut self, frame: &Frame<'g, Named>, fill: &'g NodeDef) -> Result<(String, Option<u64>), String> {
        let fault = |reason: &str| Err(format!("the node {:?} (op {}) {reason}", fill.name, fill.op));
        if !matches!(fill.op.as_str(), "InitializeTableFromTextFileV2" | "InitializeTableFromTextFile") {
            return fault("fills a table from something that isn't a text file");
        }
        let columns = (frame::int(fill, "key_index", 0), frame::int(fill, "value_index", 0));
        if columns != (WHOLE_LINE, LINE_NUMBER) || frame::int(fill, "offset", 0) != 0 {
            return fault("doesn't number whole lines from 0");
        }
        let Some(source) = fill.input.get(1) else { return fault("names no file") };
        let mut names = FileNames { library: &mut self.library };
        match names.evaluate(frame, &[source])?.remove(0) {
            Named::File(file) => Ok((file, u64::try_from(frame::int(fill, "vocab_size", -1)).ok())),
            Named::Other(what) => fault(&format!("fills a table from {what}")),
        }
    }

    /// Returns the number of the vocabulary of a TF1 table's node; the op that fills it is in the same graph.
    ///
    /// # Errors
    /// When nothing fills it, or something other than the lines of a text file.
    pub fn vocabulary_node(&mut self, node: &NodeDef) -> Result<usize, String> {
        let origin = Variable::Node(node.name.clone());
        if let Some(known) = self.vocabularies.iter().position(|v| v.origin == origin) {
            return Ok(known);
        }
        let graph = self.graph;
        let fills = |n: &&NodeDef| {
            let table = n.input.first().and_then(|input| Reference::parse(input).ok().flatten());
            fills_table(n) && table.is_some_and(|t| t.node == node.name)
        };
        let fill = graph.node.iter().find(fills).ok_or("is a table that nothing fills")?;
        let frame = Frame::graph(graph, self.asset_nodes());
        let found = self.filled_by(&frame, fill);
        self.vocabulary(origin, found)
    }

    /// Returns the nodes that represent files, with the files: TF1 keeps them in a collection, later versions in a
    /// field.
    fn asset_nodes(&self) -> BTreeMap<String, Named> {
        let collected = self.meta.collection_def.get("saved_model_assets").and_then(|c| c.any_list.as_ref());
        let collected = collected.iter().flat_map(|list| &list.value);
        let collected = collected.filter_map(|any| AssetFileDef::decode(any.value.as_slice()).ok());
        let assets = collected.chain(self.meta.asset_file_def.iter().cloned());
        let node = |a: AssetFileDef| Some((a.tensor_info?.name.split(':').next()?.to_owned(), Named::File(a.filename)));
        assets.filter_map(node).collect()
    }
}

/// Follows a file's name from the op that fills a table to where the name is defined.
struct FileNames<'o, 'g> {
    library: &'o mut Library<'g>,
}

impl<'g> Walk<'g> for FileNames<'_, 'g> {
    type Value = Named;

    fn library(&mut self) -> &mut Library<'g> {
        self.library
    }

    fn apply(&mut self, node: &'g NodeDef, inputs: &[Named]) -> Result<Vec<Named>, String> {
        let passes = ["Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PlaceholderWithDefault"];
        Ok(vec![match (inputs.first(), node.op.as_str()) {
            (Some(input), op) if passes.contains(&op) => input.clone(),
            (_, "Const") => Named::Other("a constant"),
            _ => Named::Other("a computed tensor"),
        }])
    }
}

/// Returns whether a node puts keys and values into a table.
fn fills_table(node: &NodeDef) -> bool {
    node.op.starts_with("InitializeTable") || node.op.starts_with("LookupTableImport")
}

/// Returns an object's child of this name.
pub fn child(object: &SavedObject, name: &str) -> Option<i32> {
    object.children.iter().find(|c| c.local_name == name).map(|c| c.node_id)
}
