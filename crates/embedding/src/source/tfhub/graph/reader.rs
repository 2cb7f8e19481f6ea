//! Walks a graph from its output to its input and gives every tensor on the way its meaning.
//!
//! Nodes are evaluated on demand, without recursion within a graph; calls nest to a limit, and all evaluations
//! together are counted, so that no graph takes long.

use std::collections::BTreeMap;

use super::capture::{Variable, Vocabulary};
use super::frame::{self, Frame, Reference};
use super::rules;
use super::value::Value;
use crate::source::tfhub::proto::{FunctionDef, GraphDef, MetaGraphDef, NodeDef};

/// How deep calls may nest.
const MAX_DEPTH: usize = 16;
/// How many nodes may be evaluated, calls counted each time.
const MAX_NODES: usize = 20_000;
/// How many inputs a node may have.
const MAX_INPUTS: usize = 4_096;

/// A graph under evaluation, and what it was found to use.
pub(super) struct Reader<'g> {
    pub(super) meta: &'g MetaGraphDef,
    pub(super) graph: &'g GraphDef,
    functions: BTreeMap<&'g str, &'g FunctionDef>,
    pub(super) variables: Vec<Variable>,
    pub(super) vocabularies: Vec<Vocabulary>,
    depth: usize,
    evaluated: usize,
}

impl<'g> Reader<'g> {
    pub(super) fn new(meta: &'g MetaGraphDef) -> Result<Self, String> {
        let graph = meta.graph_def.as_ref().ok_or("holds no graph")?;
        let library = graph.library.iter().flat_map(|library| &library.function);
        let functions = library.filter_map(|f| Some((f.signature.as_ref()?.name.as_str(), f))).collect();
        Ok(Self { meta, graph, functions, variables: Vec::new(), vocabularies: Vec::new(), depth: 0, evaluated: 0 })
    }

    pub(super) fn function(&self, name: &str) -> Result<&'g FunctionDef, String> {
        self.functions.get(name).copied().ok_or_else(|| format!("the graph has no function {name:?}"))
    }

    /// The values of a function's outputs.
    pub(super) fn call(&mut self, name: &str, arguments: Vec<Value>) -> Result<Vec<Value>, String> {
        let function = self.function(name)?;
        if self.depth == MAX_DEPTH {
            return Err(format!("calls nest deeper than {MAX_DEPTH}"));
        }
        let frame = Frame::function(function, arguments)?;
        let outputs = function.signature.iter().flat_map(|s| &s.output_arg);
        let returned = outputs.map(|output| {
            let source = function.ret.get(&output.name);
            source.map(String::as_str).ok_or_else(|| format!("the function {name:?} doesn't return {:?}", output.name))
        });
        let returned = returned.collect::<Result<Vec<_>, _>>()?;
        self.depth += 1;
        let values = returned.into_iter().map(|source| self.evaluate(&frame, source)).collect();
        self.depth -= 1;
        values
    }

    /// The value of one tensor.
    pub(super) fn evaluate(&mut self, frame: &Frame<'g>, source: &str) -> Result<Value, String> {
        let wanted = Reference::parse(source)?.ok_or("a control input has no value")?;
        let mut done: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut open = Vec::new();
        if frame.argument(wanted.node).is_none() {
            open.push(frame.node(wanted.node)?);
        }
        while let Some(&node) = open.last() {
            match self.step(frame, node, &done)? {
                Step::Needs(input) if open.iter().any(|n| n.name == input.name) => {
                    return Err(format!("the node {:?} feeds itself", input.name));
                }
                Step::Needs(input) => open.push(input),
                Step::Done(values) => {
                    done.insert(&node.name, values);
                    open.pop();
                }
            }
        }
        value_of(frame, &done, wanted)?.ok_or_else(|| format!("the tensor {source:?} has no value"))
    }

    /// Evaluates a node, or names an input that has to be evaluated before.
    fn step(
        &mut self,
        frame: &Frame<'g>,
        node: &'g NodeDef,
        done: &BTreeMap<&str, Vec<Value>>,
    ) -> Result<Step<'g>, String> {
        if node.input.len() > MAX_INPUTS {
            return Err(format!("the node {:?} (op {}) has more than {MAX_INPUTS} inputs", node.name, node.op));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for reference in Reference::inputs(node)? {
            match value_of(frame, done, reference)? {
                Some(value) => inputs.push(value),
                None => return Ok(Step::Needs(frame.node(reference.node)?)),
            }
        }
        self.evaluated += 1;
        if self.evaluated > MAX_NODES {
            return Err(format!("more than {MAX_NODES} nodes have to be read"));
        }
        let function =
            frame::called(node).or_else(|| self.functions.contains_key(node.op.as_str()).then_some(&node.op));
        let values = match function {
            Some(function) => self.call(function, inputs)?,
            None => {
                let fault = |reason| format!("the node {:?} (op {}) {reason}", node.name, node.op);
                rules::apply(self, node, &inputs).map_err(fault)?
            }
        };
        Ok(Step::Done(values))
    }
}

enum Step<'g> {
    Needs(&'g NodeDef),
    Done(Vec<Value>),
}

/// A tensor's value; none where its node isn't evaluated yet.
fn value_of(frame: &Frame<'_>, done: &BTreeMap<&str, Vec<Value>>, of: Reference<'_>) -> Result<Option<Value>, String> {
    if let Some(value) = frame.argument(of.node) {
        return Ok(Some(value.clone()));
    }
    let Some(values) = done.get(of.node) else { return Ok(None) };
    let op = &frame.node(of.node)?.op;
    match values.get(of.output(op)?) {
        Some(value) => Ok(Some(value.clone())),
        None => Err(format!("the node {:?} (op {op}) has fewer outputs than are used", of.node)),
    }
}
