//! Reads a graph's meaning: gives every tensor on the way from the output to the input its [`Value`], by the
//! [rules].

use super::capture::{Variable, Vocabulary};
use super::rules;
use super::value::Value;
use super::walk::{Library, Walk};
use crate::source::tfhub::proto::{GraphDef, MetaGraphDef, NodeDef};

/// A graph under evaluation, and what it was found to use.
pub(crate) struct Reader<'g> {
    pub(crate) meta: &'g MetaGraphDef,
    pub(crate) graph: &'g GraphDef,
    pub(super) library: Library<'g>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) vocabularies: Vec<Vocabulary>,
}

impl<'g> Reader<'g> {
    pub(crate) fn new(meta: &'g MetaGraphDef) -> Result<Self, String> {
        let graph = meta.graph_def.as_ref().ok_or("holds no graph")?;
        Ok(Self { meta, graph, library: Library::new(graph), variables: Vec::new(), vocabularies: Vec::new() })
    }
}

impl<'g> Walk<'g> for Reader<'g> {
    type Value = Value;

    fn library(&mut self) -> &mut Library<'g> {
        &mut self.library
    }

    fn apply(&mut self, node: &'g NodeDef, inputs: &[Value]) -> Result<Vec<Value>, String> {
        rules::apply(self, node, inputs)
    }
}
