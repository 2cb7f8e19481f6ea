//! The nodes of one graph or function, and the references of their inputs.

use std::collections::BTreeMap;

use crate::proto::{Attr, FunctionDef, GraphDef, NodeDef};

/// The nodes of a graph or a function's body, and the values of its arguments.
pub struct Frame<'g, V> {
    nodes: BTreeMap<&'g str, &'g NodeDef>,
    arguments: BTreeMap<String, V>,
}

/// A reference to one output of a node: by number in a graph, by name and number in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'g> {
    pub(crate) node: &'g str,
    name: Option<&'g str>,
    index: usize,
}

impl<'g, V> Frame<'g, V> {
    /// Returns the frame of the graph itself, where some nodes, such as placeholders, have values.
    pub fn graph(graph: &'g GraphDef, arguments: BTreeMap<String, V>) -> Self {
        Self { nodes: graph.node.iter().map(|n| (n.name.as_str(), n)).collect(), arguments }
    }

    /// Returns the frame of a function's body.
    ///
    /// # Errors
    /// When the number of arguments isn't that of the values.
    pub fn function(function: &'g FunctionDef, values: Vec<V>) -> Result<Self, String> {
        let arguments = function.signature.iter().flat_map(|s| &s.input_arg).map(|a| a.name.clone());
        if arguments.clone().count() != values.len() {
            return Err(format!("a function of {} arguments is given {}", arguments.count(), values.len()));
        }
        let nodes = function.node_def.iter().map(|n| (n.name.as_str(), n)).collect();
        Ok(Self { nodes, arguments: arguments.zip(values).collect() })
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&V> {
        self.arguments.get(name)
    }

    pub(crate) fn node(&self, name: &str) -> Result<&'g NodeDef, String> {
        self.nodes.get(name).copied().ok_or_else(|| format!("the graph has no node {name:?}"))
    }
}

impl<'g> Reference<'g> {
    /// Parses `node`, `node:1` (graphs) or `node:output:1` (functions); `None` for a control input.
    pub(crate) fn parse(input: &'g str) -> Result<Option<Self>, String> {
        if input.starts_with('^') {
            return Ok(None);
        }
        let mut parts = input.split(':');
        let node = parts.next().unwrap_or_default();
        let (name, index) = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => (None, Some(0)),
            (Some(index), None, _) => (None, index.parse().ok()),
            (Some(name), Some(index), None) => (Some(name), index.parse().ok()),
            (Some(_), Some(_), Some(_)) => (None, None),
        };
        match index {
            Some(index) => Ok(Some(Self { node, name, index })),
            None => Err(format!("the input {input:?} isn't one")),
        }
    }

    /// Returns the data inputs of a node.
    pub(crate) fn inputs(node: &'g NodeDef) -> Result<Vec<Self>, String> {
        node.input.iter().filter_map(|input| Self::parse(input).transpose()).collect()
    }

    /// Returns the number of the output among all outputs of the node.
    pub(crate) fn output(&self, op: &str) -> Result<usize, String> {
        let Some(name) = self.name else { return Ok(self.index) };
        let outputs: &[&str] = match op {
            "StringSplit" | "StringSplitV2" => &["indices", "values", "shape"],
            "RaggedTensorToSparse" => &["sparse_indices", "sparse_values", "sparse_dense_shape"],
            "SparseFillEmptyRows" => &["output_indices", "output_values", "empty_row_indicator", "reverse_index_map"],
            "SparseReshape" => &["output_indices", "output_shape"],
            "Unique" | "UniqueV2" => &["y", "idx"],
            // Either one list of outputs (calls, partitions), or one output.
            _ => return Ok(self.index),
        };
        let found = outputs.iter().position(|&o| o == name).filter(|_| self.index == 0);
        found.ok_or_else(|| format!("the op {op} has no output {name:?}"))
    }
}

/// Returns an integer attribute of a node.
pub fn int(node: &NodeDef, name: &str, default: i64) -> i64 {
    match node.attr.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::I(value)) => *value,
        _ => default,
    }
}

/// Returns an attribute of a node that is a list of integers; an empty list if it has none.
pub fn ints(node: &NodeDef, name: &str) -> Vec<i64> {
    match node.attr.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::List(list)) => list.i.clone(),
        _ => Vec::new(),
    }
}

/// Returns a Boolean attribute of a node.
pub fn flag(node: &NodeDef, name: &str, default: bool) -> bool {
    match node.attr.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::B(value)) => *value,
        _ => default,
    }
}

/// Returns an element type attribute of a node; 0 if it has none.
pub fn dtype(node: &NodeDef, name: &str) -> i32 {
    match node.attr.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::Type(value)) => *value,
        _ => 0,
    }
}

/// Returns a byte string attribute of a node.
pub fn bytes<'g>(node: &'g NodeDef, name: &str) -> &'g [u8] {
    match node.attr.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::S(value)) => value,
        _ => &[],
    }
}

/// Returns the name of the function that a node calls.
pub(crate) fn called(node: &NodeDef) -> Option<&str> {
    match (node.op.as_str(), node.attr.get("f").and_then(|a| a.value.as_ref())) {
        ("PartitionedCall" | "StatefulPartitionedCall", Some(Attr::Func(function))) => Some(&function.name),
        _ => None,
    }
}
