//! The table of a module: its variables found in the checkpoint, and their rows brought into the order of ids.
//!
//! A TF2 variable's key stands in the checkpoint's own object graph, reached by the same names as in the SavedModel's.
//! A TF1 variable's key is its name, or that of the partitioned variable it is a slice of.

use std::collections::{BTreeMap, VecDeque};

use emberline_base::{Digest, Matrix};
use prost::Message;

use super::bundle::{Bundle, Floats};
use super::graph::{Lines, Plan, Variable};
use super::proto::{
    MetaGraphDef, ObjectReference, SavedObjectGraph, TrackableObject, TrackableObjectGraph, VariableDef,
};
use super::slices::Region;
use crate::Error;

/// The string tensor with the checkpoint's object graph.
const OBJECT_GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";
/// The attribute under which a variable keeps its value.
const VALUE: &str = "VARIABLE_VALUE";

/// Rows in the order of ids, `[rows, dim]`, and the content address of the bytes they came from.
pub(super) struct Table {
    pub(super) rows: Matrix,
    pub(super) digest: Digest,
}

/// Loads the variables of a plan. `fault` is for what the graph, not the checkpoint, has wrong.
pub(super) fn load(
    plan: &Plan,
    meta: &MetaGraphDef,
    bundle: &Bundle<'_>,
    lines: Lines,
    fault: impl Fn(String) -> Error,
) -> Result<Table, Error> {
    let keys = Keys::read(meta, bundle, plan)?;
    let mut parts = Vec::with_capacity(plan.variables().len());
    for variable in plan.variables() {
        let (key, region) = keys.of(variable).map_err(&fault)?;
        parts.push(bundle.floats(&key, region.as_ref())?);
    }
    let digest = Digest::of_parts(parts.iter().map(|part| part.digest.as_str().as_bytes()));
    let rows = if plan.is_plain() { parts.pop().map(plain) } else { None };
    match rows {
        Some(rows) => Ok(Table { rows, digest }),
        None => Ok(Table { rows: joined(plan, &parts, lines).map_err(fault)?, digest }),
    }
}

fn plain(part: Floats) -> Matrix {
    Matrix::new(part.rows, part.cols, part.values)
}

/// The rows of all parts, in the order of ids.
fn joined(plan: &Plan, parts: &[Floats], lines: Lines) -> Result<Matrix, String> {
    let cols = parts.first().map_or(0, |part| part.cols);
    if parts.iter().any(|part| part.cols != cols) {
        return Err("spreads a table over variables of different widths".to_owned());
    }
    let rows: usize = parts.iter().map(|part| part.rows).sum();
    let mut values = Vec::with_capacity(rows * cols);
    for id in 0..rows {
        let place = plan.place(id as i64, lines).and_then(|(part, row)| Some((parts.get(part)?, row)));
        let (part, row) = place
            .filter(|(part, row)| *row < part.rows)
            .ok_or_else(|| format!("looks for row {id} of {rows} where no variable has it"))?;
        values.extend_from_slice(&part.values[row * cols..(row + 1) * cols]);
    }
    Ok(Matrix::new(rows, cols, values))
}

/// The keys of variables in a checkpoint.
struct Keys {
    objects: BTreeMap<usize, String>,
    nodes: BTreeMap<String, (String, Option<Region>)>,
}

impl Keys {
    fn read(meta: &MetaGraphDef, bundle: &Bundle<'_>, plan: &Plan) -> Result<Self, Error> {
        let captured = plan.variables().any(|variable| matches!(variable, Variable::Object(_)));
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

    fn of(&self, variable: &Variable) -> Result<(String, Option<Region>), String> {
        match variable {
            Variable::Object(id) => match self.objects.get(id) {
                Some(key) => Ok((key.clone(), None)),
                None => Err(format!("uses the variable {id}, whose key isn't in the checkpoint's object graph")),
            },
            Variable::Node(name) => Ok(self.nodes.get(name).cloned().unwrap_or_else(|| (name.clone(), None))),
        }
    }
}

/// The keys of the SavedModel's objects: both graphs are walked from their roots by the same names.
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

/// TF1: the partitioned variables that variables are slices of, by the names of their nodes.
fn slices(meta: &MetaGraphDef) -> BTreeMap<String, (String, Option<Region>)> {
    let collections = ["variables", "trainable_variables"].iter().filter_map(|name| meta.collection_def.get(*name));
    let bytes = collections.filter_map(|c| c.bytes_list.as_ref()).flat_map(|list| &list.value);
    let variables = bytes.filter_map(|bytes| VariableDef::decode(bytes.as_slice()).ok());
    variables.filter_map(|variable| slice(&variable)).collect()
}

fn slice(variable: &VariableDef) -> Option<(String, (String, Option<Region>))> {
    let slice = variable.save_slice_info_def.as_ref()?;
    let pair = |values: &[i64]| match *values {
        [a, b] => Some((usize::try_from(a).ok()?, usize::try_from(b).ok()?)),
        _ => None,
    };
    let ((row, col), (rows, cols)) = (pair(&slice.var_offset)?, pair(&slice.var_shape)?);
    let node = variable.variable_name.split(':').next()?.to_owned();
    Some((node, (slice.full_name.clone(), Some(Region { row, col, rows, cols }))))
}
