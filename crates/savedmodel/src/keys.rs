//! Finds the keys under which a checkpoint stores the variables of a graph.
//!
//! A TF2 variable's key is in the checkpoint's own object graph, at the same path of names as in the SavedModel's. A
//! TF1 variable's key is its name, or that of the partitioned variable it is a slice of.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::graph::Variable;
use crate::proto::{
    MetaGraphDef, ObjectReference, SavedObjectGraph, TrackableObject, TrackableObjectGraph, VariableDef,
};
use crate::slices::Region;

/// The string tensor with the checkpoint's object graph.
const OBJECT_GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";
/// The attribute under which a variable stores its value.
const VALUE: &str = "VARIABLE_VALUE";

/// The keys of variables in a checkpoint.
pub struct Keys {
    objects: BTreeMap<usize, String>,
    nodes: BTreeMap<String, (String, Option<Region>)>,
}

impl Keys {
    /// Finds the keys of these variables.
    ///
    /// # Errors
    /// When the checkpoint's object graph is needed and can't be read.
    pub fn read<'v>(
        meta: &MetaGraphDef,
        bundle: &Bundle<'_>,
        mut variables: impl Iterator<Item = &'v Variable>,
    ) -> Result<Self, Error> {
        let captured = variables.any(|variable| matches!(variable, Variable::Object(_)));
        let objects = match &meta.object_graph_def {
            Some(saved) if captured => {
                let bytes = bundle.string(OBJECT_GRAPH)?;
                let stored = TrackableObjectGraph::decode(bytes.as_slice());
                matched(saved, &stored.map_err(|e| bundle.fault(OBJECT_GRAPH, &e.to_string()))?)
            }
            _ => BTreeMap::new(),
        };
        Ok(Self { objects, nodes: slices(meta) })
    }

    /// Returns a variable's key, and the region of the stored tensor that the variable is.
    ///
    /// # Errors
    /// When the checkpoint's object graph doesn't have the variable.
    pub fn of(&self, variable: &Variable) -> Result<(String, Option<Region>), String> {
        match variable {
            Variable::Object(id) => match self.objects.get(id) {
                Some(key) => Ok((key.clone(), None)),
                None => Err(format!("uses the variable {id}, whose key isn't in the checkpoint's object graph")),
            },
            Variable::Node(name) => Ok(self.nodes.get(name).cloned().unwrap_or_else(|| (name.clone(), None))),
        }
    }
}

/// Returns the keys of the SavedModel's objects: both graphs are walked from their roots by the same names.
fn matched(saved: &SavedObjectGraph, stored: &TrackableObjectGraph) -> BTreeMap<usize, String> {
    let mut keys = BTreeMap::new();
    let mut seen = vec![false; saved.nodes.len()];
    let mut open = VecDeque::from([(0, 0)]);
    while let Some((id, at)) = open.pop_front() {
        let (Some(object), Some(found)) = (saved.nodes.get(id), stored.nodes.get(at)) else { continue };
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        if let Some(key) = key(found) {
            keys.insert(id, key);
        }
        let names: BTreeMap<&str, &ObjectReference> =
            found.children.iter().map(|c| (c.local_name.as_str(), c)).collect();
        for child in &object.children {
            if let Some(same) = names.get(child.local_name.as_str())
                && let (Ok(id), Ok(at)) = (usize::try_from(child.node_id), usize::try_from(same.node_id))
            {
                open.push_back((id, at));
            }
        }
    }
    keys
}

fn key(object: &TrackableObject) -> Option<String> {
    object.attributes.iter().find(|a| a.name == VALUE).map(|a| a.checkpoint_key.clone())
}

/// For TF1: returns the partitioned variables that variables are slices of, by the names of their nodes.
fn slices(meta: &MetaGraphDef) -> BTreeMap<String, (String, Option<Region>)> {
    let collections = ["variables", "trainable_variables"].iter().filter_map(|name| meta.collection_def.get(*name));
    let bytes = collections.filter_map(|c| c.bytes_list.as_ref()).flat_map(|list| &list.value);
    let variables = bytes.filter_map(|bytes| VariableDef::decode(bytes.as_slice()).ok());
    variables.filter_map(|variable| slice(&variable)).collect()
}

fn slice(variable: &VariableDef) -> Option<(String, (String, Option<Region>))> {
    let slice = variable.save_slice_info_def.as_ref()?;
    let pair = |values: &[i64], across: i64| match *values {
        [a, b] => Some((usize::try_from(a).ok()?, usize::try_from(b).ok()?)),
        // A vector is a matrix of one column.
        [a] => Some((usize::try_from(a).ok()?, usize::try_from(across).ok()?)),
        _ => None,
    };
    let ((row, col), (rows, cols)) = (pair(&slice.var_offset, 0)?, pair(&slice.var_shape, 1)?);
    let node = variable.variable_name.split(':').next()?.to_owned();
    Some((node, (slice.full_name.clone(), Some(Region { row, col, rows, cols }))))
}
