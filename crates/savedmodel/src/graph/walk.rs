//! Walks a graph from wanted tensors to its inputs and gives every tensor on the way a value: a meaning, or a place in
//! a program.
//!
//! Nodes are evaluated on demand, without recursion within a graph; calls nest to a limit, and all evaluations
//! together are counted, so that no graph takes long.

use std::collections::BTreeMap;

use super::frame::{self, Frame, Reference};
use crate::proto::{FunctionDef, GraphDef, NodeDef};

/// How deep calls may nest.
const MAX_DEPTH: usize = 16;
/// How many nodes may be evaluated, calls counted each time.
const MAX_NODES: usize = 20_000;
/// How many inputs a node may have.
const MAX_INPUTS: usize = 4_096;

/// The functions of a graph, and how much of them has been walked.
pub struct Library<'g> {
    functions: BTreeMap<&'g str, &'g FunctionDef>,
    depth: usize,
    evaluated: usize,
}

impl<'g> Library<'g> {
    /// Those of a graph.
    pub fn new(graph: &'g GraphDef) -> Self {
        let library = graph.library.iter().flat_map(|library| &library.function);
        let functions = library.filter_map(|f| Some((f.signature.as_ref()?.name.as_str(), f))).collect();
        Self { functions, depth: 0, evaluated: 0 }
    }

    /// A function by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn function(&self, name: &str) -> Result<&'g FunctionDef, String> {
        self.functions.get(name).copied().ok_or_else(|| format!("the graph has no function {name:?}"))
    }
}

/// What gives values to tensors.
pub trait Walk<'g> {
    /// What a tensor is to it.
    type Value: Clone;

    /// The functions that may be called.
    fn library(&mut self) -> &mut Library<'g>;

    /// The outputs of a node that calls no function.
    ///
    /// # Errors
    /// What is wrong with the node, to stand behind its name.
    fn apply(&mut self, node: &'g NodeDef, inputs: &[Self::Value]) -> Result<Vec<Self::Value>, String>;

    /// The values of a function's outputs.
    ///
    /// # Errors
    /// When there is no such function, it doesn't fit its arguments, or a node in it can't be evaluated.
    fn call(&mut self, name: &str, arguments: Vec<Self::Value>) -> Result<Vec<Self::Value>, String> {
        let function = self.library().function(name)?;
        if self.library().depth == MAX_DEPTH {
            return Err(format!("calls nest deeper than {MAX_DEPTH}"));
        }
        let frame = Frame::function(function, arguments)?;
        let outputs = function.signature.iter().flat_map(|s| &s.output_arg);
        let returned = outputs.map(|output| {
            let source = function.ret.get(&output.name);
            source.map(String::as_str).ok_or_else(|| format!("the function {name:?} doesn't return {:?}", output.name))
        });
        let returned = returned.collect::<Result<Vec<_>, _>>()?;
        self.library().depth += 1;
        let values = self.evaluate(&frame, &returned);
        self.library().depth -= 1;
        values
    }

    /// The values of some tensors.
    ///
    /// # Errors
    /// When there is no such tensor, or a node on the way to it can't be evaluated.
    fn evaluate(&mut self, frame: &Frame<'g, Self::Value>, sources: &[&str]) -> Result<Vec<Self::Value>, String> {
        let mut done: BTreeMap<&str, Vec<Self::Value>> = BTreeMap::new();
        let one = |source: &&str| {
            let wanted = Reference::parse(source)?.ok_or("a control input has no value")?;
            if frame.argument(wanted.node).is_none() {
                self.finish(frame, frame.node(wanted.node)?, &mut done)?;
            }
            value_of(frame, &done, wanted)?.ok_or_else(|| format!("the tensor {source:?} has no value"))
        };
        sources.iter().map(one).collect()
    }

    /// Evaluates a node and all that it needs.
    ///
    /// # Errors
    /// Those of [`evaluate`](Self::evaluate).
    fn finish(
        &mut self,
        frame: &Frame<'g, Self::Value>,
        node: &'g NodeDef,
        done: &mut BTreeMap<&'g str, Vec<Self::Value>>,
    ) -> Result<(), String> {
        let mut open = if done.contains_key(node.name.as_str()) { Vec::new() } else { vec![node] };
        while let Some(&node) = open.last() {
            match self.step(frame, node, done)? {
                Next::Needs(input) if open.iter().any(|n| n.name == input.name) => {
                    return Err(format!("the node {:?} feeds itself", input.name));
                }
                Next::Needs(input) => open.push(input),
                Next::Done(values) => {
                    done.insert(&node.name, values);
                    open.pop();
                }
            }
        }
        Ok(())
    }

    /// Evaluates a node, or names an input that has to be evaluated before.
    ///
    /// # Errors
    /// Those of [`evaluate`](Self::evaluate).
    fn step(
        &mut self,
        frame: &Frame<'g, Self::Value>,
        node: &'g NodeDef,
        done: &BTreeMap<&'g str, Vec<Self::Value>>,
    ) -> Result<Next<'g, Self::Value>, String> {
        if node.input.len() > MAX_INPUTS {
            return Err(format!("the node {:?} (op {}) has more than {MAX_INPUTS} inputs", node.name, node.op));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for reference in Reference::inputs(node)? {
            match value_of(frame, done, reference)? {
                Some(value) => inputs.push(value),
                None => return Ok(Next::Needs(frame.node(reference.node)?)),
            }
        }
        let library = self.library();
        library.evaluated += 1;
        if library.evaluated > MAX_NODES {
            return Err(format!("more than {MAX_NODES} nodes have to be read"));
        }
        let direct = library.functions.contains_key(node.op.as_str()).then_some(node.op.as_str());
        let values = match frame::called(node).or(direct) {
            Some(function) => self.call(function, inputs)?,
            None => {
                let fault = |reason| format!("the node {:?} (op {}) {reason}", node.name, node.op);
                self.apply(node, &inputs).map_err(fault)?
            }
        };
        Ok(Next::Done(values))
    }
}

/// What a node needs, or what it gives.
pub enum Next<'g, V> {
    /// This node has to be evaluated before.
    Needs(&'g NodeDef),
    /// The values of the node's outputs.
    Done(Vec<V>),
}

/// A tensor's value; none where its node isn't evaluated yet.
fn value_of<V: Clone>(
    frame: &Frame<'_, V>,
    done: &BTreeMap<&str, Vec<V>>,
    of: Reference<'_>,
) -> Result<Option<V>, String> {
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
